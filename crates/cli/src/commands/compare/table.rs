//! The medians as a table that can be pasted into a Markdown page.

use comfy_table::{CellAlignment, Table, presets};

use super::results::{Document, Row};
use crate::words::{grouped, latency};

const HEADER: [&str; 13] = [
    "connections",
    "model",
    "attempted",
    "established",
    "messages/s",
    "p50",
    "p99",
    "CPU us/msg",
    "CPU %",
    "resident KiB",
    "threads",
    "switches/msg",
    "errors",
];

/// The table, and below it what the figures are.
pub fn table(document: &Document) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(HEADER);
    for row in &document.rows {
        table.add_row(cells(row));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let is_known = |row: &Row| {
        row.median.as_ref().is_none_or(|median| median.context_switches_per_message.is_some())
    };
    let unknown = match document.rows.iter().all(is_known) {
        true => "",
        false => " A figure that is not available is shown as -.",
    };
    format!(
        "{table}\n\nMedians of up to {} rounds, {}-byte messages, each sent when the last came \
         back. CPU, memory, threads and context switches are the server's own; 100 % is one \
         processor.{unknown}\n",
        document.rounds, document.message_bytes
    )
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![grouped(row.connections.into()), row.model.to_owned()];
    let Some(median) = &row.median else {
        cells.resize(HEADER.len() - 1, "-".to_owned());
        cells.push(if row.problems.is_empty() { "-" } else { "failed" }.to_owned());
        return cells;
    };
    let optional = |value: Option<f64>, decimals: usize| {
        value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
    };
    cells.extend([
        grouped(median.attempted),
        grouped(median.established),
        grouped(median.messages_per_second.round() as u64),
        latency(median.p50_us),
        latency(median.p99_us),
        optional(median.processor_us_per_message, 2),
        optional(median.processor_percent, 0),
        grouped(median.resident_kib),
        grouped(median.threads),
        optional(median.context_switches_per_message, 3),
        grouped(median.errors),
    ]);
    cells
}
