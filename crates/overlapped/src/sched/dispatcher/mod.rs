//! The rules behind one lock, the threads' own queues before it, and the waiting of threads.
//!
//! A thread that comes back with something in its own queue takes that without the lock. Whether
//! another thread has to be told of what lies there is asked of one word, which is written under the
//! lock: who puts something into its own queue looks at the word afterwards, and who makes a thread
//! wait changes the word and looks at the own queues afterwards, with a fence between in both, so that
//! one of the two sees the other.

mod own;
mod recording;

#[cfg(all(test, loom))]
pub(super) use own::HARVEST_AGAIN_FROM;

use super::binding::{Bound, OwnerSlot};
use super::metrics::{Counts, DelayHistogram, DelayRecorder, Queued};
use super::monitor::{MonitorParker, Round, Watched, Whom};
use super::own_queue::{OwnQueue, ThreadState};
use super::parker::Park;
use super::rules::monitor::Watch;
use super::rules::steps::{MemberId, Step, Wakes, Work};
use super::rules::{OWN_QUEUE_ROOM, Rules, word};
use super::{Deadline, Sizes, TakeError};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering, fence};
use crate::sys::EventSource;
use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The scheduler over a backend `B` that says what may go on: `T` is what it queues, `E` an event of
/// the backend, `K` parks a thread.
#[derive(Debug)]
pub(crate) struct Dispatcher<T, E, K, B> {
    rules: Mutex<Rules<Queued<T>, E, K>>,
    /// What the rules say to threads without the lock; see [`word`].
    word: AtomicU32,
    delays: DelayRecorder,
    /// Where the blocked-thread monitor waits.
    pub(super) monitor: Arc<MonitorParker>,
    owner: OwnerSlot,
    pub(super) backend: B,
}

/// A bound thread's part of it.
#[derive(Debug)]
pub(crate) struct Member<E, K> {
    pub(super) id: MemberId,
    parker: K,
    /// Where the backend puts events for this thread.
    events: Vec<E>,
    /// The thread's own queue. What type it has depends on what the scheduler queues.
    own: Box<dyn Any>,
    pub(super) state: Arc<ThreadState>,
    /// Whether packets may lie in its own queue, and not only events.
    keeps_packets: Cell<bool>,
    /// How often in a row the thread has taken from its own queue.
    streak: Cell<u32>,
    /// How many events the thread found in the backend the last time.
    pub(in crate::sched) found: usize,
}

impl<E, K> Member<E, K> {
    /// A thread that has no queue of its own.
    #[allow(dead_code, reason = "needed where the kernel queues")]
    pub(super) fn without_own_queue(id: MemberId, parker: K) -> Self {
        Self::new(id, parker, Box::new(()), Arc::new(ThreadState::new()))
    }

    fn new(id: MemberId, parker: K, own: Box<dyn Any>, state: Arc<ThreadState>) -> Self {
        let (events, keeps_packets, streak) = (Vec::new(), Cell::new(false), Cell::new(0));
        Self { id, parker, events, own, state, keeps_packets, streak, found: 0 }
    }
}

impl<T: 'static, E: 'static, K: Park + Clone, B: EventSource<E>> Bound for Dispatcher<T, E, K, B>
where
    Self: Send + Sync,
{
    fn dismiss(&self, id: MemberId) {
        self.change(|rules, wakes| rules.dismiss(id, wakes));
    }

    fn block(&self, id: MemberId) -> bool {
        self.change(|rules, wakes| rules.block(id, wakes))
    }

    fn resume(&self, id: MemberId) {
        self.change(|rules, wakes| rules.resume(id, wakes));
    }

    fn owner(&self) -> &OwnerSlot {
        &self.owner
    }
}

impl<T: 'static, E: 'static, K: Park + Clone, B: EventSource<E>> Watched for Dispatcher<T, E, K, B>
where
    Self: Send + Sync,
{
    fn watch(&self, whom: Whom) -> Round {
        let watch = self.rules.lock().watch();
        match watch {
            Watch::Doze => return Round::Doze,
            Watch::Pass => return Round::ComeBack,
            Watch::Look { work_waits } if !(work_waits || self.backend.has_events()) => {
                return Round::ComeBack;
            }
            Watch::Look { .. } => {}
        }
        let mut suspects = self.rules.lock().suspects(whom == Whom::All);
        for suspect in &mut suspects {
            suspect.asleep = suspect.parker.asleep().unwrap_or(false);
        }
        let found_sleeper = self.change(|rules, wakes| rules.looked(suspects, wakes));
        if found_sleeper { Round::ComeBackSoon } else { Round::ComeBack }
    }
}

impl<T, E, K, B> Drop for Dispatcher<T, E, K, B> {
    fn drop(&mut self) {
        self.monitor.end();
    }
}

