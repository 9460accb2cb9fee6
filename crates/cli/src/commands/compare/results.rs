//! What was measured, the medians over the rounds, and the document made of both.

use std::num::NonZero;

use overlapped_load::document::tenths;
use overlapped_load::failure::Failures;
use serde::Serialize;

use super::measure::Task;
use super::{Settings, WARM_UP};
use crate::platform;

/// One measurement of one model. Figures of the server are those of its process alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measurement {
    /// Connections that were tried.
    pub attempted: u64,
    /// Connections that were established.
    pub established: u64,
    /// Echoes in a second.
    pub messages_per_second: f64,
    /// Bytes in a second, the same in both directions.
    pub bytes_per_second_each_way: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 99 % of the latencies are at most this.
    pub p99_us: f64,
    /// Processor time of the server for one message.
    pub processor_us_per_message: Option<f64>,
    /// Processor time of the server over elapsed time; 100 is one processor. None where the system
    /// does not tell it.
    pub processor_percent: Option<f64>,
    /// Resident memory of the server.
    pub resident_kib: u64,
    /// Memory of all TCP buffers on the machine; None where the system does not tell it.
    pub kernel_socket_kib: Option<u64>,
    /// Threads of the server.
    pub threads: u64,
    /// Context switches of the server for one message, from its start on; None where the system does
    /// not tell them.
    pub context_switches_per_message: Option<f64>,
    /// How much of the machine was used by other programs meanwhile; 100 is all of it. None as above.
    pub machine_busy_elsewhere_percent: Option<f64>,
    /// Connections that failed, and those that the server had to end by force.
    pub errors: u64,
    /// Connections that failed, by kind.
    pub failures: Failures,
    /// Connections that the server ended by force.
    pub left_by_server: u64,
}

/// The results of one model at one number of connections.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of the model.
    pub model: &'static str,
    /// Connections.
    pub connections: u32,
    /// The median of each figure over the rounds; errors are summed. None when none succeeded.
    pub median: Option<Measurement>,
    /// Every round.
    pub rounds: Vec<Measurement>,
    /// Why rounds could not be measured.
    pub problems: Vec<String>,
}

/// The machine that was measured on.
#[derive(Clone, Debug, Serialize)]
struct Machine {
    kernel: String,
    processors: usize,
    memory_kib: Option<u64>,
    congestion_control: Option<String>,
    descriptors_per_process: u64,
}

/// The whole result.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    format: &'static str,
    version: &'static str,
    machine: Machine,
    /// Bytes of a message.
    pub message_bytes: usize,
    warm_up_seconds: f64,
    seconds: f64,
    /// Rounds that were planned.
    pub rounds: u32,
    /// Whether all measurements were made.
    pub complete: bool,
    /// How many were planned.
    pub measurements_planned: usize,
    /// How many succeeded.
    pub measurements_made: usize,
    /// By connections, then in the order of the models.
    pub rows: Vec<Row>,
}

/// The results while they come in.
pub struct Results {
    document: Document,
}

impl Results {
    /// No results yet.
    pub fn new(settings: &Settings) -> Self {
        let mut rows = Vec::new();
        for &connections in &settings.counts {
            rows.extend(settings.models.iter().map(|&model| Row {
                model,
                connections,
                median: None,
                rounds: Vec::new(),
                problems: Vec::new(),
            }));
        }
        let measurements_planned = settings.tasks().len();
        let document = Document {
            format: "overlapped-compare-1",
            version: env!("CARGO_PKG_VERSION"),
            machine: machine(settings.descriptors),
            message_bytes: settings.message_bytes,
            warm_up_seconds: WARM_UP.as_secs_f64(),
            seconds: settings.duration.as_secs_f64(),
            rounds: settings.rounds,
            complete: false,
            measurements_planned,
            measurements_made: 0,
            rows,
        };
        Self { document }
    }

    /// Adds a measurement.
    pub fn add(&mut self, task: &Task, measurement: Measurement) {
        if let Some(row) = self.row(task) {
            row.rounds.push(measurement);
        }
    }

    /// Notes why a measurement could not be made.
    pub fn add_problem(&mut self, task: &Task, problem: String) {
        if let Some(row) = self.row(task) {
            row.problems.push(problem);
        }
    }

    fn row(&mut self, task: &Task) -> Option<&mut Row> {
        self.document
            .rows
            .iter_mut()
            .find(|row| row.model == task.model && row.connections == task.connections)
    }

    /// The document with the medians of what there is.
    pub fn document(mut self) -> Document {
        let mut made = 0;
        for row in &mut self.document.rows {
            row.median = median_of(&row.rounds);
            made += row.rounds.len();
        }
        self.document.measurements_made = made;
        self.document.complete = made == self.document.measurements_planned;
        self.document
    }
}

/// The median of every figure by itself.
fn median_of(rounds: &[Measurement]) -> Option<Measurement> {
    if rounds.is_empty() {
        return None;
    }
    let figure = |of: fn(&Measurement) -> f64| median(rounds.iter().map(of));
    let known = |of: fn(&Measurement) -> Option<f64>| median(rounds.iter().filter_map(of));
    let whole = |of: fn(&Measurement) -> u64| {
        median(rounds.iter().map(|round| of(round) as f64)).unwrap_or(0.0).round() as u64
    };
    let mut failures = Failures::default();
    for round in rounds {
        failures.merge(&round.failures);
    }
    Some(Measurement {
        attempted: whole(|round| round.attempted),
        established: whole(|round| round.established),
        messages_per_second: tenths(figure(|round| round.messages_per_second)?),
        bytes_per_second_each_way: tenths(figure(|round| round.bytes_per_second_each_way)?),
        p50_us: figure(|round| round.p50_us)?,
        p99_us: figure(|round| round.p99_us)?,
        processor_us_per_message: known(|round| round.processor_us_per_message),
        processor_percent: known(|round| round.processor_percent).map(tenths),
        resident_kib: whole(|round| round.resident_kib),
        kernel_socket_kib: median(
            rounds.iter().filter_map(|round| round.kernel_socket_kib).map(|kib| kib as f64),
        )
        .map(|kib| kib.round() as u64),
        threads: whole(|round| round.threads),
        context_switches_per_message: known(|round| round.context_switches_per_message),
        machine_busy_elsewhere_percent: known(|round| round.machine_busy_elsewhere_percent)
            .map(tenths),
        errors: rounds.iter().map(|round| round.errors).sum(),
        failures,
        left_by_server: rounds.iter().map(|round| round.left_by_server).sum(),
    })
}

/// The middle value, or the mean of the two middle ones.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

fn machine(descriptors: u64) -> Machine {
    let platform::Machine { kernel, memory_kib, congestion_control } = platform::machine();
    Machine {
        kernel,
        processors: std::thread::available_parallelism().map_or(1, NonZero::get),
        memory_kib,
        congestion_control,
        descriptors_per_process: descriptors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn medians_are_taken_figure_by_figure_and_errors_are_summed() {
        let round = |rate: f64, p99_us: f64, errors: u64| Measurement {
            messages_per_second: rate,
            p99_us,
            errors,
            ..Measurement::default()
        };
        let rounds = [round(10.0, 9.0, 1), round(30.0, 7.0, 0), round(20.0, 8.0, 2)];
        let median = median_of(&rounds).expect("three rounds");
        assert!((median.messages_per_second - 20.0).abs() < 1e-9);
        assert!((median.p99_us - 8.0).abs() < 1e-9);
        assert_eq!(median.errors, 3);
        assert_eq!(median.processor_us_per_message, None);
    }
}
