//! What can go wrong with a fetch, each in one line that says what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// What kind of failure it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody sends at the address.
    Nobody,
    /// The sender said nothing for too long.
    Silent,
    /// The connection was cut, or ended before the file did.
    Cut,
    /// What answers is no sender, or one of another version.
    NotASender,
    /// The sender sends no file, and says why.
    Refused,
    /// The file is longer than is allowed.
    TooLarge,
    /// The sender took too long with its checksum, or sent too little in a time.
    Slow,
    /// The sender's name for the file is not taken.
    Name,
    /// Something is in the way where the file shall be.
    Target,
    /// The file cannot be written.
    Write,
    /// What came is not what the sender has.
    Checksum,
    /// The fetch was stopped.
    Stopped,
    /// The system refused something else.
    System,
}

impl Kind {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Silent => "silent",
            Self::Cut => "cut",
            Self::NotASender => "not-a-sender",
            Self::Refused => "refused",
            Self::TooLarge => "too-large",
            Self::Slow => "slow",
            Self::Name => "name",
            Self::Target => "target",
            Self::Write => "write",
            Self::Checksum => "checksum",
            Self::Stopped => "stopped",
            Self::System => "system",
        }
    }
}

/// Why a fetch has failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind it is.
    pub kind: Kind,
    /// What was wrong, and what to do.
    pub text: String,
    /// How many bytes of the file are there to go on from, with `resume`.
    pub kept_bytes: u64,
}

impl Failure {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), kept_bytes: 0 }
    }

    pub(crate) fn system(error: &io::Error) -> Self {
        Self::new(Kind::System, format!("the system refuses what a fetch needs: {error}"))
    }

    /// Says of `path` what could not be done, why, and what helps.
    pub(crate) fn at(path: &Path, what: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull => "; make room there, or choose another target",
            io::ErrorKind::FileTooLarge => "; its file system has no such large files",
            io::ErrorKind::QuotaExceeded => "; the quota there is used up",
            io::ErrorKind::ReadOnlyFilesystem => "; choose another target",
            io::ErrorKind::NotFound => "; make its folder first",
            io::ErrorKind::PermissionDenied => "; look at its permissions and those of its folder",
            io::ErrorKind::ResourceBusy => {
                let text = "another fetch writes it: wait for that one, or choose another target";
                return Self::new(Kind::Write, format!("{}: {text}", path.display()));
            }
            _ => "",
        };
        Self::new(Kind::Write, format!("{}: {what}: {error}{remedy}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
