//! How the thread that stops a server learns that something has come to an end.

use super::connection::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Tells a thread that waits that something may have become true.
#[derive(Default)]
pub(super) struct Notice {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Notice {
    pub(super) fn give(&self) {
        // Whoever has found it untrue under the lock is waiting once the lock is free.
        drop(lock(&self.lock));
        self.changed.notify_all();
    }

    /// Waits until `is_true`; false when the deadline came first.
    pub(super) fn wait_for(&self, deadline: Option<Instant>, is_true: impl Fn() -> bool) -> bool {
        let mut guard = lock(&self.lock);
        while !is_true() {
            let waited = match deadline {
                None => self.changed.wait(guard),
                Some(end) => {
                    let rest = end.saturating_duration_since(Instant::now());
                    if rest.is_zero() {
                        return false;
                    }
                    self.changed
                        .wait_timeout(guard, rest)
                        .map(|(guard, _)| guard)
                        .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0))
                }
            };
            guard = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}
