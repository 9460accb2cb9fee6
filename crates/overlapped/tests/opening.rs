//! Opening a name that somebody else may change waits for nobody.
#![cfg(target_os = "linux")]

use overlapped::{FileOptions, OpenFile, open_at_once, open_regular};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, mknodat};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A folder of one test, which goes when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("opening-{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn pipe(&self) -> PathBuf {
        let path = self.0.join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::from(0o600), 0).expect("a pipe can be made");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn only_a_regular_file_is_opened_and_nobody_is_waited_for() {
    let scratch = Scratch::new("regular");
    let (file, socket) = (scratch.0.join("file"), scratch.0.join("socket"));
    std::fs::write(&file, "contents").expect("it can be written");
    let _listener = UnixListener::bind(&socket).expect("a socket can be made");
    let pipe = scratch.pipe();
    let terminal = Path::new("/dev/ptmx").to_owned();
    for path in [&pipe, &socket, &terminal, &PathBuf::from("/dev/null")] {
        let ways = [
            OpenOptions::new().read(true).clone(),
            OpenOptions::new().write(true).clone(),
            OpenOptions::new().append(true).create(true).clone(),
        ];
        for options in ways {
            let error = open_regular(path, &options).expect_err("it is no regular file");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
        }
        let options = FileOptions::new().read(true).regular(true);
        let error = OpenFile::open(path, &options).expect_err("it is no regular file");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    let read = OpenOptions::new().read(true).clone();
    let folder = open_regular(&scratch.0, &read).expect_err("it is a folder");
    assert_eq!(folder.kind(), ErrorKind::IsADirectory);
    let missing = open_regular(&scratch.0.join("none"), &read).expect_err("it is not there");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let mut text = String::new();
    open_regular(&file, &read).and_then(|mut file| file.read_to_string(&mut text)).expect("a file");
    assert_eq!(text, "contents");
    OpenFile::open(&file, &FileOptions::new().read(true).regular(true)).expect("a file");
}

#[test]
fn a_pipe_is_opened_at_once_or_not_at_all_and_its_reads_wait_as_usual() {
    let scratch = Scratch::new("at-once");
    let pipe = scratch.pipe();
    let error = open_at_once(&pipe, OpenOptions::new().write(true)).expect_err("nobody reads");
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()));
    let mut text = String::new();
    let mut empty: File = open_at_once(&pipe, OpenOptions::new().read(true)).expect("it opens");
    assert_eq!(empty.read_to_string(&mut text).expect("it has ended"), 0);
    let flags = fcntl_getfl(&empty).expect("it has flags");
    assert!(!flags.contains(OFlags::NONBLOCK), "its reads would not wait for a writer");
    open_at_once(&pipe, OpenOptions::new().write(true)).expect("somebody reads");
}
