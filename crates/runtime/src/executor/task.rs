//! Tasks: how they are spawned, awaited and aborted.

use super::Runnable;
use super::expectation::Expectation;
use super::owned::{Owned, TaskNumber};
use crate::sync::Mutex;
use async_task::{FallibleTask, ScheduleInfo, WithInfo};
use pin_project_lite::pin_project;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pin_project! {
    /// A task's future. Its panics are contained, and its place in the list goes with it.
    struct Contained<F> {
        #[pin]
        future: F,
        expectation: Expectation,
        place: Place,
    }
}

/// A place in the list of tasks, which ends when the future does.
struct Place {
    owned: Arc<Owned>,
    number: TaskNumber,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.owned.remove(self.number);
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Not before the poll: an abort from then on wakes the task again, so it is not lost.
        if this.place.owned.is_to_end(this.place.number) {
            return Poll::Ready(Err(JoinError(None)));
        }
        #[cfg(feature = "tracing")]
        let _in_span = this.place.span.enter();
        let poll = || this.expectation.poll(|| this.future.poll(context));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(JoinError(Some(Mutex::new(panic))))),
        }
    }
}

impl Owned {
    /// Makes a task of a future, adds it to the list, and has it run: `schedule` gets it whenever it is
    /// to run.
    pub(super) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        spawned_at: &'static Location<'static>,
        schedule: impl Fn(Runnable, ScheduleInfo) + Send + Sync + 'static,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let number = self.reserve(spawned_at);
        let place = Place {
            owned: Arc::clone(self),
            number,
            #[cfg(feature = "tracing")]
            span: tracing::debug_span!(
                parent: None, "task", number = number.number(), spawned_at = %spawned_at
            ),
        };
        let contained = Contained { future, expectation: Expectation::default(), place };
        let task = async_task::Builder::new().metadata(number);
        let (runnable, task) = task.spawn(move |_| contained, WithInfo(schedule));
        self.occupy(number, runnable.waker());
        runnable.schedule();
        let abort = AbortHandle { owned: Arc::clone(self), number };
        JoinHandle { task: Some(task.fallible()), abort }
    }
}

/// The result of a task, when it has ended. Dropping it leaves the task alone.
///
/// Awaiting it is cancel safe: the result stays for the next time.
#[must_use = "a task that nobody awaits tells nobody that it has panicked; drop it to say so"]
pub struct JoinHandle<T> {
    task: Option<FallibleTask<Result<T, JoinError>, TaskNumber>>,
    abort: AbortHandle,
}

impl<T> JoinHandle<T> {
    /// Ends the task at its next await: its future is dropped there. Awaiting it then gives an error
    /// that [is an abort](JoinError::is_aborted), unless the task has ended before.
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// What can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(FallibleTask::is_finished)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// When it has given the result before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task.as_mut().expect("the result of this task was taken already");
        let poll = Pin::new(task).poll(context);
        if poll.is_ready() {
            self.task = None;
        }
        // Nothing comes from a task that was dropped before its end.
        poll.map(|result| result.unwrap_or(Err(JoinError(None))))
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Aborts one task.
#[derive(Clone)]
pub struct AbortHandle {
    owned: Arc<Owned>,
    number: TaskNumber,
}

impl AbortHandle {
    /// What [`JoinHandle::abort`] does.
    pub fn abort(&self) {
        self.owned.abort(self.number);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortHandle").field(&self.number).finish()
    }
}

/// Why a task gave no result: it has panicked, or it was dropped before its end, by an abort or
/// because its runtime was shut down.
pub struct JoinError(Option<Mutex<Box<dyn Any + Send>>>);

impl JoinError {
    /// Whether the task was aborted, or dropped with its runtime.
    pub fn is_aborted(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the task has panicked.
    pub fn is_panic(&self) -> bool {
        self.0.is_some()
    }

    /// What the task has panicked with, for [`std::panic::resume_unwind`]; or this error again.
    ///
    /// # Errors
    /// The task was aborted.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        self.0.map(Mutex::into_inner).ok_or(Self(None))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(panic) = &self.0 else {
            return f.write_str("the task was aborted");
        };
        let panic = panic.lock();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        write!(f, "the task has panicked: {}", text.unwrap_or("without a message"))
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

/// So that `?` works in a function that returns an [`io::Error`].
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error.to_string())
    }
}
