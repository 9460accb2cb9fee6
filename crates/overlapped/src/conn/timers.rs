//! What the port does at a given time: the user's timers and the library's own.

use crate::sched::Scheduler;
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Names one timer of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    at: Instant,
    number: u64,
}

/// What is due at a time. `T` is what the user gave to a timer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due<T> {
    /// A timer of the user's completes.
    Timer(T),
    /// The system was short of something; the connection with this token tries again.
    Retry(u64),
    /// The client of the connection with this token has been silent for too long.
    Silence(u64),
}

pub(crate) struct Timers<T>(Mutex<Queue<T>>);

struct Queue<T> {
    due: BTreeMap<TimerId, Due<T>>,
    next: u64,
    /// The port is closed. Whoever asked the port before that, and comes after it, finds this.
    closed: bool,
}

/// Times that a clock cannot express are treated as this far away: a hundred years.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Queue { due: BTreeMap::new(), next: 0, closed: false }))
    }

    /// Gives back what was to be due when the port is closed (P122).
    pub(crate) fn start<Q: 'static>(
        &self,
        scheduler: &Scheduler<Q>,
        after: Duration,
        due: Due<T>,
    ) -> Result<TimerId, Due<T>> {
        let now = Instant::now();
        let at = now.checked_add(after).unwrap_or(now + FAR_AWAY);
        let mut queue = self.0.lock();
        if queue.closed {
            return Err(due);
        }
        let id = TimerId { at, number: queue.next };
        queue.next += 1;
        queue.due.insert(id, due);
        if queue.due.first_key_value().is_some_and(|(first, _)| *first == id) {
            scheduler.backend().arm(Some(at));
        }
        Ok(id)
    }

    /// Takes a timer out. The alarm may come once for nothing.
    pub(crate) fn cancel(&self, id: TimerId) -> Option<Due<T>> {
        self.0.lock().due.remove(&id)
    }

    /// Takes out what is due, in order, and sets the alarm for the rest.
    pub(crate) fn take_due<Q: 'static>(&self, scheduler: &Scheduler<Q>) -> Vec<Due<T>> {
        let now = Instant::now();
        let mut queue = self.0.lock();
        let mut due = Vec::new();
        while let Some(entry) = queue.due.first_entry()
            && entry.key().at <= now
        {
            due.push(entry.remove());
        }
        if let Some((first, _)) = queue.due.first_key_value() {
            scheduler.backend().arm(Some(first.at));
        }
        due
    }

    /// Takes out everything, and starts nothing any more.
    pub(crate) fn close(&self) -> impl Iterator<Item = Due<T>> + use<T> {
        let mut queue = self.0.lock();
        queue.closed = true;
        std::mem::take(&mut queue.due).into_values()
    }
}
