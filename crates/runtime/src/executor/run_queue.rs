//! The run queue of a thread: tasks that were woken there and are to run.
//!
//! Only its thread puts tasks into it. While there are any, a packet in the port says so: whoever takes
//! that packet runs them, the thread itself or another one, which steals half of them first. The packet is
//! put back before anything runs. So tasks never wait for a thread that blocks: the port gives the packet
//! to the next thread that it lets in.

use super::{Executor, Runnable};
use crate::packets::Message;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::queue::{Steal, Stealer, Worker};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many tasks run for one packet, if they are short. The port looks for what came from outside after
/// 64 packets at the latest.
const BATCH: u32 = 4;

/// A task that runs for longer on average is not short.
const SHORT: Duration = Duration::from_micros(5);

/// The run queue of a thread, as others see it.
pub(crate) struct RunQueue<T = Runnable> {
    tasks: Stealer<T>,
    /// A packet in the port says that there are tasks.
    is_announced: AtomicBool,
}

/// The same for the thread itself.
pub(super) struct OwnQueue<T = Runnable> {
    tasks: Worker<T>,
    seen_by_others: Arc<RunQueue<T>>,
}

/// What a packet has brought.
pub(super) struct Taken<T> {
    pub(super) first: T,
    /// It lay in the queue of another thread.
    pub(super) is_robbed: bool,
}

impl<T> RunQueue<T> {
    /// Has the port say that there are tasks, if it does not say so already.
    fn announce(self: &Arc<Self>, tell: impl FnOnce(Arc<Self>)) {
        // Whoever takes the packet clears this first and looks for tasks then. So one of the two sees
        // what the other did.
        if !self.is_announced.swap(true, Ordering::SeqCst) {
            tell(Arc::clone(self));
        }
    }

    /// Moves half of the tasks to the queue of the calling thread, and gives the first of them.
    fn steal(&self, into: &Worker<T>) -> Option<T> {
        loop {
            match self.tasks.steal_batch_and_pop(into) {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                Steal::Retry => crate::sync::spin(),
            }
        }
    }
}

impl<T> OwnQueue<T> {
    pub(super) fn new() -> Self {
        let tasks = Worker::new_fifo();
        let seen_by_others =
            RunQueue { tasks: tasks.stealer(), is_announced: AtomicBool::new(false) };
        Self { tasks, seen_by_others: Arc::new(seen_by_others) }
    }

    /// Puts a task behind the others. `tell` has the port say that there are tasks in a queue.
    pub(super) fn push(&self, task: T, tell: impl FnOnce(Arc<RunQueue<T>>)) {
        self.tasks.push(task);
        self.seen_by_others.announce(tell);
    }

    /// The first task of a queue that a packet has told of. What else lies there, or was stolen with it, is
    /// announced before that runs.
    pub(super) fn take(
        &self,
        queue: &Arc<RunQueue<T>>,
        tell: impl Fn(Arc<RunQueue<T>>),
    ) -> Option<Taken<T>> {
        queue.is_announced.swap(false, Ordering::SeqCst);
        let is_robbed = !Arc::ptr_eq(&self.seen_by_others, queue);
        let first = if is_robbed { queue.steal(&self.tasks) } else { self.tasks.pop() }?;
        if is_robbed && !queue.tasks.is_empty() {
            queue.announce(&tell);
        }
        if !self.tasks.is_empty() {
            self.seen_by_others.announce(&tell);
        }
        Some(Taken { first, is_robbed })
    }

    /// The next task, while there is one.
    pub(super) fn next(&self) -> Option<T> {
        self.tasks.pop()
    }
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

/// The queue of the calling thread.
struct Own {
    /// Whose tasks these are, by its address.
    executor: usize,
    queue: OwnQueue,
    batch: Cell<u32>,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

impl Executor {
    /// The calling thread takes packets for this executor. It is to have a queue.
    pub(super) fn prepare_queue(&self) {
        let executor = super::address(self);
        let is_there =
            OWN.with_borrow(|own| own.as_ref().is_some_and(|own| own.executor == executor));
        if !is_there {
            let queue = OwnQueue::new();
            self.queues.add(&queue.seen_by_others);
            // Dropped outside: there may be tasks of another executor in it.
            let other = OWN.replace(Some(Own { executor, queue, batch: Cell::new(1) }));
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
                own.queue.push(runnable, |queue| self.tell(queue));
            }
        });
        runnable
    }

    /// Has the port say that there are tasks in a queue.
    fn tell(&self, queue: Arc<RunQueue>) {
        // A closed port gives it back; then nothing runs any more.
        drop(self.port.defer(Message::Tasks(queue)));
    }

    /// Runs tasks of a queue that a packet has told of.
    pub(super) fn run_batch(&self, queue: &Arc<RunQueue>) {
        OWN.with_borrow(|own| {
            let Some(own) = own else { return };
            let Some(taken) = own.queue.take(queue, |queue| self.tell(queue)) else { return };
            if taken.is_robbed {
                self.queues.robbed.fetch_add(1, Ordering::Relaxed);
            }
            let (start, mut count) = (Instant::now(), 1);
            self.run(taken.first);
            while count < own.batch.get()
                && let Some(next) = own.queue.next()
            {
                self.run(next);
                count += 1;
            }
            let is_short = start.elapsed() < SHORT * count;
            own.batch.set(if is_short { BATCH } else { 1 });
        });
    }
}
