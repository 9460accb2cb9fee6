//! The figures of a row, each named once for all forms.

use super::super::document::{Limit, Measurement, PaceName, Range, Row};
use crate::words::{grouped, latency};

/// What stands in a cell.
pub enum Cell {
    Text(String),
    Whole(Option<u64>),
    /// With so many decimals.
    Number(Option<f64>, usize),
    Latency(Option<f64>),
}

/// Where a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Everywhere.
    Screen,
    /// In Markdown, HTML and CSV.
    Report,
    /// In CSV.
    Data,
}

/// One figure.
pub struct Column {
    /// Its name in CSV, which is its name in the document.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    pub shown: Shown,
    pub cell: fn(&Row, &Measurement) -> Cell,
}

const fn column(
    shown: Shown,
    key: &'static str,
    title: &'static str,
    cell: fn(&Row, &Measurement) -> Cell,
) -> Column {
    Column { key, title, shown, cell }
}

/// The range over the rounds; one round has none.
fn range_of(row: &Row, of: fn(&super::super::document::Ranges) -> Option<Range>) -> Option<Range> {
    row.range.as_ref().filter(|_| row.rounds.len() > 1).and_then(of)
}

/// All columns, in their order. What names the row comes first.
pub const COLUMNS: &[Column] = &[
    column(Shown::Data, "pace", "pace", |row, _| Cell::Text(pace_key(row.pace).to_owned())),
    column(Shown::Screen, "connections", "attempted", |row, _| {
        Cell::Whole(Some(row.connections.into()))
    }),
    column(Shown::Screen, "model", "model", |row, _| Cell::Text(row.model.clone())),
    column(Shown::Screen, "established", "established", |_, it| Cell::Whole(Some(it.established))),
    column(Shown::Screen, "messages_per_second", "messages/s", |_, it| {
        Cell::Number(Some(it.messages_per_second), 0)
    }),
    column(Shown::Screen, "messages_per_second_spread_percent", "spread %", |row, it| {
        let spread = |range: Range| {
            (range.greatest - range.least) * 100.0 / it.messages_per_second.max(f64::MIN_POSITIVE)
        };
        Cell::Number(range_of(row, |ranges| ranges.messages_per_second).map(spread), 0)
    }),
    column(Shown::Data, "messages_per_second_least", "", |row, _| {
        Cell::Number(range_of(row, |it| it.messages_per_second).map(|range| range.least), 1)
    }),
    column(Shown::Data, "messages_per_second_greatest", "", |row, _| {
        Cell::Number(range_of(row, |it| it.messages_per_second).map(|range| range.greatest), 1)
    }),
    column(Shown::Report, "bytes_per_second_each_way", "bytes/s each way", |_, it| {
        Cell::Number(Some(it.bytes_per_second_each_way), 0)
    }),
    column(Shown::Screen, "p50_us", "p50", |_, it| Cell::Latency(it.p50_us)),
    column(Shown::Screen, "p99_us", "p99", |_, it| Cell::Latency(it.p99_us)),
    column(Shown::Data, "p99_9_us", "", |_, it| Cell::Latency(it.p99_9_us)),
    column(Shown::Data, "p99_us_least", "", |row, _| {
        Cell::Number(range_of(row, |ranges| ranges.p99_us).map(|range| range.least), 1)
    }),
    column(Shown::Data, "p99_us_greatest", "", |row, _| {
        Cell::Number(range_of(row, |ranges| ranges.p99_us).map(|range| range.greatest), 1)
    }),
    column(Shown::Screen, "processor_us_per_message", "CPU us/msg", |_, it| {
        Cell::Number(it.processor_us_per_message, 2)
    }),
    column(Shown::Report, "user_us_per_message", "user us/msg", |_, it| {
        Cell::Number(it.user_us_per_message, 2)
    }),
    column(Shown::Report, "kernel_us_per_message", "kernel us/msg", |_, it| {
        Cell::Number(it.kernel_us_per_message, 2)
    }),
    column(Shown::Data, "processor_us_per_message_least", "", |row, _| {
        Cell::Number(range_of(row, |it| it.processor_us_per_message).map(|range| range.least), 3)
    }),
    column(Shown::Data, "processor_us_per_message_greatest", "", |row, _| {
        Cell::Number(range_of(row, |it| it.processor_us_per_message).map(|range| range.greatest), 3)
    }),
    column(Shown::Screen, "processor_percent", "CPU %", |_, it| {
        Cell::Number(it.processor_percent, 0)
    }),
    column(Shown::Screen, "resident_kib", "resident KiB", |_, it| Cell::Whole(it.resident_kib)),
    column(Shown::Data, "resident_bytes_per_connection", "", |_, it| {
        Cell::Number(it.resident_bytes_per_connection, 1)
    }),
    column(Shown::Screen, "kernel_memory_kib", "kernel KiB", |_, it| {
        Cell::Whole(it.kernel_memory_kib)
    }),
    column(Shown::Report, "kernel_socket_kib", "TCP buffers KiB", |_, it| {
        Cell::Whole(it.kernel_socket_kib)
    }),
    column(Shown::Screen, "threads", "threads", |_, it| Cell::Whole(it.threads)),
    column(Shown::Screen, "context_switches_per_message", "switches/msg", |_, it| {
        Cell::Number(it.context_switches_per_message, 3)
    }),
    column(Shown::Report, "server_processes", "processes", |_, it| {
        Cell::Whole(Some(it.server_processes))
    }),
    column(Shown::Report, "load_processor_percent", "load CPU %", |_, it| {
        Cell::Number(it.load_processor_percent, 0)
    }),
    column(Shown::Report, "load_lateness_p99_us", "load late p99", |_, it| {
        Cell::Latency(it.load_lateness_p99_us)
    }),
    column(Shown::Report, "machine_busy_elsewhere_percent", "others %", |_, it| {
        Cell::Number(it.machine_busy_elsewhere_percent, 0)
    }),
    column(Shown::Report, "stolen_percent", "stolen %", |_, it| Cell::Number(it.stolen_percent, 1)),
    column(Shown::Data, "longest_stall_us", "", |_, it| Cell::Latency(it.longest_stall_us)),
    column(Shown::Data, "hot_messages_per_second", "", |_, it| {
        Cell::Number(it.hot_messages_per_second, 1)
    }),
    column(Shown::Data, "hot_p50_us", "", |_, it| Cell::Latency(it.hot_p50_us)),
    column(Shown::Screen, "limited_by", "limit", |_, it| {
        Cell::Text(limit_word(it.limited_by).to_owned())
    }),
    column(Shown::Screen, "errors", "errors", |_, it| Cell::Whole(Some(it.errors))),
];

