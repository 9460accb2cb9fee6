//! The results while they come in, and the rate that follows from them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::contender::Contender;
use super::document::{Comparison, Document, FORMAT, Machine, Measurement, Model, PaceName, Row};
use super::measure::{Complete, LOAD_THREADS, Task};
use super::paired::{self, Verdict};
use super::settings::{Case, Settings, Step};
use super::statistics::{median_of, ranges_of};
use crate::platform;
use overlapped_load::histogram::Latencies;

/// The part of the slowest model's closed loop that the fixed rate is.
const RATE_PART: f64 = 0.5;

/// The results while they come in.
pub struct Results {
    document: Document,
    started: Instant,
    /// Latencies of all rounds of a row, by its place.
    latencies: BTreeMap<usize, Latencies>,
}

impl Results {
    /// No results yet.
    pub fn new(settings: &Settings) -> Self {
        let mut rows = Vec::new();
        for &pace in &settings.paces {
            for &connections in &settings.counts {
                rows.extend(settings.contenders.iter().map(|contender| Row {
                    pace,
                    connections,
                    model: contender.name.clone(),
                    median: None,
                    range: None,
                    comparison: None,
                    rounds: Vec::new(),
                    skipped: Vec::new(),
                    problems: Vec::new(),
                }));
            }
        }
        let model = |it: &Arc<Contender>| Model { name: it.name.clone(), description: None };
        let document = Document {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: Some(command_line()),
            machine: machine(settings.descriptors),
            message_bytes: settings.message_bytes as u64,
            warm_up_seconds: settings.warm_up.as_secs_f64(),
            seconds: settings.duration.as_secs_f64(),
            rounds: settings.rounds,
            rate_per_second: settings.rate.filter(|_| {
                settings.paces.iter().any(|it| matches!(it, PaceName::FixedRate | PaceName::Skew))
            }),
            depth: settings.depth,
            hot_connections: settings.hot,
            server_processors: settings.server_place.processors.clone(),
            load_processors: settings.load_place.processors.clone(),
            against: settings.against.clone(),
            figure: settings.against.as_ref().map(|_| settings.figure),
            goal: settings.goal.clone(),
            rounds_repeated: 0,
            rounds_stalled: 0,
            stall_limit_us: settings
                .stall_probe
                .as_ref()
                .map(|_| settings.stall_limit.as_secs_f64() * 1e6),
            load_threads: LOAD_THREADS as u32,
            complete: false,
            interrupted: false,
            measurements_planned: match settings.against {
                // How many they will be is not known.
                Some(_) => 0,
                None => settings.steps().len() as u64,
            },
            measurements_made: 0,
            measurements_skipped: 0,
            elapsed_seconds: 0.0,
            models: settings.contenders.iter().map(model).collect(),
            rows,
        };
        Self { document, started: Instant::now(), latencies: BTreeMap::new() }
    }

    /// Chooses the fixed rate by the slowest model of the closed loop, unless it is known. Two digits
    /// of it: more would pretend to a meaning.
    pub fn choose_rate(&mut self) {
        let slowest = self
            .document
            .rows_at(PaceName::ClosedLoop, None)
            .into_iter()
            .flat_map(|row| &row.rounds)
            .filter(|round| round.established == round.attempted)
            .map(|round| round.messages_per_second)
            .filter(|rate| *rate > 0.0)
            .min_by(f64::total_cmp);
        if self.document.rate_per_second.is_none() {
            self.document.rate_per_second =
                slowest.map(|rate| two_digits(rate * RATE_PART).max(1.0));
        }
    }

    /// What is to be measured at `step`, or why it cannot be.
    pub fn task(&self, settings: &Settings, step: &Step) -> Result<Task, String> {
        let rate = match (step.pace, self.document.rate_per_second) {
            (PaceName::ClosedLoop | PaceName::Churn | PaceName::Idle, _) => None,
            (PaceName::FixedRate | PaceName::Skew, Some(rate)) => Some(rate),
            (PaceName::FixedRate | PaceName::Skew, None) => {
                return Err("no model served all connections in the closed loop, so there is no \
                            rate to choose; give a --rate"
                    .to_owned());
            }
        };
        Ok(Task {
            contender: step.contender.clone(),
            pace: step.pace,
            connections: step.connections,
            hot: settings.hot,
            rate,
            warm_up: settings.warm_up,
            duration: settings.duration,
            message_bytes: settings.message_bytes,
            depth: if step.pace == PaceName::ClosedLoop { settings.depth } else { 1 },
            server_place: settings.server_place.clone(),
            load_place: settings.load_place.clone(),
            descriptors: settings.descriptors,
        })
    }

