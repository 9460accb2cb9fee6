//! Windows. Both files are opened for overlapped access, as a completion port wants it, and what is
//! opened unbuffered stays so; so the target is closed before it gets its size and its attributes.

use super::{Attributes, busy};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::ops::Range;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
const FILE_FLAG_NO_BUFFERING: u32 = 0x2000_0000;
const FILE_SHARE_READ: u32 = 1;
const ERROR_SHARING_VIOLATION: i32 = 32;

/// There are two kinds of links, and making one needs a right that few have.
pub(crate) const COPIES_LINKS: bool = false;

fn flags(unbuffered: bool) -> u32 {
    FILE_FLAG_OVERLAPPED | if unbuffered { FILE_FLAG_NO_BUFFERING } else { 0 }
}

/// Opens a source. The second value says whether it is unbuffered.
pub(crate) fn open_source(path: &Path, unbuffered: bool) -> io::Result<(File, bool)> {
    let file = OpenOptions::new().read(true).custom_flags(flags(unbuffered)).open(path)?;
    Ok((file, unbuffered))
}

/// Opens a temporary file for reading and writing, for nobody else: makes it if `new`, or opens the
/// one that is there. Others may not write it as long as it is open. It is as private as its folder.
pub(crate) fn open_temporary(
    path: &Path,
    new: bool,
    unbuffered: bool,
    _is_private: bool,
) -> io::Result<(File, bool)> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(new)
        .share_mode(FILE_SHARE_READ)
        .custom_flags(flags(unbuffered))
        .open(path);
    match opened {
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Err(busy()),
        opened => Ok((opened?, unbuffered)),
    }
}

/// Whether the open file is the one at `path`: nobody can remove it while it is open.
pub(crate) fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

/// Whether both paths lead to one file. Two hard links of one file are not recognised.
pub(crate) fn is_same_file(one: (&Path, &Metadata), other: (&Path, &Metadata)) -> bool {
    match (one.0.canonicalize(), other.0.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Where a file has data; holes are not looked for.
pub(crate) fn data_ranges(_file: &File, _facts: &Metadata) -> io::Result<Option<Vec<Range<u64>>>> {
    Ok(None)
}

/// Whether a file that is said to be empty has contents nevertheless.
pub(crate) fn has_contents(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Makes a new file `bytes` long.
pub fn preset(file: &File, bytes: u64, _reserve: bool) -> io::Result<()> {
    file.set_len(bytes)
}

/// There is no call for it.
pub fn forget_cached(_file: &File) {}

/// What of the source's permissions a copy has.
pub(crate) fn permissions_of(facts: &Metadata) -> Permissions {
    facts.permissions()
}

/// Nothing is done while the file is open.
pub fn settle_open(_file: &File, _attributes: &Attributes) -> io::Result<()> {
    Ok(())
}

/// Gives a file its attributes when it is closed.
pub fn settle_closed(path: &Path, attributes: &Attributes) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    if let Some(bytes) = attributes.cut_to {
        file.set_len(bytes)?;
    }
    file.set_times(attributes.times)?;
    if attributes.synced {
        file.sync_all()?;
    }
    std::fs::set_permissions(path, attributes.permissions.clone())
}

/// Folders keep the time at which they were made.
pub(crate) fn settle_folder(_path: &Path, _attributes: &Attributes) -> io::Result<()> {
    Ok(())
}

/// There is no call for it.
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// See [`COPIES_LINKS`].
pub(crate) fn copy_link(_source: &Path, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
