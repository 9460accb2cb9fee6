//! The locks, atomics and robbable queue the library is built on: the standard atomics and those of two
//! libraries, or loom's when the models are checked, or such that [`counts`] what they write.
//!
//! A panic in a user's destructor must not make a port unusable for every other thread, so no lock is
//! poisoned: each critical section leaves its data valid before it calls anything that may panic.
//! The locks are those of parking_lot, since a lock that could be poisoned asks twice each time
//! whether its thread panics, which costs more than taking and releasing it.
//!
//! What the path of a message writes atomically goes through here, so that it can be counted. What
//! else there is (signals, files, the set-up of a process) uses the standard library directly.

pub mod counts;
mod platform;

use platform::imp;
use std::io;
use std::time::{Duration, Instant};

pub(crate) use imp::MutexGuard;
#[allow(unused_imports, reason = "not every system has a scheduler that is made of them")]
pub(crate) use platform::atomic;
/// A queue of one thread's that others may rob.
pub(crate) use platform::queue;
pub use platform::simulation;
pub(crate) use platform::{Line, THREADS_HAVE_THEIR_OWN, shared, thread_local, unmodelled};

/// A number that it has given to nobody else in the process.
pub(crate) fn new_number() -> u64 {
    // Not one of those that are counted or modelled: nothing is ordered by it.
    static GIVEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    GIVEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What time it is.
#[inline]
pub(crate) fn now() -> Instant {
    platform::now()
}

/// Starts a thread that nobody joins.
///
/// # Errors
/// When the system starts no thread.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    platform::spawn(name, work)
}

/// A mutual exclusion lock without poisoning.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    #[inline]
    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        platform::locks(&self.0);
        platform::lock(&self.0)
    }

    /// Takes the lock, unless somebody else has it for so long.
    #[inline]
    #[track_caller]
    pub(crate) fn lock_within(&self, patience: Duration) -> Option<MutexGuard<'_, T>> {
        platform::locks(&self.0);
        platform::lock_within(&self.0, patience)
    }
}

/// A condition variable without poisoning.
#[derive(Debug, Default)]
pub(crate) struct Condvar(imp::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(imp::Condvar::new())
    }

    /// Waits until it is notified; may return early. `mutex` is that of the guard.
    #[track_caller]
    pub(crate) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        platform::waits(&self.0);
        platform::wait(&self.0, mutex, guard)
    }

    /// As [`Condvar::wait`], for at most `timeout`.
    #[track_caller]
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> MutexGuard<'a, T> {
        platform::waits(&self.0);
        platform::wait_timeout(&self.0, mutex, guard, timeout)
    }

    #[track_caller]
    pub(crate) fn notify_one(&self) {
        platform::notifies(&self.0);
        self.0.notify_one();
    }

    #[track_caller]
    pub(crate) fn notify_all(&self) {
        platform::notifies(&self.0);
        self.0.notify_all();
    }
}
