//! When each connection opens and when each message is meant to be sent.
//!
//! All times are counted from the start of a stage, so that the schedule itself knows no clock.
//! A latency is counted from the *intended* time of its message: when the server stalls, the
//! messages that should have been sent meanwhile count as late too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a connection goes on once all of them are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each connection sends `messages` messages, one every `interval`.
    Interval {
        /// Messages of each connection.
        messages: u32,
        /// Time between the intended times of two messages of a connection.
        interval: Duration,
    },
    /// Each connection sends its next message as soon as the echo of the last is complete.
    ClosedLoop {
        /// Time before anything is measured.
        warm_up: Duration,
        /// Time during which latencies are recorded.
        duration: Duration,
        /// Time after it during which messages go on unrecorded, so that a server can be looked at
        /// under its load without disturbing what is recorded; nothing is sent after it. It ends
        /// earlier when the owner of the run says so.
        cool_down: Duration,
    },
    /// Each connection sends a message every `interval`, however long the echoes take; one whose
    /// echo is late sends the next as soon as that has come.
    FixedRate {
        /// As above.
        warm_up: Duration,
        /// As above.
        duration: Duration,
        /// As above.
        cool_down: Duration,
        /// Time between the intended times of two messages of a connection.
        interval: Duration,
    },
    /// The connections send in turn, each once in the warm-up and then once in every `interval`, and stay open
    /// until the end, so that very many can be held with little traffic.
    Turns {
        /// As above.
        warm_up: Duration,
        /// As above.
        duration: Duration,
        /// As above.
        cool_down: Duration,
        /// Time between two turns of a connection.
        interval: Duration,
    },
    /// Each connection connects, has one echo, closes, and connects again.
    Churn {
        /// As above.
        warm_up: Duration,
        /// As above.
        duration: Duration,
        /// As above.
        cool_down: Duration,
    },
    /// Each connection sends one message in the first half of the warm-up and is silent from then on.
    Idle {
        /// As above.
        warm_up: Duration,
        /// As above.
        duration: Duration,
        /// As above.
        cool_down: Duration,
    },
}

/// The stretches of a pace that time ends, and not a number of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretches {
    /// Before anything is recorded.
    pub warm_up: Duration,
    /// Recorded.
    pub duration: Duration,
    /// After it, at most.
    pub cool_down: Duration,
}

impl Pace {
    /// The stretches of a run at this pace; None when the number of messages decides.
    pub fn stretches(&self) -> Option<Stretches> {
        match *self {
            Self::Interval { .. } => None,
            Self::ClosedLoop { warm_up, duration, cool_down }
            | Self::Churn { warm_up, duration, cool_down }
            | Self::Idle { warm_up, duration, cool_down }
            | Self::Turns { warm_up, duration, cool_down, .. }
            | Self::FixedRate { warm_up, duration, cool_down, .. } => {
                Some(Stretches { warm_up, duration, cool_down })
            }
        }
    }
}

/// The schedule of one process's connections. Connections are named by their index in the share
/// of the process, so that all processes open and send evenly over the same time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// Number of the process's first connection in the whole load.
    pub first: u32,
    /// Connections of the process.
    pub connections: u32,
    /// How many of them, the first ones, send their next message when the last is back although the
    /// others have a rate.
    pub hot: u32,
    /// Time over which they are opened.
    pub ramp: Duration,
    /// What they do then.
    pub pace: Pace,
}

impl Schedule {
    /// When to open connection `index`, counted from the start of the run.
    pub fn open_at(&self, index: u32) -> Duration {
        portion(self.ramp, index, self.connections)
    }

    /// When message `message` of connection `index` is meant to be sent, counted from the moment all
    /// connections are open. None: at once, as soon as the one before is complete.
    pub fn send_at(&self, index: u32, message: u32) -> Option<Duration> {
        match self.pace {
            Pace::Interval { interval, .. } => {
                Some(portion(interval, index, self.connections) + interval * message)
            }
            Pace::FixedRate { interval, .. } if index >= self.hot => {
                let (place, all) = (index - self.hot, self.connections - self.hot);
                let own = self.place_in_stretch(portion(interval, 1, all), index, message);
                Some(portion(interval, place, all) + interval * message + own)
            }
            Pace::Turns { warm_up, interval, .. } => {
                let (before, whole) = match message {
                    0 => (Duration::ZERO, warm_up),
                    _ => (warm_up + interval * (message - 1), interval),
                };
                let stretch = portion(whole, 1, self.connections);
                let own = self.place_in_stretch(stretch, index, message);
                Some(before + portion(whole, index, self.connections) + own)
            }
            Pace::Idle { warm_up, .. } => Some(portion(warm_up / 2, index, self.connections)),
            Pace::FixedRate { .. } | Pace::ClosedLoop { .. } | Pace::Churn { .. } => None,
        }
    }

    /// The place of a message in its own stretch of time, which differs between processes.
    fn place_in_stretch(&self, stretch: Duration, index: u32, message: u32) -> Duration {
        stretch.mul_f64(fraction(self.first.wrapping_add(index), message))
    }

    /// How many messages one connection sends; None: until the time is over.
    pub fn messages(&self) -> Option<u32> {
        match self.pace {
            Pace::Interval { messages, .. } => Some(messages),
            Pace::ClosedLoop { .. }
            | Pace::FixedRate { .. }
            | Pace::Turns { .. }
            | Pace::Churn { .. }
            | Pace::Idle { .. } => None,
        }
    }
}

