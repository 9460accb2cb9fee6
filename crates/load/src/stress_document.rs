//! The result of `stress` and `merge` as a document, and the way back: what a document says is enough
//! to add it to others without loss.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::document::{Counts, Outcome, tenths};
use crate::failure::Failures;
use crate::held::{Change, Held, ProcessMemory};
use crate::histogram::{LatencyFigures, LatencyHistogram};

/// Names the form of [`StressDocument`]; it changes when a field changes its meaning.
pub const STRESS_FORMAT: &str = "overlapped-stress-1";

/// The result document of the commands `stress` and `merge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StressDocument {
    /// [`STRESS_FORMAT`].
    pub format: String,
    /// The address the connections went to; several, separated by commas, where runs had several.
    pub target: String,
    /// Size of one message.
    pub message_bytes: u64,
    /// The counts, as fields of the document itself.
    #[serde(flatten)]
    pub counts: Counts,
    /// Messages recorded in a second; none when no time was recorded.
    pub messages_per_second: Option<f64>,
    /// See [`Outcome::connect_time`].
    pub connect_seconds: f64,
    /// See [`Outcome::recorded_time`].
    pub recorded_seconds: f64,
    /// Connections that failed, by kind.
    pub failures: Failures,
    /// Percentiles.
    pub latency: LatencyFigures,
    /// All latencies. Documents of former versions have none.
    #[serde(default)]
    pub histogram: Option<LatencyHistogram>,
    /// What was seen while all connections were open, where somebody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldDocument>,
    /// The runs whose result it is. Documents of former versions have none.
    #[serde(default)]
    pub runs: Vec<RunOfStress>,
    /// See [`Outcome::is_clean`].
    pub clean: bool,
}

/// One run of `stress`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOfStress {
    /// No other run has it.
    pub id: String,
    /// When messages began to be recorded, by the clock of its machine, as RFC 3339 writes it; none if
    /// they never were.
    pub recording_since: Option<String>,
    /// For how long they were.
    pub recorded_seconds: f64,
}

impl RunOfStress {
    /// The run that this is the outcome of.
    pub fn of(outcome: &Outcome) -> Self {
        // Two of them are the same once in 2^64 pairs of runs.
        let id = RandomState::new().hash_one(outcome.recording_since);
        Self {
            id: format!("{id:016x}"),
            recording_since: outcome.recording_since.map(written),
            recorded_seconds: outcome.recorded_time.as_secs_f64(),
        }
    }

    /// From when to when messages were recorded; none if they never were, or where the document does
    /// not say it.
    pub fn recorded(&self) -> Option<(SystemTime, SystemTime)> {
        let since = humantime::parse_rfc3339(self.recording_since.as_deref()?).ok()?;
        let lasted = Duration::try_from_secs_f64(self.recorded_seconds).ok()?;
        Some((since, since.checked_add(lasted)?))
    }
}

/// [`Held`] with the figures that are derived from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldDocument {
    /// What was seen.
    #[serde(flatten)]
    pub held: Held,
    /// Connections established in a second.
    pub connects_per_second: Option<f64>,
    /// All memory of the load's processes, for each connection.
    pub load_bytes_each: f64,
    /// All memory of the server's processes, for each connection.
    pub server_bytes_each: Option<f64>,
    /// What the kernel of this machine holds more than before, for each connection.
    pub kernel_bytes_each: Option<f64>,
}

impl HeldDocument {
    fn of(outcome: &Outcome, held: Held) -> Self {
        let whole = |processes: ProcessMemory| processes.memory.whole_bytes_each(held.connections);
        Self {
            connects_per_second: outcome.connects_per_second().map(tenths),
            load_bytes_each: whole(held.load),
            server_bytes_each: held.server.map(whole),
            kernel_bytes_each: held
                .kernel
                .map(|kernel: Change| kernel.bytes_each(held.connections)),
            held,
        }
    }
}