impl<T: 'static, E: 'static, K: Park + Clone, B: EventSource<E>> Dispatcher<T, E, K, B> {
    pub(super) fn new(concurrency: usize, quiet_rounds: Option<u32>, backend: B) -> Self {
        let rules = Mutex::new(Rules::new(concurrency, quiet_rounds));
        Self {
            rules,
            word: AtomicU32::new(0),
            delays: DelayRecorder::new(),
            monitor: Arc::default(),
            owner: OwnerSlot::default(),
            backend,
        }
    }

    /// Gives a thread a number. It is bound, and counted, from its first take.
    pub(super) fn enroll(&self, parker: K) -> Member<E, K> {
        let own = OwnQueue::<Queued<T>, E>::with_room(OWN_QUEUE_ROOM);
        let state = Arc::new(ThreadState::new());
        let id = self.rules.lock().enroll(parker.clone(), own.robber(), Arc::clone(&state));
        Member::new(id, parker, Box::new(own), state)
    }

    /// Queues a packet, or gives it back when the scheduler is closed. It must then be dropped where
    /// no lock is held. Who is to be woken is left to the caller.
    pub(super) fn insert(&self, packet: T) -> Result<Option<Wakes<K>>, T> {
        let queued = self.delays.sampled(packet);
        let (inserted, wakes) = self.change_only(|rules, wakes| rules.insert(queued, wakes));
        inserted.map(|()| wakes).map_err(Queued::into_packet)
    }

    /// Queues the packet that the calling, released thread has just performed and returns the oldest
    /// one. Who is to be woken is left to the caller.
    pub(super) fn exchange(&self, packet: T) -> (T, Option<Wakes<K>>) {
        let queued = Queued::unmeasured(packet);
        let (oldest, wakes) = self.change_only(|rules, _| rules.exchange(queued));
        (self.delays.taken(oldest), wakes)
    }

    /// Puts packets back to the head of the queue, or gives them back when the scheduler is closed.
    pub(super) fn put_back(
        &self,
        id: Option<MemberId>,
        packets: VecDeque<T>,
    ) -> Result<(), VecDeque<Queued<T>>> {
        let packets = packets.into_iter().map(Queued::unmeasured).collect();
        self.change(|rules, wakes| rules.put_back(id, packets, wakes))
    }

    /// Closes the queue and gives out what is in it.
    pub(crate) fn close(&self) -> VecDeque<Queued<T>> {
        let mut wakes = Wakes::default();
        let mut rules = self.rules.lock();
        let mut queued = rules.close(&mut wakes);
        self.word.store(rules.word(), Ordering::Release);
        fence(Ordering::SeqCst);
        queued.append(&mut rules.close(&mut wakes));
        if rules.is_recorded() {
            self.note(&mut rules);
        }
        drop(rules);
        self.wake(wakes.unless_empty());
        queued
    }

    /// From now on a take that would find something is an event of the backend, too.
    #[cfg_attr(windows, allow(dead_code, reason = "the backend is no descriptor there"))]
    pub(crate) fn watch_from_outside(&self) {
        self.change(Rules::watch_from_outside);
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.rules.lock().sizes()
    }

    /// Whether this thread would find something at once if it came back, as far as is known here.
    pub(super) fn has_work_to_hand_out(&self, member: &Member<E, K>) -> bool {
        self.has_own(member) || self.rules.lock().work_waits()
    }

    /// Whether a thread waits for which there is no work yet.
    #[inline]
    pub(crate) fn somebody_waits(&self) -> bool {
        self.word.load(Ordering::Acquire) & word::SOMEBODY_WAITS != 0
    }

    /// Whether there is work that no thread goes on with now, wherever it lies.
    pub(crate) fn any_work_waits(&self) -> bool {
        let rules = self.rules.lock();
        let lies_here = rules.work_waits() || rules.own_work_waits();
        drop(rules);
        lies_here || self.backend.has_events()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.rules.lock().counts()
    }

    pub(crate) fn delays(&self) -> DelayHistogram {
        self.delays.histogram()
    }

    /// Whether a thread is to watch for threads that block without saying so.
    pub(super) fn has_monitor(&self) -> bool {
        self.rules.lock().has_monitor()
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.rules.lock().concurrency()
    }

    /// Takes one piece of work, waiting for it until `deadline`.
    #[inline]
    pub(crate) fn take(
        &self,
        member: &mut Member<E, K>,
        deadline: Deadline,
    ) -> Result<Work<T, E>, TakeError> {
        match self.take_unasked(member) {
            Some(work) => Ok(work),
            None => self.take_shared(member, deadline),
        }
    }

