//! The end of idle connections.
//!
//! A timer of the port looks at one shard of the list at a time, several rounds within the limit,
//! and is the only one that reads the clock: with each tick it sets a coarse time that the workers
//! copy into the key of the connection they handle. Without an idle limit there is no timer, and
//! workers stamp nothing.
//!
//! Main disadvantage: each round visits every connection, so a million of them cost a million
//! cache misses per round.

use super::connection::{Connection, Connections, SHARDS, Serving};
use overlapped::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The round is a quarter of the limit, within these bounds.
const ROUND_MIN: Duration = Duration::from_millis(16);
const ROUND_MAX: Duration = Duration::from_secs(4);

/// In place of a time: the connection is in a worker's hands, and not idle however long it takes.
const IN_HAND: u32 = u32::MAX;
/// In place of a time: the sweep has ended it.
const EXPIRED: u32 = u32::MAX - 1;

pub(super) struct Sweep {
    start: Instant,
    tick: Duration,
    /// An idle connection lasts at least this many ticks.
    limit_ticks: u32,
    now: AtomicU32,
    next_shard: AtomicU32,
}

impl Sweep {
    pub(super) fn new(limit: Duration) -> Self {
        let tick = (limit / 4).clamp(ROUND_MIN, ROUND_MAX) / SHARDS as u32;
        // One more, since a stamp may be a tick old when it is made.
        let limit_ticks = limit.as_nanos().div_ceil(tick.as_nanos()) + 1;
        Self {
            start: Instant::now(),
            tick,
            limit_ticks: u32::try_from(limit_ticks).unwrap_or(EXPIRED - 1),
            now: AtomicU32::new(0),
            next_shard: AtomicU32::new(0),
        }
    }

    /// How long after one look the next one is due.
    pub(super) fn tick(&self) -> Duration {
        self.tick
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
    pub(super) fn look(&self, connections: &Connections, end: impl FnMut(&TcpStream<Serving>)) {
        let now = self.ticks_at(self.start.elapsed());
        self.now.store(now, Ordering::Relaxed);
        let shard = self.next_shard.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
        connections.those_of(shard, |connection| self.expire(connection, now)).iter().for_each(end);
    }

    /// The coarse time; it stops before it becomes one of the marks, after years.
    fn ticks_at(&self, elapsed: Duration) -> u32 {
        u32::try_from(elapsed.as_nanos() / self.tick.as_nanos()).unwrap_or(EXPIRED).min(EXPIRED - 1)
    }

    /// Marks a connection that has been idle for too long.
    fn expire(&self, connection: &Connection, now: u32) -> bool {
        let last = connection.last.load(Ordering::Relaxed);
        if last == EXPIRED {
            // A worker was about to start the operation that the last round meant to end.
            return true;
        }
        if last == IN_HAND || now.saturating_sub(last) <= self.limit_ticks {
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
        let sweep = Sweep::new(limit);
        let connection = Connection::default();
        sweep.waits(&connection);
        assert!(!sweep.expire(&connection, sweep.ticks_at(limit)));
        let after = sweep.ticks_at(limit + 3 * sweep.tick);
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
            let sweep = Sweep::new(limit);
            let connection = Connection::default();
            assert!(!sweep.expire(&connection, sweep.ticks_at(limit)), "{limit:?}");
        }
        let soon = Sweep::new(Duration::ZERO);
        assert!(soon.expire(&Connection::default(), soon.ticks_at(4 * soon.tick)));
    }
}
