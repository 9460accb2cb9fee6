//! The rules behind one lock, and the waiting of threads.

use super::binding::Bound;
use super::metrics::{Counts, DelayHistogram, DelayRecorder, Queued};
use super::monitor::{MonitorParker, Round, Watched};
use super::parker::Park;
use super::rules::Rules;
use super::rules::monitor::Watch;
use super::rules::steps::{MemberId, Step, Wakes, Work};
use super::{Deadline, Sizes, TakeError};
use crate::sync::Mutex;
use crate::sys::EventSource;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The scheduler over a backend `B` that says what may go on: `T` is what it queues, `E` an event of
/// the backend, `K` parks a thread.
#[derive(Debug)]
pub(crate) struct Dispatcher<T, E, K, B> {
    rules: Mutex<Rules<Queued<T>, E, K>>,
    delays: DelayRecorder,
    /// Where the blocked-thread monitor waits.
    pub(super) monitor: Arc<MonitorParker>,
    pub(super) backend: B,
}

/// A bound thread's part of it.
#[derive(Debug)]
pub(crate) struct Member<E, K> {
    pub(super) id: MemberId,
    parker: K,
    /// Where the backend puts events for this thread.
    events: Vec<E>,
}

impl<E, K> Member<E, K> {
    pub(super) fn new(id: MemberId, parker: K) -> Self {
        Self { id, parker, events: Vec::new() }
    }
}

impl<T, E, K: Park + Clone, B: EventSource<E>> Bound for Dispatcher<T, E, K, B>
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
}

impl<T, E, K: Park + Clone, B: EventSource<E>> Watched for Dispatcher<T, E, K, B>
where
    Self: Send + Sync,
{
    fn watch(&self) -> Round {
        let watch = self.rules.lock().watch();
        match watch {
            Watch::Doze => return Round::Doze,
            Watch::Pass => return Round::ComeBack,
            Watch::Look { work_waits } if !(work_waits || self.backend.has_events()) => {
                return Round::ComeBack;
            }
            Watch::Look { .. } => {}
        }
        let mut suspects = self.rules.lock().suspects();
        for suspect in &mut suspects {
            suspect.asleep = suspect.parker.asleep().unwrap_or(false);
        }
        self.change(|rules, wakes| rules.looked(suspects, wakes));
        Round::ComeBack
    }
}

impl<T, E, K, B> Drop for Dispatcher<T, E, K, B> {
    fn drop(&mut self) {
        self.monitor.end();
    }
}

impl<T, E, K: Park + Clone, B: EventSource<E>> Dispatcher<T, E, K, B> {
    pub(super) fn new(concurrency: usize, quiet_rounds: Option<u32>, backend: B) -> Self {
        let rules = Mutex::new(Rules::new(concurrency, quiet_rounds));
        Self { rules, delays: DelayRecorder::new(), monitor: Arc::default(), backend }
    }

    /// Gives a thread a number. It is bound, and counted, from its first take.
    pub(super) fn enroll(&self, parker: K) -> Member<E, K> {
        Member::new(self.rules.lock().enroll(parker.clone()), parker)
    }

    /// Queues a packet, or gives it back when the scheduler is closed. It must then be dropped where
    /// no lock is held.
    pub(crate) fn insert(&self, packet: T) -> Result<(), T> {
        let queued = self.delays.sampled(packet);
        self.change(|rules, wakes| rules.insert(queued, wakes)).map_err(Queued::into_packet)
    }

    /// Queues the packet of an operation that completed while this bound thread started it.
    pub(crate) fn insert_own(&self, id: MemberId, packet: T) -> Result<(), T> {
        let queued = self.delays.sampled(packet);
        self.change(|rules, wakes| rules.insert_own(id, queued, wakes)).map_err(Queued::into_packet)
    }

    /// Queues the packet that the calling, released thread has just performed and returns the oldest
    /// one.
    pub(crate) fn exchange(&self, packet: T) -> T {
        let oldest = self.rules.lock().exchange(Queued::unmeasured(packet));
        self.delays.taken(oldest)
    }

    /// Puts packets back to the head of the queue, or gives them back when the scheduler is closed.
    pub(crate) fn put_back(&self, packets: VecDeque<T>) -> Result<(), VecDeque<Queued<T>>> {
        let packets = packets.into_iter().map(Queued::unmeasured).collect();
        self.change(|rules, wakes| rules.put_back(packets, wakes))
    }

    /// Closes the queue and gives out what is in it.
    pub(crate) fn close(&self) -> VecDeque<Queued<T>> {
        self.change(|rules, wakes| rules.close(wakes))
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.rules.lock().sizes()
    }

    /// Whether a thread that comes back would find something at once, as far as is known here.
    pub(crate) fn has_work_to_hand_out(&self) -> bool {
        self.rules.lock().has_work_to_hand_out()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.rules.lock().counts().clone()
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
    pub(crate) fn take(
        &self,
        member: &mut Member<E, K>,
        deadline: Deadline,
    ) -> Result<Work<T, E>, TakeError> {
        let Member { id, parker, events } = member;
        let id = *id;
        let poll_only = matches!(deadline, Deadline::Now);
        let mut wakes = Wakes::default();
        let mut step = self.rules.lock().arrive(id, poll_only, &mut wakes);
        self.wake(wakes);
        loop {
            step = match step {
                Step::Work(work) => return Ok(self.work(work)),
                Step::TimedOut => return Err(TakeError::TimedOut),
                Step::Abandoned => return Err(TakeError::Abandoned),
                Step::Closed => return Err(TakeError::Closed),
                Step::Poll { batch } => {
                    let look = self.backend.wait(events, batch, deadline.remaining());
                    let expired = deadline.expired();
                    self.change(|rules, wakes| rules.returned(id, events, look, expired, wakes))
                }
                Step::Glance { batch } => {
                    let look = self.backend.wait(events, batch, Some(Duration::ZERO));
                    self.change(|rules, wakes| rules.glanced(id, events, look, poll_only, wakes))
                }
                Step::Park => {
                    parker.parker().park(deadline.remaining());
                    let expired = deadline.expired();
                    self.change(|rules, wakes| rules.woken(id, expired, wakes))
                }
            };
        }
    }

    /// Gives a thread that has taken a packet what it may have besides, without waiting. `carry_out`
    /// is called with each piece of work and answers how many more packets are wanted; `wanted` of
    /// them at first.
    pub(crate) fn take_more(
        &self,
        mut wanted: usize,
        mut carry_out: impl FnMut(Work<T, E>) -> usize,
    ) {
        while wanted > 0 {
            let work = self.rules.lock().more();
            let Some(work) = work else { return };
            wanted = carry_out(self.work(work));
        }
    }

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
        let mut wakes = Wakes::default();
        let result = transition(&mut self.rules.lock(), &mut wakes);
        self.wake(wakes);
        result
    }

    /// Wakes who is to be woken, with no lock held. There is mostly nobody.
    #[inline]
    fn wake(&self, wakes: Wakes<K>) {
        if !wakes.is_empty() {
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
