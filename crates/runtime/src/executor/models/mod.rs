//! Loom models of the executor: every interleaving of a few threads, up to a bound on preemptions.
//!
//! A task that is lost, or a thread that sleeps while a task waits, shows as a deadlock; what runs or is
//! dropped twice as a failed count. Tasks are those of async-task, which loom does not see into: a step of
//! async-task is one step of the model, and the queue and the list are taken apart between their locks and
//! atomics. Run them with
//! `RUSTFLAGS="--cfg loom" cargo test -p overlapped-runtime --lib --release models`.

mod answers;
mod run_queue;
mod shutdown;
mod tasks;

use super::Runnable;
use super::owned::Owned;
use super::task::JoinHandle;
use crate::sync::{Condvar, Mutex, sees_wakes};
use futures_util::FutureExt;
use loom::thread;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a model with all interleavings that have at most so many preemptions.
fn check_up_to(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    check_up_to(3, model);
}

/// Runs parts in threads of their own, and waits for all of them.
fn together(parts: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = parts.into_iter().map(thread::spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
}

/// What stands for the port: packets in the order in which they were posted, and threads that wait for
/// them. A closed one gives back what is posted, and drops what it has.
struct ModelPort<T> {
    packets: Mutex<Option<VecDeque<T>>>,
    changed: Condvar,
}

impl<T> ModelPort<T> {
    fn new() -> Self {
        Self { packets: Mutex::new(Some(VecDeque::new())), changed: Condvar::default() }
    }

    fn post(&self, packet: T) -> Result<(), T> {
        match self.packets.lock().as_mut() {
            None => return Err(packet),
            Some(packets) => packets.push_back(packet),
        }
        self.changed.notify_all();
        Ok(())
    }

    /// The next packet, or `None` when the port is closed.
    fn take(&self) -> Option<T> {
        let mut packets = self.packets.lock();
        loop {
            if let Some(packet) = packets.as_mut()?.pop_front() {
                return Some(packet);
            }
            self.changed.wait(&mut packets);
        }
    }

    fn close(&self) {
        let left = self.packets.lock().take();
        self.changed.notify_all();
        drop(left);
    }
}

/// The list of tasks and a port, as an executor has them; each task goes through the port.
#[derive(Clone)]
struct Model {
    owned: Arc<Owned>,
    port: Arc<ModelPort<Runnable>>,
}

impl Model {
    fn new() -> Self {
        Self { owned: Arc::default(), port: Arc::new(ModelPort::new()) }
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let port = Arc::clone(&self.port);
        let schedule = move |runnable, _| drop(port.post(runnable));
        self.owned.spawn(future, Location::caller(), schedule)
    }

    /// What a thread of the executor does until the port is closed.
    fn work(&self) {
        while let Some(runnable) = self.port.take() {
            sees_wakes();
            runnable.run();
        }
    }

    /// Starts a thread of the executor.
    fn worker(&self) -> thread::JoinHandle<()> {
        let model = self.clone();
        thread::spawn(move || model.work())
    }

    /// Waits until there are no tasks, and ends the executor.
    fn end(&self, worker: thread::JoinHandle<()>) {
        self.owned.wait_until_empty(None);
        self.port.close();
        worker.join().expect("it does not panic");
        assert_eq!(self.owned.count(), 0);
    }
}

/// What a task has given.
fn result<T>(task: JoinHandle<T>) -> Result<T, super::task::JoinError> {
    task.now_or_never().expect("it has ended")
}

/// Counts how often something was dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn counted(&self) -> Counted {
        Counted(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}
