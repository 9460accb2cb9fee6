//! The locks of parking_lot, and the queue of st3.

use crate::sync::Mutex;
use std::time::Duration;

pub(in crate::sync) use parking_lot as imp;
pub(crate) use st3::fifo as queue;

/// Whether what is local to a thread is its alone.
pub(crate) const THREADS_HAVE_THEIR_OWN: bool = true;

#[inline]
pub(in crate::sync) fn lock<T>(mutex: &imp::Mutex<T>) -> imp::MutexGuard<'_, T> {
    mutex.lock()
}

#[inline]
pub(in crate::sync) fn lock_within<T>(
    mutex: &imp::Mutex<T>,
    patience: Duration,
) -> Option<imp::MutexGuard<'_, T>> {
    mutex.try_lock().or_else(|| mutex.try_lock_for(patience))
}

pub(in crate::sync) fn wait<'a, T>(
    condvar: &imp::Condvar,
    _mutex: &'a Mutex<T>,
    mut guard: imp::MutexGuard<'a, T>,
) -> imp::MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

pub(in crate::sync) fn wait_timeout<'a, T>(
    condvar: &imp::Condvar,
    _mutex: &'a Mutex<T>,
    mut guard: imp::MutexGuard<'a, T>,
    timeout: Duration,
) -> imp::MutexGuard<'a, T> {
    condvar.wait_for(&mut guard, timeout);
    guard
}
