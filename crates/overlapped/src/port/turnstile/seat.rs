//! Where one thread sits while it waits, and what the doorman can see of it.

use crate::sync::{Condvar, Mutex};
use std::time::Duration;

/// What the turnstile needs of a thread.
pub(crate) trait Seat {
    /// Waits until [`Seat::unpark`] was called since the last return, or for `timeout`.
    ///
    /// May return early for no reason.
    fn park(&self, timeout: Option<Duration>);

    /// Ends this or the next [`Seat::park`].
    fn unpark(&self);

    /// Whether the thread sleeps in the kernel at this instant; `None` when that cannot be seen.
    fn asleep(&self) -> Option<bool>;
}

/// The flag and condition variable that a parked thread waits on.
///
/// It is not `std::thread::park`, whose token belongs to the user's code on the same thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { rung: Mutex::new(false), changed: Condvar::new() }
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let mut rung = self.rung.lock();
        if !*rung {
            rung = self.sleep(rung, timeout);
        }
        *rung = false;
    }

    #[cfg(not(loom))]
    fn sleep<'a>(
        &self,
        mut rung: crate::sync::MutexGuard<'a, bool>,
        timeout: Option<Duration>,
    ) -> crate::sync::MutexGuard<'a, bool> {
        match timeout {
            Some(timeout) => self.changed.wait_timeout(rung, timeout),
            None => {
                while !*rung {
                    rung = self.changed.wait(rung);
                }
                rung
            }
        }
    }

    /// Loom has no time: a wait with a time-out may end at any moment, so it ends at once, and
    /// the scheduler explores every moment at which that can be.
    #[cfg(loom)]
    fn sleep<'a>(
        &'a self,
        mut rung: crate::sync::MutexGuard<'a, bool>,
        timeout: Option<Duration>,
    ) -> crate::sync::MutexGuard<'a, bool> {
        if timeout.is_some() {
            drop(rung);
            loom::thread::yield_now();
            return self.rung.lock();
        }
        while !*rung {
            rung = self.changed.wait(rung);
        }
        rung
    }

    pub(crate) fn ring(&self) {
        let mut rung = self.rung.lock();
        *rung = true;
        self.changed.notify_one();
    }
}
