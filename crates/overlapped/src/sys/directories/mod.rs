//! Directories whose changes the system tells.
//!
//! On Linux each has an inotify descriptor of its own, which is [waited for](super::waits) and then read. On
//! Windows the kernel writes the changes into memory that it is given
//! ([`Request::DirectoryChanges`](super::iocp::request::Request)), which is read afterwards.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::SystemDirectory;
#[cfg(windows)]
pub(crate) use windows::{ChangesRoom, SystemDirectory};

use std::io;
use std::path::{Path, PathBuf};

/// One change in a directory. The name is relative to it, as the system knows it: bytes on Linux, 16-bit units on
/// Windows, of which neither has to be text.
///
/// # Platform
/// One call of a program may be several changes, and not the same ones on every system: a file that is
/// written may be told as modified once or many times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Something was made in the directory, or a name for something that there was.
    Created(PathBuf),
    /// A name was removed.
    Removed(PathBuf),
    /// The contents or the attributes of something were changed. On Linux an empty name is the directory itself,
    /// whose attributes were changed.
    Modified(PathBuf),
    /// Something had this name before it was renamed. If it stays in the directory, the next such change says
    /// what its name is now.
    RenamedFrom(PathBuf),
    /// Something was renamed to this name. If it comes from elsewhere in the file system, on Linux nothing was
    /// told before, and on Windows it is told as created.
    RenamedTo(PathBuf),
    /// There were more changes than the system keeps, and they are lost: look at the directory yourself.
    Overflow,
}

/// The error of an open, with the path.
fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
