//! What `copy` does on Linux alone: holes, links, special files, permissions, a full disk, and a
//! process that is killed.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::copy::{BEGUN, RECORDED, Scratch, contents, copy_with, names_in, slow_copy};
use crate::process::{run, tool};
use crate::system::send_signal;

#[test]
fn holes_stay_holes_and_what_is_between_them_is_copied() {
    const SIZE: u64 = (5 << 30) + 7;
    let scratch = Scratch::new();
    let path = scratch.write("source", b"");
    let source = OpenOptions::new().write(true).open(&path).expect("it opens");
    source.set_len(SIZE).expect("it can be made longer");
    let data = contents(70_000);
    let places = [0, 1 << 20, (1 << 32) + 12_345, SIZE - 70_000];
    for place in places {
        source.write_all_at(&data, place).expect("it can be written");
    }
    drop(source);
    for options in [&["--unbuffered", "never"], &["--unbuffered", "always"]] {
        for backend in ["ring", "helpers"] {
            let target = scratch.path("target");
            let ended =
                copy_with(backend, &[&["--json", &path, &target], options.as_slice()].concat());
            assert_eq!(ended.code(), 0, "{ended:?}");
            let summary = ended.json();
            let number = |name: &str| summary[name].as_u64().expect("a number");
            assert!((280_000..400_000).contains(&number("bytes")), "{summary:#}");
            assert_eq!(number("bytes") + number("hole_bytes"), SIZE);
            let copy = File::open(&target).expect("it is there");
            let facts = copy.metadata().expect("it has them");
            assert_eq!(facts.len(), SIZE);
            assert!(facts.blocks() * 512 < 1 << 20, "{} blocks", facts.blocks());
            for place in places {
                let mut there = vec![0; data.len()];
                copy.read_exact_at(&mut there, place).expect("it is so long");
                assert!(there == data, "at {place}");
            }
            let mut hole = [1; 4_096];
            copy.read_exact_at(&mut hole, 3 << 30).expect("it is so long");
            assert_eq!(hole, [0; 4_096]);
            fs::remove_file(&target).expect("it is there");
        }
    }
}