fn written(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

impl StressDocument {
    /// The document of an outcome.
    pub fn of(
        outcome: &Outcome,
        target: String,
        message_bytes: u64,
        runs: Vec<RunOfStress>,
    ) -> Self {
        Self {
            format: STRESS_FORMAT.to_owned(),
            target,
            message_bytes,
            counts: outcome.counts,
            messages_per_second: (outcome.recorded_time > Duration::ZERO)
                .then(|| tenths(outcome.messages_per_second())),
            connect_seconds: outcome.connect_time.as_secs_f64(),
            recorded_seconds: outcome.recorded_time.as_secs_f64(),
            failures: outcome.failures.clone(),
            latency: outcome.latencies.summary().into(),
            histogram: Some((&outcome.latencies).into()),
            held: outcome.held.map(|held| HeldDocument::of(outcome, held)),
            runs,
            clean: outcome.is_clean(),
        }
    }

    /// The outcome of which it is the document, save what a document does not tell: the latencies of
    /// hot connections, and the lateness.
    ///
    /// # Errors
    /// It has no histogram, or one that cannot be added to others, or it contradicts itself; in words.
    pub fn outcome(&self) -> Result<Outcome, String> {
        let Some(histogram) = &self.histogram else {
            return Err("it has no histogram, since it is of a former version: run it again".into());
        };
        let latencies = histogram.latencies()?;
        if latencies.count() != self.latency.count {
            return Err(format!(
                "its histogram has {} latencies where it says {}: it was changed",
                latencies.count(),
                self.latency.count
            ));
        }
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value).map_err(|_| format!("{name} is no time: {value}"))
        };
        Ok(Outcome {
            counts: self.counts,
            failures: self.failures.clone(),
            latencies: latencies.clone(),
            connect_time: seconds("connect_seconds", self.connect_seconds)?,
            recording_since: self
                .runs
                .iter()
                .filter_map(|run| run.recorded().map(|(since, _)| since))
                .min(),
            recorded_time: seconds("recorded_seconds", self.recorded_seconds)?,
            held: self.held.as_ref().map(|document| document.held),
            ..Outcome::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> StressDocument {
        serde_json::from_str(text).expect("a document")
    }

    /// What one of several loads has seen, of which no two are alike.
    fn outcome(number: u64) -> Outcome {
        let mut outcome = Outcome {
            recording_since: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(number)),
            recorded_time: Duration::from_secs(4),
            ..Outcome::default()
        };
        for step in 0..20_000 {
            // Between a microsecond and half a minute, most of them short.
            let latency = 1_000 + (step * (2 * number + 3)).pow(2) % 30_000_000_000;
            outcome.latencies.record(Duration::from_nanos(latency));
        }
        outcome.counts.messages_recorded = outcome.latencies.count();
        outcome
    }

    #[test]
    fn eight_documents_have_the_percentiles_of_the_whole() {
        let mut whole = Outcome::default();
        let mut merged = Outcome::default();
        for number in 0..8 {
            let part = outcome(number);
            whole.merge(&part);
            let document = StressDocument::of(&part, "a".into(), 64, vec![RunOfStress::of(&part)]);
            let text = serde_json::to_string(&document).expect("json");
            merged.merge(&read(&text).outcome().expect("a whole document"));
        }
        assert_eq!(merged.latencies.count(), 160_000);
        for tenths_of_percent in 0..=1_000 {
            let percent = f64::from(tenths_of_percent) / 10.0;
            let (found, expected) =
                (merged.latencies.percentile(percent), whole.latencies.percentile(percent));
            assert_eq!(found, expected, "{percent} %");
        }
        assert_eq!(merged.recording_since, whole.recording_since);
        assert_eq!(merged.messages_per_second().round(), 40_000.0);
    }

    #[test]
    fn what_cannot_be_added_says_why() {
        let whole = outcome(1);
        let document = StressDocument::of(&whole, "a".into(), 64, Vec::new());
        let text = serde_json::to_string(&document).expect("json");
        let refused = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            read(&changed).outcome().expect_err(to)
        };
        for (from, to, words) in [
            ("\"histogram\"", "\"other\"", "no histogram"),
            ("\"ns\"", "\"us\"", "\"us\""),
            ("\"significant_digits\":3", "\"significant_digits\":2", "2 significant digits"),
            ("\"count\":20000", "\"count\":20001", "it was changed"),
            (
                "\"recorded_seconds\":4.0",
                "\"recorded_seconds\":-4.0",
                "recorded_seconds is no time",
            ),
        ] {
            let error = refused(from, to);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_time_is_the_same_after_its_way_as_json() {
        for number in 1..20_000_u32 {
            let recorded_seconds = f64::from(number) / 7.0;
            let run = RunOfStress { id: "a".into(), recording_since: None, recorded_seconds };
            let text = serde_json::to_string(&run).expect("json");
            assert_eq!(serde_json::from_str::<RunOfStress>(&text).expect("a run"), run);
        }
    }

    #[test]
    fn a_run_is_known_again_and_says_when_it_was() {
        let (first, second) = (RunOfStress::of(&outcome(5)), RunOfStress::of(&outcome(5)));
        assert_ne!(first.id, second.id);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(first.recorded(), Some((at(5), at(9))));
        assert_eq!(RunOfStress::of(&Outcome::default()).recorded(), None);
    }
}
