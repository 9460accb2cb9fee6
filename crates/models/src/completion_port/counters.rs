//! What the workers count: each in a place of its own, added up by whoever asks.

use crate::failure::Failure;
use crate::model::{Errors, Status};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Counters(Box<[Own]>);

/// The counters of one worker. Nobody else writes them, and no other worker's share their cache
/// lines.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Own {
    accepted: Count,
    messages: Count,
    bytes: Count,
    failures: [Count; 4],
}

/// A number with one writer, who therefore needs no atomic addition.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, more: u64) {
        self.0.store(self.get() + more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const KINDS: [Failure; 4] = [Failure::Reset, Failure::TimedOut, Failure::Aborted, Failure::Other];

impl Own {
    pub(super) fn accepted(&self) {
        self.accepted.add(1);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.messages.add(1);
        self.bytes.add(bytes as u64);
    }

    pub(super) fn failed(&self, failure: Failure, count: u64) {
        self.failures[failure as usize].add(count);
    }
}

impl Counters {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Own::default()).collect())
    }

    pub(super) fn of(&self, number: usize) -> &Own {
        &self.0[number]
    }

    /// The number of the last set.
    pub(super) fn last(&self) -> usize {
        self.0.len() - 1
    }

    /// Everything that is counted here; the rest of the status is zero.
    pub(super) fn sum(&self) -> Status {
        let mut status = Status::default();
        for own in &self.0 {
            status.accepted += own.accepted.get();
            status.messages += own.messages.get();
            status.bytes += own.bytes.get();
            status.errors = own.add_failures(status.errors);
        }
        status
    }
}

impl Own {
    fn add_failures(&self, mut errors: Errors) -> Errors {
        for kind in KINDS {
            kind.add_to(&mut errors, self.failures[kind as usize].get());
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_has_every_workers_figures_each_kind_in_its_place() {
        let counters = Counters::new(3);
        counters.of(0).accepted();
        counters.of(2).received(10);
        counters.of(1).received(5);
        for (number, kind) in KINDS.into_iter().enumerate() {
            counters.of(number % 3).failed(kind, number as u64 + 1);
        }
        let expected = Status {
            accepted: 1,
            messages: 2,
            bytes: 15,
            errors: Errors { reset: 1, timed_out: 2, aborted: 3, other: 4 },
            ..Status::default()
        };
        assert_eq!(counters.sum(), expected);
        assert!(align_of::<Own>() >= 128, "no two workers share a cache line");
    }
}
