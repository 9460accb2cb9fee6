//! The rules alone, driven by a seeded generator through long random lives of a scheduler, with the
//! invariants of P84 checked after every step; and what a thread is allowed in place.

mod monitor;
mod outside;
mod recording;

use super::allowance::{AT_FIRST, AT_LEAST, AT_MOST, Allowance, TIME};
use super::own_queue::{OwnQueue, ThreadState};
use super::rules::Rules;
use super::rules::monitor::Watch;
use super::rules::steps::{MemberId, Step, Wakes, Work};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A thread that never has anything in its own queue.
fn enroll(rules: &mut Rules<u32, u32, NoParker>) -> MemberId {
    let own = OwnQueue::with_room(2);
    rules.enroll(NoParker, own.robber(), Arc::new(ThreadState::new()))
}

/// The rules only pass on what parks a thread.
#[derive(Debug, Clone)]
struct NoParker;

/// Where a thread of the model is, as it knows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Released,
    Blocking,
    Parked,
    Polling,
}

/// A small generator: tests of one seed are the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

struct Life {
    rules: Rules<u32, u32, NoParker>,
    threads: Vec<(MemberId, Place)>,
    concurrency: usize,
    /// Packets queued and not taken, oldest first.
    expected: VecDeque<u32>,
    next: u32,
    kicked: bool,
}

impl Life {
    fn new(concurrency: usize, threads: usize) -> Self {
        let mut rules = Rules::new(concurrency, None);
        let threads = (0..threads).map(|_| (enroll(&mut rules), Place::Outside)).collect();
        Self { rules, threads, concurrency, expected: VecDeque::new(), next: 0, kicked: false }
    }

    fn note(&mut self, wakes: &Wakes<NoParker>) {
        self.kicked |= wakes.kick;
    }

    fn settle(&mut self, thread: usize, step: Step<u32, u32>) {
        self.threads[thread].1 = match step {
            Step::Work(Work::Packet(packet)) => {
                let expected = self.expected.iter().position(|number| *number == packet);
                let position = expected.expect("a packet is taken once, and was queued before");
                self.expected.remove(position);
                Place::Released
            }
            Step::Work(Work::Event(_)) | Step::TimedOut => Place::Released,
            Step::Poll { .. } => Place::Polling,
            Step::Park => Place::Parked,
            Step::Glance { .. } => {
                let mut wakes = Wakes::default();
                let id = self.threads[thread].0;
                let step = self.rules.glanced(id, &mut Vec::new(), false, false, &mut wakes);
                self.note(&wakes);
                return self.settle(thread, step);
            }
            Step::Abandoned | Step::Closed => unreachable!("it is never closed"),
        };
    }

    /// Brings back whoever has been handed something, until nobody has.
    fn wake_all(&mut self) {
        for thread in 0..self.threads.len() {
            let (id, place) = self.threads[thread];
            let (mut wakes, own) = (Wakes::default(), OwnQueue::with_room(2));
            let step = match place {
                Place::Parked => self.rules.woken(id, false, &mut wakes),
                Place::Polling if self.kicked => {
                    self.rules.returned(id, (&mut Vec::new(), &own), false, false, &mut wakes)
                }
                _ => continue,
            };
            self.note(&wakes);
            self.settle(thread, step);
        }
        self.kicked = false;
    }

    fn step(&mut self, random: &mut Random) {
        let thread = random.below(self.threads.len());
        let (id, place) = self.threads[thread];
        let (mut wakes, own) = (Wakes::default(), OwnQueue::with_room(2));
        match (random.below(4), place) {
            // Several may come before anybody is back.
            (0, _) => {
                for _ in 0..=random.below(3) {
                    self.next += 1;
                    self.expected.push_back(self.next);
                    self.rules.insert(self.next, &mut wakes).expect("the port is open");
                }
            }
            (1, Place::Released) => {
                assert!(self.rules.block(id, &mut wakes));
                self.threads[thread].1 = Place::Blocking;
            }
            (2, Place::Released | Place::Outside) => {
                self.rules.dismiss(id, &mut wakes);
                self.threads[thread] = (enroll(&mut self.rules), Place::Outside);
            }
            (_, Place::Released | Place::Outside) => {
                let step = self.rules.arrive(id, false, &mut wakes);
                self.settle(thread, step);
            }
            (_, Place::Blocking) => {
                self.rules.resume(id, &mut wakes);
                self.threads[thread].1 = Place::Released;
            }
            (2, Place::Parked) => {
                let step = self.rules.woken(id, true, &mut wakes);
                self.settle(thread, step);
            }
            (2, Place::Polling) => {
                let step =
                    self.rules.returned(id, (&mut Vec::new(), &own), false, true, &mut wakes);
                self.settle(thread, step);
            }
            _ => {}
        }
        self.note(&wakes);
        self.wake_all();
    }