/// A cell for people. What is not known is `-`.
pub fn for_people(cell: &Cell) -> String {
    let shown = match cell {
        Cell::Text(text) => Some(text.clone()),
        Cell::Whole(value) => value.map(grouped),
        Cell::Number(Some(value), 0) => Some(grouped(value.max(0.0).round() as u64)),
        Cell::Number(value, decimals) => value.map(|value| format!("{value:.decimals$}")),
        Cell::Latency(value) => value.map(latency),
    };
    shown.unwrap_or_else(|| "-".to_owned())
}

/// A cell for programs. What is not known is empty.
pub fn for_programs(cell: &Cell) -> String {
    let shown = match cell {
        Cell::Text(text) => Some(text.clone()),
        Cell::Whole(value) => value.map(|value| value.to_string()),
        Cell::Number(value, decimals) => {
            value.map(|value| format!("{value:.0$}", (*decimals).max(1)))
        }
        Cell::Latency(value) => value.map(|value| format!("{value:.1}")),
    };
    shown.unwrap_or_default()
}

/// Whether the column is of words, and not of figures.
pub fn is_of_words(column: &Column) -> bool {
    matches!(column.key, "model" | "limited_by")
}

/// The name of a pace in CSV and in the document.
pub fn pace_key(pace: PaceName) -> &'static str {
    match pace {
        PaceName::ClosedLoop => "closed_loop",
        PaceName::FixedRate => "fixed_rate",
        PaceName::Churn => "churn",
        PaceName::Skew => "skew",
        PaceName::Idle => "idle",
    }
}

fn limit_word(limit: Limit) -> &'static str {
    match limit {
        Limit::Nothing => "-",
        Limit::Server => "server",
        Limit::Machine => "machine",
        Limit::Load => "load",
    }
}

/// What there is to say of a row beside its figures.
pub fn notes(row: &Row) -> Vec<String> {
    let mut notes = row.median.as_ref().map_or_else(Vec::new, |median| median.notes.clone());
    notes.extend(row.skipped.iter().cloned());
    notes.extend(row.problems.iter().map(|problem| format!("failed: {problem}")));
    if let Some(median) = row.median.as_ref().filter(|median| median.errors > 0) {
        notes.push(format!("failures over all rounds: {}", median.failures));
    }
    notes
}
