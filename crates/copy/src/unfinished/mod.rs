//! Files that are not complete yet: the one place that opens, makes and removes them.
//!
//! A file is written here and gets its name when it is complete, so that its target is whole at every
//! moment. For other crates that write a target so, as a copy does.
//!
//! - [`Temporary`] is the file. On a system that has files without names it has none until it is complete, so
//!   that whoever is killed leaves nothing. It has a name from the start where there are no such files, and
//!   where a later run shall find it.
//! - [`Record`] is the list of what came whole, for that later run.
//! - [`Leftovers`] is what former runs have left in a folder.
//!
//! All of them hold to the same rules, since others may write in the folder too:
//!
//! - A name is `.NAME.overlapped-copy-MARK`, and the mark says which file it is: its number in its file
//!   system and when it came into being (`names`). A file is ours if it *is* the one that its name says,
//!   is a regular file with this one name, and belongs to this user. So no file that a user has named so,
//!   restored, or copied from elsewhere is taken for ours; it is left alone, and never in the way, since the
//!   next file has another number.
//! - What is new is made where there is nothing, and for its owner alone until it is complete. What is old is
//!   opened without following a link, without waiting, and looked at before and after.
//! - A named one is locked as long as somebody writes it, and what is locked is not touched.
//! - None gets a name that the same plan has for a target (`avoid`).

mod leftovers;
mod names;
mod record;
mod temporary;

pub use leftovers::{Left, Leftovers};
pub use names::Names;
pub use record::{Piece, Record, Source, ns_since_1970};
pub use temporary::{How, Temporary};

pub(crate) use names::{COPY, may_be_taken_for_one, stem_of};

pub use crate::folder::{Facts, Folder, Identity, Kind};
pub use crate::inability::{Inability, Noting, Warning, Warnings};
pub use crate::platform::{Attributes, forget_cached, new_file_mode, preset};
pub use crate::runs::Part;

use crate::folder::{self, Use};
use names::Mark;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;

/// How often what others do at the same time is waited out.
const TRIES: u32 = 16;

/// Makes a file with a name that says which one it is. It is locked, where there are locks.
fn make_named(
    folder: &Folder,
    (stem, ending): (&OsStr, &str),
    wanted: Use,
    avoid: &dyn Fn(&OsStr) -> bool,
    noting: &Noting<'_>,
) -> io::Result<(File, bool, OsString)> {
    if let Some((file, unbuffered)) = folder.unnamed_file(wanted)? {
        lock(&file, folder, noting)?;
        let name = named(folder, &file, (stem, ending), avoid, |name| {
            folder.link(&file, name).map(|()| true)
        })?;
        return Ok((file, unbuffered, name));
    }
    for _ in 0..TRIES {
        // Its number is not known before it is there.
        let chance = RandomState::new().hash_one(stem);
        let first = names::name_of(stem, ending, Mark::new(), chance);
        if avoid(&first) {
            continue;
        }
        let (file, unbuffered) = match folder.new_file(&first, wanted) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        };
        let named = lock(&file, folder, noting).and_then(|()| {
            named(folder, &file, (stem, ending), avoid, |name| {
                match folder.rename_to_nothing(&first, name) {
                    Ok(None) if folder.look(name)?.is_some() => {
                        Err(io::ErrorKind::AlreadyExists.into())
                    }
                    Ok(None) => folder.rename(&first, name).map(|()| true),
                    outcome => outcome.map(|_| true),
                }
            })
        });
        return match named {
            Ok(name) => Ok((file, unbuffered, name)),
            // Somebody has taken it for left before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                drop(file);
                // The error that is told is the first one.
                let _ = folder.remove(&first);
                Err(error)
            }
        };
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Gives an open file a name that says which one it is, by `give`.
fn named(
    folder: &Folder,
    file: &File,
    (stem, ending): (&OsStr, &str),
    avoid: &dyn Fn(&OsStr) -> bool,
    mut give: impl FnMut(&OsStr) -> io::Result<bool>,
) -> io::Result<OsString> {
    let mark = Mark::of(folder, file)?;
    for again in 0..TRIES {
        let name = names::name_of(stem, ending, mark, again.into());
        if avoid(&name) {
            continue;
        }
        match give(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => return outcome.map(|_| name),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Opens a file that a former run has left, and locks it; None if it is not ours after all. `wanted` says
/// what it is written for, if it is.
fn open_left(
    folder: &Folder,
    name: &OsStr,
    mark: Mark,
    wanted: Option<Use>,
    noting: &Noting<'_>,
) -> io::Result<Option<(File, bool)>> {
    if !folder.look(name)?.is_some_and(|facts| is_ours(&facts, mark)) {
        return Ok(None);
    }
    let (file, unbuffered) = match folder.old_file(name, wanted) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    lock(&file, folder, noting)?;
    // Whoever had it locked may have given it its final name, or somebody else has put another there.
    let is_there = folder.look(name)?.is_some_and(|facts| is_ours(&facts, mark));
    let is_it = is_ours(&folder.facts_of_open(&file)?, mark) && mark.is_of(folder, &file)?;
    Ok((is_there && is_it).then_some((file, unbuffered)))
}

/// Whether a name holds the file that its mark says, as far as that can be seen from outside.
fn is_ours(facts: &Facts, mark: Mark) -> bool {
    facts.kind == Kind::File && facts.is_ours && facts.links == 1 && mark.fits(facts)
}

/// Locks a file as long as it is open, where its file system has locks.
fn lock(file: &File, folder: &Folder, noting: &Noting<'_>) -> io::Result<()> {
    // Elsewhere it was opened so that nobody else may write it.
    if cfg!(windows) {
        return Ok(());
    }
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(folder::busy()),
        Err(TryLockError::Error(error)) => {
            noting.note(Inability::Locks, folder.identity(), &error);
            Ok(())
        }
    }
}