    /// Adds a measurement.
    pub fn add(&mut self, step: &Step, measured: Complete) {
        let model = self.document.models.iter_mut().find(|it| it.name == step.contender.name);
        if let Some(model) = model {
            model.description.get_or_insert(measured.description);
        }
        self.document.measurements_made += 1;
        if let Some(place) = self.place(step) {
            self.document.rows[place].rounds.push(measured.measurement);
            self.latencies.entry(place).or_default().merge(&measured.latencies);
        }
    }

    /// So many measurements more are planned, where their number is not known before.
    pub fn plan(&mut self, count: u64) {
        self.document.measurements_planned += count;
    }

    /// A round is made again, for that the machine stood still or for another reason.
    pub fn repeated(&mut self, stalled: bool) {
        self.document.rounds_repeated += 1;
        self.document.rounds_stalled += u32::from(stalled);
    }

    /// Compares the rows of a case in pairs; true when nothing is left undecided.
    pub fn compare(&mut self, case: &Case) -> bool {
        let document = &mut self.document;
        let (Some(against), Some(figure)) = (&document.against, document.figure) else {
            return true;
        };
        let is_of = |row: &Row| row.pace == case.pace && row.connections == case.connections;
        let values = |row: &Row| -> Vec<Option<f64>> {
            row.rounds.iter().map(|round: &Measurement| figure.of(round)).collect()
        };
        let reference = document.rows.iter().find(|row| is_of(row) && row.model == *against);
        let Some(reference) = reference.map(values) else { return true };
        let mut all_decided = true;
        for row in document.rows.iter_mut().filter(|row| is_of(row) && row.model != *against) {
            let pairs = values(row).into_iter().zip(&reference);
            let ratios: Vec<f64> =
                pairs.filter_map(|(own, other)| Some(own? / (*other)?)).collect();
            let verdict = paired::verdict(&ratios);
            all_decided &= verdict != Verdict::Undecided;
            row.comparison = Some(Comparison { interval: paired::interval(&ratios), verdict });
        }
        all_decided
    }

    /// The latencies of each row, over its rounds, with its place among the rows.
    pub fn take_latencies(&mut self) -> BTreeMap<usize, Latencies> {
        std::mem::take(&mut self.latencies)
    }

    /// Notes why a measurement was passed over.
    pub fn skip(&mut self, step: &Step, reason: String) {
        self.document.measurements_skipped += 1;
        if let Some(row) = self.row(step)
            && !row.skipped.contains(&reason)
        {
            row.skipped.push(reason);
        }
    }

    /// Notes why a measurement could not be made.
    pub fn add_problem(&mut self, step: &Step, problem: String) {
        if let Some(row) = self.row(step) {
            row.problems.push(problem);
        }
    }

    /// The user ended the comparison.
    pub fn interrupted(&mut self) {
        self.document.interrupted = true;
    }

    fn row(&mut self, step: &Step) -> Option<&mut Row> {
        let place = self.place(step)?;
        self.document.rows.get_mut(place)
    }

    fn place(&self, step: &Step) -> Option<usize> {
        self.document.rows.iter().position(|row| {
            row.model == step.contender.name
                && row.pace == step.pace
                && row.connections == step.connections
        })
    }

    /// The document with the medians of what there is.
    pub fn document(mut self) -> Document {
        let document = &mut self.document;
        for row in &mut document.rows {
            row.median = median_of(&row.rounds);
            row.range = ranges_of(&row.rounds);
        }
        document.complete = document.measurements_made + document.measurements_skipped
            == document.measurements_planned
            && !document.interrupted
            && document.rows.iter().all(|row| row.problems.is_empty());
        document.elapsed_seconds = (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        self.document
    }
}

/// How this program was called.
fn command_line() -> String {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    format!("overlapped {words}")
}

/// `value` cut down to its first two digits.
fn two_digits(value: f64) -> f64 {
    if value < 10.0 {
        return value.floor();
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    (value / unit).floor() * unit
}

fn machine(descriptors: u64) -> Machine {
    let platform::Machine { kernel, processor, memory_kib, congestion_control } =
        platform::machine();
    Machine {
        kernel,
        processor,
        processors: std::thread::available_parallelism().map_or(1, NonZero::get) as u64,
        memory_kib,
        congestion_control,
        descriptors_per_process: descriptors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_two_digits() {
        for (value, expected) in [(23_456.0, 23_000.0), (99.9, 99.0), (9.9, 9.0), (0.5, 0.0)] {
            assert!((two_digits(value) - expected).abs() < 1e-6, "{value}");
        }
    }
}
