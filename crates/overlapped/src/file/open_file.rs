//! Files that belong to no port yet.

use crate::sys::files::{FileOptions, FileState, SystemFile};
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An open file that belongs to no port.
///
/// Dropping it closes it. [`Port::associate`](crate::Port::associate) makes a
/// [`File`](crate::File) of it.
#[derive(Debug)]
pub struct OpenFile(pub(crate) SystemFile);

impl OpenFile {
    /// Opens the file at `path`.
    ///
    /// The call waits for the disk, and without limit for a pipe's other end or for the holder of a
    /// lease. If others may change the name, use [`FileOptions::regular`]: then the call waits for
    /// no other process, and refuses everything but a regular file.
    ///
    /// # Errors
    /// Each names the path: the system's; `InvalidInput` for options that contradict each other;
    /// `IsADirectory`; `Unsupported` for a file system without unbuffered access.
    pub fn open(path: impl AsRef<Path>, options: &FileOptions) -> io::Result<Self> {
        SystemFile::open(path.as_ref(), options).map(Self)
    }

    /// What the file system says of the open file now: its size, its times, what it is.
    ///
    /// # Errors
    /// The system's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// What tells the file as it is now from what it was before, and from another one that is put
    /// into its place.
    ///
    /// # Errors
    /// The system's.
    pub fn state(&self) -> io::Result<FileState> {
        self.0.state()
    }
}

impl TryFrom<std::fs::File> for OpenFile {
    type Error = io::Error;

    /// Takes an open file.
    ///
    /// # Errors
    /// It is a directory, or was opened for appending, which would ignore the offset of a write (on
    /// Windows that cannot be seen).
    ///
    /// # Platform
    /// On Linux, a file that was made non-blocking blocks from now on, for everybody who shares it.
    fn try_from(file: std::fs::File) -> io::Result<Self> {
        SystemFile::try_from(file).map(Self)
    }
}

/// A descriptor of an open file (`AsFd` on Linux, `AsHandle` on Windows): to ask the system for what
/// the library does not, such as locks.
///
/// The file stays open while this is held, also when its handle is closed. Do not read, write or
/// close by it what an operation in flight uses, and leave its modes as they are.
#[derive(Debug)]
pub struct FileDescriptor(pub(super) Arc<SystemFile>);
