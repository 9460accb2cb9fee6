//! What the user of a pool holds: its figures, and its stop.

use super::Shared;
use super::event::WorkersCounters;
use super::snapshot::PoolSnapshot;
use crate::port::Port;
use crate::protocol::Protocol;
use crate::stalls::table::{StallSummary, StalledThread};
use crate::stalls::watch::StallWatch;
use crate::sync;
use std::time::{Duration, Instant};

/// How often a stop looks whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A thread that is bound to the port and belongs to nobody here may run for ever. Where one does, the
/// pool is at rest after so many looks at which nothing had changed.
const LOOKS_BESIDE_OTHERS: u32 = 10;
/// How long a stop whose time is over waits for threads to notice that the port is closed.
const FAREWELL: Duration = Duration::from_millis(100);

/// The threads of a server that runs. When it is dropped, the port is closed, and the threads end by
/// themselves; to wait for them, [stop](Self::stop) it.
#[must_use = "when it is dropped, the port is closed"]
pub struct RunningWorkers<P: Protocol> {
    pool: Shared<P>,
}

/// What a stop left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// Threads that were still in a handler. They end when that returns.
    pub in_handler: usize,
    /// Packets that were queued when the port was closed. They were dropped.
    pub discarded: usize,
    /// Connections, sockets and files of the port that were open when it was closed.
    pub open: usize,
}

impl<P: Protocol> RunningWorkers<P> {
    pub(super) fn new(pool: Shared<P>) -> Self {
        Self { pool }
    }

    /// The port.
    pub fn port(&self) -> &Port<P> {
        &self.pool.port
    }

    /// How many threads there are now.
    pub fn threads(&self) -> usize {
        self.pool.sight().threads
    }

    /// How many threads are in a handler now.
    pub fn in_handler(&self) -> usize {
        self.pool.sight().in_handler
    }

    /// What was counted so far.
    pub fn counters(&self) -> WorkersCounters {
        self.pool.counters()
    }

    /// The pool and its port at this moment.
    pub fn snapshot(&self) -> PoolSnapshot {
        PoolSnapshot::of(&self.pool)
    }

    /// The handlers that have held a thread for long, by name, the last seen first; see
    /// [`Workers::stall_after`](crate::Workers::stall_after).
    pub fn stalls(&self) -> Vec<StallSummary> {
        self.pool.watch.as_ref().map(StallWatch::summaries).unwrap_or_default()
    }

    /// The threads whose handlers hold them for long at this moment.
    pub fn stalled(&self) -> Vec<StalledThread> {
        self.pool.watch.as_ref().map(StallWatch::stalled).unwrap_or_default()
    }

    /// Waits until all is done: nothing is queued, no handler runs, no send is under way, and `is_done`
    /// holds. False when `limit` was over before, or the threads have ended.
    ///
    /// It closes nothing, and packets are served all the while. So a server that wants each client to be
    /// served to its end closes its listeners, drains until it has no connection, and then
    /// [stops](Self::stop). `is_done` is called every 2 ms. The calling thread [leaves](Port::leave) the
    /// port.
    pub fn drain(&self, limit: Duration, is_done: impl Fn() -> bool) -> bool {
        self.pool.port.leave();
        self.wait_until_at_rest(sync::now().checked_add(limit), is_done)
    }

    /// Stops the server in phases, within `limit`, and says what was left.
    ///
    /// 1. Every listener of the port is closed: nothing is accepted any more. Posted accepts complete
    ///    as aborted.
    /// 2. Threads go on until nothing is queued, no handler runs and no send is under way, or the time
    ///    is over. What a client sends meanwhile is served.
    /// 3. The port is closed. Connections end when their last handle goes.
    /// 4. The threads are waited for until the time is over, and 0.1 s at least. One that is in a
    ///    handler then ends when that returns.
    ///
    /// It may be called within a handler, whose thread is left then. The calling thread
    /// [leaves](Port::leave) the port.
    pub fn stop(self, limit: Duration) -> StopReport {
        let end = sync::now().checked_add(limit);
        let inner = self.pool.port.inner();
        self.pool.port.leave();
        inner.connections.close_listeners();
        self.wait_until_at_rest(end, || true);
        let before = inner.snapshot();
        self.pool.port.close();
        self.join(end.map(|end| end.max(sync::now() + FAREWELL)));
        let in_handler = self.in_handler();
        StopReport { in_handler, discarded: before.queued, open: before.devices }
    }

    /// Waits until a signal comes, if the pool takes them, or all threads have ended.
    pub(super) fn wait_for_end(&self) {
        while self.pool.signals() == 0 && self.pool.threads() > 0 {
            self.pool.end.park(None);
        }
    }

    /// Waits until nothing is to be done and `is_done` holds; false if `end` or a second signal came before.
    fn wait_until_at_rest(&self, end: Option<Instant>, is_done: impl Fn() -> bool) -> bool {
        let (mut before, mut looks) = (None, 0);
        while self.pool.threads() > 0
            && self.pool.signals() < 2
            && end.is_none_or(|end| sync::now() < end)
        {
            let sight = self.pool.sight();
            let inner = self.pool.port.inner();
            let sizes = inner.scheduler().sizes();
            let is_at_rest = sight.in_handler == 0
                && sizes.queued == 0
                && !inner.work_waits()
                && !inner.connections.sends_are_under_way()
                && is_done();
            let is_alone = sizes.released + sizes.paused == 0;
            looks = if is_at_rest && before == Some(sight) { looks + 1 } else { 0 };
            if looks >= if is_alone { 1 } else { LOOKS_BESIDE_OTHERS } {
                return true;
            }
            before = Some(sight);
            self.pool.end.park(Some(LOOK_EVERY));
        }
        false
    }

    /// Waits until all threads have ended, or `end`.
    fn join(&self, end: Option<Instant>) {
        while self.pool.threads() > 0 {
            let left = end.map(|end| end.saturating_duration_since(sync::now()));
            if left == Some(Duration::ZERO) {
                return;
            }
            self.pool.end.park(left);
        }
        let own = std::thread::current().id();
        for handle in self.pool.take_handles() {
            if handle.thread().id() != own {
                // They contain what panics in a handler; what else does was reported by the thread.
                let _ = handle.join();
            }
        }
    }
}

impl<P: Protocol> Drop for RunningWorkers<P> {
    fn drop(&mut self) {
        self.pool.port.close();
    }
}

impl<P: Protocol> std::fmt::Debug for RunningWorkers<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningWorkers")
            .field("threads", &self.threads())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
