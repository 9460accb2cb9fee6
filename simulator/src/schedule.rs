//! Which thread goes on: the scheduler that shuttle asks at each lock and atomic.

use crate::random::Random;
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use std::cell::Cell;

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
    static IS_IDLE: Cell<bool> = const { Cell::new(false) };
}

/// The seed of the life that runs.
pub fn seed() -> u64 {
    SEED.get()
}

/// Whether the clock, which asks, goes on because every other thread waits.
pub fn is_idle() -> bool {
    IS_IDLE.get()
}

/// The second thread of every life is the clock: the first one starts it before any other.
fn clock() -> TaskId {
    TaskId::from(1)
}

/// How threads follow each other in one life.
#[derive(Debug, Clone, Copy)]
enum Policy {
    /// Any of those that can go on.
    Any,
    /// The same one, and another once in so many steps.
    Sticky(u64),
    /// The one of the highest rank. Once in so many steps the one that runs gets another rank.
    Ranked(u64),
}

/// Runs one life for each seed.
pub struct Seeded {
    seeds: Box<dyn Iterator<Item = u64>>,
    random: Random,
    policy: Policy,
    ranks: Vec<u64>,
    /// Time goes on although somebody could run, once in so many steps; never when zero.
    hurry: u64,
}

impl Seeded {
    /// One life for each of `seeds`.
    pub fn new(seeds: impl IntoIterator<Item = u64> + 'static) -> Self {
        let (random, policy) = (Random::new(0, 0), Policy::Any);
        Self { seeds: Box::new(seeds.into_iter()), random, policy, ranks: Vec::new(), hurry: 0 }
    }

    fn rank(&mut self, of: TaskId) -> u64 {
        let index = usize::from(of);
        while self.ranks.len() <= index {
            self.ranks.push(self.random.number());
        }
        self.ranks[index]
    }
}

impl Scheduler for Seeded {
    fn new_execution(&mut self) -> Option<Schedule> {
        let seed = self.seeds.next()?;
        SEED.set(seed);
        IS_IDLE.set(false);
        self.random = Random::new(seed, 1);
        self.ranks.clear();
        self.policy = match self.random.below(8) {
            0..2 => Policy::Any,
            2..5 => Policy::Sticky(self.random.one_of(&[2, 4, 16, 64])),
            _ => Policy::Ranked(self.random.one_of(&[8, 40, 200, 1_000])),
        };
        self.hurry = self.random.one_of(&[0, 0, 50, 400, 3_000]);
        Some(Schedule::new(seed))
    }

    fn next_task(
        &mut self,
        tasks: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        // A parked thread is among them, too, for a wake-up without a cause. There are none here.
        let ready = |task: &&&Task| task.runnable() && task.id() != clock();
        let count = tasks.iter().filter(ready).count() as u64;
        let has_clock = tasks.iter().any(|task| task.id() == clock());
        if count == 0 {
            IS_IDLE.set(true);
            return has_clock.then(clock);
        }
        if self.hurry > 0 && has_clock && self.random.chance(self.hurry) {
            IS_IDLE.set(false);
            return Some(clock());
        }
        let stays = current.filter(|current| {
            !is_yielding && tasks.iter().any(|task| task.id() == *current && ready(&task))
        });
        let any = |random: &mut Random| {
            let index = random.below(count) as usize;
            tasks.iter().filter(ready).nth(index).map(|task| task.id())
        };
        match self.policy {
            Policy::Any => any(&mut self.random),
            Policy::Sticky(one_in) => match stays {
                Some(current) if !self.random.chance(one_in) => Some(current),
                _ => any(&mut self.random),
            },
            Policy::Ranked(one_in) => {
                if let Some(current) = current
                    && (is_yielding || self.random.chance(one_in))
                {
                    self.rank(current);
                    self.ranks[usize::from(current)] = self.random.number();
                }
                let ids: Vec<_> = tasks.iter().filter(ready).map(|task| task.id()).collect();
                ids.into_iter().max_by_key(|id| self.rank(*id))
            }
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.random.number()
    }
}
