//! A directory of Linux: one inotify descriptor, with one watch.

use super::{Change, with_path};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is watched.
const CHANGES: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR);

/// How many changes are read at once, about; the others wait for the next time.
const CHANGES_MAX: usize = 1_000;

/// Holds at least one change, and some tens of them mostly.
const READ_BYTES: usize = 4096;

#[derive(Debug)]
pub(crate) struct SystemDirectory(OwnedFd);

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) changes: Vec<Change>,
    /// The directory is there no more, and nothing else comes.
    pub(crate) gone: bool,
}

impl SystemDirectory {
    /// Its changes are kept by the system from now on.
    pub(crate) fn open(path: &Path, recursive: bool) -> io::Result<Self> {
        if recursive {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "Linux tells the changes of a directory without those of the directories in it: watch each",
            ));
        }
        let open = || -> io::Result<OwnedFd> {
            let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&descriptor, path, CHANGES)?;
            Ok(descriptor)
        };
        open().map(Self).map_err(|error| with_path(path, &error))
    }

    pub(crate) fn into_owned(self) -> OwnedFd {
        self.0
    }

    pub(crate) fn of(owned: OwnedFd) -> Self {
        Self(owned)
    }

    /// What the system has kept, without waiting.
    pub(crate) fn read(descriptor: impl AsFd) -> io::Result<Read> {
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut reader = Reader::new(descriptor.as_fd(), &mut room);
        let mut read = Read::default();
        while read.changes.len() < CHANGES_MAX || !reader.is_buffer_empty() {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                // What was read before is told first.
                Err(_) if !read.changes.is_empty() => break,
                Err(error) => return Err(error.into()),
            };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let name = PathBuf::from(name.unwrap_or_default());
            let flags = event.events();
            let is = |flag| flags.contains(flag);
            if is(ReadFlags::QUEUE_OVERFLOW) {
                read.changes.push(Change::Overflow);
            } else if is(ReadFlags::IGNORED) || is(ReadFlags::DELETE_SELF) || is(ReadFlags::UNMOUNT)
            {
                read.gone = true;
            } else if is(ReadFlags::CREATE) {
                read.changes.push(Change::Created(name));
            } else if is(ReadFlags::DELETE) {
                read.changes.push(Change::Removed(name));
            } else if is(ReadFlags::MOVED_FROM) {
                read.changes.push(Change::RenamedFrom(name));
            } else if is(ReadFlags::MOVED_TO) {
                read.changes.push(Change::RenamedTo(name));
            } else {
                read.changes.push(Change::Modified(name));
            }
        }
        Ok(read)
    }
}
