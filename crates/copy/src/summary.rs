//! What came of a copy.

use crate::unfinished::Warning;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Something that could not be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The source, or the target if the trouble is there.
    pub path: PathBuf,
    /// What was wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

/// What came of a copy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// From the first look at a file to the last name given.
    pub time: Duration,
    /// Files that have their name and their contents now.
    pub files: u64,
    /// Files that were left alone, since a former run had finished them.
    pub files_kept: u64,
    /// Folders that were made.
    pub folders: u64,
    /// Links that were copied as links.
    pub links: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Bytes in holes, which were kept as holes.
    pub hole_bytes: u64,
    /// Bytes that a former run had written and that were found to be right.
    pub resumed_bytes: u64,
    /// Bytes that were read back and compared.
    pub verified_bytes: u64,
    /// Reads started.
    pub reads: u64,
    /// Writes started.
    pub writes: u64,
    /// Flushes started.
    pub flushes: u64,
    /// The most operations that were in flight at one time.
    pub peak_in_flight: u64,
    /// Files that were copied past the cache.
    pub files_unbuffered: u64,
    /// Why files were copied past the cache, or not.
    pub buffering: String,
    /// What carried the operations.
    pub backend: String,
    /// What could not be copied.
    pub failures: Vec<Failure>,
    /// What file systems of the target could not do, each kind once for each of them.
    pub warnings: Vec<Warning>,
    /// The copy was stopped before its end.
    pub stopped: bool,
}
