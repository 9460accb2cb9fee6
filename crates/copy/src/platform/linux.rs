//! Linux.

use super::{Attributes, busy};
use rustix::fs::{Advice, FallocateFlags, OFlags, SeekFrom, fallocate, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Links are copied as links.
pub(crate) const COPIES_LINKS: bool = true;

/// Opens a source. Without unbuffered access where the file system has none; the second value says
/// whether it has.
pub(crate) fn open_source(path: &Path, unbuffered: bool) -> io::Result<(File, bool)> {
    let file = File::open(path)?;
    let unbuffered = unbuffered && made_unbuffered(&file)?;
    Ok((file, unbuffered))
}

/// Opens a temporary file for reading and writing: makes it if `new`, readable for nobody else if
/// `is_private`, or opens the one that is there. It is locked as long as it is open.
pub(crate) fn open_temporary(
    path: &Path,
    new: bool,
    unbuffered: bool,
    is_private: bool,
) -> io::Result<(File, bool)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(new)
        .mode(if is_private { 0o600 } else { 0o666 })
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy()),
        // Some file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let unbuffered = unbuffered && made_unbuffered(&file)?;
    Ok((file, unbuffered))
}

/// Switched on after the opening, since an opening that is refused for it has made the file already.
fn made_unbuffered(file: &File) -> io::Result<bool> {
    match fcntl_setfl(file, fcntl_getfl(file)? | OFlags::DIRECT) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the open file is the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(there)) => open.is_file() && is_same(&open, &there),
        _ => false,
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether both paths lead to one file.
pub(crate) fn is_same_file(one: (&Path, &Metadata), other: (&Path, &Metadata)) -> bool {
    is_same(one.1, other.1)
}

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

/// Gives a file that is written its attributes, while it is open.
pub fn settle_open(file: &File, attributes: &Attributes) -> io::Result<()> {
    if let Some(bytes) = attributes.cut_to {
        file.set_len(bytes)?;
    }
    file.set_permissions(attributes.permissions.clone())?;
    file.set_times(attributes.times)
}

/// Gives a file its attributes when it is closed. Nothing is left to do.
pub fn settle_closed(_path: &Path, _attributes: &Attributes) -> io::Result<()> {
    Ok(())
}

/// Gives a folder its attributes.
pub(crate) fn settle_folder(path: &Path, attributes: &Attributes) -> io::Result<()> {
    let folder = File::open(path)?;
    folder.set_times(attributes.times)?;
    folder.set_permissions(attributes.permissions.clone())
}

/// Brings the names in a folder to the device.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(here)?.sync_all()
}

/// Makes a link like `source` at `path`, where there is nothing.
pub(crate) fn copy_link(source: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(std::fs::read_link(source)?, path)
}
