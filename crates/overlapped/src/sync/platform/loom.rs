//! Loom's locks.

use crate::sync::Mutex;
use std::time::Duration;

pub(in crate::sync) use ::loom::sync as imp;

/// Loom runs all threads of a model, and one model after another, on one thread of the system.
pub(crate) const THREADS_HAVE_THEIR_OWN: bool = false;

#[track_caller]
pub(in crate::sync) fn lock<T>(mutex: &imp::Mutex<T>) -> imp::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Nobody has a lock for long in a model.
#[track_caller]
pub(in crate::sync) fn lock_within<T>(
    mutex: &imp::Mutex<T>,
    _patience: Duration,
) -> Option<imp::MutexGuard<'_, T>> {
    Some(lock(mutex))
}

#[track_caller]
pub(in crate::sync) fn wait<'a, T>(
    condvar: &imp::Condvar,
    _mutex: &'a Mutex<T>,
    guard: imp::MutexGuard<'a, T>,
) -> imp::MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Loom has no time: a wait with a time-out may end at any moment, so it ends at once, and loom
/// explores every moment at which that can be.
pub(in crate::sync) fn wait_timeout<'a, T>(
    _condvar: &imp::Condvar,
    mutex: &'a Mutex<T>,
    guard: imp::MutexGuard<'a, T>,
    _timeout: Duration,
) -> imp::MutexGuard<'a, T> {
    drop(guard);
    ::loom::thread::yield_now();
    mutex.lock()
}
