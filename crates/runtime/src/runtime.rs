//! What users hold of a runtime: its settings, itself, and a handle of it.

use crate::executor::Executor;
use crate::executor::current::{self, Entered};
use crate::executor::owned::TaskInfo;
use crate::executor::task::JoinHandle;
use crate::executor::watch::{OnStall, Stall};
use crate::packets::Packets;
#[cfg(feature = "tokio-compat")]
use crate::tokio_thread::{self, TokioThread};
use overlapped::{
    Counters, DriverChoice, FilesChoice, PoolSnapshot, Port, RunningWorkers, Snapshot,
    StallSummary, StalledThread, Stalls, Workers,
};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Settings for a [`Runtime`]; each has a default.
#[derive(Debug, Clone)]
#[must_use = "settings start nothing; call `build`"]
pub struct Builder {
    concurrency: usize,
    most_threads: usize,
    thread_name: String,
    stack_size: Option<usize>,
    driver: DriverChoice,
    files: FilesChoice,
    shutdown_within: Duration,
    on_stall: OnStall,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            concurrency: 0,
            most_threads: 512,
            thread_name: "runtime".to_owned(),
            stack_size: None,
            driver: DriverChoice::default(),
            files: FilesChoice::default(),
            shutdown_within: Duration::from_secs(10),
            on_stall: OnStall::default(),
        }
    }
}

impl Builder {
    /// How many threads run tasks at the same time (default: the processors that the process may use).
    /// A thread that blocks does not count.
    pub fn concurrency(mut self, threads: usize) -> Self {
        self.concurrency = threads;
        self
    }

    /// How many threads there are at most, with those that block (default 512). So this is how many
    /// tasks may block at the same time.
    pub fn most_threads(mut self, threads: usize) -> Self {
        self.most_threads = threads;
        self
    }

    /// The threads are called `name-1`, `name-2` and so on (default `runtime`).
    pub fn thread_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.thread_name);
        self
    }

    /// The stack of each thread, in bytes (default: that of the standard library).
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// The driver of the runtime's port (default: that of the system).
    pub fn driver(mut self, driver: DriverChoice) -> Self {
        self.driver = driver;
        self
    }

    /// What carries the operations of files (default: what is best on the system).
    pub fn files(mut self, files: FilesChoice) -> Self {
        self.files = files;
        self
    }

    /// How long the drop of the runtime waits at most for what runs (default 10 s); see
    /// [`Runtime::shutdown`].
    pub fn shutdown_within(mut self, limit: Duration) -> Self {
        self.shutdown_within = limit;
        self
    }

    /// Calls `tell` when a task has held its thread for longer than `after`, while it does so. Which task it
    /// is, and where it was spawned, says the [`Stall`].
    ///
    /// It is called once for each such poll, within two thirds of `after` or so, by a thread that does nothing
    /// else; what it takes long for delays the next call. Without it, stalls of 25 ms are counted all
    /// the same ([`Metrics::stalls`], [`Handle::stalls`]), and with the feature `tracing` each is an event.
    ///
    /// A task that blocks costs others nothing but a thread. One that computes costs them a processor.
    pub fn on_stall(
        mut self,
        after: Duration,
        tell: impl Fn(&Stall) + Send + Sync + 'static,
    ) -> Self {
        self.on_stall = OnStall { after, tell: Some(Arc::new(tell)) };
        self
    }

    /// Starts the runtime, with as many threads as may run.
    ///
    /// # Errors
    /// The port cannot be made, or not even one thread can be started.
    pub fn build(self) -> io::Result<Runtime> {
        let port = Port::<Packets>::builder()
            .concurrency(self.concurrency)
            .driver(self.driver)
            .files(self.files)
            .build()?;
        #[cfg(feature = "tokio-compat")]
        let tokio = tokio_thread::runtime(&self.thread_name)?;
        let executor = Arc::new(Executor::new(
            port,
            &self.thread_name,
            self.on_stall,
            #[cfg(feature = "tokio-compat")]
            tokio.handle().clone(),
        ));
        #[cfg(feature = "tokio-compat")]
        let tokio = Some(TokioThread::start(tokio, &executor, &self.thread_name)?);
        // Its packets are many tasks; who polls one says which.
        let mut workers = Workers::new(&executor.port)
            .name(&self.thread_name)
            .most(self.most_threads)
            .stall_after(None);
        if let Some(bytes) = self.stack_size {
            workers = workers.stack_size(bytes);
        }
        // The threads keep the executor until they end, which they do with the runtime.
        let of_threads = Arc::clone(&executor);
        let workers = workers.start(move |_, packet| of_threads.handle(packet))?;
        Ok(Runtime {
            handle: Handle(executor),
            workers: Some(workers),
            #[cfg(feature = "tokio-compat")]
            tokio,
            shutdown_within: self.shutdown_within,
        })
    }
}

/// An async runtime: threads that run tasks, and a completion port that brings what they wait for.
///
/// It has as many threads as may run, and one more for each task that blocks. When a task sleeps, waits
/// for a lock or a disk, or calls a library that does, the port lets another thread in, whether the
/// task says so ([`blocking`](crate::blocking)) or not. What it does not help against is a task that
/// computes for long.
///
/// ```
/// use overlapped_runtime::Runtime;
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let task = overlapped_runtime::spawn(async { 1 + 2 });
///     task.await
/// })?;
/// assert_eq!(sum, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    handle: Handle,
    /// Missing once it was shut down.
    workers: Option<RunningWorkers<Packets>>,
    /// Missing once it was shut down.
    #[cfg(feature = "tokio-compat")]
    tokio: Option<TokioThread>,
    shutdown_within: Duration,
}

