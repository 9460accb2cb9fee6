//! What servers count: each thread in a place of its own, added up by whoever asks.

use crate::Failure;
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

/// How many failures there were of each kind, with one writer at a time as in [`Count`].
#[derive(Debug, Default)]
pub struct Failures([Count; KINDS.len()]);

const KINDS: [Failure; 4] = [Failure::Reset, Failure::TimedOut, Failure::Aborted, Failure::Other];

impl Failures {
    /// Counts `count` of this kind.
    pub fn add(&self, failure: Failure, count: u64) {
        self.0[failure as usize].add(count);
    }

    /// Adds what was counted to `errors`.
    pub fn add_to(&self, errors: &mut Errors) {
        for kind in KINDS {
            kind.add_to(errors, self.0[kind as usize].get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_is_counted_in_its_place() {
        let (first, second) = (Failures::default(), Failures::default());
        for (number, kind) in KINDS.into_iter().enumerate() {
            first.add(kind, number as u64 + 1);
            second.add(kind, 10);
            second.add(kind, 10);
        }
        let mut errors = Errors::default();
        first.add_to(&mut errors);
        assert_eq!(errors, Errors { reset: 1, timed_out: 2, aborted: 3, other: 4 });
        second.add_to(&mut errors);
        assert_eq!(errors, Errors { reset: 21, timed_out: 22, aborted: 23, other: 24 });
        assert_eq!(errors.total(), 90);
    }
}
