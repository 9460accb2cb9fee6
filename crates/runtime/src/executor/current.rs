//! The runtime of the calling thread: of its worker, or of the [`block_on`](super::super::Handle::block_on)
//! that it is in.

use super::Executor;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Executor>>> = const { RefCell::new(None) };
}

/// The calling thread takes packets for this executor.
pub(super) fn work_for(executor: &Arc<Executor>) {
    CURRENT.with_borrow_mut(|current| {
        if !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, executor)) {
            *current = Some(Arc::clone(executor));
        }
    });
}

/// Until this is dropped, the executor is that of the calling thread.
pub(crate) struct Entered(Option<Arc<Executor>>);

pub(crate) fn enter(executor: &Arc<Executor>) -> Entered {
    Entered(CURRENT.replace(Some(Arc::clone(executor))))
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped outside: it may be the last of its runtime.
        let left = CURRENT.replace(self.0.take());
        drop(left);
    }
}

pub(crate) fn try_get() -> Option<Arc<Executor>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The executor of the calling thread, for `what` is wanted.
///
/// # Panics
/// When there is none.
#[track_caller]
pub(crate) fn get(what: &str) -> Arc<Executor> {
    try_get().unwrap_or_else(|| {
        panic!(
            "{what} needs a runtime, and this thread is in none: call it within \
             `overlapped_runtime::run` or `Runtime::block_on`, or enter one with `Handle::enter`"
        )
    })
}
