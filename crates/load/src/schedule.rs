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
    /// Connections of the process.
    pub connections: u32,
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
            Pace::Interval { interval, .. } | Pace::FixedRate { interval, .. } => {
                Some(portion(interval, index, self.connections) + interval * message)
            }
            Pace::ClosedLoop { .. } => None,
        }
    }

    /// How many messages one connection sends; None: until the time is over.
    pub fn messages(&self) -> Option<u32> {
        match self.pace {
            Pace::Interval { messages, .. } => Some(messages),
            Pace::ClosedLoop { .. } | Pace::FixedRate { .. } => None,
        }
    }
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
        connections: 30_000,
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

    #[test]
    fn a_closed_loop_has_no_times_of_its_own() {
        let pace = Pace::ClosedLoop {
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(1),
            cool_down: Duration::ZERO,
        };
        let schedule = Schedule { connections: 4, ramp: Duration::ZERO, pace };
        assert_eq!(schedule.send_at(3, 9), None);
        assert_eq!(schedule.messages(), None);
        assert_eq!(schedule.open_at(3), Duration::ZERO);
    }
}
