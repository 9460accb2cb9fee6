//! Windows. What is opened unbuffered stays so; so the target is closed before it gets its size and its
//! attributes.

use super::{Attributes, unless_unable};
use crate::unfinished::{Folder, Inability};
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::ops::Range;

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

/// The attributes of an open source; access lists are not looked at.
pub(crate) fn attributes_of(_file: &File, facts: &Metadata) -> (Attributes, bool) {
    (Attributes::of(facts), false)
}

/// The permissions of a new file; those of its folder decide.
///
/// # Errors
/// The system's.
pub fn new_file_mode(file: &File) -> io::Result<Permissions> {
    Ok(file.metadata()?.permissions())
}

/// Nothing is done while the file is open.
pub(crate) fn settle_open(
    _folder: &Folder,
    _file: &File,
    _attributes: &Attributes,
    _cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    Ok(())
}

/// Gives a file its attributes when it is closed; each that cannot be is told.
pub(crate) fn settle_closed(
    folder: &Folder,
    name: &OsStr,
    attributes: &Attributes,
    cannot: &mut dyn FnMut(Inability, io::Error),
) -> io::Result<()> {
    let path = folder.path_of(name);
    let file = OpenOptions::new().write(true).open(&path)?;
    if let Some(bytes) = attributes.cut_to {
        file.set_len(bytes)?;
    }
    let outcome = file.set_times(attributes.times);
    unless_unable(outcome, &mut |error| cannot(Inability::Times, error))?;
    if attributes.synced {
        file.sync_all()?;
    }
    let outcome = std::fs::set_permissions(&path, attributes.permissions.clone());
    unless_unable(outcome, &mut |error| cannot(Inability::Permissions, error))
}
