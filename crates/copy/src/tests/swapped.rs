//! Somebody changes source and target while they are copied: no copy waits for what is put there, reads
//! through it, or writes elsewhere.

use super::{Hooks, Scratch, run};
use crate::{Plan, Settings, Stop, Summary};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Far beyond what any test takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("a pipe can be made");
}

/// A tree of two files, one in a folder, beside a folder with a file that is not of it.
fn tree() -> Scratch {
    let scratch = Scratch::new();
    for folder in ["source", "source/sub", "outside"] {
        fs::create_dir(scratch.0.join(folder)).expect("a folder can be made");
    }
    for (file, contents) in
        [("source/one", "1"), ("source/sub/two", "2"), ("outside/two", "secret")]
    {
        fs::write(scratch.0.join(file), contents).expect("it can be written");
    }
    scratch
}

fn plan_of(scratch: &Scratch) -> Plan {
    Plan::new(&[scratch.source()], &scratch.target(), true).expect("a plan")
}

fn run_it(plan: &Plan) -> Summary {
    run(plan, &Settings::default(), &(), &Stop::default(), &Hooks::default()).expect("a port")
}

#[test]
fn what_is_put_in_the_place_of_a_source_after_it_was_looked_at_is_neither_waited_for_nor_followed()
{
    for kind in ["pipe", "link to a file", "link to a pipe", "folder"] {
        let scratch = tree();
        let plan = plan_of(&scratch);
        let place = scratch.source().join("sub/two");
        fs::remove_file(&place).expect("it is there");
        let pipe = scratch.0.join("outside/pipe");
        make_pipe(&pipe);
        match kind {
            "pipe" => make_pipe(&place),
            "link to a file" => symlink(scratch.0.join("outside/two"), &place).expect("a link"),
            "link to a pipe" => symlink(pipe, &place).expect("a link"),
            _ => fs::create_dir(&place).expect("a folder"),
        }
        let summary = run_it(&plan);
        assert_eq!((summary.files, summary.failures.len()), (1, 1), "{kind}: {summary:?}");
        let said = summary.failures[0].to_string();
        assert!(said.contains("sub/two") && said.contains("no file any more"), "{kind}: {said}");
        assert_eq!(fs::read_dir(scratch.target().join("sub")).expect("it was made").count(), 0);
    }
}

#[test]
fn a_source_folder_that_becomes_a_link_or_another_folder_is_not_read() {
    let scratch = tree();
    let plan = plan_of(&scratch);
    // What was open is closed when others are opened; then it is reached anew.
    plan.sources.close_all();
    fs::rename(scratch.source().join("sub"), scratch.0.join("away")).expect("renamed");
    symlink(scratch.0.join("outside"), scratch.source().join("sub")).expect("a link");
    let summary = run_it(&plan);
    assert_eq!((summary.files, summary.failures.len()), (1, 1), "{summary:?}");
    assert!(summary.failures[0].text.contains("cannot be read"), "{summary:?}");
    assert_eq!(fs::read_dir(scratch.target().join("sub")).expect("it was made").count(), 0);

    let scratch = tree();
    let plan = plan_of(&scratch);
    plan.sources.close_all();
    fs::rename(scratch.source(), scratch.0.join("away")).expect("renamed");
    fs::create_dir(scratch.source()).expect("a folder can be made");
    fs::write(scratch.source().join("one"), "other").expect("it can be written");
    let summary = run_it(&plan);
    assert_eq!((summary.files, summary.failures.len()), (0, 2), "{summary:?}");
    let is_told = |failure: &crate::Failure| failure.text.contains("put in its place meanwhile");
    assert!(summary.failures.iter().all(is_told), "{summary:?}");
}

#[test]
fn a_target_folder_that_is_swapped_for_a_link_all_the_time_lets_nothing_out() {
    let scratch = tree();
    for number in 0..40 {
        let path = scratch.source().join(format!("sub/{number}"));
        fs::write(path, "contents").expect("it can be written");
    }
    fs::remove_file(scratch.0.join("outside/two")).expect("it is there");
    let (sub, link) = (scratch.target().join("sub"), scratch.target().join("link"));
    fs::create_dir_all(&sub).expect("a folder can be made");
    symlink("../outside", &link).expect("a link can be made");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).expect("swapped");
            }
        });
        // A panic here must not leave the other thread.
        let outcome = std::panic::catch_unwind(|| {
            let (mut copied, mut refused) = (0, 0);
            let begun = Instant::now();
            let mut rounds = 0;
            // Both happen when both threads run in turn, which is up to the scheduler.
            while rounds < 150 || copied == 0 || refused == 0 {
                assert!(begun.elapsed() < PATIENCE, "{copied} copied, {refused} refused");
                let source = scratch.source();
                let plan =
                    Plan::new(&[source.join("sub")], &scratch.target(), true).expect("a plan");
                let summary = run_it(&plan);
                copied += summary.files;
                refused += summary.failures.len();
                rounds += 1;
            }
        });
        over.store(true, Ordering::Relaxed);
        outcome.expect("every copy ends");
    });
    assert_eq!(fs::read_dir(scratch.0.join("outside")).expect("it is there").count(), 0);
}

#[test]
fn a_target_folder_that_is_moved_away_meanwhile_gets_its_files_still() {
    let scratch = tree();
    let target = scratch.target();
    let moved = scratch.0.join("moved");
    let away = moved.clone();
    let hooks = Hooks {
        opened: Some(Box::new(move |transfer, ()| {
            if transfer.source_path.ends_with("one") {
                fs::rename(&target, &away).expect("renamed");
            }
        })),
        ..Hooks::default()
    };
    let settings = Settings { in_flight: 1, ..Settings::default() };
    let summary =
        run(&plan_of(&scratch), &settings, &(), &Stop::default(), &hooks).expect("a port");
    // The folder is held, wherever it is now.
    assert_eq!((summary.files, summary.failures), (2, vec![]));
    assert_eq!(fs::read(moved.join("sub/two")).expect("it is there"), b"2");
}

