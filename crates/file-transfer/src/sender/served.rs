//! The file that is sent: opened anew for each answer, so that one that was replaced or changed is sent
//! as it is now.

use crate::wire::{Identity, Time};
use overlapped::{FileOptions, OpenFile, open_regular};
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct Served {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

impl Served {
    /// Opens it, and says what it is now. Waits for nobody: what was a file may be a pipe by now.
    pub(crate) fn open(&self) -> io::Result<(Arc<OpenFile>, Identity)> {
        let file = OpenFile::open(&self.path, &FileOptions::new().read(true).regular(true))?;
        let identity = identity_of(&file.metadata()?)?;
        if identity.bytes == 0 {
            check_that_it_is_empty(&self.path)?;
        }
        Ok((Arc::new(file), identity))
    }
}

/// Opens the file for ordinary reads, in the same way.
pub(crate) fn open_for_reads(path: &Path) -> io::Result<std::fs::File> {
    open_regular(path, OpenOptions::new().read(true))
}

/// Refuses a file that is said to be empty and has contents, as those of the kernel in `/proc` have: who
/// fetches it would get nothing and take it for all. Some of them would make a read wait.
fn check_that_it_is_empty(path: &Path) -> io::Result<()> {
    match open_for_reads(path)?.read(&mut [0]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is said to have 0 bytes and has contents, as files of the kernel do: copy it with \
             another tool, and send the copy",
        )),
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
