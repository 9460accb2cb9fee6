//! Tasks that are awaited together, in the order in which they end.

use crate::executor::task::{AbortHandle, JoinError, JoinHandle};
use crate::runtime::Handle;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::task::{Context, Poll, ready};

/// Tasks that are awaited together. They give their results in the order in which they end.
///
/// Dropping it aborts those that have not ended: each is dropped at its next await.
///
/// ```
/// use overlapped_runtime::JoinSet;
///
/// # let runtime = overlapped_runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let mut tasks = JoinSet::new();
/// for number in 1..=10 {
///     tasks.spawn(async move { number * number });
/// }
/// let mut sum = 0;
/// while let Some(square) = tasks.join_next().await {
///     sum += square?;
/// }
/// assert_eq!(sum, 385);
/// # Ok::<(), overlapped_runtime::JoinError>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinSet<T> {
    tasks: FuturesUnordered<JoinHandle<T>>,
}

impl<T> JoinSet<T> {
    /// Without tasks.
    pub fn new() -> Self {
        Self { tasks: FuturesUnordered::new() }
    }

    /// How many tasks there are whose results were not taken.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The result of the next task that ends, or `None` when there are no tasks.
    ///
    /// Cancel safe: no result is lost with a future that is dropped.
    ///
    /// # Errors
    /// The task has panicked, or was aborted.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// The same, to be polled.
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        self.tasks.poll_next_unpin(context)
    }

    /// The results of all tasks, in the order in which they end.
    ///
    /// Dropping the future aborts what is left, as dropping the set does.
    ///
    /// # Errors
    /// That of the first task that has panicked or was aborted. The others are aborted.
    pub async fn join_all(mut self) -> Result<Vec<T>, JoinError> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            results.push(result?);
        }
        Ok(results)
    }

    /// Aborts every task. Their results can still be awaited; each that had not ended gives an error that
    /// [is an abort](JoinError::is_aborted).
    pub fn abort_all(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    /// Aborts every task, and waits until all of them are dropped. One that blocks is waited for.
    ///
    /// Cancel safe: every task is aborted at the first poll.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        poll_fn(|context| {
            while ready!(self.poll_join_next(context)).is_some() {}
            Poll::Ready(())
        })
        .await;
    }

    /// Forgets every task: they go on, and nobody awaits them.
    pub fn detach_all(&mut self) {
        mem::take(&mut self.tasks).into_iter().for_each(drop);
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Runs a future as a task of the calling thread's runtime, and adds it. It starts without being
    /// awaited.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.add(crate::spawn(future))
    }

    /// The same, as a task of another runtime.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, runtime: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.add(runtime.spawn(future))
    }

    /// Adds code that blocks; see [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.add(crate::spawn_blocking(work))
    }

    fn add(&mut self, task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        self.tasks.push(task);
        abort
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Spawns each future of an iterator.
///
/// # Panics
/// Outside a runtime.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut tasks = Self::new();
        for future in futures {
            tasks.spawn(future);
        }
        tasks
    }
}
