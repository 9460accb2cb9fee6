//! An open folder, and what is in it by name.
//!
//! Whoever opens, makes, renames or removes something does it here, relative to a folder that is open, so
//! that nobody can put another folder in its place meanwhile. A name is one name and no path, and a link in
//! its place is never followed, with one exception that says so ([`Folder::open_source`]). Nothing here
//! waits for somebody else: a pipe or a device in the place of a file is refused and not waited for.
//!
//! - `linux` and `windows` are the [`Folder`] of each system. On Linux it is a descriptor and its calls are
//!   `openat` and its kin. On Windows it is a path and a handle that keeps others from moving the folder away.
//! - [`tree`] is many folders that are reached from each other by name, of which few are open at a time.

#[cfg(target_os = "linux")]
mod linux;
pub(crate) mod tree;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(windows)]
pub use windows::*;

use std::io;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Calls that wait.
    Calls,
    /// Operations of a port, and whether the system's cache is passed by where the file system allows it.
    Port { unbuffered: bool },
}

impl Use {
    fn is_unbuffered(self) -> bool {
        self == Self::Port { unbuffered: true }
    }
}

/// What tells one file of a system from all others that are there at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub number: u64,
}

/// What is at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, wherever it leads.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// What the system says of a name, without following a link.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Which one it is.
    pub identity: Identity,
    /// How many names it has.
    pub links: u64,
    /// Its length.
    pub bytes: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub time_ns: i128,
    /// When it came to be as it is, in nanoseconds since 1970: no program can set that. On Windows when it
    /// was made.
    pub changed_ns: i128,
    /// Nobody may write it.
    pub is_read_only: bool,
    /// It belongs to the user who runs this.
    pub is_ours: bool,
}

/// Another process has the file.
pub(crate) fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "another copy is writing it: wait for that one")
}

/// What was opened is not the file that it should be.
fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no file any more")
}