    fn check(&self) {
        let sizes = self.rules.sizes();
        let count = |wanted| self.threads.iter().filter(|(_, place)| *place == wanted).count();
        let waiting = count(Place::Parked) + count(Place::Polling);
        assert_eq!(sizes.released, count(Place::Released), "P84 b");
        assert_eq!(sizes.paused, count(Place::Blocking));
        assert_eq!(sizes.waiting, waiting);
        assert_eq!(sizes.queued, self.expected.len());
        let free = sizes.released < self.concurrency;
        assert!(!(free && waiting > 0 && sizes.queued > 0), "P84 a: {sizes:?}");
        assert!(
            !free || waiting == 0 || count(Place::Polling) > 0,
            "nobody sees events: {sizes:?}"
        );
    }
}

#[test]
fn p84_the_invariants_hold_after_every_step_of_long_random_lives() {
    for seed in 1..=200_u64 {
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ (seed << 20));
        let (concurrency, threads) = (1 + random.below(3), 1 + random.below(6));
        let mut life = Life::new(concurrency, threads);
        for _ in 0..500 {
            life.step(&mut random);
            life.check();
        }
    }
}

#[test]
fn p50_one_thread_at_a_time_takes_packets_in_the_order_they_were_queued() {
    let mut life = Life::new(1, 1);
    for number in 1..=100 {
        life.rules.insert(number, &mut Wakes::default()).expect("the port is open");
    }
    let id = life.threads[0].0;
    for number in 1..=100 {
        let mut step = life.rules.arrive(id, false, &mut Wakes::default());
        while let Step::Glance { .. } = step {
            step = life.rules.glanced(id, &mut Vec::new(), false, false, &mut Wakes::default());
        }
        assert!(matches!(step, Step::Work(Work::Packet(packet)) if packet == number));
    }
}

/// A look lasts a while, and a thread's number may be another's when it is over.
#[test]
fn a_look_does_not_pause_the_thread_that_has_the_number_of_the_one_it_saw() {
    let mut wakes = Wakes::default();
    let mut rules = Rules::<u32, u32, NoParker>::new(1, Some(0));
    let (runs, waits) = (enroll(&mut rules), enroll(&mut rules));
    rules.insert(1, &mut wakes).expect("the port is open");
    rules.insert(2, &mut wakes).expect("the port is open");
    rules.insert(3, &mut wakes).expect("the port is open");
    let step = rules.arrive(runs, false, &mut wakes);
    assert!(matches!(step, Step::Work(Work::Packet(1))));
    assert!(matches!(rules.arrive(waits, false, &mut wakes), Step::Park));
    assert!(wakes.monitor, "the slot is taken, and a thread is to spare");
    assert_eq!(rules.watch(), Watch::Look { work_waits: true });
    let mut suspects = rules.suspects(true);
    suspects.iter_mut().for_each(|suspect| suspect.asleep = true);

    rules.dismiss(runs, &mut wakes);
    let next = enroll(&mut rules);
    assert_eq!(next, runs, "numbers are used again");
    rules.dismiss(waits, &mut wakes);
    let step = rules.arrive(next, false, &mut wakes);
    assert!(matches!(step, Step::Work(Work::Packet(3))), "the second was handed to who waited");

    rules.looked(suspects, &mut wakes);
    let sizes = rules.sizes();
    assert_eq!((sizes.released, sizes.paused), (1, 0), "it was not looked at");
}

/// How many completions one take allows.
fn allowed(allowance: &Allowance, others_wait: bool) -> u32 {
    allowance.renew();
    // A slow machine may use up the time before the number.
    let in_time = || {
        allowance.since.set(allowance.since.get().map(|_| Instant::now()));
        allowance.allows_one_more(|| others_wait)
    };
    (0..).take_while(|_| in_time()).count() as u32
}

#[test]
fn less_is_allowed_while_others_wait_and_more_while_nobody_does() {
    let allowance = Allowance::new();
    let while_others_wait = [(); 4].map(|()| allowed(&allowance, true));
    assert_eq!(while_others_wait, [AT_FIRST, 8, AT_LEAST, AT_LEAST]);
    assert_eq!(allowed(&allowance, false), AT_MOST);
    assert_eq!(allowed(&allowance, true), AT_MOST);
    assert_eq!(allowed(&allowance, true), AT_MOST / 2);
}

#[test]
fn nothing_is_allowed_when_the_time_is_over() {
    let allowance = Allowance::new();
    assert!(allowance.allows_one_more(|| false) && allowance.allows_one_more(|| false));
    let Some(long_ago) = Instant::now().checked_sub(TIME) else { return };
    allowance.since.set(Some(long_ago));
    let more = (0..4).filter(|_| allowance.allows_one_more(|| false)).count();
    assert!(more <= 1, "{more} more after the time was over");
    allowance.renew();
    assert!(allowance.allows_one_more(|| true), "the next take has its own");
}