/// A part of 1 that looks random and is the same in every run (the end of splitmix64). At a fixed rate
/// each message has such a place in its own stretch of time: evenly spaced ones would fall into step
/// with a handler that takes as long every time.
fn fraction(connection: u32, message: u32) -> f64 {
    let name = (u64::from(connection) << 32) | u64::from(message);
    let mut word = name.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((word ^ (word >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The `index`-th of `total` equal parts of `whole`.
fn portion(whole: Duration, index: u32, total: u32) -> Duration {
    let nanoseconds = whole.as_nanos() * u128::from(index) / u128::from(total.max(1));
    Duration::from_nanos(nanoseconds.min(u128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIC: Schedule = Schedule {
        first: 0,
        connections: 30_000,
        hot: 0,
        ramp: Duration::from_secs(6),
        pace: Pace::Interval { messages: 3, interval: Duration::from_secs(3) },
    };

    #[test]
    fn connections_open_evenly_over_the_ramp() {
        assert_eq!(CLASSIC.open_at(0), Duration::ZERO);
        assert_eq!(CLASSIC.open_at(15_000), Duration::from_secs(3));
        assert!(CLASSIC.open_at(29_999) < Duration::from_secs(6));
    }

    #[test]
    fn messages_of_one_connection_are_one_interval_apart() {
        let first = CLASSIC.send_at(20_000, 0).expect("a time");
        assert_eq!(first, Duration::from_secs(2));
        assert_eq!(CLASSIC.send_at(20_000, 2), Some(first + Duration::from_secs(6)));
        assert_eq!(CLASSIC.messages(), Some(3));
    }

    #[test]
    fn the_messages_of_all_connections_fill_the_interval_evenly() {
        let step = Duration::from_micros(100);
        for connection in 0..29_999 {
            let here = CLASSIC.send_at(connection, 1).expect("a time");
            assert_eq!(CLASSIC.send_at(connection + 1, 1), Some(here + step));
        }
    }

    fn at_a_rate(connections: u32, hot: u32, interval: Duration) -> Schedule {
        let (warm_up, cool_down) = (Duration::ZERO, Duration::ZERO);
        let pace =
            Pace::FixedRate { warm_up, duration: Duration::from_secs(1), cool_down, interval };
        Schedule { first: 0, connections, hot, ramp: Duration::ZERO, pace }
    }

    #[test]
    fn at_a_fixed_rate_every_stretch_of_time_has_its_message_somewhere_in_it() {
        // 200 connections that send 2,000 messages a second: one in every 500 us.
        let schedule = at_a_rate(200, 0, Duration::from_millis(100));
        let mut share = [0; 100];
        for message in 0..100 {
            for index in 0..200 {
                let at = schedule.send_at(index, message).expect("a time").as_micros();
                assert_eq!(at / 500, u128::from(message * 200 + index), "{index} {message}");
                // A handler that sleeps 5 ms is hit in all parts of its sleep alike.
                share[(at % 5_000 / 50) as usize] += 1;
            }
        }
        assert!(share.iter().all(|count| (140..260).contains(count)), "{share:?}");
    }

    #[test]
    fn hot_connections_have_no_times_and_leave_the_rate_to_the_others() {
        let schedule = at_a_rate(6, 2, Duration::from_millis(4));
        assert_eq!((schedule.send_at(0, 0), schedule.send_at(1, 7)), (None, None));
        for index in 2..6 {
            let at = schedule.send_at(index, 3).expect("a time").as_micros();
            assert_eq!(at / 1_000, 12 + u128::from(index - 2));
        }
    }

    #[test]
    fn idle_connections_send_in_the_first_half_of_the_warm_up() {
        let warm_up = Duration::from_secs(2);
        let pace = Pace::Idle { warm_up, duration: warm_up, cool_down: warm_up };
        let schedule = Schedule { first: 0, connections: 4, hot: 0, ramp: Duration::ZERO, pace };
        assert_eq!(schedule.send_at(3, 0), Some(Duration::from_millis(750)));
    }

    #[test]
    fn turns_come_one_after_another_once_in_the_warm_up_and_once_in_each_interval() {
        let (warm_up, interval) = (Duration::from_millis(20), Duration::from_millis(200));
        let pace = Pace::Turns { warm_up, duration: interval, cool_down: interval, interval };
        let schedule = Schedule { first: 7, connections: 20, hot: 0, ramp: interval, pace };
        let at = |turn: u32| schedule.send_at(turn % 20, turn / 20).expect("a time").as_millis();
        for turn in 0..20 {
            assert_eq!(at(turn), u128::from(turn), "one in every millisecond of the warm-up");
        }
        for turn in 20..80 {
            assert_eq!((at(turn) - 20) / 10, u128::from(turn - 20), "one in every 10 ms after it");
        }
        let elsewhere = Schedule { first: 27, ..schedule };
        assert_ne!(elsewhere.send_at(3, 1), schedule.send_at(3, 1), "processes are not in step");
        assert_eq!(schedule.messages(), None);
    }

    #[test]
    fn a_closed_loop_has_no_times_of_its_own() {
        let pace = Pace::ClosedLoop {
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(1),
            cool_down: Duration::ZERO,
        };
        let schedule = Schedule { first: 0, connections: 4, hot: 0, ramp: Duration::ZERO, pace };
        assert_eq!(schedule.send_at(3, 9), None);
        assert_eq!(schedule.messages(), None);
        assert_eq!(schedule.open_at(3), Duration::ZERO);
    }
}
