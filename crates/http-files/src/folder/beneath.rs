//! Linux: every path is resolved by `openat2`, which refuses to leave the folder in any step, also
//! while somebody moves things about in it.

use super::{Found, leads_out, not_for_clients};
use crate::target::Place;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How often a path is resolved anew when things move meanwhile.
const TRIES: usize = 8;

#[derive(Debug)]
pub(crate) struct Beneath(OwnedFd);

impl Beneath {
    /// None where the call does not exist or is not allowed.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = Self(openat(CWD, path, flags, Mode::empty())?);
        match folder.open_at(b"", OFlags::PATH) {
            Ok(_) => Ok(Some(folder)),
            Err(Errno::NOSYS | Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_at(&self, names: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let names = if names.is_empty() { b".".as_slice() } else { names };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut last = Errno::AGAIN;
        for _ in 0..TRIES {
            match openat2(&self.0, names, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => last = Errno::AGAIN,
                Err(error) => {
                    last = error;
                    break;
                }
                Ok(file) => return Ok(file),
            }
        }
        Err(last)
    }

    pub(super) fn find(&self, place: &Place) -> io::Result<Found> {
        // To open a pipe or a device does something to it, so it is looked at first. Should it be put
        // there between the two, its opening does at least not wait for its other end.
        let there = File::from(self.open_at(place.names(), OFlags::PATH).map_err(explain)?);
        let kind = there.metadata()?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            return Err(not_for_clients());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_at(place.names(), flags).map_err(explain)?);
        match file.metadata()?.file_type() {
            kind if kind.is_file() => Ok(Found::File(file)),
            kind if kind.is_dir() => Ok(Found::Folder),
            _ => Err(not_for_clients()),
        }
    }

    pub(super) fn list(&self, place: &Place, most: usize) -> io::Result<Vec<OsString>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = self.open_at(place.names(), flags).map_err(explain)?;
        let mut entries = Vec::new();
        for entry in Dir::new(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if entries.len() == most {
                break;
            }
            let kind = entry.file_type();
            if matches!(
                kind,
                FileType::Directory | FileType::RegularFile | FileType::Symlink | FileType::Unknown
            ) {
                entries.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(entries)
    }
}

fn explain(error: Errno) -> io::Error {
    match error {
        Errno::XDEV => leads_out(),
        // A socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV => not_for_clients(),
        error => error.into(),
    }
}
