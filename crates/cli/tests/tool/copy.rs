//! `copy` on every system: sizes, backends, what is refused, and what an interruption leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::process::{Ended, PATIENCE, Running, run, tool};
use crate::{schema, system};

/// A folder of one test, which goes when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    pub fn below(parent: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("copy-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a folder can be made");
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    pub fn write(&self, name: &str, contents: &[u8]) -> String {
        fs::write(self.path(name), contents).expect("it can be written");
        self.path(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it is there")
    }

    /// The names in it, in order.
    pub fn names(&self) -> Vec<String> {
        names_in(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|it| it.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Contents of which no two places look the same.
pub fn contents(bytes: usize) -> Vec<u8> {
    let mut word = 1u32;
    (0..bytes)
        .map(|_| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 24) as u8
        })
        .collect()
}

/// Around every border there is: sectors, pages, blocks, and four blocks.
const SIZES: [usize; 11] = [0, 1, 511, 512, 4_095, 4_096, 65_535, 65_536, 65_537, 262_144, 262_145];

/// Names what carries files, by the environment; "" leaves the choice to the tool.
pub fn copy_with(backend: &str, arguments: &[&str]) -> Ended {
    let mut command = tool(&[&["copy"], arguments].concat());
    if !backend.is_empty() {
        command.env("OVERLAPPED_FILES", backend);
    }
    let output = command.output().expect("the tool starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { status: output.status, output: text(output.stdout), errors: text(output.stderr) }
}

#[test]
fn r55_r56_r57_every_size_is_copied_whole_by_every_backend_buffered_or_not() {
    let backends: &[&str] =
        if cfg!(target_os = "linux") { &["", "ring", "helpers"] } else { &["", "helpers"] };
    let memory = Path::new("/dev/shm");
    let mut places = vec![Scratch::new()];
    if cfg!(target_os = "linux") && memory.is_dir() {
        places.push(Scratch::below(memory));
    } else {
        eprintln!("skipped: copies in memory: there is no /dev/shm");
    }
    for scratch in places {
        fs::create_dir(scratch.path("from")).expect("a folder can be made");
        for size in SIZES {
            scratch.write(&format!("from/{size}"), &contents(size));
        }
        for backend in backends {
            for unbuffered in ["never", "always"] {
                for options in [&["--in-flight", "1"] as &[&str], &["--verify"], &["--automatic"]] {
                    let (from, to) = (scratch.path("from"), scratch.path("to"));
                    let fixed = ["-r", &from, &to, "--json", "--unbuffered", unbuffered];
                    let ended = copy_with(backend, &[&fixed, options].concat());
                    assert_eq!(ended.code(), 0, "{ended:?}");
                    assert_eq!(names_in(to.as_ref()), names_in(from.as_ref()));
                    for size in SIZES {
                        let same = scratch.read(&format!("to/{size}")) == contents(size);
                        assert!(same, "{size} by {backend} {unbuffered}");
                    }
                    let summary = ended.json();
                    schema::check("copy", &summary);
                    let all: usize = SIZES.iter().sum();
                    assert_eq!(summary["files"], SIZES.len());
                    assert_eq!(summary["bytes"], all);
                    assert!(summary["peak_in_flight"].as_u64() <= summary["in_flight"].as_u64());
                    if *backend == "helpers" {
                        let said = summary["backend"].as_str().expect("text");
                        assert!(said.starts_with("helper threads"), "{said}");
                    }
                    if options == ["--verify"] {
                        assert_eq!(summary["verified_bytes"], all);
                    }
                    if unbuffered == "never" {
                        assert_eq!(summary["buffering"]["files_unbuffered"], 0);
                    }
                    fs::remove_dir_all(&to).expect("it is there");
                }
            }
        }
    }
}

#[test]
fn a_file_keeps_its_time_and_takes_the_place_of_an_old_one() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(100_000));
    let target = scratch.write("target", b"old");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    let file = fs::OpenOptions::new().write(true).open(&source).expect("it opens");
    file.set_modified(time).expect("it has a time");
    drop(file);
    let ended = run(&["copy", &source, &target]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    for word in ["copied", "100,000", "in flight", "buffered", "backend", "sync         none"] {
        assert!(ended.output.contains(word), "{word}: {}", ended.output);
    }
    assert_eq!(scratch.read("target"), contents(100_000));
    let facts = fs::metadata(&target).expect("it is there");
    assert_eq!(facts.modified().expect("a time"), time);
    assert_eq!(scratch.names(), ["source", "target"]);
    let ended = run(&["copy", "--quiet", &source, &target]);
    assert_eq!((ended.code(), ended.output.as_str(), ended.errors.as_str()), (0, "", ""));
}

#[test]
fn several_sources_go_into_a_folder_with_all_that_is_in_them() {
    let scratch = Scratch::new();
    let one = scratch.write("one", b"1");
    for folder in ["tree", "tree/empty", "tree/a", "tree/a/b", "into"] {
        fs::create_dir(scratch.path(folder)).expect("a folder can be made");
    }
    scratch.write("tree/two", b"2");
    scratch.write("tree/a/b/three", b"333");
    let (tree, into) = (scratch.path("tree"), scratch.path("into"));
    let ended = run(&["copy", "--recursive", "--json", "--sync", "all", &one, &tree, &into]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{ended:?}");
    let summary = ended.json();
    assert_eq!(summary["files"], 3);
    assert_eq!(summary["folders"], 4);
    assert_eq!(summary["operations"]["flushes"], 3);
    assert_eq!(scratch.read("into/one"), b"1");
    assert_eq!(scratch.read("into/tree/two"), b"2");
    assert_eq!(scratch.read("into/tree/a/b/three"), b"333");
    assert!(Path::new(&scratch.path("into/tree/empty")).is_dir());

    // What is there already is left alone by a copy that goes on, and nothing else is.
    scratch.write("into/tree/two", b"x");
    let ended = run(&["copy", "--recursive", "--json", "--resume", &one, &tree, &into]);
    let summary = ended.json();
    assert_eq!((&summary["files"], &summary["files_kept"]), (&1.into(), &2.into()));
    assert_eq!(scratch.read("into/tree/two"), b"2");
}

#[test]
fn what_cannot_be_copied_is_told_in_one_line_and_nothing_is_left() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"contents");
    let locked = scratch.write("locked", b"old");
    let mut permissions = fs::metadata(&locked).expect("it is there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).expect("they can be set");
    fs::create_dir(scratch.path("folder")).expect("a folder can be made");
    fs::create_dir(scratch.path("folder/source")).expect("a folder can be made");
    let path = |name: &str| scratch.path(name);
    let before = scratch.names();
    for (arguments, part) in [
        (vec![path("nothing"), path("new")], "nothing: it cannot be copied"),
        (vec![source.clone(), source.clone()], "same file"),
        (vec![source.clone(), path("folder/../source")], "same file"),
        (vec![source.clone(), locked.clone()], "may not be written"),
        (vec![source.clone(), path("no/such/folder")], "it cannot be written"),
        (vec![source.clone(), path("folder")], "a folder is in the place"),
        (vec![path("folder"), path("new")], "--recursive"),
        (vec![path("folder"), path("folder/new"), "-r".into()], "into itself"),
        (vec![source.clone(), locked.clone(), path("new")], "make it first"),
        (vec![source.clone(), format!("{}/", path("new"))], "make it first"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = run(&[&["copy", "-q"], arguments.as_slice()].concat());
        assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{arguments:?}: {ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
        assert!(ended.errors.contains(part), "{arguments:?}: {}", ended.errors);
        assert_eq!(scratch.names(), before, "{arguments:?}");
    }
    assert_eq!(scratch.read("source"), b"contents");
    assert_eq!(scratch.read("locked"), b"old");
    // Windows removes no file that may not be written.
    let mut permissions = fs::metadata(&locked).expect("it is there").permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "it is removed at once")]
    permissions.set_readonly(false);
    fs::set_permissions(&locked, permissions).expect("they can be set");
}

#[test]
fn one_of_several_that_fails_does_not_keep_the_others() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.write("one", b"1"), scratch.write("two", b"2"));
    fs::create_dir(scratch.path("into")).expect("a folder can be made");
    let ended = run(&["copy", &one, &scratch.path("none"), &two, &scratch.path("into"), "--json"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("none: it cannot be copied"), "{}", ended.errors);
    assert!(ended.errors.contains("2 of 2 files were copied; 1 problems"), "{}", ended.errors);
    let summary = ended.json();
    schema::check("copy", &summary);
    assert_eq!((&summary["files"], &summary["complete"]), (&2.into(), &false.into()));
    assert_eq!(names_in(scratch.path("into").as_ref()), ["one", "two"]);
}

