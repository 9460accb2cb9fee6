//! All threads of a pool, as its supervisor sees them.

use crate::stalls::seat::StallSeat;

/// What was seen of all threads at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) threads: usize,
    pub(super) in_handler: usize,
    /// Changes whenever any of them goes into a handler, or comes out of one.
    steps: u64,
}

impl Sight {
    pub(super) fn of<'a>(seats: impl Iterator<Item = &'a StallSeat>) -> Self {
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