#[test]
fn until_it_is_complete_a_copy_is_for_its_owner_alone_and_never_wider_than_its_source() {
    for resume in [false, true] {
        let scratch = tree();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("they can be set");
        };
        mode(&scratch.source().join("one"), 0o644);
        mode(&scratch.source().join("sub/two"), 0o640);
        mode(&scratch.source().join("sub"), 0o570);
        mode(&scratch.source(), 0o775);
        let target = scratch.target();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let tell = seen.clone();
        let hooks = Hooks {
            claimed: Some(Box::new(move |transfer, _| {
                let mode = |path: &Path| fs::metadata(path).map_or(0o777, |it| it.mode() & 0o777);
                let file = mode(transfer.open_path().as_ref());
                tell.lock().expect("no panic").push((
                    file,
                    mode(&target),
                    mode(&target.join("sub")),
                ));
            })),
            ..Hooks::default()
        };
        let settings = Settings { resume, ..Settings::default() };
        let plan = plan_of(&scratch);
        let summary = run(&plan, &settings, &(), &Stop::default(), &hooks).expect("a port");
        assert_eq!(summary.failures, []);
        let seen = seen.lock().expect("no panic");
        let is_narrow = |(file, folder, sub): &(u32, u32, u32)| {
            *file == 0o600 && folder & !0o775 == 0 && sub & 0o077 & !0o070 == 0
        };
        assert!(!seen.is_empty() && seen.iter().all(is_narrow), "{seen:?}");
        let facts = |name: &str| fs::metadata(scratch.target().join(name)).expect("it is there");
        assert_eq!(facts("one").mode() & 0o777, 0o644);
        assert_eq!(facts("sub/two").mode() & 0o777, 0o640);
        assert_eq!(facts("sub").mode() & 0o777, 0o570);
    }
}

#[test]
fn a_tree_is_deeper_than_a_path_may_be_long_and_than_descriptors_there_are() {
    const DEPTH: usize = 600;
    let scratch = tree();
    let (name, mode) = ("abcdefgh", Mode::from_raw_mode(0o755));
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let below = |folder, make: bool| {
        if make {
            rustix::fs::mkdirat(&folder, name, mode).expect("a folder can be made");
        }
        rustix::fs::openat(&folder, name, flags, Mode::empty()).expect("it is there")
    };
    let open = |path: &Path| rustix::fs::open(path, flags, Mode::empty()).expect("it is there");
    let last = (0..DEPTH).fold(open(&scratch.source()), |folder, _| below(folder, true));
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&last, "deep", create, mode).expect("a file can be made");
    rustix::io::write(&file, b"deep").expect("it can be written");
    let summary = run_it(&plan_of(&scratch));
    assert_eq!(summary.failures, []);
    assert_eq!((summary.files, summary.folders), (3, DEPTH as u64 + 2));
    let last = (0..DEPTH).fold(open(&scratch.target()), |folder, _| below(folder, false));
    let file = rustix::fs::openat(&last, "deep", rustix::fs::OFlags::RDONLY, mode).expect("a copy");
    let mut contents = [0; 9];
    assert_eq!(rustix::io::read(&file, &mut contents), Ok(4));
}

/// An access list, as xattr(7) has it: what each entry is, what it allows, and for whom.
fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (kind, rights, whom) in entries {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(whom.to_le_bytes());
    }
    bytes
}

#[test]
fn an_access_list_of_source_or_target_lets_nobody_in_that_the_source_keeps_out() {
    use crate::Inability;
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    const NOBODY: u32 = u32::MAX;
    let scratch = tree();
    // One more user may read, the group may not: the group's permissions then say what that user may.
    let list = access_list(&[
        (1, 7, NOBODY),
        (2, 6, 65_534),
        (4, 0, NOBODY),
        (16, 7, NOBODY),
        (32, 0, NOBODY),
    ]);
    let set = |path: &Path, name: &str, list: &[u8]| {
        setxattr(path, name, list, XattrFlags::empty()).is_ok()
    };
    let (one, sub) = (scratch.source().join("one"), scratch.source().join("sub"));
    let name = "system.posix_acl_access";
    if !set(&one, name, &list) || !set(&sub, name, &list) {
        eprintln!("skipped: access lists: this file system has none");
        return;
    }
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&one), mode(&sub)), (0o770, 0o770));
    fs::set_permissions(sub.join("two"), fs::Permissions::from_mode(0o640)).expect("set");
    // A folder that gives a list to all that is made in it.
    fs::create_dir(scratch.target()).expect("a folder can be made");
    assert!(set(&scratch.target(), "system.posix_acl_default", &list));
    let summary = run_it(&plan_of(&scratch));
    assert_eq!((summary.files, summary.failures), (2, vec![]));
    let kinds: Vec<Inability> = summary.warnings.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Inability::AccessLists], "{:?}", summary.warnings);
    for (path, expected) in [("one", 0o700), ("sub", 0o700), ("sub/two", 0o640)] {
        let path = scratch.target().join("source").join(path);
        assert_eq!(mode(&path), expected, "{}", path.display());
        assert!(
            getxattr(&path, name, &mut [0; 1]).is_err_and(|it| it == rustix::io::Errno::NODATA)
        );
    }
}
