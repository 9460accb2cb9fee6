//! What the workers count: each in a place of its own, added up by whoever asks.

use crate::model::Status;
use overlapped_serving::{Count, Failure, Failures};

pub(super) struct Counters(Box<[Own]>);

/// The counters of one worker. Nobody else writes them, and no other worker's share their cache
/// lines.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Own {
    accepted: Count,
    messages: Count,
    bytes: Count,
    failures: Failures,
}

impl Own {
    pub(super) fn accepted(&self) {
        self.accepted.add(1);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.messages.add(1);
        self.bytes.add(bytes as u64);
    }

    pub(super) fn failed(&self, failure: Failure, count: u64) {
        self.failures.add(failure, count);
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
            own.failures.add_to(&mut status.errors);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Errors;

    #[test]
    fn the_sum_has_every_workers_figures() {
        let counters = Counters::new(3);
        counters.of(0).accepted();
        counters.of(2).received(10);
        counters.of(1).received(5);
        counters.of(0).failed(Failure::Reset, 1);
        counters.of(2).failed(Failure::Reset, 2);
        counters.of(1).failed(Failure::Other, 4);
        let expected = Status {
            accepted: 1,
            messages: 2,
            bytes: 15,
            errors: Errors { reset: 3, other: 4, ..Errors::default() },
            ..Status::default()
        };
        assert_eq!(counters.sum(), expected);
        assert!(align_of::<Own>() >= 128, "no two workers share a cache line");
    }
}
