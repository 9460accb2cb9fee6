//! The folder that is served, and the one way into it.
//!
//! [`beneath`] lets the kernel keep every step inside (Linux); [`canonical`] resolves a path and
//! compares it, where there is no such call. Only [`super::cache`] and [`super::listing`] ask here.

#[cfg(target_os = "linux")]
mod beneath;
mod canonical;

use crate::target::Place;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The folder that is served.
#[derive(Debug)]
pub(crate) enum Folder {
    #[cfg(target_os = "linux")]
    Beneath(beneath::Beneath),
    Canonical(canonical::Canonical),
}

/// What a place turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    File(File),
    Folder,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if !path.metadata().map_err(named)?.is_dir() {
            return Err(named(io::Error::new(ErrorKind::NotADirectory, "it is not a folder")));
        }
        #[cfg(target_os = "linux")]
        if let Some(folder) = beneath::Beneath::open(path).map_err(named)? {
            return Ok(Self::Beneath(folder));
        }
        Ok(Self::Canonical(canonical::Canonical::open(path).map_err(named)?))
    }

    /// Opens what is at a place: a file for reading, or a folder. Nothing else is there for clients.
    pub(crate) fn find(&self, place: &Place) -> io::Result<Found> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Beneath(folder) => folder.find(place),
            Self::Canonical(folder) => folder.find(place),
        }
    }

    /// The names in a folder, at most `most` of them, in no order, without those that are known to
    /// be neither of files nor of folders nor of links.
    pub(crate) fn list(&self, place: &Place, most: usize) -> io::Result<Vec<OsString>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Beneath(folder) => folder.list(place, most),
            Self::Canonical(folder) => folder.list(place, most),
        }
    }

    /// How paths are kept inside, in a few words.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Beneath(_) => "kept inside by the kernel",
            Self::Canonical(_) => "kept inside by comparing paths",
        }
    }
}

/// A link that leads out, or a path that does.
fn leads_out() -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, "it leads out of the folder")
}

/// A pipe, a device, a socket.
fn not_for_clients() -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, "it is neither a file nor a folder")
}

/// The status for a place that cannot be opened.
pub(crate) fn status_of(error: &io::Error) -> u16 {
    match error.kind() {
        // What cannot be a name of this file system is not there.
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidInput => 404,
        ErrorKind::PermissionDenied => 403,
        _ if is_loop(error) => 404,
        _ if is_shortage(error) => 503,
        _ => 500,
    }
}

fn is_loop(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(40)
}

/// Whether descriptors or memory are short, which may be over soon.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    match error.raw_os_error() {
        // ENFILE, EMFILE, EAGAIN of a folder that is being changed, ENOMEM.
        Some(code) if cfg!(unix) => matches!(code, 11 | 12 | 23 | 24),
        // ERROR_TOO_MANY_OPEN_FILES, ERROR_NOT_ENOUGH_MEMORY, ERROR_NO_SYSTEM_RESOURCES.
        Some(code) => matches!(code, 4 | 8 | 1450),
        None => false,
    }
}
