//! The executor: tasks that are ready lie in the queue of a completion port.
//!
//! - A task that is woken by a packet runs at once, on the thread that took the packet
//!   ([`in_place`]).
//! - A task that is woken otherwise lies in the [`run_queue`] of the thread that woke it, which others
//!   may steal from. The port knows of it, so no task waits for a thread that blocks.
//! - [`task`] is how tasks are spawned, awaited and aborted; [`owned`] is the list of all of them,
//!   by which a runtime ends: a task that waits is kept alive by what it waits for, and by nobody else.
//! - [`expectation`] is whether a task will block, as it did lately.
//! - [`current`] is the runtime of the calling thread; [`watch`] sees who holds a thread for long.

pub(crate) mod current;
mod expectation;
mod in_place;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod owned;
pub(crate) mod run_queue;
pub(crate) mod task;
pub(crate) mod watch;

use crate::packets::{self, Message, Packets};
use async_task::ScheduleInfo;
use overlapped::{Packet, Port, StallWatch};
use owned::{Owned, TaskInfo, TaskNumber};
use run_queue::Queues;
use std::panic::Location;
use std::sync::Arc;
use task::JoinHandle;
use watch::OnStall;

/// A task that is ready.
pub(crate) type Runnable = async_task::Runnable<TaskNumber>;

pub(crate) struct Executor {
    pub(crate) port: Port<Packets>,
    pub(crate) owned: Arc<Owned>,
    pub(crate) watch: StallWatch,
    pub(crate) queues: Queues,
    #[cfg(feature = "signals")]
    pub(crate) signals: crate::signal::Arrived,
    /// In whose context tasks run.
    #[cfg(feature = "tokio-compat")]
    pub(crate) tokio: tokio::runtime::Handle,
}

impl Executor {
    pub(crate) fn new(
        port: Port<Packets>,
        thread_name: &str,
        on_stall: OnStall,
        #[cfg(feature = "tokio-compat")] tokio: tokio::runtime::Handle,
    ) -> Self {
        let owned = Arc::default();
        Self {
            port,
            watch: watch::start(thread_name, on_stall, &owned),
            owned,
            queues: Queues::default(),
            #[cfg(feature = "signals")]
            signals: crate::signal::Arrived::default(),
            #[cfg(feature = "tokio-compat")]
            tokio,
        }
    }

    /// What each thread does with a packet.
    pub(crate) fn handle(self: &Arc<Self>, packet: Packet<Packets>) {
        current::work_for(self);
        self.prepare_queue();
        #[cfg(feature = "tokio-compat")]
        let _in_tokio = self.tokio.enter();
        match packet {
            Packet::Posted(Message::Task(runnable)) => self.run(runnable),
            Packet::Posted(Message::Tasks(queue)) => self.run_batch(&queue),
            packet => {
                if let Some(runnable) = in_place::woken_by(self, || packets::deliver(packet)) {
                    self.run(runnable);
                }
            }
        }
    }

    fn run(&self, runnable: Runnable) {
        let task = runnable.metadata().number();
        watch::poll(&self.watch, task, || {
            runnable.run();
        });
    }

    /// Runs a future as a task.
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let executor = Arc::clone(self);
        let schedule = move |runnable, info| executor.schedule(runnable, info);
        self.owned.spawn(future, spawned_at, schedule)
    }

    fn schedule(&self, runnable: Runnable, info: ScheduleInfo) {
        // A task that has woken itself lets others go first.
        let left = match info.woken_while_running {
            true => Some(runnable),
            false => in_place::keep(self, runnable),
        };
        if let Some(runnable) = left.and_then(|runnable| self.push(runnable)) {
            // A closed port gives it back: the task is dropped.
            drop(self.port.post(Message::Task(runnable)));
        }
    }

    /// The tasks that exist, in the order in which they were spawned.
    pub(crate) fn tasks(&self) -> Vec<TaskInfo> {
        let running = self.watch.labels();
        let mut tasks = self.owned.list();
        for task in &mut tasks {
            task.is_running = running.contains(&task.number);
        }
        tasks
    }
}

/// What tells executors apart, without keeping them.
fn address(executor: &Executor) -> usize {
    std::ptr::from_ref(executor).addr()
}
