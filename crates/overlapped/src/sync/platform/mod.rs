//! Which locks, atomics, threads and clock there are: the ordinary ones, those of loom, those of a simulation,
//! or such that count.
//!
//! Loom's are for the library's own tests alone: other tests of the same run have the library as it is.

#[cfg(all(feature = "_count", not(all(test, loom))))]
mod counted;
#[cfg(all(feature = "_count", not(all(test, loom))))]
mod ledger;
#[cfg(any(all(test, loom), feature = "_simulation"))]
pub(crate) mod locked_queue;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(feature = "_simulation", not(all(test, loom))))]
mod simulated;
#[cfg(not(any(all(test, loom), feature = "_simulation")))]
mod standard;
#[cfg(any(all(test, loom), not(feature = "_simulation")))]
mod system_threads;
#[cfg(any(all(test, loom), not(feature = "_count")))]
mod uncounted;

#[cfg(all(test, loom))]
use self::loom as chosen;
#[cfg(all(feature = "_simulation", not(all(test, loom))))]
use simulated as chosen;
#[cfg(not(any(all(test, loom), feature = "_simulation")))]
use standard as chosen;

pub(crate) use chosen::THREADS_HAVE_THEIR_OWN;
pub(super) use chosen::{imp, lock, lock_within, wait, wait_timeout};
#[cfg(any(all(test, loom), feature = "_simulation"))]
pub(crate) use locked_queue as queue;
#[cfg(not(any(all(test, loom), feature = "_simulation")))]
pub(crate) use standard::queue;

#[cfg(all(feature = "_simulation", not(all(test, loom))))]
pub use simulated::simulation;
/// There is none.
#[cfg(any(all(test, loom), not(feature = "_simulation")))]
pub mod simulation {}
#[cfg(all(feature = "_simulation", not(all(test, loom))))]
pub(crate) use simulated::thread_local;
#[cfg(all(feature = "_simulation", not(all(test, loom))))]
pub(super) use simulated::{now, spawn};
#[cfg(any(all(test, loom), not(feature = "_simulation")))]
pub(crate) use system_threads::thread_local;
#[cfg(any(all(test, loom), not(feature = "_simulation")))]
pub(super) use system_threads::{now, spawn};

#[cfg(all(feature = "_count", not(all(test, loom))))]
pub(crate) use counted::{Line, shared, unmodelled};
#[cfg(all(feature = "_count", not(all(test, loom))))]
pub(super) use counted::{locks, notifies, waits, writes};
#[cfg(any(all(test, loom), not(feature = "_count")))]
pub(crate) use uncounted::{Line, shared, unmodelled};
#[cfg(any(all(test, loom), not(feature = "_count")))]
pub(super) use uncounted::{locks, notifies, waits, writes};

/// Atomics that models and simulations interleave: loom's or shuttle's, else those of [`unmodelled`].
#[allow(unused_imports, reason = "not every system has a scheduler that is made of them")]
pub(crate) mod atomic {
    #[cfg(all(test, loom))]
    pub(crate) use ::loom::sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    #[cfg(all(feature = "_simulation", not(all(test, loom))))]
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    #[cfg(not(any(all(test, loom), feature = "_simulation")))]
    pub(crate) use super::unmodelled::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    #[cfg(not(any(all(test, loom), feature = "_simulation")))]
    pub(crate) use std::sync::atomic::{Ordering, fence};
}
