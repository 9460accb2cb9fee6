//! The scheduler: the queue, the threads that take from it, and who of them may run.
//!
//! - [`Scheduler`] is what a port has: it queues values of any type, and lets a thread have one.
//!   [`platform`] says what it is on each system: our [`dispatcher`], or the system's own port.
//! - [`rules`] is the discipline itself, a pure data structure without locks, clocks or I/O. Each
//!   transition answers what the calling thread does next and which other threads to wake.
//! - [`dispatcher`] puts the rules behind one lock, with the threads' own queues before it, and lets
//!   threads wait: parked, or in the backend.
//! - [`monitor`] is the thread that notices threads which block without saying so.
//! - [`own_queue`] is what a thread has for itself, and others may rob.
//! - [`parker`] is how one thread parks and is woken, and how it is seen that it sleeps.
//! - [`binding`] is which scheduler the calling thread is bound to.
//! - [`allowance`] is how many completions a thread may have in place before it takes again.
//! - [`metrics`] is what a scheduler counts.
//! - [`moves`] is what a recording says.
//! - `models` are the loom models of rules, lock and waiting; `checks` the tests of the rules alone.
//!
//! A wake-up costs one futex call (a parked thread) or one `eventfd` write (a thread in the
//! backend's wait). On the hot path a thread that comes back finds work in its own queue, which costs
//! neither a lock nor a wake-up.

mod allowance;
pub(crate) mod binding;
mod dispatcher;
pub(crate) mod metrics;
mod monitor;
pub(crate) mod moves;
mod own_queue;
pub(crate) mod parker;
mod platform;
mod rules;

#[cfg(all(test, not(loom)))]
mod checks;
#[cfg(all(test, loom))]
mod models;

pub(crate) use platform::{Job, Scheduler};

use crate::sync;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Why a take gave no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeError {
    /// Nothing came within the time (258 on Windows).
    TimedOut,
    /// The port was closed while the thread waited (735 on Windows).
    Abandoned,
    /// The port had been closed before (6 on Windows).
    Closed,
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no packet came within the time",
            Self::Abandoned => "the completion port was closed while the thread waited",
            Self::Closed => "the completion port is closed",
        })
    }
}

impl std::error::Error for TakeError {}

/// So that `?` works in a function that returns an [`io::Error`]: its kind is
/// [`TimedOut`](io::ErrorKind::TimedOut), or [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the port
/// is closed.
impl From<TakeError> for io::Error {
    fn from(error: TakeError) -> Self {
        let kind = match error {
            TakeError::TimedOut => io::ErrorKind::TimedOut,
            TakeError::Abandoned | TakeError::Closed => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// Until when a thread is willing to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    Never,
    /// Do not wait at all.
    Now,
    At(Instant),
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::Never,
            Some(Duration::ZERO) => Self::Now,
            Some(timeout) => sync::now().checked_add(timeout).map_or(Self::Never, Self::At),
        }
    }

    fn remaining(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Now => Some(Duration::ZERO),
            Self::At(end) => Some(end.saturating_duration_since(sync::now())),
        }
    }

    fn expired(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }
}

/// The sizes of the scheduler's structures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) queued: usize,
    pub(crate) waiting: usize,
    pub(crate) released: usize,
    pub(crate) paused: usize,
}
