//! Loom's locks and atomics, as the executor uses those of parking_lot and of the standard library.

pub(crate) use ::loom::sync::atomic;
pub(crate) use ::loom::thread::yield_now as spin;

pub(crate) mod queue;

use ::loom::sync as imp;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Instant;

/// As few as show that there are several.
pub(crate) const PARTS_OF_LISTS: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It holds nothing while a thread waits for a condition variable.
pub(crate) struct MutexGuard<'a, T>(Option<imp::MutexGuard<'a, T>>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it does not wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it does not wait")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(imp::Condvar);

/// Whether a wait has ended by its time.
pub(crate) struct WaitTimeoutResult;

impl WaitTimeoutResult {
    #[expect(clippy::unused_self, reason = "it is as that of parking_lot")]
    pub(crate) fn timed_out(&self) -> bool {
        true
    }
}

impl Condvar {
    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("it does not wait");
        guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    /// Loom has no time: it has always passed.
    pub(crate) fn wait_until<T>(
        &self,
        _guard: &mut MutexGuard<'_, T>,
        _end: Instant,
    ) -> WaitTimeoutResult {
        WaitTimeoutResult
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

::loom::lazy_static! {
    static ref WAKES: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
}

/// Wakes a task. Loom does not see what happens within async-task, so it is told of what that promises:
/// what was before a wake is before the poll that the wake brings, which begins with [`sees_wakes`].
pub(crate) fn wake(waker: Waker) {
    WAKES.fetch_add(1, atomic::Ordering::Release);
    waker.wake();
}

/// The task that the calling thread is about to poll has seen what was before its wakes.
pub(crate) fn sees_wakes() {
    WAKES.fetch_add(0, atomic::Ordering::Acquire);
}
