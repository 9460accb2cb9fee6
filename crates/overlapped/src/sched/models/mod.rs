//! Loom models of the scheduler: every interleaving of a few threads, up to a bound on preemptions.
//!
//! A lost wake-up shows as a deadlock, a packet delivered twice or never as a failed count. Run them
//! with `RUSTFLAGS="--cfg loom" cargo test -p overlapped --lib --release models`.

mod monitor;
mod own_queue;

use super::binding::Bound;
use super::dispatcher::{self, Dispatcher};
use super::monitor::Watched;
use super::parker::{Park, Parker};
use super::rules::steps::{MemberId, Work};
use super::{Deadline, TakeError};
use crate::sync::{Condvar, Mutex};
use crate::sys::{EventSource, Met};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A thread that the monitor sees asleep, or not, as the model says.
#[derive(Debug)]
struct ModelThread {
    parker: Parker,
    asleep: AtomicBool,
}

impl Park for Arc<ModelThread> {
    fn parker(&self) -> &Parker {
        &self.parker
    }

    fn asleep(&self) -> Option<bool> {
        Some(self.asleep.load(Ordering::SeqCst))
    }
}

/// The backend's wait as epoll has it: an event or a kick wakes one thread of those that wait, and
/// kicks that nobody has seen yet are one.
#[derive(Debug)]
struct Source {
    state: Mutex<SourceState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SourceState {
    events: VecDeque<u32>,
    kicked: bool,
    look: bool,
}

impl Source {
    fn new() -> Self {
        Self { state: Mutex::new(SourceState::default()), changed: Condvar::new() }
    }

    fn happen(&self, event: u32) {
        self.state.lock().events.push_back(event);
        self.changed.notify_one();
    }
}

impl EventSource<u32> for Source {
    fn wait(&self, events: &mut Vec<u32>, batch: usize, timeout: Option<Duration>) -> Met {
        let mut state = self.state.lock();
        while state.events.is_empty() && !state.kicked && !state.look && timeout.is_none() {
            state = self.changed.wait(&self.state, state);
        }
        let kick = std::mem::take(&mut state.kicked);
        let count = batch.min(state.events.len());
        events.extend(state.events.drain(..count));
        if !state.events.is_empty() {
            self.changed.notify_one();
        }
        Met { look: std::mem::take(&mut state.look), kick }
    }

    fn kick(&self) {
        self.state.lock().kicked = true;
        self.changed.notify_one();
    }

    /// Due at once: the waiting thread sees it at whatever moment it is scheduled.
    fn look_after(&self, _after: Duration) {
        self.state.lock().look = true;
        self.changed.notify_one();
    }

    fn has_events(&self) -> bool {
        !self.state.lock().events.is_empty()
    }
}

/// One port as the models see it, with what has been taken from it.
struct Model {
    scheduler: Dispatcher<u32, u32, Arc<ModelThread>, Source>,
    taken: Mutex<Vec<u32>>,
    more_taken: Condvar,
}

struct Member<'a> {
    model: &'a Model,
    thread: Arc<ModelThread>,
    member: RefCell<dispatcher::Member<u32, Arc<ModelThread>>>,
}

/// The thread of the monitor.
struct Watching {
    model: Arc<Model>,
    thread: thread::JoinHandle<()>,
}

impl Watching {
    fn over(model: &Arc<Model>) -> Self {
        let watched = model.clone();
        let rounds = move || {
            let scheduler = &watched.scheduler;
            scheduler.monitor.serve(|whom| Some(scheduler.watch(whom)));
        };
        Self { model: model.clone(), thread: thread::spawn(rounds) }
    }

    fn end(self) {
        self.model.scheduler.monitor.end();
        self.thread.join().unwrap();
    }
}

const NEVER: Deadline = Deadline::Never;

/// A deadline that has passed; the thread gives up at any moment after its first look.
fn soon() -> Deadline {
    Deadline::At(Instant::now() - Duration::from_secs(1))
}

impl Model {
    fn new(concurrency: usize, monitor: bool) -> Arc<Self> {
        Arc::new(Self {
            scheduler: Dispatcher::new(concurrency, monitor.then_some(0), Source::new()),
            taken: Mutex::new(Vec::new()),
            more_taken: Condvar::new(),
        })
    }

    fn member(&self, asleep: bool) -> Member<'_> {
        let asleep = AtomicBool::new(asleep);
        let thread = Arc::new(ModelThread { parker: Parker::default(), asleep });
        let member = RefCell::new(self.scheduler.enroll(thread.clone()));
        Member { model: self, thread, member }
    }

    fn insert(&self, packet: u32) {
        self.try_insert(packet).expect("the port is open");
    }

    fn try_insert(&self, packet: u32) -> Result<(), u32> {
        self.scheduler.insert(packet).map(|wakes| self.scheduler.wake(wakes))
    }

    fn wait_until_taken(&self, count: usize) {
        let mut taken = self.taken.lock();
        while taken.len() < count {
            taken = self.more_taken.wait(&self.taken, taken);
        }
    }

    /// What was taken, in numerical order.
    fn all_taken(&self) -> Vec<u32> {
        let mut taken = self.taken.lock().clone();
        taken.sort_unstable();
        taken
    }
}

