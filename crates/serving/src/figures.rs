//! What servers show of their connections and threads, and what a thread counts for itself.

use overlapped::Snapshot;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections that ended before their time, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Errors {
    /// Reset by the client.
    pub reset: u64,
    /// Silent for longer than the limits allow, or given up by the system.
    pub timed_out: u64,
    /// Ended by force, by this side.
    pub aborted: u64,
    /// Anything else: what a server made of a message failed, no thread for a connection, other
    /// codes of the system.
    pub other: u64,
}

impl Errors {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.reset + self.timed_out + self.aborted + self.other
    }
}

/// What the threads of a server do at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Threads {
    /// Waiting for something to do.
    pub waiting: usize,
    /// Running.
    pub released: usize,
    /// Released, and blocked elsewhere since.
    pub paused: usize,
}

impl From<Snapshot> for Threads {
    /// The threads of a port.
    fn from(port: Snapshot) -> Self {
        Self { waiting: port.waiting, released: port.released, paused: port.paused }
    }
}

/// A number with one writer at a time, who therefore needs no atomic addition. Others may read it.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `more`. Of two threads that do it at once, one may go uncounted.
    pub fn add(&self, more: u64) {
        self.0.store(self.get() + more, Ordering::Relaxed);
    }

    /// The sum of what was added.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
