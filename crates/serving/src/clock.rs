//! A coarse time for the limits of connections, which a timer looks after.

use crate::SHARDS;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The bounds of [`round_of`].
const ROUND_MIN: Duration = Duration::from_millis(16);
const ROUND_MAX: Duration = Duration::from_secs(4);

/// In place of a tick: the connection is in a thread's hands, and its time does not run.
pub const IN_HAND: u32 = u32::MAX;
/// In place of a tick: the time of the connection is over, and it is being ended.
pub const EXPIRED: u32 = u32::MAX - 1;

/// How long it may take to look at all connections once, where this is the shortest limit that they
/// have: a quarter of it, from 16 ms to 4 s.
pub fn round_of(shortest: Duration) -> Duration {
    (shortest / 4).clamp(ROUND_MIN, ROUND_MAX)
}

/// A time that is counted in ticks from its start. With each tick a timer looks at a part of the
/// list, so that a round over all of it takes [`round_of`] the shortest limit.
#[derive(Debug)]
pub struct CoarseClock {
    start: Instant,
    tick: Duration,
    /// How many looks are a round.
    looks: usize,
    next_look: AtomicUsize,
}

impl CoarseClock {
    /// Starts at 0. A round has `looks` ticks, from 1 to [`SHARDS`].
    pub fn new(shortest: Duration, looks: usize) -> Self {
        let tick = round_of(shortest) / looks as u32;
        Self { start: Instant::now(), tick, looks, next_look: AtomicUsize::new(0) }
    }

    /// How long a tick is: so long after one look the next one is due.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// How many ticks later a limit is over for certain, whenever in its tick it began. It is never
    /// one of the marks.
    pub fn ticks(&self, limit: Duration) -> u32 {
        // One more, since the tick that it begins in has begun before.
        let ticks = limit.as_nanos().div_ceil(self.tick.as_nanos()) + 1;
        u32::try_from(ticks).unwrap_or(EXPIRED).min(EXPIRED - 1)
    }

    /// The tick so long after the start. It stops before it becomes one of the marks, after years.
    pub fn at(&self, elapsed: Duration) -> u32 {
        u32::try_from(elapsed.as_nanos() / self.tick.as_nanos()).unwrap_or(EXPIRED).min(EXPIRED - 1)
    }

    /// The tick of this moment.
    pub fn now(&self) -> u32 {
        self.at(self.start.elapsed())
    }

    /// The shards of the list that the next look is at.
    pub fn next_shards(&self) -> impl Iterator<Item = usize> {
        let look = self.next_look.fetch_add(1, Ordering::Relaxed) % self.looks;
        (look..SHARDS).step_by(self.looks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_looks_at_every_shard_once_and_takes_a_quarter_of_the_limit() {
        for looks in [1, 3, 4, SHARDS] {
            let clock = CoarseClock::new(Duration::from_secs(8), looks);
            assert_eq!(clock.tick(), Duration::from_secs(2) / looks as u32);
            for _ in 0..2 {
                let mut shards: Vec<_> = (0..looks).flat_map(|_| clock.next_shards()).collect();
                shards.sort_unstable();
                assert_eq!(shards, (0..SHARDS).collect::<Vec<_>>());
            }
        }
        assert_eq!(round_of(Duration::ZERO), ROUND_MIN);
        assert_eq!(round_of(Duration::MAX), ROUND_MAX);
    }

    #[test]
    fn a_limit_is_not_over_early_and_no_time_is_a_mark() {
        let clock = CoarseClock::new(Duration::from_secs(4), 1);
        let second = Duration::from_secs(1);
        let limit = 3 * second;
        // From the end of tick 5 on.
        let begun = 6 * second - Duration::from_nanos(1);
        let until = clock.at(begun) + clock.ticks(limit);
        assert!(clock.at(begun + limit) < until);
        assert!(clock.at(begun + limit + second) >= until);
        for time in [clock.ticks(Duration::MAX), clock.at(Duration::MAX)] {
            assert_eq!(time, EXPIRED - 1);
        }
    }
}
