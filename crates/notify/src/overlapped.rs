//! One overlapped operation that is notified through an event or its handle.

use crate::operation::Operation;
use crate::{Completed, platform};

/// One operation in flight, which is notified through its event or its handle.
///
/// It owns the buffer until it ends. Dropping it cancels the operation, and frees the buffer as
/// soon as the system has finished with it; forgetting it leaks both. While it is in flight it
/// holds its stream or listener open.
///
/// When the thread that started it ends before it does, the operation is cancelled.
#[must_use = "dropping an operation cancels it"]
pub struct Overlapped<B, T> {
    pending: platform::Pending,
    completed: fn(Operation) -> Completed<B, T>,
}

impl<B, T> Overlapped<B, T> {
    pub(crate) fn new(
        pending: platform::Pending,
        completed: fn(Operation) -> Completed<B, T>,
    ) -> Self {
        Self { pending, completed }
    }

    /// Whether it has ended. This is so before its event is set.
    ///
    /// # Platform
    /// On Linux the operation proceeds first, if it can.
    pub fn is_complete(&self) -> bool {
        self.pending.is_complete()
    }

    /// Cancels it, unless it has ended; then this has no effect. It ends as aborted, and is
    /// notified like any other end; a send may have sent a part.
    pub fn cancel(&self) {
        self.pending.cancel();
    }

    /// The completion, or the operation again while it is in flight (error 996).
    ///
    /// # Errors
    /// The operation itself, which goes on.
    pub fn try_result(self) -> Result<Completed<B, T>, Self> {
        let Self { pending, completed } = self;
        match pending.try_take() {
            Ok(operation) => Ok(completed(operation)),
            Err(pending) => Err(Self { pending, completed }),
        }
    }

    /// Waits for the completion. It waits for the operation itself and resets no event. So it
    /// returns also when another thread has waited for the operation's auto-reset event.
    ///
    /// # Platform
    /// On Windows it polls every few milliseconds if the event is an auto-reset one. Wait for the
    /// event there instead.
    pub fn result(self) -> Completed<B, T> {
        (self.completed)(self.pending.take())
    }
}

impl<B, T> std::fmt::Debug for Overlapped<B, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlapped").finish_non_exhaustive()
    }
}
