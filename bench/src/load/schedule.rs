//! When the messages of a fixed rate are due.

/// An endless schedule: one message in each interval, at a pseudo-random place in it.
///
/// Evenly spaced messages would fall at the same places of a handler's period again and again. The
/// places are the same in every run, so that all servers get the same schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval_ns: f64,
    index: u64,
}

impl Schedule {
    /// A schedule of `rate` messages per second.
    pub fn new(rate: f64) -> Self {
        Self { interval_ns: 1e9 / rate, index: 0 }
    }
}

impl Iterator for Schedule {
    type Item = u64;

    /// Nanoseconds from the beginning of the schedule to the next message.
    fn next(&mut self) -> Option<u64> {
        let place = self.index as f64 + fraction(self.index);
        self.index += 1;
        Some((place * self.interval_ns) as u64)
    }
}

/// A number from 0 to below 1 that belongs to `index` (the finalizer of splitmix64).
fn fraction(index: u64) -> f64 {
    let mut word = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((word ^ (word >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interval_has_its_message_and_none_comes_early() {
        let due: Vec<u64> = Schedule::new(2000.0).take(10_000).collect();
        for (index, due) in due.iter().enumerate() {
            let begin = index as u64 * 500_000;
            assert!((begin..begin + 500_000).contains(due), "message {index} is due at {due}");
        }
        assert!(due.is_sorted());
    }

    #[test]
    fn messages_are_spread_over_a_period_of_the_handlers() {
        // Ten messages fall into each 5 ms of a sleeping handler; each tenth of the period gets its
        // share.
        let mut share = [0; 100];
        for due in Schedule::new(2000.0).take(100_000) {
            share[(due % 5_000_000 / 50_000) as usize] += 1;
        }
        assert!(share.iter().all(|&count| (850..1150).contains(&count)), "{share:?}");
    }

    #[test]
    fn the_schedule_is_the_same_every_time() {
        assert!(Schedule::new(100.0).take(50).eq(Schedule::new(100.0).take(50)));
    }
}
