//! What differs between systems about an open file, with the same names in each: where a source has holes,
//! and how the target gets its length, its times and its permissions.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(windows)]
pub use windows::*;

use std::fs::FileTimes;
use std::io;

/// What a finished file has of its source.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// When it was read and changed.
    pub times: FileTimes,
    /// Who may do what with it.
    pub permissions: std::fs::Permissions,
    /// Its size in bytes, if it may be another yet.
    pub cut_to: Option<u64>,
    /// Whether all of it must be on the device.
    pub synced: bool,
    /// Whether an access list is taken away that its folder has given it.
    pub without_access_list: bool,
}

impl Attributes {
    /// Those of a file that is here; its size is left alone.
    pub fn of(facts: &std::fs::Metadata) -> Self {
        let mut times = FileTimes::new();
        if let Ok(time) = facts.modified() {
            times = times.set_modified(time);
        }
        if let Ok(time) = facts.accessed() {
            times = times.set_accessed(time);
        }
        let permissions = permissions_of(facts);
        Self { times, permissions, cut_to: None, synced: false, without_access_list: true }
    }
}

/// Passes by what a file system cannot do, and tells it to `cannot`; what shows that the device fails is an
/// error still.
pub(crate) fn unless_unable(
    outcome: io::Result<()>,
    cannot: &mut dyn FnMut(io::Error),
) -> io::Result<()> {
    match outcome {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            cannot(error);
            Ok(())
        }
        outcome => outcome,
    }
}
