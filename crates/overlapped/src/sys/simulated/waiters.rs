//! Threads that wait for the network to change.

use crate::sync::{Condvar, Mutex, MutexGuard, now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A condition variable that knows how many threads wait on it. All calls are made under the
/// network's lock.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    changed: Condvar,
    waiting: AtomicUsize,
}

impl Waiters {
    /// Waits until it is woken, at most until `end`; may return early. `mutex` is that of the guard.
    pub(super) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        end: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = match end {
            Some(end) => {
                let timeout = end.saturating_duration_since(now());
                self.changed.wait_timeout(mutex, guard, timeout)
            }
            None => self.changed.wait(mutex, guard),
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// How many threads have begun to wait and not come back.
    fn count(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn wake_one(&self) {
        if self.count() > 0 {
            self.changed.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        if self.count() > 0 {
            self.changed.notify_all();
        }
    }
}
