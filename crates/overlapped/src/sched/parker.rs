//! How one thread waits until another wakes it, and what the blocked-thread monitor sees of it.

use crate::sync::{Condvar, Mutex};
use std::time::Duration;

/// What the scheduler needs of a thread.
pub(crate) trait Park {
    /// What it waits on, and others wake it by.
    fn parker(&self) -> &Parker;

    /// Whether the thread sleeps in the kernel at this instant; `None` when that cannot be seen.
    fn asleep(&self) -> Option<bool>;

    /// What the thread is called, if it has a name.
    fn name(&self) -> Option<String> {
        None
    }
}

/// The flag and condition variable that a parked thread waits on.
///
/// It is not `std::thread::park`, whose token belongs to the user's code on the same thread.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// Waits until [`Parker::unpark`] was called since the last return, or for `timeout`.
    ///
    /// May return early for no reason.
    pub(crate) fn park(&self, timeout: Option<Duration>) {
        let mut unparked = self.unparked.lock();
        match timeout {
            Some(timeout) if !*unparked => {
                unparked = self.changed.wait_timeout(&self.unparked, unparked, timeout);
            }
            Some(_) => {}
            None => {
                while !*unparked {
                    unparked = self.changed.wait(&self.unparked, unparked);
                }
            }
        }
        *unparked = false;
    }

    /// Ends this or the next [`Parker::park`].
    pub(crate) fn unpark(&self) {
        let mut unparked = self.unparked.lock();
        *unparked = true;
        self.changed.notify_one();
    }
}
