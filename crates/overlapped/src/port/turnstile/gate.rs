//! The rules behind one lock, and the waiting of threads.

use super::rules::Rules;
use super::rules::steps::{MemberId, Sizes, Step, Suspect, Wakes, Work};
use super::seat::Seat;
use crate::port::TakeError;
use crate::port::counters::TurnstileCounters;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the gate needs of a driver: a wait that several threads may stand in at once.
pub(crate) trait EventSource<E> {
    /// Waits until events are there, a kick came, or `timeout` is over, and appends up to `batch`
    /// events. May return early with none. True when the look that was asked for is due.
    fn wait(&self, events: &mut Vec<E>, batch: usize, timeout: Option<Duration>) -> bool;

    /// Makes at least one thread return that stands in the wait now or, if none does, the next
    /// one that enters it.
    fn kick(&self);

    /// Makes one thread return from the wait with `true`, after the time given, or later when it
    /// enters it.
    fn look_after(&self, after: Duration);
}

/// Until when a thread is willing to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    Never,
    /// Do not wait at all.
    Now,
    At(Instant),
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::Never,
            Some(Duration::ZERO) => Self::Now,
            Some(timeout) => Instant::now().checked_add(timeout).map_or(Self::Never, Self::At),
        }
    }

    pub(crate) fn remaining(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Now => Some(Duration::ZERO),
            Self::At(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }

    fn expired(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }
}

/// The turnstile of one port.
#[derive(Debug)]
pub(crate) struct Gate<T, E, S> {
    rules: Mutex<Rules<T, E, S>>,
}

impl<T, E, S: Seat + Clone> Gate<T, E, S> {
    pub(crate) fn new(concurrency: usize, doorman: bool) -> Self {
        Self { rules: Mutex::new(Rules::new(concurrency, doorman)) }
    }

    pub(crate) fn enrol(&self, seat: S) -> MemberId {
        self.rules.lock().enrol(seat)
    }

    pub(crate) fn dismiss(&self, source: &impl EventSource<E>, id: MemberId) {
        self.change(source, |rules, wakes| rules.dismiss(id, wakes));
    }

    pub(crate) fn insert(&self, source: &impl EventSource<E>, packet: T) -> Result<(), T> {
        self.change(source, |rules, wakes| rules.insert(packet, wakes))
    }

    pub(crate) fn insert_own(
        &self,
        source: &impl EventSource<E>,
        id: MemberId,
        packet: T,
    ) -> Result<(), T> {
        self.change(source, |rules, wakes| rules.insert_own(id, packet, wakes))
    }

    pub(crate) fn exchange(&self, packet: T) -> T {
        self.rules.lock().exchange(packet)
    }

    pub(crate) fn put_back(
        &self,
        source: &impl EventSource<E>,
        packets: VecDeque<T>,
    ) -> Result<(), VecDeque<T>> {
        self.change(source, |rules, wakes| rules.put_back(packets, wakes))
    }

    pub(crate) fn block(&self, source: &impl EventSource<E>, id: MemberId) -> bool {
        self.change(source, |rules, wakes| rules.block(id, wakes))
    }

    pub(crate) fn resume(&self, id: MemberId) {
        self.rules.lock().resume(id);
    }

    pub(crate) fn close(&self, source: &impl EventSource<E>) -> VecDeque<T> {
        self.change(source, |rules, wakes| rules.close(wakes))
    }

    pub(crate) fn more(&self) -> Option<Work<T, E>> {
        self.rules.lock().more()
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.rules.lock().sizes()
    }

    pub(crate) fn counters(&self) -> TurnstileCounters {
        self.rules.lock().counters().clone()
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.rules.lock().concurrency()
    }

    /// Takes one piece of work, waiting for it until `deadline`.
    pub(crate) fn take(
        &self,
        source: &impl EventSource<E>,
        id: MemberId,
        seat: &S,
        events: &mut Vec<E>,
        deadline: Deadline,
    ) -> Result<Work<T, E>, TakeError> {
        let poll_only = matches!(deadline, Deadline::Now);
        let mut step = {
            let mut rules = self.rules.lock();
            if rules.is_closed() {
                return Err(TakeError::Closed);
            }
            let mut wakes = Wakes::default();
            let step = rules.arrive(id, poll_only, &mut wakes);
            drop(rules);
            carry_out(source, wakes);
            step
        };
        loop {
            step = match step {
                Step::Work(work) => return Ok(work),
                Step::TimedOut => return Err(TakeError::TimedOut),
                Step::Abandoned => return Err(TakeError::Abandoned),
                Step::Poll { batch } => {
                    let look = source.wait(events, batch, deadline.remaining());
                    let expired = deadline.expired();
                    self.change(source, |rules, wakes| {
                        rules.returned(id, events, look, expired, wakes)
                    })
                }
                Step::Glance { batch } => {
                    let look = source.wait(events, batch, Some(Duration::ZERO));
                    self.change(source, |rules, wakes| {
                        rules.glanced(id, events, look, poll_only, wakes)
                    })
                }
                Step::Park { look_after } => {
                    let remaining = deadline.remaining();
                    seat.park(look_after.into_iter().chain(remaining).min());
                    let expired = deadline.expired();
                    let look_due = look_after.is_some();
                    self.change(source, |rules, wakes| rules.woken(id, expired, look_due, wakes))
                }
                Step::Look(mut suspects) => {
                    for Suspect { seat, asleep, .. } in &mut suspects {
                        *asleep = seat.asleep().unwrap_or(false);
                    }
                    let expired = deadline.expired();
                    self.change(source, |rules, wakes| rules.looked(id, suspects, expired, wakes))
                }
            };
        }
    }

    fn change<R>(
        &self,
        source: &impl EventSource<E>,
        transition: impl FnOnce(&mut Rules<T, E, S>, &mut Wakes<S>) -> R,
    ) -> R {
        let mut wakes = Wakes::default();
        let result = transition(&mut self.rules.lock(), &mut wakes);
        carry_out(source, wakes);
        result
    }
}

/// Wakes who is to be woken, with no lock held. There is mostly nobody.
#[inline]
fn carry_out<E, S: Seat>(source: &impl EventSource<E>, wakes: Wakes<S>) {
    if !wakes.is_empty() {
        wake(source, wakes);
    }
}

#[inline(never)]
fn wake<E, S: Seat>(source: &impl EventSource<E>, wakes: Wakes<S>) {
    for seat in wakes.seats {
        seat.unpark();
    }
    if wakes.kick {
        source.kick();
    }
    if let Some(after) = wakes.look_after {
        source.look_after(after);
    }
}
