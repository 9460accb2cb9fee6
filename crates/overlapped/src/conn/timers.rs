//! What the port does at a given time: the user's timers and the library's own.
//!
//! All lie in one [wheel](super::wheel), for which the port's alarm is set. That is moved only when
//! something is due earlier than all that was there: what is put off or taken out leaves it as it is,
//! and it may ring once for nothing.

use super::facts::Moment;
use super::wheel::{Key, Wheel};
use crate::sched::Scheduler;
use crate::sync::Mutex;
use std::time::{Duration, Instant};

/// Names one timer of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(Key);

/// What is due at a time. `T` is what the user gave to a timer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due<T> {
    /// A timer of the user's completes.
    Timer(T),
    /// The system was short of something; the connection with this token tries again.
    Retry(u64),
    /// The client of the connection with this token has been silent for too long.
    Silence(u64),
    /// Some limit of the connection with this token may be over.
    Limits(u64),
    /// An event of the connection with this token came while another thread had that for long.
    Event(u64, Postponed),
}

/// An event that is to be performed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Postponed {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) ended: bool,
    /// How often that was in vain.
    pub(super) times: u8,
}

impl<T> Due<T> {
    /// What the user gave to a timer, if it is one of theirs.
    pub(crate) fn into_operation(self) -> Option<T> {
        match self {
            Self::Timer(operation) => Some(operation),
            Self::Retry(_) | Self::Silence(_) | Self::Limits(_) | Self::Event(..) => None,
        }
    }
}

pub(crate) struct Timers<T>(Mutex<Queue<T>>);

struct Queue<T> {
    wheel: Wheel<Due<T>>,
    /// When the alarm rings, in nanoseconds.
    alarm: u64,
    /// The port is closed. Whoever asked the port before that, and comes after it, finds this.
    closed: bool,
}

const NEVER: u64 = u64::MAX;

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Queue { wheel: Wheel::new(), alarm: NEVER, closed: false }))
    }

    /// Gives back what was to be due when the port is closed (P122).
    pub(crate) fn start<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        after: Duration,
        due: Due<T>,
    ) -> Result<TimerId, Due<T>> {
        let now = Moment::of(scheduler.backend().now());
        self.start_at(scheduler, now, now.after(after), due)
    }

    /// The same for a moment.
    pub(crate) fn start_at<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        now: Moment,
        at: Moment,
        due: Due<T>,
    ) -> Result<TimerId, Due<T>> {
        let mut queue = self.0.lock();
        if queue.closed {
            return Err(due);
        }
        queue.wheel.advance(now.nanoseconds());
        let key = queue.wheel.insert(at.nanoseconds(), due);
        queue.set_alarm(scheduler);
        Ok(TimerId(key))
    }

    /// The same without reading the clock, unless it becomes the earliest.
    pub(crate) fn start_until<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        at: Instant,
        due: Due<T>,
    ) -> Result<TimerId, Due<T>> {
        let mut queue = self.0.lock();
        if queue.closed {
            return Err(due);
        }
        let key = queue.wheel.insert(Moment::of(at).nanoseconds(), due);
        queue.set_alarm_for(scheduler, key);
        Ok(TimerId(key))
    }

    /// Has something due earlier; false when it was taken out.
    pub(super) fn move_to<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        id: TimerId,
        now: Moment,
        at: Moment,
    ) -> bool {
        let mut queue = self.0.lock();
        queue.wheel.advance(now.nanoseconds());
        let is_there = queue.wheel.reset(id.0, at.nanoseconds());
        queue.set_alarm(scheduler);
        is_there
    }

    /// Has a timer of the user's run out so long from now; false when there is none such.
    pub(crate) fn reset<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        id: TimerId,
        after: Duration,
    ) -> bool {
        let now = Moment::of(scheduler.backend().now());
        self.reset_to(scheduler, id, now.after(after))
    }

    /// The same for a moment.
    pub(crate) fn reset_until<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        id: TimerId,
        at: Instant,
    ) -> bool {
        self.reset_to(scheduler, id, Moment::of(at))
    }

    fn reset_to<Q: 'static>(&self, scheduler: &Scheduler<Q>, id: TimerId, at: Moment) -> bool {
        let mut queue = self.0.lock();
        let is_there = matches!(queue.wheel.get(id.0), Some(Due::Timer(_)))
            && queue.wheel.reset(id.0, at.nanoseconds());
        if is_there {
            queue.set_alarm_for(scheduler, id.0);
        }
        is_there
    }

    /// Takes a timer of the user's out. The id may be one of another port.
    pub(crate) fn take(&self, id: TimerId) -> Option<T> {
        let mut queue = self.0.lock();
        match queue.wheel.get(id.0)? {
            Due::Timer(_) => match queue.wheel.remove(id.0)? {
                Due::Timer(operation) => Some(operation),
                _ => unreachable!("it was a timer"),
            },
            _ => None,
        }
    }

    /// Takes out what is due later.
    pub(crate) fn cancel(&self, id: TimerId) -> Option<Due<T>> {
        self.0.lock().wheel.remove(id.0)
    }

    /// Takes out what is due, in order, and sets the alarm for the rest.
    pub(crate) fn take_due<Q: 'static>(&self, scheduler: &Scheduler<Q>) -> Vec<Due<T>> {
        let now = Moment::of(scheduler.backend().now());
        let mut due = Vec::new();
        let mut queue = self.0.lock();
        queue.wheel.take_due(now.nanoseconds(), &mut due);
        queue.alarm = NEVER;
        queue.set_alarm(scheduler);
        due
    }

    /// Takes out everything, and starts nothing any more.
    pub(crate) fn close(&self) -> impl Iterator<Item = Due<T>> + use<T> {
        let mut queue = self.0.lock();
        queue.closed = true;
        std::mem::replace(&mut queue.wheel, Wheel::new()).into_contents()
    }
}

impl<T> Queue<T> {
    /// Has the alarm ring when the wheel has something to do, if it would ring later.
    fn set_alarm<Q: 'static>(&mut self, scheduler: &Scheduler<Q>) {
        if let Some(next) = self.wheel.next()
            && next < self.alarm
        {
            self.alarm = next;
            scheduler.backend().arm(Some(Moment::at(next).instant()));
        }
    }

    /// The same after an entry was put in without regard to the present time, by which it may lie where
    /// something is to be done too early.
    fn set_alarm_for<Q: 'static>(&mut self, scheduler: &Scheduler<Q>, key: Key) {
        if self.wheel.next().is_some_and(|next| next < self.alarm) {
            let now = Moment::of(scheduler.backend().now());
            self.wheel.place_by(now.nanoseconds(), key);
            self.set_alarm(scheduler);
        }
    }
}
