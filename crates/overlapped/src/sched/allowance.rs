//! How many completions a thread may have in place before it takes again.
//!
//! Whoever goes on in place keeps everybody else's packets waiting meanwhile. So each take allows a
//! number of completions, which adapts to whether others wait, and about a millisecond.

use crate::sync;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What a thread is allowed at first.
pub(super) const AT_FIRST: u32 = 16;
/// While others wait: enough for one request to be answered, and the next one to be begun.
pub(super) const AT_LEAST: u32 = 4;
pub(super) const AT_MOST: u32 = 64;
pub(super) const TIME: Duration = Duration::from_millis(1);

/// The allowance of one bound thread.
#[derive(Debug)]
pub(super) struct Allowance {
    size: Cell<u32>,
    used: Cell<u32>,
    /// When the second completion was allowed. The first one needs no clock, and most takes have one.
    pub(super) since: Cell<Option<Instant>>,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self { size: Cell::new(AT_FIRST), used: Cell::new(0), since: Cell::new(None) }
    }

    /// The thread takes.
    #[inline]
    pub(super) fn renew(&self) {
        self.used.set(0);
    }

    /// Whether one more completion is allowed; `others_wait` says whether the thread could take
    /// something else.
    #[inline]
    pub(super) fn allows_one_more(&self, others_wait: impl FnOnce() -> bool) -> bool {
        let used = self.used.get();
        if used == 0 {
            self.used.set(1);
            return true;
        }
        self.allows_another(used, others_wait)
    }

    #[inline(never)]
    fn allows_another(&self, used: u32, others_wait: impl FnOnce() -> bool) -> bool {
        if used == 1 {
            self.since.set(Some(sync::now()));
        } else if used % 2 == 1
            && self
                .since
                .get()
                .is_some_and(|since| sync::now().saturating_duration_since(since) >= TIME)
        {
            if others_wait() {
                self.shrink(used);
            }
            return false;
        }
        if used >= self.size.get() {
            if others_wait() {
                self.shrink(used);
                return false;
            }
            if used >= AT_MOST {
                return false;
            }
            self.size.set((used * 2).min(AT_MOST));
        }
        self.used.set(used + 1);
        true
    }

    /// So many were too many.
    fn shrink(&self, used: u32) {
        self.size.set((used / 2).max(AT_LEAST));
    }
}
