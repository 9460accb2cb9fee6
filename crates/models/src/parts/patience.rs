//! How long a connection may be silent: the deadlines of the first data and of idleness.
//!
//! Nobody sets a timer per connection. The thread that has a connection looks at all of its own
//! from time to time, so a connection is ended no earlier than its time and at most a round later.
//! Without limits no clock is read.

use crate::model::Limits;
use overlapped_serving::round_of;
use std::time::{Duration, Instant};

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    first_data: Option<Duration>,
    idle: Option<Duration>,
}

/// What one connection has used up of them.
#[derive(Debug)]
pub(crate) struct Patience {
    /// When something last came or went; `None` without limits.
    last: Option<Instant>,
    has_spoken: bool,
}

/// When a thread looks at all of its connections.
#[derive(Debug)]
pub(crate) struct Rounds {
    every: Option<Duration>,
    next: Instant,
}

impl Terms {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self { first_data: limits.first_data, idle: limits.idle_timeout }
    }

    fn now(&self) -> Option<Instant> {
        (self.first_data.is_some() || self.idle.is_some()).then(Instant::now)
    }

    /// Starts the rounds of a thread.
    pub(crate) fn rounds(&self) -> Rounds {
        let shortest = self.first_data.into_iter().chain(self.idle).min();
        let every = shortest.map(round_of);
        let now = Instant::now();
        Rounds { every, next: every.map_or(now, |every| now + every) }
    }
}

impl Patience {
    /// A connection begins.
    pub(crate) fn new(terms: &Terms) -> Self {
        Self { last: terms.now(), has_spoken: false }
    }

    /// Something came from the client.
    pub(crate) fn heard(&mut self, terms: &Terms) {
        self.has_spoken = true;
        self.stirred(terms);
    }

    /// The client took something, or the handler is done with what came: its own time is nobody's
    /// idleness.
    pub(crate) fn stirred(&mut self, terms: &Terms) {
        self.last = terms.now();
    }

    /// Whether the connection has been silent for too long.
    pub(crate) fn is_over(&self, terms: &Terms, now: Instant) -> bool {
        let limit = match self.has_spoken {
            false => terms.first_data.or(terms.idle),
            true => terms.idle,
        };
        match (limit, self.last) {
            (Some(limit), Some(last)) => now.saturating_duration_since(last) > limit,
            _ => false,
        }
    }
}

impl Rounds {
    /// How long a thread may wait before its next round; `None` is for ever.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.every.map(|_| self.next.saturating_duration_since(Instant::now()))
    }

    /// The time, if a round is due now; the next one is then set.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        let every = self.every?;
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + every;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn terms(first_data: Option<Duration>, idle: Option<Duration>) -> Terms {
        Terms { first_data, idle }
    }

    #[test]
    fn a_connection_has_its_whole_time_from_when_something_last_happened() {
        let terms = terms(None, Some(LIMIT));
        let mut patience = Patience::new(&terms);
        let begun = patience.last.expect("there is a limit");
        assert!(!patience.is_over(&terms, begun + LIMIT));
        assert!(patience.is_over(&terms, begun + LIMIT + Duration::from_millis(1)));
        patience.stirred(&terms);
        let stirred = patience.last.expect("there is a limit");
        assert!(stirred >= begun && !patience.is_over(&terms, stirred + LIMIT));
    }

    #[test]
    fn the_first_data_has_its_own_limit_and_only_the_first() {
        let terms = terms(Some(LIMIT), None);
        let mut patience = Patience::new(&terms);
        let late = Instant::now() + 2 * LIMIT;
        assert!(patience.is_over(&terms, late));
        patience.heard(&terms);
        assert!(!patience.is_over(&terms, late));
    }

    #[test]
    fn without_limits_nothing_is_over_and_no_clock_is_read() {
        let terms = terms(None, None);
        let patience = Patience::new(&terms);
        assert!(patience.last.is_none());
        assert!(!patience.is_over(&terms, Instant::now() + LIMIT));
        let mut rounds = terms.rounds();
        assert!(rounds.wait().is_none() && rounds.due().is_none());
    }

    #[test]
    fn very_short_and_very_long_limits_have_rounds_in_reason() {
        for (limit, every) in [
            (Duration::from_nanos(1), Duration::from_millis(16)),
            (Duration::from_secs(2), Duration::from_millis(500)),
            (Duration::MAX, Duration::from_secs(4)),
        ] {
            assert_eq!(terms(None, Some(limit)).rounds().every, Some(every));
        }
        let mut rounds = terms(Some(LIMIT), Some(Duration::ZERO)).rounds();
        assert!(rounds.due().is_none());
        rounds.next = Instant::now();
        assert!(rounds.due().is_some() && rounds.due().is_none());
    }
}
