//! Nothing is counted.

use super::imp;
use crate::sync::counts::Writes;
use std::sync::Arc;

/// Atomics that the models need not interleave: the standard library's, also under loom.
pub(crate) mod unmodelled {
    #[allow(
        unused_imports,
        reason = "not every system writes each of them on the path of a message"
    )]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
}

/// A line that another crate's code writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line;

impl Line {
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn written(self) {}
}

/// One more owner.
#[inline]
pub(crate) fn shared<T: ?Sized>(owner: &Arc<T>) -> Arc<T> {
    Arc::clone(owner)
}

#[inline]
pub(in crate::sync) fn locks<T>(_mutex: &imp::Mutex<T>) {}

#[inline]
pub(in crate::sync) fn waits(_condvar: &imp::Condvar) {}

#[inline]
pub(in crate::sync) fn notifies(_condvar: &imp::Condvar) {}

pub(in crate::sync) fn writes() -> Option<Vec<Writes>> {
    None
}
