//! One open file of the system, and the calls that are made on it.
//!
//! [`system_file`] is the file, [`opening`] how a name that somebody else may change is opened without
//! waiting. What carries whole operations on it asks each for a [`Request`], which the system performs
//! at once ([`SystemFile::perform`]) or holds until it is done ([`uring`](super::uring), `iocp`).

mod file_state;
mod opening;
#[cfg(feature = "_simulation")]
mod simulated;
mod system_file;
#[cfg(windows)]
mod system_file_windows;

pub use file_state::FileState;
pub use opening::{open_at_once, open_regular};
pub use system_file::FileOptions;
pub(crate) use system_file::SystemFile;

use std::sync::Arc;

/// What the system is to do with a file.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Read { room: &'a mut [u8], offset: u64 },
    Write { bytes: &'a [u8], offset: u64 },
    Flush,
}

/// What owns the memory of its requests, and may be held by the system meanwhile.
pub(crate) trait Transfer: Send + 'static {
    /// What it wants next, of which file. The memory is its own, and stays where it is until it is
    /// asked again or dropped; the file stays open as long as it is there.
    fn request(&mut self) -> (&Arc<SystemFile>, Request<'_>);
}
