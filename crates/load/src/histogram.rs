//! Latencies: recorded in nanoseconds with three significant digits, mergeable over threads and,
//! as plain pairs of value and count, over processes.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// To how many significant digits latencies are told apart.
const DIGITS: u8 = 3;

/// The longest latency that is told apart; longer ones count as this.
const LONGEST: Duration = Duration::from_secs(600);

/// A histogram of latencies. Serialized it is a list of pairs of nanoseconds and count.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1_000, LONGEST.as_nanos() as u64, DIGITS)
            .expect("the bounds are constants within what the histogram allows");
        Self { histogram }
    }
}

impl Latencies {
    /// Records one latency.
    pub fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(latency.as_nanos().min(LONGEST.as_nanos()) as u64);
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.histogram.is_empty() {
            return;
        }
        // Both have the same constant bounds, so that every value of one fits into the other.
        let _ = self.histogram.add(&other.histogram);
    }

    /// How many latencies were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that `percent` percent of all do not exceed; zero without any.
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.histogram.value_at_percentile(percent))
    }

    /// All percentiles as text, in the format of HdrHistogram that plotters read (`.hgrm`), in
    /// microseconds. It has five steps for each halving of the distance to 100 %.
    pub fn percentile_distribution(&self) -> String {
        const STEPS_PER_HALVING: u32 = 5;
        let microseconds = |nanoseconds: f64| nanoseconds / 1e3;
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let mut count = 0;
        for step in self.histogram.iter_quantiles(STEPS_PER_HALVING) {
            count += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            let value = microseconds(step.value_iterated_to() as f64);
            text.push_str(&format!("{value:12.3} {quantile:14.12} {count:10}"));
            if quantile < 1.0 {
                text.push_str(&format!(" {:14.2}", 1.0 / (1.0 - quantile)));
            }
            text.push('\n');
        }
        text.push_str(&format!(
            "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
             #[Buckets = {:12}, SubBuckets     = {:12}]\n",
            microseconds(self.histogram.mean()),
            microseconds(self.histogram.stdev()),
            microseconds(self.histogram.max() as f64),
            self.histogram.len(),
            self.histogram.buckets(),
            2_048
        ));
        text
    }

    /// The usual percentiles.
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.count(),
            p50_us: microseconds(self.percentile(50.0)),
            p90_us: microseconds(self.percentile(90.0)),
            p99_us: microseconds(self.percentile(99.0)),
            p99_9_us: microseconds(self.percentile(99.9)),
            max_us: microseconds(self.percentile(100.0)),
        }
    }
}

impl From<Latencies> for Vec<(u64, u64)> {
    fn from(latencies: Latencies) -> Self {
        let steps = latencies.histogram.iter_recorded();
        steps.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect()
    }
}

impl From<Vec<(u64, u64)>> for Latencies {
    fn from(pairs: Vec<(u64, u64)>) -> Self {
        let mut latencies = Self::default();
        for (nanoseconds, count) in pairs {
            latencies.histogram.saturating_record_n(nanoseconds, count);
        }
        latencies
    }
}

fn microseconds(latency: Duration) -> f64 {
    (latency.as_nanos() as f64 / 100.0).round() / 10.0
}

/// Percentiles of a histogram, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// How many latencies were recorded.
    pub count: u64,
    /// Median.
    pub p50_us: f64,
    /// 90 % are at most this.
    pub p90_us: f64,
    /// 99 % are at most this.
    pub p99_us: f64,
    /// 99.9 % are at most this.
    pub p99_9_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// The same as a document tells it: what was not measured is none and not zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyFigures {
    /// How many latencies were recorded. The others are none when there are none.
    pub count: u64,
    /// Median.
    pub p50_us: Option<f64>,
    /// 90 % are at most this.
    pub p90_us: Option<f64>,
    /// 99 % are at most this.
    pub p99_us: Option<f64>,
    /// 99.9 % are at most this.
    pub p99_9_us: Option<f64>,
    /// The longest.
    pub max_us: Option<f64>,
}