impl Member<'_> {
    fn take(&self, deadline: Deadline) -> Result<u32, TakeError> {
        let Model { scheduler, taken, more_taken } = self.model;
        let work = scheduler.take(&mut self.member.borrow_mut(), deadline)?;
        let (Work::Packet(number) | Work::Event(number)) = work;
        taken.lock().push(number);
        more_taken.notify_all();
        Ok(number)
    }

    /// Completes an operation while it is started, as a bound thread does.
    fn complete(&self, packet: u32) -> Result<(), u32> {
        let scheduler = &self.model.scheduler;
        let mut packet = Some(packet);
        scheduler.wake(scheduler.insert_own(&self.member.borrow(), &mut packet));
        packet.map_or(Ok(()), |packet| self.model.try_insert(packet))
    }

    /// Takes without waiting, as after a batch of events that promises more.
    fn harvest(&self) -> Result<u32, TakeError> {
        self.member.borrow_mut().found = dispatcher::HARVEST_AGAIN_FROM;
        self.take(Deadline::Now)
    }

    fn id(&self) -> MemberId {
        self.member.borrow().id
    }

    /// Takes until the port is closed.
    fn serve(&self) {
        while self.take(NEVER).is_ok() {}
    }

    fn exit(self) {
        self.model.scheduler.dismiss(self.id());
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    check_up_to(3, model);
}

/// Checks every interleaving with at most so many preemptions.
fn check_up_to(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

#[test]
fn p55_a_packet_appended_while_a_thread_enters_the_wait_is_taken() {
    check(|| {
        let model = Model::new(1, false);
        let taker = thread::spawn({
            let model = model.clone();
            move || model.member(false).take(NEVER)
        });
        model.insert(7);
        assert_eq!(taker.join().unwrap(), Ok(7));
    });
}

#[test]
fn p66_two_posts_whose_kicks_merge_reach_two_threads() {
    check(|| {
        let model = Model::new(2, false);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || model.member(false).take(NEVER))
            })
            .collect();
        model.insert(1);
        model.insert(2);
        for taker in takers {
            taker.join().unwrap().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p66_a_poll_does_not_swallow_the_kick_of_a_waiting_thread() {
    check(|| {
        let model = Model::new(2, false);
        let waiter = thread::spawn({
            let model = model.clone();
            move || model.member(false).take(NEVER)
        });
        let poller = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                let got = member.take(Deadline::Now);
                member.exit();
                got
            }
        });
        model.insert(1);
        if poller.join().unwrap().is_ok() {
            model.insert(2);
        }
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn p62_a_time_out_that_races_with_a_hand_off_loses_nothing() {
    check(|| {
        let model = Model::new(1, false);
        let taker = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                if member.take(soon()) == Err(TakeError::TimedOut) {
                    member.take(NEVER).unwrap();
                }
            }
        });
        model.insert(1);
        taker.join().unwrap();
        assert_eq!(model.all_taken(), [1]);
    });
}

#[test]
fn p62_a_hasty_thread_and_a_patient_one_share_two_packets() {
    check(|| {
        let model = Model::new(1, false);
        let threads = [NEVER, soon()].map(|deadline| {
            let model = model.clone();
            thread::spawn(move || {
                let member = model.member(false);
                if member.take(deadline) == Err(TakeError::TimedOut) {
                    member.take(NEVER).unwrap();
                }
                member.exit();
            })
        });
        model.insert(1);
        model.insert(2);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p78_a_thread_that_ends_lets_the_next_one_in() {
    check(|| {
        let model = Model::new(1, false);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || {
                    let member = model.member(false);
                    member.take(NEVER).unwrap();
                    member.exit();
                })
            })
            .collect();
        model.insert(1);
        model.insert(2);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
        assert_eq!(model.scheduler.sizes().released, 0);
    });
}

#[test]
fn p76_a_thread_that_goes_to_another_port_gives_its_slot_back() {
    check(|| {
        let (first, second) = (Model::new(1, false), Model::new(1, false));
        let mover = thread::spawn({
            let (first, second) = (first.clone(), second.clone());
            move || {
                let member = first.member(false);
                member.take(NEVER).unwrap();
                member.exit();
                second.member(false).take(NEVER).unwrap();
            }
        });
        let stayer = thread::spawn({
            let first = first.clone();
            move || {
                let member = first.member(false);
                member.take(NEVER).unwrap();
                member.exit();
            }
        });
        second.insert(9);
        first.insert(1);
        first.insert(2);
        mover.join().unwrap();
        stayer.join().unwrap();
        assert_eq!(first.all_taken(), [1, 2]);
        assert_eq!(second.all_taken(), [9]);
    });
}

#[test]
fn p72_a_thread_that_blocks_lets_another_take_what_is_queued() {
    check(|| {
        let model = Model::new(1, false);
        model.insert(1);
        model.insert(2);
        let blocker = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                member.take(NEVER).unwrap();
                assert!(model.scheduler.block(member.id()));
                // It stays blocked until the other thread has taken the second packet.
                model.wait_until_taken(2);
                model.scheduler.resume(member.id());
                member.exit();
            }
        });
        let other = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                member.take(NEVER).unwrap();
                member.exit();
            }
        });
        blocker.join().unwrap();
        other.join().unwrap();
        assert_eq!(model.scheduler.sizes().released, 0);
        assert_eq!(model.scheduler.sizes().paused, 0);
    });
}

#[test]
fn p120_closing_wakes_every_waiter_and_no_packet_is_both_taken_and_discarded() {
    check(|| {
        let model = Model::new(1, false);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || model.member(false).serve())
            })
            .collect();
        model.insert(1);
        let discarded = model.scheduler.close();
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!(model.all_taken().len() + discarded.len(), 1);
        assert_eq!(model.try_insert(2), Err(2));
    });
}
