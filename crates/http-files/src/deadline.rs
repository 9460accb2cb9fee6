//! The limits of time.
//!
//! Workers write into the key of a connection at which tick its time is over, and a timer of the
//! port looks at a part of the list at a time, several rounds within the shortest limit. A limit
//! lasts no less than it says, and not much longer.

use crate::connection::{Connection, Connections, Phase, Stream};
use crate::{Settings, TimeLimits};
use overlapped_serving::{CoarseClock, EXPIRED, IN_HAND};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many looks at the list make a round.
const LOOKS: usize = 4;

/// Times in ticks.
struct Ticks {
    head: u32,
    idle: u32,
    stall: u32,
    farewell: u32,
}

pub(crate) struct Deadlines {
    clock: CoarseClock,
    ticks: Ticks,
    /// In bytes a second.
    least_rate: u64,
}

impl Deadlines {
    pub(crate) fn new(settings: &Settings) -> Self {
        let TimeLimits { head, idle, stall, farewell } = settings.time;
        let shortest = head.min(idle).min(stall).min(farewell);
        let clock = CoarseClock::new(shortest, LOOKS);
        let ticks = Ticks {
            head: clock.ticks(head),
            idle: clock.ticks(idle),
            stall: clock.ticks(stall),
            farewell: clock.ticks(farewell),
        };
        Self { clock, ticks, least_rate: settings.least_rate }
    }

    /// How long after one look the next one is due.
    pub(crate) fn tick(&self) -> Duration {
        self.clock.tick()
    }

    fn after(&self, ticks: u32) -> u32 {
        self.clock.now().saturating_add(ticks).min(EXPIRED - 1)
    }

    /// When a head that begins now must be whole.
    pub(crate) fn of_head(&self) -> u32 {
        self.after(self.ticks.head)
    }

    /// When a connection whose last answer is sent must be over.
    pub(crate) fn of_farewell(&self) -> u32 {
        self.after(self.ticks.farewell)
    }

    /// When a connection without a request is over.
    pub(crate) fn of_idle(&self) -> u32 {
        self.after(self.ticks.idle)
    }

    /// When a response of which nothing is taken is over.
    pub(crate) fn of_answer(&self) -> u32 {
        self.after(self.ticks.stall)
    }

    /// The connection is in a worker's hands.
    pub(crate) fn in_hand(&self, connection: &Connection) {
        connection.until.store(IN_HAND, Ordering::SeqCst);
    }

    /// The connection waits for its client until this tick.
    pub(crate) fn waits(&self, connection: &Connection, phase: Phase, until: u32) {
        connection.set_phase(phase);
        connection.until.store(until, Ordering::SeqCst);
    }

    /// A response begins to be sent.
    pub(crate) fn sending_begins(&self, connection: &Connection) {
        connection.began.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Whether less was taken since the beginning than must be.
    fn is_too_slow(&self, connection: &Connection, progress: u64, now: u32) -> bool {
        let ticks = now.saturating_sub(connection.began.load(Ordering::Relaxed));
        if ticks <= self.ticks.stall {
            return false;
        }
        let ns = self.clock.tick().as_nanos() * u128::from(ticks);
        u128::from(progress) * 1_000_000_000 < ns * u128::from(self.least_rate)
    }

    /// Looks at the next part; calls `end` with those whose time is over.
    pub(crate) fn look(&self, connections: &Connections, mut end: impl FnMut(&Stream)) {
        let now = self.clock.now();
        for shard in self.clock.next_shards() {
            let expired = connections.those_of(shard, |connection| self.expire(connection, now));
            expired.iter().for_each(&mut end);
        }
    }

    /// Marks a connection whose time is over.
    fn expire(&self, connection: &Connection, now: u32) -> bool {
        let until = connection.until.load(Ordering::SeqCst);
        if until == EXPIRED {
            // A worker was about to start the operation that the last round meant to end.
            return true;
        }
        if until == IN_HAND || (connection.phase() != Phase::Answer && now < until) {
            return false;
        }
        if connection.phase() == Phase::Answer {
            let progress = connection.progress();
            if self.is_too_slow(connection, progress, now) {
                return exchange(connection, until, EXPIRED);
            }
            if connection.seen.swap(progress, Ordering::Relaxed) != progress {
                let later = now.saturating_add(self.ticks.stall).min(EXPIRED - 1);
                exchange(connection, until, later);
                return false;
            }
            if now < until {
                return false;
            }
        }
        // Not if a worker has it by now.
        exchange(connection, until, EXPIRED)
    }
}

fn exchange(connection: &Connection, from: u32, to: u32) -> bool {
    connection.until.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// Whether the sweep has ended it.
pub(crate) fn has_expired(connection: &Connection) -> bool {
    connection.until.load(Ordering::SeqCst) == EXPIRED
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_connection_has_its_time_and_a_worker_takes_as_long_as_it_likes() {
        let begun = Instant::now();
        let deadlines = Deadlines::new(&Settings::default());
        let connection = Connection::new(None, None);
        let limit = Settings::default().time.head;
        // The time of one that has waited since now, or for longer, is over then.
        let after = || deadlines.clock.at(begun.elapsed() + limit + 3 * deadlines.tick());
        deadlines.waits(&connection, Phase::Head, deadlines.of_head());
        assert!(!deadlines.expire(&connection, deadlines.clock.at(limit)));
        deadlines.in_hand(&connection);
        assert!(!deadlines.expire(&connection, after()));
        deadlines.waits(&connection, Phase::Head, deadlines.of_head());
        assert!(deadlines.expire(&connection, after()));
        assert!(has_expired(&connection));
        assert!(deadlines.expire(&connection, after()), "until a worker has ended it");
        deadlines.waits(&connection, Phase::Request, deadlines.of_idle());
        assert!(!has_expired(&connection));
    }

    #[test]
    fn a_client_has_to_take_so_much_in_a_second() {
        let settings = Settings { least_rate: 1_000, ..Settings::default() };
        let deadlines = Deadlines::new(&settings);
        let connection = Connection::new(None, None);
        deadlines.sending_begins(&connection);
        let at = |seconds| deadlines.clock.at(Duration::from_secs(seconds));
        assert!(!deadlines.is_too_slow(&connection, 0, at(60)), "it has its time to begin");
        assert!(deadlines.is_too_slow(&connection, 98_000, at(100)));
        assert!(!deadlines.is_too_slow(&connection, 100_000, at(100)));
        let none = Deadlines::new(&Settings { least_rate: 0, ..settings });
        assert!(!none.is_too_slow(&connection, 0, at(100)));
    }

    #[test]
    fn limits_beyond_all_time_are_kept() {
        let forever = Duration::MAX;
        let time = TimeLimits { head: forever, idle: forever, stall: forever, farewell: forever };
        let deadlines = Deadlines::new(&Settings { time, ..Settings::default() });
        let connection = Connection::new(None, None);
        deadlines.waits(&connection, Phase::Head, deadlines.of_head());
        assert!(!deadlines.expire(&connection, deadlines.clock.at(Duration::from_secs(1 << 20))));
    }
}