/// Starts a copy that takes long, one page at a time, over an old target, and waits until it has begun: the
/// file whose name begins with `sign`, or one without a name, has `sign_bytes`.
pub fn slow_copy(
    scratch: &Scratch,
    bytes: usize,
    options: &[&str],
    (sign, sign_bytes): (&str, u64),
) -> Running {
    let source = scratch.write("source", &contents(bytes));
    let target = scratch.write("target", b"old");
    let slow = ["copy", "--block-size", "4k", "--in-flight", "1", &source, &target];
    let running = Running::start_until_interrupted(&[&slow, options].concat());
    let unnamed_counts = (sign, sign_bytes) == BEGUN;
    wait_for(|| {
        let named = scratch.names().into_iter().find(|name| name.starts_with(sign));
        let path = named.map(|name| scratch.path(&name)).unwrap_or_default();
        fs::metadata(path).is_ok_and(|facts| facts.len() >= sign_bytes)
            || (unnamed_counts && system::unnamed_bytes(running.id()) >= sign_bytes)
    });
    running
}

/// Waits until something holds.
pub fn wait_for(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::yield_now();
    }
}

/// Names without the mark that says which file a temporary one is.
pub fn without_marks(names: Vec<String>) -> Vec<String> {
    let without = |name: String| match name.split_once(".overlapped-") {
        Some((stem, rest)) => {
            format!("{stem}.overlapped-{}", rest.split('-').next().unwrap_or_default())
        }
        None => name,
    };
    names.into_iter().map(without).collect()
}

