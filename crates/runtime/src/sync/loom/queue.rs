//! A stealable queue as crossbeam's, with as much order among threads as that promises and no more: who
//! looks at it without being told of a push may not see it yet.

use super::Mutex;
use super::atomic::{AtomicUsize, Ordering};
use std::marker::PhantomData;
use std::sync::Arc;

/// No model pushes more.
const MOST: usize = 8;

struct Shared<T> {
    places: [Mutex<Option<T>>; MOST],
    /// Where the next task is taken.
    front: AtomicUsize,
    /// Where the next task is put. Only the owner writes it.
    back: AtomicUsize,
}

impl<T> Shared<T> {
    /// How many tasks there are, as the caller sees it.
    fn len(&self) -> usize {
        let front = self.front.load(Ordering::Acquire);
        self.back.load(Ordering::Acquire).saturating_sub(front)
    }

    /// Takes `count` tasks from the front, if that is still where it was.
    fn take(&self, front: usize, count: usize) -> Option<Vec<T>> {
        let (relaxed, taken) = (Ordering::Relaxed, Ordering::SeqCst);
        self.front.compare_exchange(front, front + count, taken, relaxed).ok()?;
        let task = |place: usize| self.places[place].lock().take().expect("only one takes it");
        Some((front..front + count).map(task).collect())
    }
}

/// The end of the queue's own thread.
pub(crate) struct Worker<T> {
    shared: Arc<Shared<T>>,
    /// It goes to no other thread while that uses it.
    one_thread: PhantomData<std::cell::Cell<()>>,
}

/// The end of others.
pub(crate) struct Stealer<T>(Arc<Shared<T>>);

/// What a thief has got.
pub(crate) enum Steal<T> {
    Empty,
    Success(T),
    Retry,
}

impl<T> Worker<T> {
    pub(crate) fn new_fifo() -> Self {
        let shared = Shared {
            places: std::array::from_fn(|_| Mutex::default()),
            front: AtomicUsize::new(0),
            back: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared), one_thread: PhantomData }
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(Arc::clone(&self.shared))
    }

    pub(crate) fn push(&self, task: T) {
        let back = self.shared.back.load(Ordering::Relaxed);
        *self.shared.places[back].lock() = Some(task);
        self.shared.back.store(back + 1, Ordering::Release);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        loop {
            let front = self.shared.front.load(Ordering::Relaxed);
            if front == self.shared.back.load(Ordering::Relaxed) {
                return None;
            }
            // Where a thief was first it sees so, and looks again.
            if let Some(mut tasks) = self.shared.take(front, 1) {
                return tasks.pop();
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shared.len() == 0
    }
}

impl<T> Stealer<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Half of the tasks, at least one; the first of them is for the caller.
    pub(crate) fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
        let front = self.0.front.load(Ordering::Acquire);
        let count = self.0.back.load(Ordering::Acquire).saturating_sub(front).div_ceil(2);
        if count == 0 {
            return Steal::Empty;
        }
        let Some(tasks) = self.0.take(front, count) else { return Steal::Retry };
        let mut tasks = tasks.into_iter();
        let first = tasks.next().expect("there is one");
        tasks.for_each(|task| into.push(task));
        Steal::Success(first)
    }
}
