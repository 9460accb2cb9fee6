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

/// The names of the two access lists, as xattr(7) has them: that of a file or folder, and that which what is
/// made in a folder gets.
const ACCESS_LIST: &str = "system.posix_acl_access";
const ACCESS_LIST_OF_NEW: &str = "system.posix_acl_default";

/// What the group of a file may do by its access list, and no more; None where there is none, and the
/// permissions say it. With a list, the group's permissions are the most that anybody on it has.
pub(crate) fn group_by_list(
    read: impl FnOnce(&str, &mut [u8]) -> rustix::io::Result<usize>,
) -> Option<u32> {
    // The system allows 64 KiB, and hardly any list has more than a few entries.
    let mut bytes = [0; 1_024];
    let length = match read(ACCESS_LIST, &mut bytes) {
        Ok(length) => length,
        Err(Errno::RANGE) => return Some(0),
        Err(_) => return None,
    };
    // A version, and then for each entry what it is, what it allows, and for whom.
    let entries = bytes.get(4..length)?.chunks_exact(8);
    let rights_of = |kind: u16| {
        let mut found = entries.clone().filter(|entry| entry[..2] == kind.to_le_bytes());
        found.next().map(|entry| u32::from(entry[2]) & 7)
    };
    Some(rights_of(0x04).unwrap_or(0) & rights_of(0x10).unwrap_or(7))
}

/// The attributes of an open source, and whether it has an access list, which a copy does not get.
pub(crate) fn attributes_of(file: &File, facts: &Metadata) -> (Attributes, bool) {
    // Where the group may do nothing, nobody on a list may.
    let by_list = match facts.mode() & 0o070 {
        0 => None,
        _ => group_by_list(|name, bytes| rustix::fs::fgetxattr(file, name, bytes)),
    };
    attributes_with(facts, by_list)
}

pub(crate) fn attributes_with(facts: &Metadata, by_list: Option<u32>) -> (Attributes, bool) {
    let mut attributes = Attributes::of(facts);
    if let Some(group) = by_list {
        let mode = facts.mode() & 0o707 | group << 3;
        attributes.permissions = Permissions::from_mode(mode);
    }
    (attributes, by_list.is_some())
}

/// Whether a folder gives access lists to what is made in it.
pub(crate) fn gives_access_lists(path: &str) -> bool {
    match rustix::fs::getxattr(path, ACCESS_LIST_OF_NEW, &mut [0; 1]) {
        Ok(_) | Err(Errno::RANGE) => true,
        Err(_) => false,
    }
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
    folder: &Folder,
    file: &File,
    attributes: &Attributes,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    if let Some(bytes) = attributes.cut_to {
        file.set_len(bytes)?;
    }
    give_permissions(file, attributes, folder.gives_access_lists(), cannot)?;
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

/// `gives_lists` says whether the folder gives access lists to what is made in it.
pub(crate) fn give_permissions(
    file: &File,
    attributes: &Attributes,
    gives_lists: bool,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    let wanted = &attributes.permissions;
    if attributes.without_access_list && gives_lists {
        match rustix::fs::fremovexattr(file, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
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