/// What was left when a runtime was shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Tasks that have not ended: each is in its own code, and does not come back from it. They go
    /// when they do.
    pub tasks: Vec<TaskInfo>,
    /// Threads that run such code.
    pub threads: usize,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Settings for a runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What can be cloned, and given to other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The threads and the port of the runtime at this moment. Packets that were handled are no measure of work here: one may
    /// be many polls.
    pub fn snapshot(&self) -> PoolSnapshot {
        let workers = self.workers.as_ref().expect("it runs until its shutdown, which takes it");
        let mut snapshot = workers.snapshot();
        snapshot.stalls = self.handle.stalls();
        snapshot.stalled = self.handle.stalled();
        snapshot
    }

    /// See [`Handle::block_on`].
    ///
    /// # Panics
    /// When `future` does.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// See [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Ends the runtime in phases, within `limit`, and says what was left.
    ///
    /// 1. Every task is dropped where it waits, or at its next await. Streams are dropped with their
    ///    tasks; what they were sending goes out.
    /// 2. When there are no tasks any more, and nothing is being sent, or the time is over, the port
    ///    is closed, and the threads end.
    ///
    /// A task that computes or blocks for longer than that is left, with its thread: see
    /// [`ShutdownReport`]. Within a task of the same runtime nothing is waited for.
    ///
    /// Dropping the runtime does the same, within [`Builder::shutdown_within`].
    pub fn shutdown(mut self, limit: Duration) -> ShutdownReport {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> ShutdownReport {
        let executor = &self.handle.0;
        executor.owned.close();
        let mut threads = 0;
        if let Some(workers) = self.workers.take() {
            let is_within =
                current::try_get().is_some_and(|current| Arc::ptr_eq(&current, executor));
            if is_within {
                // The calling task cannot be waited for. The port is closed at once.
                threads = workers.in_handler();
                drop(workers);
            } else {
                let end = Instant::now().checked_add(limit);
                let left =
                    || end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
                executor.owned.wait_until_empty(end);
                threads = workers.stop(left()).in_handler;
                #[cfg(feature = "tokio-compat")]
                if let Some(tokio) = self.tokio.take() {
                    threads += usize::from(!tokio.stop(left()));
                }
            }
        }
        executor.watch.end();
        ShutdownReport { tasks: executor.tasks(), threads }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.workers.is_some() {
            self.end(self.shutdown_within);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("metrics", &self.handle.metrics()).finish_non_exhaustive()
    }
}

/// A handle of a runtime: it spawns tasks from any thread. It does not keep the runtime running.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Executor>);

/// The figures of a runtime at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that exist.
    pub tasks: usize,
    /// Tasks that were spawned.
    pub spawned: u64,
    /// Polls of tasks that were begun.
    pub polls: u64,
    /// Tasks that are being polled, by as many threads; also those that block.
    pub running: usize,
    /// Tasks that lie in the run queues of threads.
    pub in_run_queues: usize,
    /// How often a thread took tasks from the run queue of another one.
    pub robbed: u64,
    /// How often a task held its thread for long; see [`Builder::on_stall`].
    pub stalls: Stalls,
    /// Queue and threads of the port.
    pub port: Snapshot,
    /// What the port has counted: packets taken, threads that were let in when another one blocked.
    pub counters: Counters,
}

impl Handle {
    /// The runtime of the calling thread.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn current() -> Self {
        Self(current::get("`Handle::current`"))
    }

    /// The runtime of the calling thread, if it is in one.
    pub fn try_current() -> Option<Self> {
        current::try_get().map(Self)
    }

    /// See [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future, Location::caller())
    }

    /// Until the result is dropped, the calling thread is in this runtime: what is spawned goes there.
    #[must_use = "the thread is in the runtime until this is dropped"]
    pub fn enter(&self) -> EnterGuard {
        EnterGuard(current::enter(&self.0))
    }

    /// Runs a future on the calling thread, and waits for its end. The tasks that it spawns run on the
    /// threads of the runtime.
    ///
    /// It may be called within a task, which then blocks as any other code does: another thread is let
    /// in meanwhile.
    ///
    /// # Panics
    /// When `future` does.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        #[cfg(feature = "tokio-compat")]
        let _in_tokio = self.0.tokio.enter();
        let unpark =
            Arc::new(Unpark { thread: std::thread::current(), is_woken: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&unpark));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            if !unpark.is_woken.swap(false, Ordering::Acquire) {
                overlapped::blocking(|| {
                    while !unpark.is_woken.swap(false, Ordering::Acquire) {
                        std::thread::park();
                    }
                });
            }
        }
    }

    /// The figures of the runtime.
    pub fn metrics(&self) -> Metrics {
        let executor = &self.0;
        Metrics {
            tasks: executor.owned.count(),
            spawned: executor.owned.spawned(),
            polls: executor.watch.begun(),
            running: executor.watch.labels().len(),
            in_run_queues: executor.queues.tasks(),
            robbed: executor.queues.robbed(),
            stalls: executor.watch.counts(),
            port: executor.port.snapshot(),
            counters: executor.port.counters(),
        }
    }

    /// The tasks that have held a thread for long, by name, the last seen first; see [`Builder::on_stall`].
    pub fn stalls(&self) -> Vec<StallSummary> {
        self.0.watch.summaries()
    }

    /// The threads that tasks hold for long at this moment.
    pub fn stalled(&self) -> Vec<StalledThread> {
        self.0.watch.stalled()
    }

    /// The tasks that exist, in the order in which they were spawned.
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.0.tasks()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

/// The calling thread is in a runtime; see [`Handle::enter`].
pub struct EnterGuard(#[expect(dead_code, reason = "it acts when it is dropped")] Entered);

struct Unpark {
    thread: std::thread::Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}
