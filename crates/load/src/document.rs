//! The result of a run: counts that add up over processes and machines, and the figures derived from
//! them. [`StressDocument`](crate::stress_document::StressDocument) is what a document tells of it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::failure::Failures;
use crate::held::Held;
use crate::histogram::Latencies;

/// Counts of connections and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that were tried.
    pub attempted: u64,
    /// Connections that were established.
    pub established: u64,
    /// The most connections that were open at one moment.
    pub peak_connected: u64,
    /// Connections that kept their whole schedule and were closed in good order.
    pub completed: u64,
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Messages whose echo came back whole and right.
    pub messages_echoed: u64,
    /// Messages among them that were recorded, which leaves out those of a warm-up.
    pub messages_recorded: u64,
    /// Bytes whose echo came back right.
    pub bytes_echoed: u64,
}

impl Counts {
    /// Adds the counts of another process that ran at the same time.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.attempted, other.attempted),
            (&mut self.established, other.established),
            (&mut self.peak_connected, other.peak_connected),
            (&mut self.completed, other.completed),
            (&mut self.messages_sent, other.messages_sent),
            (&mut self.messages_echoed, other.messages_echoed),
            (&mut self.messages_recorded, other.messages_recorded),
            (&mut self.bytes_echoed, other.bytes_echoed),
        ];
        // What is read from a file may be anything, and no sum may end the program.
        sums.into_iter().for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }
}

/// What one process of a run has seen. Outcomes of several processes merge into one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counts.
    pub counts: Counts,
    /// Connections that failed, by kind.
    pub failures: Failures,
    /// Latencies from the intended time of sending to the last byte of the echo.
    pub latencies: Latencies,
    /// Those of hot connections, which are not among the others.
    #[serde(default)]
    pub hot_latencies: Latencies,
    /// How late this side was itself with messages that had a time of their own: from the intended
    /// time of sending to the sending, where no echo was waited for. Large values mean that the
    /// load had too little processor time.
    pub lateness: Latencies,
    /// Time from the first connect until all of them had succeeded or failed.
    pub connect_time: Duration,
    /// When messages began to be recorded, by the clock of the machine; none if they never were.
    #[serde(default)]
    pub recording_since: Option<SystemTime>,
    /// Time during which messages were recorded.
    pub recorded_time: Duration,
    /// What was seen while all connections were open, where somebody looked.
    #[serde(default)]
    pub held: Option<Held>,
}

impl Outcome {
    /// Adds the outcome of another process that ran at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.failures.merge(&other.failures);
        self.latencies.merge(&other.latencies);
        self.hot_latencies.merge(&other.hot_latencies);
        self.lateness.merge(&other.lateness);
        self.connect_time = self.connect_time.max(other.connect_time);
        self.recording_since = self.recording_since.into_iter().chain(other.recording_since).min();
        self.recorded_time = self.recorded_time.max(other.recorded_time);
        match (&mut self.held, &other.held) {
            (Some(held), Some(other)) => held.add(other),
            (None, Some(other)) => self.held = Some(*other),
            (_, None) => {}
        }
    }

    /// Recorded messages in a second; zero when nothing was recorded.
    pub fn messages_per_second(&self) -> f64 {
        let seconds = self.recorded_time.as_secs_f64();
        if seconds > 0.0 { self.counts.messages_recorded as f64 / seconds } else { 0.0 }
    }

    /// Connections established in a second; none when there was no time.
    pub fn connects_per_second(&self) -> Option<f64> {
        let seconds = self.connect_time.as_secs_f64();
        (seconds > 0.0).then(|| self.counts.established as f64 / seconds)
    }

    /// True when every connection was established, kept its schedule and got its echoes.
    pub fn is_clean(&self) -> bool {
        self.counts.attempted == self.counts.established
            && self.counts.attempted == self.counts.completed
            && self.failures.total() == 0
    }
}

/// Rounds to one decimal, which is all that a measured figure of this kind can bear.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn outcome(latency_us: u64) -> Outcome {
        let counts = Counts {
            attempted: 10,
            established: 10,
            completed: 10,
            messages_recorded: 30,
            ..Counts::default()
        };
        let recorded_time = Duration::from_secs(3);
        let mut outcome = Outcome { counts, recorded_time, ..Outcome::default() };
        outcome.latencies.record(Duration::from_micros(latency_us));
        outcome
    }

    #[test]
    fn two_processes_add_up_through_json() {
        let text = serde_json::to_string(&outcome(100)).expect("json");
        let mut whole: Outcome = serde_json::from_str(&text).expect("the same outcome");
        whole.merge(&outcome(900));
        assert_eq!((whole.counts.attempted, whole.latencies.count()), (20, 2));
        assert!((whole.messages_per_second() - 20.0).abs() < 1e-9);
        assert!(whole.is_clean());
        whole.failures.count(FailureKind::WrongBytes);
        assert!(!whole.is_clean());
    }

    #[test]
    fn a_run_without_time_has_no_rate() {
        assert!(Outcome::default().messages_per_second().abs() < f64::EPSILON);
    }
}
