//! Which locks and atomics there are: the ordinary ones, those of loom, or those that count.
//!
//! Loom's are for the library's own tests alone: other tests of the same run have the library as it is.

#[cfg(all(feature = "_count", not(all(test, loom))))]
mod counted;
#[cfg(all(feature = "_count", not(all(test, loom))))]
mod ledger;
#[cfg(all(test, loom))]
mod loom;
#[cfg(not(all(test, loom)))]
mod standard;
#[cfg(any(all(test, loom), not(feature = "_count")))]
mod uncounted;

#[cfg(all(test, loom))]
pub(crate) use self::loom::{THREADS_HAVE_THEIR_OWN, queue};
#[cfg(all(test, loom))]
pub(super) use self::loom::{imp, lock, wait, wait_timeout};
#[cfg(all(feature = "_count", not(all(test, loom))))]
pub(crate) use counted::{Line, shared, unmodelled};
#[cfg(all(feature = "_count", not(all(test, loom))))]
pub(super) use counted::{locks, notifies, waits, writes};
#[cfg(not(all(test, loom)))]
pub(crate) use standard::{THREADS_HAVE_THEIR_OWN, queue};
#[cfg(not(all(test, loom)))]
pub(super) use standard::{imp, lock, wait, wait_timeout};
#[cfg(any(all(test, loom), not(feature = "_count")))]
pub(crate) use uncounted::{Line, shared, unmodelled};
#[cfg(any(all(test, loom), not(feature = "_count")))]
pub(super) use uncounted::{locks, notifies, waits, writes};

/// Atomics that the models interleave: loom's when they are checked, else those of [`unmodelled`].
#[allow(unused_imports, reason = "not every system has a scheduler that is made of them")]
pub(crate) mod atomic {
    #[cfg(all(test, loom))]
    pub(crate) use ::loom::sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    #[cfg(not(all(test, loom)))]
    pub(crate) use super::unmodelled::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    #[cfg(not(all(test, loom)))]
    pub(crate) use std::sync::atomic::{Ordering, fence};
}
