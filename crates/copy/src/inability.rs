//! What the file system of a target cannot do. It is told, and costs nothing else: contents and names are
//! right in any case.

use crate::folder::Identity;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a file system cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inability {
    /// Keep the permissions that a file is given.
    Permissions,
    /// Keep the times that a file is given.
    Times,
    /// Make files without a name, of which nothing is left when a copy is killed.
    UnnamedFiles,
    /// Lock a file, so that two copies know of each other.
    Locks,
    /// Give a name in one step only if nobody else has it.
    NoReplace,
    /// It is the copy that cannot: access lists are not copied, and the source has one.
    AccessLists,
}

impl Inability {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Permissions => "permissions",
            Self::Times => "times",
            Self::UnnamedFiles => "unnamed-files",
            Self::Locks => "locks",
            Self::NoReplace => "no-replace",
            Self::AccessLists => "access-lists",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Permissions => {
                "its file system does not keep permissions as they are set, so copies here may be read by \
                 fewer or by more than their sources"
            }
            Self::Times => {
                "its file system does not keep times as they are set: copies here have others"
            }
            Self::UnnamedFiles => {
                "its file system has no unnamed files: what is killed leaves a temporary file, which the \
                 next one removes"
            }
            Self::Locks => {
                "its file system has no locks: let one command at a time write here, and remove yourself \
                 what a killed one leaves (.NAME.overlapped-...)"
            }
            Self::NoReplace => {
                "its file system cannot rename without replacing: what another program makes at the \
                 same moment under the same name may be replaced"
            }
            Self::AccessLists => {
                "its access list is not copied: the copy lets in no more than the list does, and perhaps \
                 fewer"
            }
        }
    }
}

/// Something that is not as it was asked for, and no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind it is.
    pub kind: Inability,
    /// Where it was seen first.
    pub path: PathBuf,
    /// What was seen, and what follows.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

/// What file systems could not do so far, each once.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<(u64, Warning)>>);

/// Where warnings are noted while something is done to the file at a path.
#[derive(Clone, Copy, Debug)]
pub struct Noting<'a> {
    warnings: &'a Warnings,
    path: &'a Path,
}

impl Warnings {
    /// For what is done to the file at `path`.
    pub fn at<'a>(&'a self, path: &'a Path) -> Noting<'a> {
        Noting { warnings: self, path }
    }

    /// All that were noted.
    pub fn all(&self) -> Vec<Warning> {
        self.lock().iter().map(|(_, warning)| warning.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Warning)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noting<'_> {
    /// Takes note of what a file system cannot do, in which `place` is, and of what it said.
    pub(crate) fn note(&self, kind: Inability, place: Identity, error: &io::Error) {
        let mut noted = self.warnings.lock();
        if noted.iter().any(|(device, it)| it.kind == kind && *device == place.device) {
            return;
        }
        let said = match error.raw_os_error() {
            Some(_) => format!(" ({error})"),
            None => String::new(),
        };
        let text = format!("{}{said}", kind.text());
        noted.push((place.device, Warning { kind, path: self.path.to_owned(), text }));
    }

    /// Whether that is known of the file system of `place`.
    pub(crate) fn knows(&self, kind: Inability, place: Identity) -> bool {
        let noted = self.warnings.lock();
        noted.iter().any(|(device, it)| it.kind == kind && *device == place.device)
    }
}
