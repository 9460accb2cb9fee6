//! One thread of a pool, as the others see it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Says whether its thread is in a handler, and how often it was. Only that thread writes.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// How often a handler was entered and left: odd within one.
    steps: AtomicU64,
}

impl Seat {
    /// The thread goes into a handler, or comes out of it.
    #[inline]
    pub(super) fn step(&self) {
        let steps = self.steps.load(Ordering::Relaxed);
        self.steps.store(steps.wrapping_add(1), Ordering::Release);
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Acquire)
    }

    /// How many packets it has handed to the handler.
    pub(super) fn handled(&self) -> u64 {
        self.steps().div_ceil(2)
    }
}

/// What was seen of all threads at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) threads: usize,
    pub(super) in_handler: usize,
    /// Changes with every step of any of them.
    steps: u64,
}

impl Sight {
    pub(super) fn of<'a>(seats: impl Iterator<Item = &'a Seat>) -> Self {
        let mut sight = Self { threads: 0, in_handler: 0, steps: 0 };
        for seat in seats {
            let steps = seat.steps();
            sight.threads += 1;
            sight.in_handler += usize::from(steps % 2 == 1);
            sight.steps = sight.steps.wrapping_add(steps);
        }
        sight
    }
}
