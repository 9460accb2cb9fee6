//! Which locks and atomics there are: the standard library's, those of loom, or those that count.

#[cfg(all(feature = "_count", not(loom)))]
mod counted;
#[cfg(all(feature = "_count", not(loom)))]
mod ledger;
#[cfg(loom)]
mod loom;
#[cfg(not(loom))]
mod standard;
#[cfg(any(loom, not(feature = "_count")))]
mod uncounted;

#[cfg(loom)]
pub(crate) use self::loom::{THREADS_HAVE_THEIR_OWN, queue};
#[cfg(loom)]
pub(super) use self::loom::{imp, wait_timeout};
#[cfg(all(feature = "_count", not(loom)))]
pub(crate) use counted::{Line, shared, unmodelled};
#[cfg(all(feature = "_count", not(loom)))]
pub(super) use counted::{locks, notifies, waits, writes};
#[cfg(not(loom))]
pub(crate) use standard::{THREADS_HAVE_THEIR_OWN, queue};
#[cfg(not(loom))]
pub(super) use standard::{imp, wait_timeout};
#[cfg(any(loom, not(feature = "_count")))]
pub(crate) use uncounted::{Line, shared, unmodelled};
#[cfg(any(loom, not(feature = "_count")))]
pub(super) use uncounted::{locks, notifies, waits, writes};

/// Atomics that the models interleave: loom's when they are checked, else those of [`unmodelled`].
#[allow(unused_imports, reason = "not every system has a scheduler that is made of them")]
pub(crate) mod atomic {
    #[cfg(loom)]
    pub(crate) use ::loom::sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    #[cfg(not(loom))]
    pub(crate) use super::unmodelled::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::{Ordering, fence};
}
