//! A runtime of tokio on a thread of its own, for libraries that are tied to it.
//!
//! Every thread that runs tasks is in the context of that runtime. So a task may use what belongs to tokio, and
//! is polled by our threads all the same. On tokio's thread run its timers, its sockets' events, and the tasks
//! that are spawned by its own functions.

use crate::executor::{Executor, current};
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

/// So long its end is waited for also when the time of a shutdown is over: it takes a moment, unless a task blocks.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// A runtime of tokio that nobody drives yet.
pub(crate) fn runtime(name: &str) -> io::Result<Runtime> {
    // Its own threads are those of `spawn_blocking`.
    let name = format!("{name}-tokio-blocking");
    runtime::Builder::new_current_thread().enable_all().thread_name(name).build()
}

/// The thread that drives a runtime of tokio, until this is dropped.
pub(crate) struct TokioThread {
    end: oneshot::Sender<()>,
    /// Closed when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl TokioThread {
    pub(crate) fn start(
        runtime: Runtime,
        executor: &Arc<Executor>,
        name: &str,
    ) -> io::Result<Self> {
        let (end, is_over) = oneshot::channel::<()>();
        let (ends, ended) = mpsc::channel();
        let executor = Arc::clone(executor);
        let thread = std::thread::Builder::new().name(format!("{name}-tokio"));
        thread.spawn(move || {
            let ends: mpsc::Sender<()> = ends;
            // What runs here may spawn tasks of ours.
            let entered = current::enter(&executor);
            // An error says that the other end was dropped, which is how it ends.
            let _ = runtime.block_on(is_over);
            // Its tasks are dropped. What was given to `spawn_blocking` and does not come back is left.
            runtime.shutdown_background();
            drop((entered, executor, ends));
        })?;
        Ok(Self { end, ended })
    }

    /// Ends the thread, and says whether it has ended within `limit`, or within a second: a task on it may block.
    pub(crate) fn stop(self, limit: Duration) -> bool {
        drop(self.end);
        self.ended.recv_timeout(limit.max(LEAST_WAIT)) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}
