//! `copy` and `fetch` in folders where others have put files, links and whatever else there is, under every
//! name that a temporary file or a record could have (Linux).

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::copy::{RECORDED, Scratch, contents, names_in};
use crate::process::{Ended, Running, run};
use crate::system::send_signal;
use crate::transfer::{fetch, send};

const BYTES: usize = 300_000;

/// How long the file is whose copy is killed.
const LEFT_BYTES: usize = 2 << 20;

/// Every file below a folder with its contents, every link with where it leads, in order.
fn all_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(at).expect("it is a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("it is below").to_owned();
            let facts = path.symlink_metadata().expect("it is there");
            if facts.is_dir() {
                waiting.push(path);
            } else if facts.is_symlink() {
                let to = fs::read_link(path).expect("a link");
                found.push((name, to.as_os_str().as_bytes().to_owned()));
            } else {
                found.push((name, fs::read(path).expect("it can be read")));
            }
        }
    }
    found.sort();
    found
}

/// Leaves what a copy with `--resume` to `target` leaves that is killed, and gives the two files.
fn killed(scratch: &Scratch) -> (String, String) {
    let source = scratch.write("source", &contents(LEFT_BYTES));
    let target = scratch.write("target", b"old");
    let slow = ["copy", "-q", "--resume", "--block-size", "4k", "--in-flight", "1"];
    // A copy may be over before it is seen.
    for _ in 0..100 {
        let running = Running::start(&[&slow[..], &[&source, &target]].concat());
        let left = loop {
            let names = scratch.names();
            let left = |part: &str| names.iter().find(|name| name.contains(part)).cloned();
            let record = left(".overlapped-record-");
            let path = record.as_ref().map(|name| scratch.path(name)).unwrap_or_default();
            match (left(".overlapped-copy-"), record) {
                (Some(temporary), Some(record))
                    if fs::metadata(path).is_ok_and(|facts| facts.len() >= RECORDED.1) =>
                {
                    break Some((temporary, record));
                }
                _ if fs::metadata(&target).is_ok_and(|facts| facts.len() > 3) => break None,
                _ => std::thread::yield_now(),
            }
        };
        send_signal(running.id(), Signal::KILL);
        drop(running);
        if let Some((temporary, record)) = left
            && Path::new(&scratch.path(&temporary)).exists()
        {
            return (temporary, record);
        }
        scratch.write("target", b"old");
    }
    panic!("no copy is slow enough to be killed");
}

#[test]
fn a_tree_that_holds_what_a_killed_copy_has_left_is_copied_whole() {
    let scratch = Scratch::new();
    let (temporary, record) = killed(&scratch);
    fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    for name in ["target", &temporary, &record] {
        fs::rename(scratch.path(name), scratch.path(&format!("tree/{name}"))).expect("renamed");
    }
    // What is called so and is none: of another version, of another file, of files that are there.
    let mark = temporary.rsplit('-').next().expect("a mark");
    for name in [
        ".target.overlapped-copy",
        ".target.overlapped-record",
        ".target.overlapped-fetch",
        ".target.overlapped-copy-1.1",
        ".target.overlapped-record-0.0",
        &format!(".target.overlapped-copy-{mark}-1"),
        &format!(".other.overlapped-copy-{mark}"),
        "other",
    ] {
        scratch.write(&format!("tree/{name}"), format!("of {name}").as_bytes());
    }
    let (tree, copy) = (scratch.path("tree"), scratch.path("copy"));
    let expected = all_below(tree.as_ref());
    assert_eq!(expected.len(), 11);
    for options in
        [&[] as &[&str], &["--verify"], &["--sync", "all"], &["--in-flight", "1"], &["--resume"]]
    {
        for _ in 0..8 {
            // Twice, so that each name is made once and replaced once.
            for _ in 0..2 {
                let ended = run(&[&["copy", "-q", "-r", &tree, &copy], options].concat());
                assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{options:?}");
                // The second time it goes into the folder.
                let into = format!("{copy}/tree");
                let made = if Path::new(&into).is_dir() { into } else { copy.clone() };
                assert!(all_below(made.as_ref()) == expected, "{options:?}");
                fs::create_dir_all(&copy).expect("it is there");
                if made == copy {
                    let inner = format!("{copy}-inner");
                    fs::rename(&copy, &inner).expect("renamed");
                    fs::create_dir(&copy).expect("a folder can be made");
                    fs::rename(inner, format!("{copy}/tree")).expect("renamed");
                }
            }
            // One of them alone does not take the others, which are copies, for its own leftovers.
            let source = format!("{tree}/target");
            let into = format!("{copy}/tree");
            let ended = run(&[&["copy", "-q", &source, &into], options].concat());
            assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{options:?}");
            assert!(all_below(into.as_ref()) == expected, "{options:?}");
            fs::remove_dir_all(&copy).expect("it is there");
        }
    }
}

