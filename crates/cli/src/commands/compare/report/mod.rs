//! What is made of a result document, and of nothing else.
//!
//! - `columns` names the figures of a row once, for every form; `tables` lays them out for the screen,
//!   as CSV and as Markdown.
//! - `standing` finds who is best at what; `conclusions` says it in words, short and long.
//! - `pairs` says what a paired comparison has shown, and makes a section of a page of it.
//! - `about` says what was measured, and what the figures are worth.
//! - `html` is the page with the plots.

mod about;
mod columns;
mod conclusions;
mod html;
mod pairs;
mod standing;
mod tables;

use super::document::Document;
pub use columns::pace_key;
pub use html::{Course, page as html};
pub use pairs::section;
pub use tables::{csv, markdown};

/// The tables and the closing words for the screen.
pub fn screen(document: &Document) -> String {
    let mut text = tables::screen(document);
    text.push('\n');
    if document.against.is_some() {
        // Only what the pairs have shown is said.
        for line in pairs::lines(document) {
            text.push_str(&format!("{line}\n"));
        }
    } else {
        text.push_str(&conclusions::short(document));
    }
    if !document.complete {
        text.push_str(&format!("\n{}.\n", capitalised(&partial(document))));
    }
    text
}

/// How much of what was planned the document holds, for one that does not hold all.
pub fn partial(document: &Document) -> String {
    let why = if document.interrupted { "ended early: " } else { "" };
    format!(
        "{why}{} of {} measurements were made; what is shown rests on those",
        document.measurements_made, document.measurements_planned
    )
}

/// `text` with a capital at its beginning.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod examples {
    //! Documents for the tests of this folder.

    use super::super::document::{
        Document, FORMAT, Limit, Machine, Measurement, Model, PaceName, Row,
    };
    use super::super::statistics::{median_of, ranges_of};

    /// Messages per second, processor time per message, p99 and resident memory of a model.
    pub type Figures = (f64, f64, f64, u64);

    pub fn row(pace: PaceName, connections: u32, model: &str, figures: Figures) -> Row {
        let (rate, cost, p99, resident) = figures;
        let measurement = Measurement {
            attempted: connections.into(),
            established: connections.into(),
            messages_per_second: rate,
            bytes_per_second_each_way: rate * 64.0,
            p50_us: Some(p99 / 3.0),
            p99_us: Some(p99),
            processor_us_per_message: Some(cost),
            processor_percent: Some(100.0),
            resident_kib: Some(resident),
            kernel_memory_kib: Some(u64::from(connections) * 10),
            kernel_socket_kib: Some(4),
            threads: Some(if model == "blocking" { u64::from(connections) + 2 } else { 6 }),
            context_switches_per_message: Some(if model == "blocking" { 1.2 } else { 0.1 }),
            server_processes: 1,
            load_processor_percent: Some(80.0),
            limited_by: Limit::Machine,
            ..Measurement::default()
        };
        let rounds = vec![measurement];
        Row {
            pace,
            connections,
            model: model.to_owned(),
            median: median_of(&rounds),
            range: ranges_of(&rounds),
            comparison: None,
            rounds,
            skipped: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub fn document(rows: Vec<Row>) -> Document {
        let mut names: Vec<String> = Vec::new();
        for row in &rows {
            if !names.contains(&row.model) {
                names.push(row.model.clone());
            }
        }
        let models = names.into_iter().map(|name| Model { name, description: None }).collect();
        Document {
            format: FORMAT.to_owned(),
            version: "0".to_owned(),
            date: "2000-01-01T00:00:00Z".to_owned(),
            command: Some("overlapped compare".to_owned()),
            machine: Machine {
                kernel: "Linux <6>".to_owned(),
                processor: Some("a & b".to_owned()),
                processors: 2,
                memory_kib: Some(1_024 * 1_024),
                congestion_control: Some("cubic".to_owned()),
                descriptors_per_process: 20_000,
            },
            message_bytes: 64,
            warm_up_seconds: 0.2,
            seconds: 1.0,
            rounds: 1,
            rate_per_second: Some(10_000.0),
            depth: 1,
            hot_connections: 0,
            server_processors: Vec::new(),
            load_processors: Vec::new(),
            against: None,
            figure: None,
            goal: None,
            rounds_repeated: 0,
            rounds_stalled: 0,
            stall_limit_us: None,
            load_threads: 2,
            complete: true,
            interrupted: false,
            measurements_planned: rows.len() as u64,
            measurements_made: rows.len() as u64,
            measurements_skipped: 0,
            elapsed_seconds: 9.0,
            models,
            rows,
        }
    }

    /// Two models at two counts and both paces.
    pub fn usual() -> Document {
        let mut rows = Vec::new();
        for pace in [PaceName::ClosedLoop, PaceName::FixedRate] {
            for connections in [16, 1_024] {
                rows.push(row(
                    pace,
                    connections,
                    "completion-port",
                    (70_000.0, 12.0, 900.0, 4_200),
                ));
                let resident = 4_000 + u64::from(connections) * 20;
                rows.push(row(pace, connections, "blocking", (50_000.0, 20.0, 700.0, resident)));
            }
        }
        document(rows)
    }
}
