//! The locks, atomics and stealable queue that the executor is built on: those of parking_lot, of the
//! standard library and of crossbeam, or loom's while the models are checked.
//!
//! What is not modelled (the watch, the counters of a file) uses the standard library directly.

#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, loom))]
pub(crate) use self::loom::{
    Condvar, Mutex, PARTS_OF_LISTS, atomic, queue, sees_wakes, spin, wake,
};
#[cfg(not(all(test, loom)))]
pub(crate) use {
    crossbeam_deque as queue,
    parking_lot::{Condvar, Mutex},
    std::hint::spin_loop as spin,
    std::sync::atomic,
};

/// How many parts a list has whose parts are locked apart.
#[cfg(not(all(test, loom)))]
pub(crate) const PARTS_OF_LISTS: usize = 8;

/// Wakes a task.
#[cfg(not(all(test, loom)))]
#[inline]
pub(crate) fn wake(waker: std::task::Waker) {
    waker.wake();
}
