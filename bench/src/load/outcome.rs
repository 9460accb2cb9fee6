//! The document that a run of the load generator prints.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::process::Spent;

/// What a run saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Mode: `ping`, `paced` or `idle`.
    pub mode: String,
    /// Seconds between the two readings of the server.
    pub seconds: f64,
    /// Messages echoed in these seconds, light and hot, each byte of them compared.
    pub messages: u64,
    /// From the intended sending time to the echo; of the light connections only.
    pub latency: Option<Latency>,
    /// The same for the hot connections.
    pub hot: Option<Latency>,
    /// How late the generator itself sent its scheduled messages.
    pub lag: Option<Latency>,
    /// The generator was too late too often, so the latencies are partly its own.
    pub lagged: bool,
    /// Messages without an echo when the run gave up waiting for them.
    pub unanswered: u64,
    /// Processor time of the generator as a share of the measured time.
    pub generator_share: f64,
    /// Processors that were busy with neither server nor generator, on average: the noise of the
    /// machine.
    pub disturbance: f64,
    /// What the server used in the measured time.
    pub server: Option<Spent>,
    /// Memory of the server.
    pub memory: Option<Memory>,
}

/// A distribution of times, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many times were recorded.
    pub count: u64,
    /// Average.
    pub mean_us: f64,
    /// Half of the times are at most this.
    pub p50_us: f64,
    /// 90 % of the times are at most this.
    pub p90_us: f64,
    /// 99 % of the times are at most this.
    pub p99_us: f64,
    /// 99.9 % of the times are at most this.
    pub p99_9_us: f64,
    /// The longest time.
    pub max_us: f64,
}

/// Resident memory of the server before its first connection and with all connections idle.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Connections.
    pub connections: usize,
    /// Bytes before the first connection.
    pub before_bytes: u64,
    /// Bytes when every connection has echoed once and is idle.
    pub idle_bytes: u64,
    /// The difference for each connection.
    pub bytes_per_connection: f64,
}

/// Longer times are recorded as this one.
const LONGEST_NS: u64 = 100_000_000_000;

/// Collects times in nanoseconds.
pub struct Recorder(Histogram<u64>);

impl Default for Recorder {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Self(histogram.expect("bounds and figures are within what the histogram offers"))
    }
}

impl Recorder {
    /// Takes one time into the distribution.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// The distribution; none when nothing was recorded.
    pub fn latency(&self) -> Option<Latency> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        (!self.0.is_empty()).then(|| Latency {
            count: self.0.len(),
            mean_us: self.0.mean() / 1000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: self.0.max() as f64 / 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_recorder_has_no_latency() {
        assert!(Recorder::default().latency().is_none());
    }

    #[test]
    fn a_time_beyond_the_bound_is_recorded_as_the_bound() {
        let mut recorder = Recorder::default();
        recorder.record(u64::MAX);
        let longest = recorder.latency().expect("one time").max_us;
        assert!((longest / 100e6 - 1.0).abs() < 0.001, "{longest}");
    }

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut recorder = Recorder::default();
        for us in 1..=1000 {
            recorder.record(us * 1000);
        }
        let latency = recorder.latency().expect("a thousand times");
        assert_eq!(latency.count, 1000);
        assert!((latency.p50_us - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_us - 990.0).abs() < 1.0, "{latency:?}");
        assert!((latency.max_us - 1000.0).abs() < 1.0, "{latency:?}");
    }
}
