//! Linux.

use super::{Attributes, unless_unable};
use crate::unfinished::{Folder, Inability};
use rustix::fs::{Advice, FallocateFlags, Mode, SeekFrom, fallocate};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

/// Where a file has data, in order; None when it has no holes.
pub(crate) fn data_ranges(file: &File, facts: &Metadata) -> io::Result<Option<Vec<Range<u64>>>> {
    let size = facts.len();
    if facts.blocks().saturating_mul(512) >= size {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    let mut end = 0;
    loop {
        let start = match rustix::fs::seek(file, SeekFrom::Data(end)) {
            Ok(start) => start,
            // There is no more data.
            Err(Errno::NXIO) => return Ok(Some(ranges)),
            // The file system does not tell.
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        ranges.push(start..end);
        if end >= size {
            return Ok(Some(ranges));
        }
    }
}

/// Whether a file that is said to be empty has contents nevertheless, as those in /proc do.
pub(crate) fn has_contents(file: &File) -> io::Result<bool> {
    Ok(file.read_at(&mut [0], 0)? > 0)
}

/// Makes a new file `bytes` long. `reserve` takes the room for them at once.
pub fn preset(file: &File, bytes: u64, reserve: bool) -> io::Result<()> {
    if reserve {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::NOTSUP | Errno::NOSYS) => {}
            outcome => return Ok(outcome?),
        }
    }
    file.set_len(bytes)
}

/// Asks the system to forget what it has in its cache of the file, so that a read comes from the
/// device. It may refuse.
pub fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// What of the source's permissions a copy has: not those that lend the owner's rights, since it may
/// have another owner.
pub(crate) fn permissions_of(facts: &Metadata) -> Permissions {
    Permissions::from_mode(facts.mode() & 0o777)
}

/// The permissions that a program gives a new file, as the user wants it (`umask`).
///
/// # Errors
/// None on this system.
pub fn new_file_mode(_file: &File) -> io::Result<Permissions> {
    // It can only be read by being set. What another thread makes meanwhile is more private, not less.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    Ok(Permissions::from_mode(0o666 & !mask.as_raw_mode()))
}

/// Gives a file that is written its attributes, while it is open; each that cannot be is told.
pub(crate) fn settle_open(
    file: &File,
    attributes: &Attributes,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    if let Some(bytes) = attributes.cut_to {
        file.set_len(bytes)?;
    }
    give_permissions(file, attributes, cannot)?;
    give_times(file, attributes, cannot)
}

/// Gives a file its attributes when it is closed. Nothing is left to do.
pub(crate) fn settle_closed(
    _folder: &Folder,
    _name: &OsStr,
    _attributes: &Attributes,
    _cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    Ok(())
}

pub(crate) fn give_permissions(
    file: &File,
    attributes: &Attributes,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    let wanted = &attributes.permissions;
    let mut cannot = |error| cannot(Inability::Permissions, error);
    let mut is_able = true;
    unless_unable(file.set_permissions(wanted.clone()), &mut |error| {
        is_able = false;
        cannot(error);
    })?;
    // Some file systems say that it was done, and do nothing.
    if is_able && file.metadata()?.mode() & 0o777 != wanted.mode() & 0o777 {
        cannot(io::ErrorKind::Unsupported.into());
    }
    Ok(())
}

pub(crate) fn give_times(
    file: &File,
    attributes: &Attributes,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    unless_unable(file.set_times(attributes.times), &mut |error| cannot(Inability::Times, error))
}
