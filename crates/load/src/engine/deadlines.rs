//! When patience with each connection ends. They lie beside each other and away from the connections, since
//! every look goes over all of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// No deadline is set.
const NEVER: u32 = u32::MAX;

/// A deadline of each connection, in milliseconds after the start of the run.
pub(crate) struct Deadlines(Box<[AtomicU32]>);

impl Deadlines {
    pub(crate) fn new(count: u32) -> Self {
        Self((0..count).map(|_| AtomicU32::new(NEVER)).collect())
    }

    pub(crate) fn set(&self, index: u32, at: Duration) {
        let at_ms = u32::try_from(at.as_millis()).unwrap_or(NEVER);
        self.0[index as usize].store(at_ms, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self, index: u32) {
        self.0[index as usize].store(NEVER, Ordering::Relaxed);
    }

    pub(crate) fn has_passed(&self, index: u32, now: Duration) -> bool {
        u128::from(self.0[index as usize].load(Ordering::Relaxed)) <= now.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_unless_it_is_cleared_or_too_far_away() {
        let deadlines = Deadlines::new(3);
        let (soon, late) = (Duration::from_millis(5), Duration::from_secs(40 * 24 * 3_600));
        assert!(!deadlines.has_passed(0, late));
        deadlines.set(0, soon);
        deadlines.set(1, soon);
        deadlines.set(2, late * 2);
        deadlines.clear(1);
        let passed = [0, 1, 2].map(|index| deadlines.has_passed(index, late));
        assert_eq!(passed, [true, false, false]);
        assert!(!deadlines.has_passed(0, Duration::from_millis(4)));
    }
}
