//! The end of idle connections, and of those whose client sends nothing first.
//!
//! A timer of the port looks at one shard of the list at a time, several rounds within the limit,
//! and is the only one that reads the clock: with each tick it sets a coarse time that the workers
//! copy into the key of the connection they handle. Without a limit there is no timer, and
//! workers stamp nothing.
//!
//! Main disadvantage: each round visits every connection, so a million of them cost a million
//! cache misses per round.

use super::connection::{Connection, Connections, Stream};
use overlapped_serving::{CoarseClock, EXPIRED, IN_HAND, SHARDS};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(super) struct Sweep {
    clock: CoarseClock,
    /// An idle connection lasts at least this many ticks, if there is a limit.
    idle_ticks: Option<u32>,
    /// The same until its client has sent something. Where accepts are posted they wait for that.
    first_data_ticks: Option<u32>,
    /// The tick of the last look, which is when workers say that something happened.
    now: AtomicU32,
}

impl Sweep {
    /// `None` without a limit.
    pub(super) fn new(idle: Option<Duration>, first_data: Option<Duration>) -> Option<Self> {
        let shortest = idle.into_iter().chain(first_data).min()?;
        let clock = CoarseClock::new(shortest, SHARDS);
        let ticks = |limit| clock.ticks(limit);
        let (idle_ticks, first_data_ticks) = (idle.map(ticks), first_data.or(idle).map(ticks));
        Some(Self { clock, idle_ticks, first_data_ticks, now: AtomicU32::new(0) })
    }

    /// How long after one look the next one is due.
    pub(super) fn tick(&self) -> Duration {
        self.clock.tick()
    }

    /// The connection waits for its client from now on.
    pub(super) fn waits(&self, connection: &Connection) {
        connection.last.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The connection is in a worker's hands.
    pub(super) fn in_hand(&self, connection: &Connection) {
        connection.last.store(IN_HAND, Ordering::Relaxed);
    }

    /// Sets the time and looks at the next shard; calls `end` with what has been idle for too long.
    pub(super) fn look(&self, connections: &Connections, mut end: impl FnMut(&Stream)) {
        let now = self.clock.now();
        self.now.store(now, Ordering::Relaxed);
        for shard in self.clock.next_shards() {
            let expired = connections.those_of(shard, |connection| self.expire(connection, now));
            expired.iter().for_each(&mut end);
        }
    }

    /// Marks a connection that has been idle for too long.
    fn expire(&self, connection: &Connection, now: u32) -> bool {
        let last = connection.last.load(Ordering::Relaxed);
        if last == EXPIRED {
            // A worker was about to start the operation that the last round meant to end.
            return true;
        }
        let limit = match connection.has_spoken() {
            true => self.idle_ticks,
            false => self.first_data_ticks,
        };
        if last == IN_HAND || limit.is_none_or(|limit| now.saturating_sub(last) <= limit) {
            return false;
        }
        // Not if a worker has it by now.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        connection.last.compare_exchange(last, EXPIRED, success, failure).is_ok()
    }
}

/// Whether the sweep has ended it.
pub(super) fn has_expired(connection: &Connection) -> bool {
    connection.last.load(Ordering::Relaxed) == EXPIRED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_expires_after_the_limit_and_never_in_a_workers_hands() {
        let limit = Duration::from_secs(1);
        let sweep = Sweep::new(Some(limit), None).expect("a limit");
        let connection = Connection::default();
        sweep.waits(&connection);
        assert!(!sweep.expire(&connection, sweep.clock.at(limit)));
        let after = sweep.clock.at(limit + 3 * sweep.tick());
        sweep.in_hand(&connection);
        assert!(!sweep.expire(&connection, after), "a handler may take its time");
        sweep.waits(&connection);
        assert!(sweep.expire(&connection, after));
        assert!(has_expired(&connection));
        assert!(sweep.expire(&connection, after), "it stays so until a worker has ended it");
        sweep.waits(&connection);
        assert!(!has_expired(&connection), "a worker that had it goes on with it");
    }

    #[test]
    fn very_short_and_very_long_limits_are_kept() {
        for limit in [Duration::from_nanos(1), Duration::from_secs(3), Duration::MAX] {
            let sweep = Sweep::new(Some(limit), None).expect("a limit");
            let connection = Connection::default();
            assert!(!sweep.expire(&connection, sweep.clock.at(limit)), "{limit:?}");
        }
        let soon = Sweep::new(Some(Duration::ZERO), None).expect("a limit");
        assert!(soon.expire(&Connection::default(), soon.clock.at(4 * soon.tick())));
    }

    #[test]
    fn the_limit_of_the_first_data_ends_with_it() {
        let limit = Duration::from_secs(1);
        let sweep = Sweep::new(None, Some(limit)).expect("a limit");
        let (silent, speaks) = (Connection::default(), Connection::default());
        sweep.waits(&silent);
        sweep.waits(&speaks);
        speaks.speaks();
        let after = sweep.clock.at(limit + 3 * sweep.tick());
        assert!(sweep.expire(&silent, after));
        assert!(!sweep.expire(&speaks, after));
        assert!(Sweep::new(None, None).is_none());
    }
}
