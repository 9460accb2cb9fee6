//! The results while they come in, and the rate that follows from them.

use std::num::NonZero;
use std::time::{Instant, SystemTime};

use super::document::{Document, FORMAT, Machine, Model, PaceName, Row};
use super::measure::{LOAD_THREADS, Task};
use super::settings::{Settings, Step, WARM_UP};
use super::statistics::{median_of, ranges_of};
use crate::platform;

/// The part of the slowest model's closed loop that the fixed rate is.
const RATE_PART: f64 = 0.5;

/// The results while they come in.
pub struct Results {
    document: Document,
    started: Instant,
}

impl Results {
    /// No results yet.
    pub fn new(settings: &Settings) -> Self {
        let mut rows = Vec::new();
        for &pace in &settings.paces {
            for &connections in &settings.counts {
                rows.extend(settings.models.iter().map(|&model| Row {
                    pace,
                    connections,
                    model: model.to_owned(),
                    median: None,
                    range: None,
                    rounds: Vec::new(),
                    skipped: Vec::new(),
                    problems: Vec::new(),
                }));
            }
        }
        let model = |name: &&str| Model { name: (*name).to_owned(), description: None };
        let document = Document {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: machine(settings.descriptors),
            message_bytes: settings.message_bytes as u64,
            warm_up_seconds: WARM_UP.as_secs_f64(),
            seconds: settings.duration.as_secs_f64(),
            rounds: settings.rounds,
            rate_per_second: settings
                .rate
                .filter(|_| settings.paces.contains(&PaceName::FixedRate)),
            load_threads: LOAD_THREADS as u32,
            complete: false,
            interrupted: false,
            measurements_planned: settings.steps().len() as u64,
            measurements_made: 0,
            measurements_skipped: 0,
            elapsed_seconds: 0.0,
            models: settings.models.iter().map(model).collect(),
            rows,
        };
        Self { document, started: Instant::now() }
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
            (PaceName::ClosedLoop, _) => None,
            (PaceName::FixedRate, Some(rate)) => Some(rate),
            (PaceName::FixedRate, None) => {
                return Err("no model served all connections in the closed loop, so there is no \
                            rate to choose; give a --rate"
                    .to_owned());
            }
        };
        Ok(Task {
            model: step.model,
            connections: step.connections,
            rate,
            warm_up: WARM_UP,
            duration: settings.duration,
            message_bytes: settings.message_bytes,
            descriptors: settings.descriptors,
        })
    }

    /// Adds a measurement.
    pub fn add(&mut self, step: &Step, measured: super::measure::Complete) {
        let model = self.document.models.iter_mut().find(|model| model.name == step.model);
        if let Some(model) = model {
            model.description.get_or_insert(measured.description);
        }
        self.document.measurements_made += 1;
        if let Some(row) = self.row(step) {
            row.rounds.push(measured.measurement);
        }
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
        self.document.rows.iter_mut().find(|row| {
            row.model == step.model && row.pace == step.pace && row.connections == step.connections
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
            == document.measurements_planned;
        document.elapsed_seconds = (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        self.document
    }
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
