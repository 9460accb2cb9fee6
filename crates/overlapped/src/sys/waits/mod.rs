//! What is not ours and can be waited for: descriptors of Linux, handles of Windows.
//!
//! A [`Source`] is one of them, owned. A wait for it is for one time: [`Backend::start_wait`] begins it, and
//! one [`Event`] with the token given says that it is over, unless [`Backend::stop_wait`] came first. On
//! Linux the source is a member of the port's own epoll set, armed for one event. On Windows a thread of
//! the system's pool waits and queues the event on the port.
//!
//! Nothing here is on a simulated network.

#[cfg(target_os = "linux")]
mod linux;
mod readiness;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{Armed, Owned, Source, exit_source};
pub use readiness::Readiness;
#[cfg(windows)]
pub(crate) use windows::{Armed, Owned, Source, exit_source};

use super::Event;
use std::io;

impl Event {
    /// The token of the wait with this number.
    pub(crate) fn token_of_wait(number: u32) -> u64 {
        Self::WAITS | u64::from(number)
    }

    /// The number of the wait that it ends, unless it is of something else.
    pub(crate) fn wait(self) -> Option<u32> {
        (self.token & !u64::from(u32::MAX) == Self::WAITS).then_some(self.token as u32)
    }
}

/// The error of a call for something that somebody else has closed.
fn closed_by_others() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "what this handle owns was closed by somebody else: find who closes it without owning it, and \
         close this handle",
    )
}

/// The error of an association on a network in memory.
pub(crate) fn not_simulated() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a port on a simulated network has its own sockets only: descriptors and handles of the system \
         need a port on the system's driver",
    )
}
