//! The standard library's locks.

use crate::sync::Mutex;
use std::time::Duration;

pub(crate) use st3::fifo as queue;
pub(in crate::sync) use std::sync as imp;

/// Whether what is local to a thread is its alone.
pub(crate) const THREADS_HAVE_THEIR_OWN: bool = true;

pub(in crate::sync) fn wait_timeout<'a, T>(
    condvar: &imp::Condvar,
    _mutex: &'a Mutex<T>,
    guard: imp::MutexGuard<'a, T>,
    timeout: Duration,
) -> imp::MutexGuard<'a, T> {
    condvar.wait_timeout(guard, timeout).unwrap_or_else(|poisoned| poisoned.into_inner()).0
}