    /// What the shared queue or the backend has.
    #[inline(never)]
    fn take_shared(
        &self,
        member: &mut Member<E, K>,
        deadline: Deadline,
    ) -> Result<Work<T, E>, TakeError> {
        let Member { id, parker, events, own, streak, found, .. } = member;
        let id = *id;
        let own = own.downcast_ref().expect(OWN_QUEUE_TYPE);
        streak.set(0);
        let poll_only = matches!(deadline, Deadline::Now);
        let mut step = self.step(own, |rules, wakes| rules.arrive(id, poll_only, wakes));
        loop {
            step = match step {
                Step::Work(work) => return Ok(self.work(work)),
                Step::TimedOut => return Err(TakeError::TimedOut),
                Step::Abandoned => return Err(TakeError::Abandoned),
                Step::Closed => return Err(TakeError::Closed),
                Step::Poll { batch } => {
                    let met = self.backend.wait(events, batch, deadline.remaining());
                    *found = events.len();
                    let expired = deadline.expired();
                    self.step(own, |rules, wakes| {
                        rules.returned(id, (&mut *events, own), met.look, expired, wakes)
                    })
                }
                Step::Glance { batch } => {
                    let met = self.backend.wait(events, batch, Some(Duration::ZERO));
                    self.step(own, |rules, wakes| {
                        rules.glanced(id, events, met.look, poll_only, wakes)
                    })
                }
                Step::Park => {
                    parker.parker().park(deadline.remaining());
                    let expired = deadline.expired();
                    self.step(own, |rules, wakes| rules.woken(id, expired, wakes))
                }
            };
        }
    }

    /// Gives a thread that has taken a packet one more piece of the shared work, without waiting.
    pub(super) fn more(&self) -> Option<Work<T, E>> {
        self.change(|rules, _| rules.more()).map(|work| self.work(work))
    }

    #[inline(always)]
    fn work(&self, work: Work<Queued<T>, E>) -> Work<T, E> {
        match work {
            Work::Packet(queued) => Work::Packet(self.delays.taken(queued)),
            Work::Event(event) => Work::Event(event),
        }
    }

    fn change<R>(
        &self,
        transition: impl FnOnce(&mut Rules<Queued<T>, E, K>, &mut Wakes<K>) -> R,
    ) -> R {
        let (result, wakes) = self.change_only(transition);
        self.wake(wakes);
        result
    }

    /// The same, and leaves it to the caller to wake others, who may hold a lock.
    #[inline]
    fn change_only<R>(
        &self,
        transition: impl FnOnce(&mut Rules<Queued<T>, E, K>, &mut Wakes<K>) -> R,
    ) -> (R, Option<Wakes<K>>) {
        let mut wakes = Wakes::default();
        let mut rules = self.rules.lock();
        let result = transition(&mut rules, &mut wakes);
        self.publish(&mut rules, &mut wakes);
        if rules.is_recorded() {
            self.note(&mut rules);
        }
        drop(rules);
        (result, wakes.unless_empty())
    }

    /// The change by which a thread gets its next step, with what it may have besides.
    fn step(
        &self,
        own: &OwnQueue<Queued<T>, E>,
        transition: impl FnOnce(&mut Rules<Queued<T>, E, K>, &mut Wakes<K>) -> Step<Queued<T>, E>,
    ) -> Step<Queued<T>, E> {
        self.change(|rules, wakes| {
            let step = transition(rules, wakes);
            if matches!(step, Step::Work(_)) {
                rules.fill(own);
            }
            step
        })
    }

    /// Lets threads that do not take the lock know of a change. If a thread waits from now on while a
    /// slot is free, or if one waits and no look is to come any more, what lies in own queues is looked
    /// at once more, after the word was written.
    #[inline]
    fn publish(&self, rules: &mut Rules<Queued<T>, E, K>, wakes: &mut Wakes<K>) {
        let before = self.word.load(Ordering::Relaxed);
        let word = rules.word();
        if word == before {
            return;
        }
        self.word.store(word, Ordering::Release);
        let is_news = !before & word::SPARE | before & !word & word::LOOK_ARMED;
        if word & word::SPARE != 0 && is_news != 0 {
            fence(Ordering::SeqCst);
            while rules.give_robbed(wakes) {}
            self.word.store(rules.word(), Ordering::Release);
        }
    }

    /// Wakes who is to be woken, with no lock held. There is mostly nobody.
    #[inline]
    pub(super) fn wake(&self, wakes: Option<Wakes<K>>) {
        if let Some(wakes) = wakes {
            self.wake_some(wakes);
        }
    }

    #[inline(never)]
    fn wake_some(&self, wakes: Wakes<K>) {
        for parker in wakes.parkers {
            parker.parker().unpark();
        }
        if wakes.kick {
            self.backend.kick();
        }
        if let Some(after) = wakes.look_after {
            self.backend.look_after(after);
        }
        if wakes.monitor {
            self.monitor.wake();
        }
    }
}

const OWN_QUEUE_TYPE: &str = "a thread's own queue holds what its scheduler queues";
