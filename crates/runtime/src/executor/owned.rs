//! The list of all tasks of a runtime.
//!
//! It is in parts, each with a lock of its own, since every spawn and every end of a task comes here.

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{self, Condvar, Mutex};
use slab::Slab;
use std::panic::Location;
use std::task::Waker;
use std::time::Instant;

const PARTS: usize = sync::PARTS_OF_LISTS;

/// Names one task of one runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskNumber {
    /// No other task of the runtime has it, before or after.
    number: u64,
    index: usize,
}

impl TaskNumber {
    /// What [`TaskInfo::number`] is.
    pub(super) fn number(self) -> u64 {
        self.number
    }
}

/// One task, as [`Handle::tasks`](crate::Handle::tasks) tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// No other task of the runtime has this number, before or after.
    pub number: u64,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// Whether a thread polls it. Otherwise it waits for something, or for a thread.
    pub is_running: bool,
}

struct Entry {
    number: u64,
    spawned_at: &'static Location<'static>,
    is_aborted: bool,
    /// Missing until the task is made.
    waker: Option<Waker>,
}

impl Entry {
    fn info(&self) -> TaskInfo {
        TaskInfo { number: self.number, spawned_at: self.spawned_at, is_running: false }
    }
}

#[derive(Default)]
pub(crate) struct Owned {
    parts: [Mutex<Slab<Entry>>; PARTS],
    spawned: AtomicU64,
    count: AtomicUsize,
    /// Tasks that are to be aborted and have not ended.
    aborted: AtomicUsize,
    emptied: (Mutex<()>, Condvar),
    /// Tasks are dropped instead of run.
    is_closed: AtomicBool,
}

impl Owned {
    /// A place in the list for a task that is to be made.
    pub(super) fn reserve(&self, spawned_at: &'static Location<'static>) -> TaskNumber {
        let number = self.spawned.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { number, spawned_at, is_aborted: false, waker: None };
        let index = self.part(number).lock().insert(entry);
        TaskNumber { number, index }
    }

    pub(super) fn occupy(&self, task: TaskNumber, waker: Waker) {
        if let Some(entry) = self.part(task.number).lock().get_mut(task.index) {
            entry.waker = Some(waker);
        }
    }

    pub(super) fn remove(&self, task: TaskNumber) {
        let removed = self.part(task.number).lock().try_remove(task.index);
        if removed.as_ref().is_some_and(|entry| entry.is_aborted) {
            self.aborted.fetch_sub(1, Ordering::Relaxed);
        }
        // A waker is dropped here, where no lock is held.
        drop(removed);
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _woken_after_the_look = self.emptied.0.lock();
            self.emptied.1.notify_all();
        }
    }

    /// The task is dropped when it would run next, which is soon.
    pub(super) fn abort(&self, task: TaskNumber) {
        let waker = {
            let mut part = self.part(task.number).lock();
            let entry = part.get_mut(task.index).filter(|entry| entry.number == task.number);
            let Some(entry) = entry.filter(|entry| !entry.is_aborted) else { return };
            entry.is_aborted = true;
            self.aborted.fetch_add(1, Ordering::Relaxed);
            entry.waker.clone()
        };
        if let Some(waker) = waker {
            sync::wake(waker);
        }
    }

    /// From now on tasks are dropped when they would run; and all of them are to run.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for part in &self.parts {
            let wakers: Vec<_> =
                part.lock().iter().filter_map(|(_, task)| task.waker.clone()).collect();
            wakers.into_iter().for_each(sync::wake);
        }
    }

    /// Whether a task that exists is to be dropped instead of run.
    pub(super) fn is_to_end(&self, task: TaskNumber) -> bool {
        self.is_closed.load(Ordering::Acquire) || self.is_aborted(task)
    }

    fn is_aborted(&self, task: TaskNumber) -> bool {
        self.aborted.load(Ordering::Relaxed) > 0
            && self.part(task.number).lock().get(task.index).is_some_and(|entry| entry.is_aborted)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn spawned(&self) -> u64 {
        self.spawned.load(Ordering::Relaxed)
    }

    /// The task with this number, if it exists.
    pub(super) fn find(&self, number: u64) -> Option<TaskInfo> {
        let part = self.part(number).lock();
        part.iter().map(|(_, task)| task.info()).find(|task| task.number == number)
    }

    pub(super) fn list(&self) -> Vec<TaskInfo> {
        let of_part = |part: &Mutex<Slab<Entry>>| {
            part.lock().iter().map(|(_, task)| task.info()).collect::<Vec<_>>()
        };
        let mut tasks: Vec<_> = self.parts.iter().flat_map(of_part).collect();
        tasks.sort_by_key(|task| task.number);
        tasks
    }

    /// Waits until there are no tasks, at most until `end`.
    pub(crate) fn wait_until_empty(&self, end: Option<Instant>) {
        let mut lock = self.emptied.0.lock();
        while self.count() > 0 {
            match end {
                None => self.emptied.1.wait(&mut lock),
                Some(end) => {
                    if self.emptied.1.wait_until(&mut lock, end).timed_out() {
                        return;
                    }
                }
            }
        }
    }

    fn part(&self, number: u64) -> &Mutex<Slab<Entry>> {
        &self.parts[number as usize % PARTS]
    }
}
