//! Code that blocks, and giving way to others.

use crate::executor::Executor;
use crate::executor::task::JoinHandle;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

/// Runs code that blocks as a task of its own, and so beside the caller.
///
/// A task may block as it is: another thread is let in for it. This is for code that is to run *while*
/// the caller does something else, and it tells the runtime at once that it blocks, as
/// [`blocking`](crate::blocking) does.
///
/// It cannot be aborted once it runs. A runtime that is shut down waits for it within its limit.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let executor = crate::executor::current::get("`spawn_blocking`");
    executor.spawn(async move { crate::blocking(work) }, Location::caller())
}

/// Does what blocks as a task beside the caller, who may be dropped meanwhile; it is then done to its
/// end.
pub(crate) async fn beside<T: Send + 'static>(
    executor: &Arc<Executor>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let task = executor.spawn(async move { crate::blocking(work) }, Location::caller());
    match task.await {
        Ok(result) => result,
        Err(error) => match error.into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(aborted) => Err(aborted.into()),
        },
    }
}

/// Lets other tasks that are ready go first.
pub async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