#[test]
fn links_stay_links_and_special_files_are_refused_while_the_rest_goes_on() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    scratch.write("tree/file", b"contents");
    symlink("file", scratch.path("tree/link")).expect("a link can be made");
    symlink("nowhere", scratch.path("tree/dangling")).expect("a link can be made");
    let made = Command::new("mkfifo").arg(scratch.path("tree/pipe")).status();
    assert!(made.expect("there is mkfifo").success());
    let (tree, target) = (scratch.path("tree"), scratch.path("target"));
    let ended = run(&["copy", "-r", "--json", &tree, &target]);
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("tree/pipe: it is no file"), "{}", ended.errors);
    assert_eq!(ended.json()["links"], 2);
    assert_eq!(names_in(target.as_ref()), ["dangling", "file", "link"]);
    assert_eq!(scratch.read("target/link"), b"contents");
    let link = |name: &str| fs::read_link(scratch.path(name)).expect("a link");
    assert_eq!(link("target/link"), Path::new("file"));
    assert_eq!(link("target/dangling"), Path::new("nowhere"));

    // A source that is a link stands for its file; so does a target.
    scratch.write("old", b"old");
    symlink("old", scratch.path("to")).expect("a link can be made");
    let ended = run(&["copy", "-q", &scratch.path("tree/link"), &scratch.path("to")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(scratch.read("old"), b"contents");
    assert_eq!(link("to"), Path::new("old"));
    // Through such a link source and target are the same.
    let ended = run(&["copy", "-q", &scratch.path("to"), &scratch.path("old")]);
    assert!(ended.code() == 1 && ended.errors.contains("same file"), "{ended:?}");
    let ended = run(&["copy", "-q", &scratch.path("old"), "/dev/null"]);
    assert!(ended.code() == 1 && ended.errors.contains("left as it is"), "{ended:?}");
    // What the kernel makes up as it is read has no size.
    let ended = run(&["copy", "-q", "/proc/self/status", &scratch.path("status")]);
    assert!(ended.code() == 1 && ended.errors.contains("0 bytes and has contents"), "{ended:?}");
    assert!(!scratch.names().contains(&"status".to_owned()));
}

#[test]
fn permissions_are_kept_but_those_that_lend_rights() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    let file = scratch.write("tree/file", b"contents");
    let set = |path: &str, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("they can be set");
    };
    set(&file, 0o4640);
    set(&scratch.path("tree"), 0o750);
    let ended = run(&["copy", "-rq", &scratch.path("tree"), &scratch.path("copy")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let facts = |name: &str| fs::metadata(scratch.path(name)).expect("it is there");
    assert_eq!(facts("copy/file").mode() & 0o7777, 0o640);
    assert_eq!(facts("copy").mode() & 0o7777, 0o750);
    assert_eq!(facts("copy").modified().ok(), facts("tree").modified().ok());
}

#[test]
fn what_may_not_be_read_or_written_is_told_and_left() {
    let scratch = Scratch::below(&std::env::temp_dir());
    let secret = scratch.write("secret", b"contents");
    let open = scratch.write("open", b"contents");
    // Whatever the umask is, nobody else comes that far.
    for (path, mode) in [(scratch.path(""), 0o755), (open.clone(), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("they can be set");
    }
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("they can be set");
    fs::create_dir(scratch.path("shut")).expect("a folder can be made");
    fs::set_permissions(scratch.path("shut"), fs::Permissions::from_mode(0o555)).expect("set");
    for (source, target, words) in [
        (&secret, "shut/new", "secret: it cannot be read"),
        (&open, "shut/new", "new: it cannot be written"),
    ] {
        let mut command = tool(&["copy", "-q", source, &scratch.path(target)]);
        // For root nothing is forbidden; this test becomes nobody then.
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let Ok(output) = command.output() else {
            eprintln!("skipped: what may not be read: nobody may not start the tool");
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(words), "{errors}");
    }
    assert_eq!(names_in(scratch.path("shut").as_ref()), [""; 0]);
}

#[test]
fn r59_e35_a_full_disk_ends_the_copy_with_one_line_and_leaves_nothing() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("small")).expect("a folder can be made");
    fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    for name in ["tree/1", "tree/2", "tree/3"] {
        scratch.write(name, &contents(3 << 20));
    }
    // The file system is in a namespace of its own, and goes with it.
    let script = "mount -t tmpfs -o size=5m none small || exit 77; echo old >small/target; \
                  \"$@\"; echo \"ended with $?\"; find small -type f";
    for backend in ["ring", "helpers"] {
        let output = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_overlapped"))
            .args(["copy", "--quiet", "--recursive", "--in-flight", "4", "tree", "small"])
            .env("OVERLAPPED_FILES", backend)
            .current_dir(scratch.path(""))
            .output();
        let output = match output {
            Ok(output) if output.status.success() => output,
            other => {
                eprintln!("skipped: a full disk: no small file system can be mounted: {other:?}");
                return;
            }
        };
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with("ended with 1\n"), "{said}{errors}");
        assert!(errors.contains("No space left on device"), "{errors}");
        assert!(errors.contains("make room there"), "{errors}");
        assert!(!said.contains("overlapped-copy"), "{said}");
        assert!(said.contains("small/target"), "{said}");
        assert!(said.lines().count() <= 3, "at most one of the three fits: {said}");
    }
}

#[test]
fn a_copy_that_is_killed_leaves_the_old_target_and_the_next_one_cleans_up() {
    const BYTES: usize = 16 << 20;
    for (options, begun) in [(["--quiet"].as_slice(), BEGUN), (&["--resume"], RECORDED)] {
        for round in 0..5 {
            let scratch = Scratch::new();
            let running = slow_copy(&scratch, BYTES, options, begun);
            // Some moment later; which one does not matter.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(round * 7) {
                std::thread::yield_now();
            }
            send_signal(running.id(), Signal::KILL);
            drop(running);
            let now = scratch.read("target");
            assert!(now == b"old" || now == contents(BYTES), "half of the target is there");
            if now == b"old" && options == ["--quiet"] && has_unnamed_files(&scratch) {
                assert_eq!(scratch.names(), ["source", "target"], "a file without a name is gone");
            }
            let (source, target) = (scratch.path("source"), scratch.path("target"));
            let ended = run(&["copy", "-q", "--automatic", &source, &target]);
            assert_eq!(ended.code(), 0, "{ended:?}");
            assert!(scratch.read("target") == contents(BYTES));
            assert_eq!(scratch.names(), ["source", "target"]);
        }
    }
}

/// Whether the file system of the tests has files without a name.
fn has_unnamed_files(scratch: &Scratch) -> bool {
    let flags = rustix::fs::OFlags::TMPFILE.bits().cast_signed();
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(scratch.path(""));
    opened.is_ok()
}
