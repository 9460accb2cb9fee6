//! The run queue of a thread: tasks that were woken there and are to run.
//!
//! Only its thread puts tasks into it. While there are any, a packet in the port says so: whoever takes
//! that packet runs them, the thread itself or another one, which steals half of them first. The packet is
//! put back before anything runs. So tasks never wait for a thread that blocks: the port gives the packet
//! to the next thread that it lets in.

use super::{Executor, Runnable};
use crate::packets::Message;
use crossbeam_deque::{Steal, Stealer, Worker};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many tasks run for one packet, if they are short. The port looks for what came from outside after
/// 64 packets at the latest.
const BATCH: u32 = 4;

/// A task that runs for longer on average is not short.
const SHORT: Duration = Duration::from_micros(5);

/// The run queue of a thread, as others see it.
pub(crate) struct RunQueue {
    tasks: Stealer<Runnable>,
    /// A packet in the port says that there are tasks.
    is_announced: AtomicBool,
}

/// The run queues of all threads, to tell of them.
#[derive(Default)]
pub(crate) struct Queues {
    of_threads: Mutex<Vec<Weak<RunQueue>>>,
    robbed: AtomicU64,
}

impl Queues {
    fn add(&self, queue: &Arc<RunQueue>) {
        let mut queues = self.of_threads.lock();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(queue));
    }

    /// How many tasks lie in them.
    pub(crate) fn tasks(&self) -> usize {
        let queues = self.of_threads.lock();
        queues.iter().filter_map(Weak::upgrade).map(|queue| queue.tasks.len()).sum()
    }

    /// How often a thread took tasks out of the queue of another one.
    pub(crate) fn robbed(&self) -> u64 {
        self.robbed.load(Ordering::Relaxed)
    }
}

/// The same for the thread itself.
struct Own {
    /// Whose tasks these are, by its address.
    executor: usize,
    tasks: Worker<Runnable>,
    queue: Arc<RunQueue>,
    batch: Cell<u32>,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

impl Own {
    fn new(executor: &Executor) -> Self {
        let tasks = Worker::new_fifo();
        let queue = RunQueue { tasks: tasks.stealer(), is_announced: AtomicBool::new(false) };
        let queue = Arc::new(queue);
        executor.queues.add(&queue);
        let executor = super::address(executor);
        Self { executor, tasks, queue, batch: Cell::new(1) }
    }
}

impl Executor {
    /// The calling thread takes packets for this executor. It is to have a queue.
    pub(super) fn prepare_queue(&self) {
        let is_there = OWN.with_borrow(|own| {
            own.as_ref().is_some_and(|own| own.executor == super::address(self))
        });
        if !is_there {
            // Dropped outside: there may be tasks of another executor in it.
            let other = OWN.replace(Some(Own::new(self)));
            drop(other);
        }
    }

    /// Puts a task into the queue of the calling thread, or gives it back when the thread has none here.
    pub(super) fn push(&self, runnable: Runnable) -> Option<Runnable> {
        let mut runnable = Some(runnable);
        // A thread that ends has no queue any more.
        let _ = OWN.try_with(|own| {
            let own = own.borrow();
            if let Some(own) = own.as_ref().filter(|own| own.executor == super::address(self))
                && let Some(runnable) = runnable.take()
            {
                own.tasks.push(runnable);
                self.announce(&own.queue);
            }
        });
        runnable
    }

    /// Has the port say that there are tasks, if it does not say so already.
    fn announce(&self, queue: &Arc<RunQueue>) {
        // Whoever takes the packet clears this first and looks for tasks then. So one of the two sees
        // what the other did.
        if !queue.is_announced.swap(true, Ordering::SeqCst) {
            // A closed port gives it back; then nothing runs any more.
            drop(self.port.defer(Message::Tasks(Arc::clone(queue))));
        }
    }

    /// Runs tasks of a queue that a packet has told of.
    pub(super) fn run_batch(&self, queue: &Arc<RunQueue>) {
        queue.is_announced.swap(false, Ordering::SeqCst);
        OWN.with_borrow(|own| {
            let Some(own) = own else { return };
            let is_own = Arc::ptr_eq(&own.queue, queue);
            let first = if is_own { own.tasks.pop() } else { steal(queue, own) };
            let Some(first) = first else { return };
            if !is_own {
                self.queues.robbed.fetch_add(1, Ordering::Relaxed);
            }
            if !is_own && !queue.tasks.is_empty() {
                self.announce(queue);
            }
            if !own.tasks.is_empty() {
                self.announce(&own.queue);
            }
            let (start, mut count) = (Instant::now(), 1);
            self.run(first);
            while count < own.batch.get()
                && let Some(next) = own.tasks.pop()
            {
                self.run(next);
                count += 1;
            }
            let is_short = start.elapsed() < SHORT * count;
            own.batch.set(if is_short { BATCH } else { 1 });
        });
    }
}

/// Moves half of the tasks to the queue of the calling thread, and gives the first of them.
fn steal(queue: &RunQueue, own: &Own) -> Option<Runnable> {
    loop {
        match queue.tasks.steal_batch_and_pop(&own.tasks) {
            Steal::Success(runnable) => return Some(runnable),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
