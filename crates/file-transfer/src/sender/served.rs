//! The file that is sent: opened anew for each answer, so that one that was replaced or changed is sent
//! as it is now.

use crate::wire::{Identity, Time};
use overlapped::{FileOptions, OpenFile};
use std::fs::Metadata;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct Served {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

impl Served {
    /// Opens it, and says what it is now.
    pub(crate) fn open(&self) -> io::Result<(Arc<OpenFile>, Identity)> {
        let file = OpenFile::open(&self.path, &FileOptions::new().read(true))?;
        let identity = identity_of(&file.metadata()?)?;
        Ok((Arc::new(file), identity))
    }
}

/// What tells this state of the file from another.
pub(crate) fn identity_of(facts: &Metadata) -> io::Result<Identity> {
    if !facts.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no file (a folder, a pipe or a device)",
        ));
    }
    let time = facts.modified().map(Time::of).unwrap_or_default();
    Ok(Identity { bytes: facts.len(), time })
}
