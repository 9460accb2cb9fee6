//! How a thread learns that something has come to an end.

use crate::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Tells threads that wait that something may have become true.
#[derive(Debug, Default)]
pub struct Notice {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Notice {
    /// Makes whoever waits look again. What they wait for has to be visible to them before.
    pub fn give(&self) {
        // Whoever has found it untrue under the lock is waiting once the lock is free.
        drop(lock(&self.lock));
        self.changed.notify_all();
    }

    /// Waits until `is_true`; false when the deadline came first. Without a deadline it waits as long
    /// as that takes. `is_true` is asked before the deadline is, and must not give this notice.
    pub fn wait_for(&self, deadline: Option<Instant>, is_true: impl Fn() -> bool) -> bool {
        let mut guard = lock(&self.lock);
        while !is_true() {
            guard = match deadline {
                None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let rest = end.saturating_duration_since(Instant::now());
                    if rest.is_zero() {
                        return false;
                    }
                    let waited = self.changed.wait_timeout(guard, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}
