//! What the port does at a given time: the user's timers and the library's own.

use super::Protocol;
use super::engine::Engine;
use crate::handle::core::WeakHandle;
use crate::operation::timer::TimerId;
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is due at a time.
pub(crate) enum Due<P: Protocol> {
    /// A timer of the user's completes.
    Operation(P::Operation),
    /// The system was short of something; the handle tries again.
    Retry(WeakHandle<P>),
    /// A client that was accepted has been silent for too long.
    Silence(WeakHandle<P>),
}

pub(crate) struct Timers<P: Protocol>(Mutex<Queue<P>>);

struct Queue<P: Protocol> {
    due: BTreeMap<TimerId, Due<P>>,
    next: u64,
}

/// Times that a clock cannot express are treated as this far away: a hundred years.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl<P: Protocol> Timers<P> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Queue { due: BTreeMap::new(), next: 0 }))
    }

    pub(crate) fn start(&self, engine: &Engine<P>, after: Duration, due: Due<P>) -> TimerId {
        let now = Instant::now();
        let at = now.checked_add(after).unwrap_or(now + FAR_AWAY);
        let mut queue = self.0.lock();
        let id = TimerId { at, number: queue.next };
        queue.next += 1;
        queue.due.insert(id, due);
        if queue.due.first_key_value().is_some_and(|(first, _)| *first == id) {
            engine.arm(Some(at));
        }
        id
    }

    /// Takes a timer out. The alarm may ring once for nothing.
    pub(crate) fn cancel(&self, id: TimerId) -> Option<Due<P>> {
        self.0.lock().due.remove(&id)
    }

    /// Takes out what is due, in order, and sets the alarm for the rest.
    pub(crate) fn take_due(&self, engine: &Engine<P>) -> Vec<Due<P>> {
        let now = Instant::now();
        let mut queue = self.0.lock();
        let mut due = Vec::new();
        while let Some(entry) = queue.due.first_entry()
            && entry.key().at <= now
        {
            due.push(entry.remove());
        }
        if let Some((first, _)) = queue.due.first_key_value() {
            engine.arm(Some(first.at));
        }
        due
    }

    pub(crate) fn clear(&self) {
        let due = std::mem::take(&mut self.0.lock().due);
        drop(due);
    }
}