/// The temporary file has its size: the copy has begun.
pub const BEGUN: (&str, u64) = (".target.overlapped-copy-", 1);

/// The record says of some blocks that they were written.
pub const RECORDED: (&str, u64) = (".target.overlapped-record-", 500);

#[test]
fn ctrl_c_leaves_the_old_target_and_nothing_else_or_what_can_be_gone_on_from() {
    const BYTES: usize = 32 << 20;
    let scratch = Scratch::new();
    let ended = slow_copy(&scratch, BYTES, &["--json"], BEGUN).interrupt();
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("interrupted: 0 of 1 files were copied"), "{}", ended.errors);
    let summary = ended.json();
    schema::check("copy", &summary);
    assert_eq!((&summary["interrupted"], &summary["files"]), (&true.into(), &0.into()));
    assert_eq!(scratch.names(), ["source", "target"]);
    assert_eq!(scratch.read("target"), b"old");

    let ended = slow_copy(&scratch, BYTES, &["--resume"], RECORDED).interrupt();
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("the same command goes on"), "{}", ended.errors);
    let left = [".target.overlapped-copy", ".target.overlapped-record", "source", "target"];
    assert_eq!(without_marks(scratch.names()), left);
    assert_eq!(scratch.read("target"), b"old");
    let (source, target) = (scratch.path("source"), scratch.path("target"));
    let ended = run(&["copy", "--resume", "--automatic", "--json", &source, &target]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let summary = ended.json();
    let number = |name: &str| summary[name].as_u64().expect("a number");
    assert!(number("resumed_bytes") > 0, "{summary:#}");
    assert_eq!(number("resumed_bytes") + number("bytes"), BYTES as u64);
    assert_eq!(scratch.names(), ["source", "target"]);
    assert!(scratch.read("target") == contents(BYTES));
}