#[test]
fn what_was_left_is_copied_like_any_file_when_it_is_named() {
    let scratch = Scratch::new();
    let (temporary, record) = killed(&scratch);
    let before = scratch.read(&temporary);
    fs::create_dir(scratch.path("into")).expect("a folder can be made");
    let (source, left) = (scratch.path("source"), scratch.path(&temporary));
    let ended = run(&["copy", "-q", &source, &left, &scratch.path("into")]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    assert_eq!(names_in(scratch.path("into").as_ref()), [temporary.as_str(), "source"]);
    assert!(scratch.read(&format!("into/{temporary}")) == before);
    // To the very name that it was left for.
    let ended = run(&["copy", "-q", "--resume", &left, &scratch.path("target")]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    assert!(scratch.read("target") == before && scratch.read(&temporary) == before);
    // A copy of the first source takes both away.
    let ended = run(&["copy", "-q", &source, &scratch.path("target")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(scratch.names(), ["into", "source", "target"]);
    assert!(!record.is_empty());
}

/// What somebody puts in the place of a file that was left, and how it is seen that it was let alone.
type Foreign = (&'static str, fn(&Path) -> bool, fn(&Path) -> bool);

fn is_text(path: &Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|found| found == text.as_bytes())
}

const FOREIGN: &[Foreign] = &[
    ("a file", |it| fs::write(it, "foreign").is_ok(), |it| is_text(it, "foreign")),
    ("an empty file", |it| fs::write(it, "").is_ok(), |it| is_text(it, "")),
    ("a folder", |it| fs::create_dir(it).is_ok(), |it| it.is_dir()),
    (
        "a link",
        |it| symlink("victim", it).is_ok(),
        |it| fs::read_link(it).is_ok_and(|to| to == Path::new("victim")),
    ),
    (
        "a link that leads nowhere",
        |it| symlink("nowhere", it).is_ok(),
        |it| it.is_symlink() && !it.with_file_name("nowhere").exists(),
    ),
    (
        "a hard link",
        |it| fs::hard_link(it.with_file_name("victim"), it).is_ok(),
        |it| is_text(it, "victim"),
    ),
    (
        "a pipe",
        |it| Command::new("mkfifo").arg(it).status().is_ok_and(|made| made.success()),
        |it| it.symlink_metadata().is_ok_and(|facts| !facts.is_file()),
    ),
    (
        "a socket",
        |it| UnixListener::bind(it).is_ok(),
        |it| it.symlink_metadata().is_ok_and(|facts| !facts.is_file()),
    ),
    (
        "a device",
        |it| {
            let made = Command::new("mknod").arg(it).args(["c", "1", "5"]).status();
            made.is_ok_and(|made| made.success())
        },
        |it| it.symlink_metadata().is_ok_and(|facts| !facts.is_file()),
    ),
];

#[test]
fn what_is_in_the_place_of_a_temporary_file_or_record_is_never_opened_emptied_or_removed() {
    for (kind, put, is_there) in FOREIGN {
        for place in ["file", "record", "old names"] {
            for options in [&["--resume"] as &[&str], &[]] {
                let scratch = Scratch::new();
                let (temporary, record) = killed(&scratch);
                scratch.write("victim", b"victim");
                let places = match place {
                    "file" => vec![temporary],
                    "record" => vec![record],
                    _ => vec![
                        ".target.overlapped-copy".to_owned(),
                        ".target.overlapped-record".to_owned(),
                    ],
                };
                let mut is_put = true;
                for name in &places {
                    let path = scratch.path(name);
                    // As its number may be that of the next file, the old one goes away and stays.
                    if Path::new(&path).exists() {
                        fs::rename(&path, scratch.path(&format!("kept{name}"))).expect("renamed");
                    }
                    is_put &= put(path.as_ref());
                }
                if !is_put {
                    eprintln!("skipped: {kind}: it cannot be made here");
                    continue;
                }
                let (source, target) = (scratch.path("source"), scratch.path("target"));
                let ended = run(&[&["copy", "-q", &source, &target], options].concat());
                assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{kind} as {place}");
                assert!(scratch.read("target") == contents(LEFT_BYTES), "{kind} as {place}");
                assert_eq!(scratch.read("victim"), b"victim", "{kind} as {place}");
                for name in &places {
                    let path = scratch.path(name);
                    assert!(is_there(path.as_ref()), "{kind} as {place}: {:?}", scratch.names());
                }
                let ours = |name: &String| name.starts_with('.') && !places.contains(name);
                assert!(!scratch.names().iter().any(ours), "{kind}: {:?}", scratch.names());
            }
        }
    }
}

#[test]
fn what_another_user_has_left_is_not_gone_on_from_and_a_second_name_is_noticed() {
    let scratch = Scratch::new();
    let (temporary, record) = killed(&scratch);
    let (source, target) = (scratch.path("source"), scratch.path("target"));
    fs::hard_link(scratch.path(&temporary), scratch.path("second name")).expect("a link");
    let ended = run(&["copy", "-q", "--resume", &source, &target]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    assert!(scratch.read("target") == contents(LEFT_BYTES));
    assert!(scratch.names().contains(&temporary), "it is not ours alone: {:?}", scratch.names());

    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: what another user has left: only root gives files away");
        return;
    }
    let scratch = Scratch::new();
    let (temporary, other) = killed(&scratch);
    assert_ne!(record, other);
    for name in [&temporary, &other] {
        std::os::unix::fs::chown(scratch.path(name), Some(65_534), None).expect("root may");
    }
    let before = scratch.read(&temporary);
    let (source, target) = (scratch.path("source"), scratch.path("target"));
    let ended = run(&["copy", "--json", "--resume", &source, &target]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.json()["resumed_bytes"], 0);
    assert_eq!(fs::metadata(&target).expect("it is there").uid(), 0);
    assert!(scratch.read("target") == contents(LEFT_BYTES));
    assert!(scratch.read(&temporary) == before && scratch.names().contains(&other));
}

#[test]
fn what_may_not_be_changed_or_removed_costs_nothing() {
    let scratch = Scratch::new();
    let (temporary, _) = killed(&scratch);
    let immutable = |on: &str| {
        let done = Command::new("chattr").arg(on).arg(scratch.path(&temporary)).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !immutable("+i") {
        eprintln!("skipped: a file that may not be changed: no chattr, or it is not allowed here");
        return;
    }
    let (source, target) = (scratch.path("source"), scratch.path("target"));
    let ended = [&["--resume"] as &[&str], &[]].map(|options| {
        let ended = run(&[&["copy", "-q", &source, &target], options].concat());
        (ended, scratch.read("target") == contents(LEFT_BYTES))
    });
    assert!(immutable("-i"));
    for (ended, is_right) in ended {
        assert_eq!((ended.code(), ended.errors.as_str(), is_right), (0, "", true));
    }
}

#[test]
fn a_fetch_empties_nothing_through_its_record_and_is_private_until_it_is_complete() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(BYTES));
    scratch.write("victim", b"victim");
    for name in [".got.overlapped-fetch", ".got.overlapped-fetched", ".got.overlapped-fetched-1.1"]
    {
        symlink("victim", scratch.path(name)).expect("a link can be made");
    }
    scratch.write("got", b"old");
    fs::set_permissions(scratch.path("got"), Permissions::from_mode(0o600)).expect("set");
    let (sender, address) = send(&source, &[]);
    for options in [&["--resume"] as &[&str], &[]] {
        let ended = fetch(&address, &scratch.path("got"), &[&["--force", "-q"], options].concat());
        assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{options:?}");
        assert!(scratch.read("got") == contents(BYTES));
        assert_eq!(scratch.read("victim"), b"victim");
        assert_eq!(fs::metadata(scratch.path("got")).expect("there").mode() & 0o777, 0o600);
        scratch.write("got", b"old");
    }
    // A new file has the permissions that every program gives it.
    File::create(scratch.path("usual")).expect("it can be made");
    let mode = |name: &str| fs::metadata(scratch.path(name)).expect("it is there").mode();
    for options in [&["--resume"] as &[&str], &[]] {
        let ended = fetch(&address, &scratch.path("new"), options);
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert_eq!(mode("new"), mode("usual"));
        fs::remove_file(scratch.path("new")).expect("it is there");
    }
    assert_eq!(sender.interrupt().code(), 0);
    let dots = scratch.names().into_iter().filter(|name| name.starts_with('.')).count();
    assert_eq!(dots, 3, "{:?}", scratch.names());
}

#[test]
fn links_in_the_target_tree_are_not_gone_through() {
    let scratch = Scratch::new();
    for folder in ["tree", "tree/sub", "tree/sub/deeper", "out", "into", "into/tree"] {
        fs::create_dir(scratch.path(folder)).expect("a folder can be made");
    }
    for file in ["tree/sub/one", "tree/sub/deeper/two", "tree/three", "tree/four", "out/four"] {
        scratch.write(file, file.as_bytes());
    }
    symlink("../../out", scratch.path("into/tree/sub")).expect("a link can be made");
    symlink("../../out/four", scratch.path("into/tree/four")).expect("a link can be made");
    let (tree, into) = (scratch.path("tree"), scratch.path("into"));
    for _ in 0..2 {
        let ended = run(&["copy", "-r", "-q", &tree, &into]);
        assert_eq!(ended.code(), 1);
        // One line for the folder, one for the file, and how many there were.
        assert_eq!(ended.errors.lines().count(), 3, "{}", ended.errors);
        assert!(ended.errors.contains("tree/sub: a link is in the place of the folder"));
        assert!(ended.errors.contains("tree/four: a link is in the place of the file"));
        assert_eq!(names_in(scratch.path("out").as_ref()), ["four"]);
        assert_eq!(scratch.read("out/four"), b"out/four");
        assert_eq!(scratch.read("into/tree/three"), b"tree/three");
    }
    // The folder that is named on the command line is not gone through either.
    fs::remove_dir_all(scratch.path("into/tree")).expect("it is there");
    symlink("../out", scratch.path("into/tree")).expect("a link can be made");
    let ended = run(&["copy", "-r", "-q", &tree, &into]);
    assert_eq!((ended.code(), ended.errors.lines().count()), (1, 1), "{ended:?}");
    assert_eq!(names_in(scratch.path("out").as_ref()), ["four"]);
    // Nor a link that a file would replace in a folder.
    let ended = run(&["copy", "-q", &scratch.path("tree/three"), &scratch.path("into/tree")]);
    assert_eq!(ended.code(), 0, "a folder that is the target may be a link: {ended:?}");
    assert_eq!(names_in(scratch.path("out").as_ref()), ["four", "three"]);
}

/// Names that have done harm to programs elsewhere.
const HOSTILE: [&[u8]; 22] = [
    b"-rf",
    b"--",
    b" ",
    b"trailing ",
    b"dot.",
    b"...",
    b"~",
    b"*",
    b"$(touch harm)",
    b"`touch harm`",
    b";touch harm",
    b"a\nb",
    b"\x1b[2J",
    b"\xff\xfe",
    b"back\\slash",
    b"'quote\"",
    b"%s%n",
    b"a\tb\rc",
    b"\xe2\x80\xaegpj.exe",
    b"\xd8\x9c",
    b"nul",
    b".overlapped-link-",
];

#[test]
fn hostile_names_are_copied_like_others() {
    let scratch = Scratch::new();
    for folder in ["tree", "tree/sub"] {
        fs::create_dir(scratch.path(folder)).expect("a folder can be made");
    }
    let tree = PathBuf::from(scratch.path("tree"));
    let longest = [b'x'; 255];
    let names = HOSTILE.into_iter().chain([&longest[..], &[0xc3; 255]]);
    for (number, name) in names.enumerate() {
        let name = OsStr::from_bytes(name);
        fs::write(tree.join(name), format!("{number}")).expect("it can be made");
        fs::create_dir(tree.join("sub").join(name)).expect("it can be made");
        fs::write(tree.join("sub").join(name).join(name), format!("{number}")).expect("made");
        symlink(name, tree.join("sub").join(name).join("link")).expect("it can be made");
    }
    let expected = all_below(&tree);
    for options in [&[] as &[&str], &["--resume"], &["--resume", "--verify"]] {
        let copy = scratch.path("copy");
        for _ in 0..2 {
            let ended =
                run(&[&["copy", "-q", "-r", scratch.path("tree").as_str(), &copy], options]
                    .concat());
            assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{options:?}");
            let into = PathBuf::from(format!("{copy}/tree"));
            let made = if into.is_dir() { into } else { copy.clone().into() };
            assert!(all_below(&made) == expected, "{options:?}");
        }
        fs::remove_dir_all(&copy).expect("it is there");
    }
    assert_eq!(scratch.names(), ["tree"]);
    // A line of errors stays one line, whatever the name is.
    fs::create_dir_all(scratch.path("copy/a\nb")).expect("a folder can be made");
    let ended: Ended = run(&["copy", "-q", &scratch.path("tree/a\nb"), &scratch.path("copy")]);
    assert_eq!((ended.code(), ended.errors.lines().count()), (1, 1), "{ended:?}");
}

#[test]
fn ten_terabytes_of_holes_are_copied_as_holes() {
    const SIZE: u64 = 10 << 40;
    let scratch = Scratch::new();
    let path = scratch.write("source", b"");
    let source = fs::OpenOptions::new().write(true).open(&path).expect("it opens");
    if let Err(error) = source.set_len(SIZE) {
        eprintln!("skipped: 10 TB of holes: this file system has no such files ({error})");
        return;
    }
    std::os::unix::fs::FileExt::write_all_at(&source, b"last", SIZE - 4).expect("written");
    drop(source);
    for options in [&[] as &[&str], &["--resume"], &["--unbuffered", "always"]] {
        let target = scratch.path("target");
        let ended = run(&[&["copy", "--json", &path, &target], options].concat());
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.json()["bytes"].as_u64() <= Some(8_192), "{ended:?}");
        let facts = fs::metadata(&target).expect("it is there");
        assert_eq!(facts.len(), SIZE);
        assert!(facts.blocks() * 512 <= 1 << 20, "{} blocks", facts.blocks());
        let mut last = [0; 4];
        let copy = File::open(&target).expect("it is there");
        std::os::unix::fs::FileExt::read_exact_at(&copy, &mut last, SIZE - 4).expect("so long");
        assert_eq!(&last, b"last");
        fs::remove_file(&target).expect("it is there");
    }
}
