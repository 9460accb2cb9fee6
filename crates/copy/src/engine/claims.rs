//! What in the target is of this copy, so that two of its names that mean one file there are found before
//! one is written over the other.
//!
//! What a file system makes of names (large and small letters, composed and decomposed ones) is not
//! guessed. Each file that is replaced is claimed by the one that replaces it, each that is made belongs to
//! the one that has made it, and what is new gets its name only where nothing has it.

use crate::folder::{Facts, Folder, Identity};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The owner of a file or folder in the target: its number in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    File(usize),
    Link(usize),
    Folder(usize),
}

#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<Identity, Owner>>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This copy has made it, for `owner`.
    pub(super) fn made(&self, it: Identity, owner: Owner) {
        self.lock().insert(it, owner);
    }

    /// Whose it is, if it is of this copy.
    pub(super) fn owner(&self, it: Identity) -> Option<Owner> {
        self.lock().get(&it).copied()
    }

    /// `owner` is about to use what is there. Gives the other one whose it is already.
    pub(super) fn claim(&self, it: Identity, owner: Owner) -> Option<Owner> {
        let first = *self.lock().entry(it).or_insert(owner);
        (first != owner).then_some(first)
    }

    /// The same for a file called `name` in `folder`, which is to be replaced.
    pub(super) fn claim_file(
        &self,
        folder: &Folder,
        name: &OsStr,
        there: &Facts,
        owner: Owner,
    ) -> io::Result<Option<Owner>> {
        let Some(first) = self.claim(there.identity, owner) else { return Ok(None) };
        if there.links > 1 {
            // Two names of one file are replaced one by one. The folder has both of them, then.
            for listed in folder.names()? {
                if listed? == name {
                    return Ok(None);
                }
            }
        }
        Ok(Some(first))
    }
}
