//! What the port does at a given time: the user's timers and the library's own.

use super::Protocol;
use crate::driver::Backend;
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
    /// The port is closed. Whoever asked the port before that, and comes after it, finds this.
    closed: bool,
}

/// Times that a clock cannot express are treated as this far away: a hundred years.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl<P: Protocol> Timers<P> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Queue { due: BTreeMap::new(), next: 0, closed: false }))
    }

    /// Gives back what was to be due when the port is closed (P122).
    pub(crate) fn start(
        &self,
        backend: Backend<'_>,
        after: Duration,
        due: Due<P>,
    ) -> Result<TimerId, Due<P>> {
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
            backend.arm(Some(at));
        }
        Ok(id)
    }

    /// Takes a timer out. The alarm may ring once for nothing.
    pub(crate) fn cancel(&self, id: TimerId) -> Option<Due<P>> {
        self.0.lock().due.remove(&id)
    }

    /// Takes out what is due, in order, and sets the alarm for the rest.
    pub(crate) fn take_due(&self, backend: Backend<'_>) -> Vec<Due<P>> {
        let now = Instant::now();
        let mut queue = self.0.lock();
        let mut due = Vec::new();
        while let Some(entry) = queue.due.first_entry()
            && entry.key().at <= now
        {
            due.push(entry.remove());
        }
        if let Some((first, _)) = queue.due.first_key_value() {
            backend.arm(Some(first.at));
        }
        due
    }

    /// Takes out everything, and starts nothing any more.
    pub(crate) fn close(&self) -> impl Iterator<Item = Due<P>> + use<P> {
        let mut queue = self.0.lock();
        queue.closed = true;
        std::mem::take(&mut queue.due).into_values()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::driver::{Driver, DriverChoice};

    struct Nothing;

    impl Protocol for Nothing {
        type Key = ();
        type Operation = u32;
        type Message = ();
    }

    /// The port was seen open, and was closed before the timer was in the queue.
    #[test]
    fn p122_a_timer_that_comes_after_the_end_is_given_back_and_does_not_stay() {
        let driver = Driver::open(DriverChoice::Simulated, None).expect("it needs nothing");
        let backend = Backend::Readiness(&driver);
        let timers = Timers::<Nothing>::new();
        let far = Duration::from_secs(3600);
        assert!(timers.start(backend, far, Due::Operation(1)).is_ok());
        let left: Vec<_> = timers.close().collect();
        assert!(matches!(left[..], [Due::Operation(1)]));
        let refused = timers.start(backend, far, Due::Operation(2));
        assert!(matches!(refused, Err(Due::Operation(2))));
        assert_eq!(timers.close().count(), 0, "nothing has stayed");
    }
}
