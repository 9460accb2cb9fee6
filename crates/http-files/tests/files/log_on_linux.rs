//! An access log that cannot be written, and then can be again.

use crate::world::{Folder, PATIENCE, World, settings};
use overlapped_http_files::{AccessLog, LogTrouble, Settings};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A world whose log is at `path`, and who tells of its trouble.
fn logging(path: std::path::PathBuf, tell: fn(&LogTrouble)) -> World {
    let access_log = Some(AccessLog::File(path));
    World::with(Settings { access_log, on_log_trouble: Some(tell), ..settings() })
}

/// What the log of one test has said.
struct Said(Mutex<Vec<String>>);

impl Said {
    const fn nothing() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn hear(&self, trouble: &LogTrouble) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(trouble.to_string());
    }

    /// Waits until something with these words was said.
    fn until(&self, words: &str) {
        let said = || self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        until(|| said().iter().any(|it| it.contains(words)), || format!("{words}: {:?}", said()));
    }
}

fn until(is_so: impl Fn() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{}", what());
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

/// Waits until a log has so many lines.
fn until_lines(path: &std::path::Path, count: usize) {
    let text = || std::fs::read_to_string(path).unwrap_or_default();
    until(|| text().lines().count() >= count, text);
    assert_eq!(text().lines().count(), count, "{}", text());
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_when_it_has_room_again() {
    static SAID: Said = Said::nothing();
    let folder = Folder::new();
    let path = folder.path().join("log");
    // The device whose disk is always full.
    std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
    let world = logging(path.clone(), |trouble| SAID.hear(trouble));
    world.get("/first");
    SAID.until("the access log cannot be written: No space left on device");
    for _ in 0..50 {
        world.get("/meanwhile");
    }
    std::fs::remove_file(&path).expect("removed");
    SAID.until("written again; 0 lines are lost");
    until_lines(&path, 51);
    assert_eq!(world.server.status().log_lines_lost, 0);
}

#[test]
fn a_log_that_is_moved_or_whose_folder_is_removed_is_made_anew() {
    static SAID: Said = Said::nothing();
    let folder = Folder::new();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).expect("a folder");
    let path = inner.join("log");
    let world = logging(path.clone(), |trouble| SAID.hear(trouble));
    world.get("/first");
    until_lines(&path, 1);
    std::fs::rename(&path, inner.join("log.1")).expect("moved");
    world.get("/second");
    until_lines(&path, 1);
    std::fs::remove_dir_all(&inner).expect("removed");
    world.get("/third");
    SAID.until("the access log cannot be written: No such file or directory");
    std::fs::create_dir(&inner).expect("a folder");
    SAID.until("written again; 0 lines are lost");
    until_lines(&path, 1);
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    static SAID: Said = Said::nothing();
    let folder = Folder::new();
    let path = folder.path().join("log");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    let world = logging(path.clone(), |trouble| SAID.hear(trouble));
    let mut client = world.connect();
    assert_eq!(client.get("/first", "").status, 404);
    SAID.until("the access log cannot be written: nobody reads the pipe");
    // A reader that does not read: the pipe is full after 64 KiB.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), flags);
    let mut reader = options.open(&path).expect("the pipe");
    SAID.until("written again; 0 lines are lost");
    let long = "x".repeat(900);
    for _ in 0..200 {
        assert_eq!(client.get(&format!("/{long}"), "").status, 404);
    }
    SAID.until("the access log cannot be written: nobody reads it");
    // Now it does.
    let mut lines = 0;
    let mut piece = vec![0; 64 * 1024];
    let deadline = Instant::now() + PATIENCE;
    while lines < 201 {
        assert!(Instant::now() < deadline, "{lines} lines");
        if let Ok(length) = std::io::Read::read(&mut reader, &mut piece) {
            lines += piece[..length].iter().filter(|byte| **byte == b'\n').count();
        }
    }
    assert_eq!(world.server.status().log_lines_lost, 0);
    drop(reader);
    client.get("/last", "");
    let stopped = world.server.stop(PATIENCE);
    assert_eq!(stopped.status.log_lines_lost, 1, "what nobody can have at the end is lost");
}