impl From<LatencySummary> for LatencyFigures {
    fn from(summary: LatencySummary) -> Self {
        let measured = |figure| (summary.count > 0).then_some(figure);
        Self {
            count: summary.count,
            p50_us: measured(summary.p50_us),
            p90_us: measured(summary.p90_us),
            p99_us: measured(summary.p99_us),
            p99_9_us: measured(summary.p99_9_us),
            max_us: measured(summary.max_us),
        }
    }
}

/// A histogram as a document tells it, with nothing lost: histograms of several documents add up to
/// that of all their latencies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyHistogram {
    unit: String,
    significant_digits: u8,
    /// Pairs of the longest latency that counts as one value, and how many there were; in order.
    values: Latencies,
}

/// The only unit there is.
const NANOSECONDS: &str = "ns";

impl From<&Latencies> for LatencyHistogram {
    fn from(latencies: &Latencies) -> Self {
        Self { unit: NANOSECONDS.to_owned(), significant_digits: DIGITS, values: latencies.clone() }
    }
}

impl LatencyHistogram {
    /// The latencies.
    ///
    /// # Errors
    /// They are in another unit or less exact, so that they cannot be added to others without loss;
    /// in words.
    pub fn latencies(&self) -> Result<&Latencies, String> {
        if self.unit != NANOSECONDS {
            return Err(format!("its histogram is in {:?} and not in \"ns\"", self.unit));
        }
        if self.significant_digits != DIGITS {
            return Err(format!(
                "its histogram has {} significant digits and not {DIGITS}",
                self.significant_digits
            ));
        }
        Ok(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected * 0.002
    }

    #[test]
    fn percentiles_are_right_to_three_digits() {
        let mut latencies = Latencies::default();
        for microseconds in 1..=10_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let summary = latencies.summary();
        assert_eq!(summary.count, 10_000);
        assert!(near(summary.p50_us, 5_000.0), "{summary:?}");
        assert!(near(summary.p99_us, 9_900.0), "{summary:?}");
        assert!(near(summary.p99_9_us, 9_990.0), "{summary:?}");
        assert!(near(summary.max_us, 10_000.0), "{summary:?}");
    }

    #[test]
    fn parts_from_several_processes_give_the_same_as_the_whole() {
        let (mut whole, mut odd, mut even) =
            (Latencies::default(), Latencies::default(), Latencies::default());
        for step in 1..5_000_u64 {
            let latency = Duration::from_nanos(step * step * 37);
            whole.record(latency);
            if step % 2 == 1 { odd.record(latency) } else { even.record(latency) }
        }
        let through_json = |part: &Latencies| -> Latencies {
            let text = serde_json::to_string(part).expect("json");
            serde_json::from_str(&text).expect("the same histogram")
        };
        let mut merged = through_json(&odd);
        merged.merge(&through_json(&even));
        assert_eq!(merged.summary(), whole.summary());
    }

    #[test]
    fn a_latency_beyond_the_bound_is_kept_as_the_bound() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(10_000));
        assert_eq!(latencies.count(), 1);
        assert!(latencies.percentile(100.0) >= LONGEST.mul_f64(0.998));
    }

    #[test]
    fn the_percentiles_are_written_as_plotters_read_them() {
        let mut latencies = Latencies::default();
        for microseconds in 1..=1_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let text = latencies.percentile_distribution();
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|it| it.parse().expect("a number")).collect())
            .collect();
        assert!(
            text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"),
            "{text}"
        );
        let half = rows.iter().find(|row| row[1] >= 0.5).expect("the middle");
        assert!(near(half[0], 500.0) && near(half[2], 500.0) && near(half[3], 2.0), "{half:?}");
        let last = rows.last().expect("rows");
        assert!(near(last[0], 1_000.0), "{last:?}");
        assert_eq!((last[1], last[2], last.len()), (1.0, 1_000.0, 3));
        assert!(text.contains("#[Mean    =      500."), "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
