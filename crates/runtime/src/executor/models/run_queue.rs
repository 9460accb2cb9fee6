//! Models of a thread's run queue: each task runs once, whoever steals it and whoever blocks, and nobody
//! sleeps while a task waits.

use super::{ModelPort, check, check_up_to, together};
use crate::executor::run_queue::{OwnQueue, RunQueue};
use crate::sync::{Condvar, Mutex};
use std::sync::Arc;

/// The tasks are numbers. The last one that runs closes the port, so that all threads end.
struct Model {
    port: ModelPort<Arc<RunQueue<u32>>>,
    ran: Mutex<Vec<u32>>,
    more_ran: Condvar,
    tasks: usize,
}

impl Model {
    fn new(tasks: usize) -> Arc<Self> {
        Arc::new(Self {
            port: ModelPort::new(),
            ran: Mutex::default(),
            more_ran: Condvar::default(),
            tasks,
        })
    }

    fn tell(&self, queue: Arc<RunQueue<u32>>) {
        // All of them may have run already, and the port be closed.
        drop(self.port.post(queue));
    }

    fn push(&self, own: &OwnQueue<u32>, tasks: &[u32]) {
        tasks.iter().for_each(|task| own.push(*task, |queue| self.tell(queue)));
    }

    fn run(&self, task: u32) {
        let mut ran = self.ran.lock();
        ran.push(task);
        if ran.len() == self.tasks {
            self.port.close();
        }
        self.more_ran.notify_all();
    }

    /// Blocks the thread until all tasks have run.
    fn block(&self) {
        let mut ran = self.ran.lock();
        while ran.len() < self.tasks {
            self.more_ran.wait(&mut ran);
        }
    }

    /// Takes packets and runs tasks; `then` is called after each.
    fn work(&self, own: &OwnQueue<u32>, then: impl Fn(u32)) {
        while let Some(queue) = self.port.take() {
            let Some(taken) = own.take(&queue, |queue| self.tell(queue)) else { continue };
            let mut next = Some(taken.first);
            while let Some(task) = next {
                self.run(task);
                then(task);
                next = own.next();
            }
        }
    }

    fn assert_each_ran_once(&self) {
        let mut ran = self.ran.lock();
        ran.sort_unstable();
        assert!(ran.iter().copied().eq(1..=self.tasks as u32), "{:?}", *ran);
    }
}

/// A thread that pushes tasks, and then does as `after` says, beside so many that take.
fn beside_thieves(
    preemptions: usize,
    thieves: usize,
    tasks: &'static [u32],
    after: impl Fn(&Model, &OwnQueue<u32>) + Send + Sync + Copy + 'static,
) {
    check_up_to(preemptions, move || {
        let model = Model::new(tasks.len());
        let owner = Arc::clone(&model);
        let mut parts: Vec<Box<dyn FnOnce() + Send>> = vec![Box::new(move || {
            let own = OwnQueue::new();
            owner.push(&own, tasks);
            after(&owner, &own);
        })];
        for _ in 0..thieves {
            let model = Arc::clone(&model);
            parts.push(Box::new(move || model.work(&OwnQueue::new(), |_| ())));
        }
        together(parts);
        model.assert_each_ran_once();
    });
}

#[test]
fn what_lies_there_when_its_thread_blocks_runs_elsewhere() {
    beside_thieves(3, 1, &[1, 2, 3], |model, _| model.block());
}

#[test]
fn nothing_runs_twice_that_two_threads_take() {
    beside_thieves(3, 1, &[1, 2], |model, own| model.work(own, |_| ()));
}

#[test]
fn thieves_steal_from_each_other() {
    beside_thieves(2, 2, &[1, 2, 3], |model, _| model.block());
}

/// Two threads run tasks, of which the first one wakes others and then blocks until all have run.
fn the_first_task_blocks(tasks: &'static [u32], wakes: &'static [u32]) {
    check(move || {
        let model = Model::new(tasks.len() + wakes.len());
        let work = |pushes: &'static [u32]| -> Box<dyn FnOnce() + Send> {
            let model = Arc::clone(&model);
            Box::new(move || {
                let own = OwnQueue::new();
                model.push(&own, pushes);
                model.work(&own, |task| {
                    if task == 1 {
                        model.push(&own, wakes);
                        model.block();
                    }
                });
            })
        };
        together(vec![work(tasks), work(&[])]);
        model.assert_each_ran_once();
    });
}

#[test]
fn what_a_task_wakes_before_it_blocks_runs_elsewhere() {
    the_first_task_blocks(&[1, 2], &[3]);
}

#[test]
fn what_was_stolen_with_a_task_that_blocks_runs_elsewhere() {
    the_first_task_blocks(&[1, 2, 3], &[]);
}
