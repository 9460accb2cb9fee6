//! The rows as tables: for the screen, as Markdown and as CSV.

use comfy_table::{CellAlignment, Table, presets};

use super::super::document::{Document, Limit, PaceName, Row};
use super::columns::{self, COLUMNS, Column, Shown};
use super::{about, conclusions};
use crate::words::grouped;

/// One table for each pace, and below them what the figures are.
pub fn screen(document: &Document) -> String {
    let mut text = String::new();
    for pace in document.paces() {
        text.push_str(&format!("{}\n\n", about::pace_line(document, pace)));
        text.push_str(&of_pace(document, pace, Shown::Screen));
        text.push('\n');
    }
    let unknown = if text.contains(" - |") { " What is not known is shown as -." } else { "" };
    text.push_str(&format!("{}{unknown}\n", about::FIGURES));
    text
}

/// The whole report as Markdown.
pub fn markdown(document: &Document) -> String {
    let mut text = format!("# {}\n\n{}\n\n", about::TITLE, about::lead(document));
    for (name, value) in about::facts(document) {
        text.push_str(&format!("- {name}: {value}\n"));
    }
    for pace in document.paces() {
        text.push_str(&format!("\n## {}\n\n", about::pace_name(pace)));
        text.push_str(&format!("{}\n\n", about::pace_line(document, pace)));
        text.push_str(&of_pace(document, pace, Shown::Report));
    }
    text.push_str("\n## Method\n\n");
    for sentence in about::method(document) {
        text.push_str(&format!("- {sentence}\n"));
    }
    text.push_str("\n## In plain words\n");
    for paragraph in conclusions::long(document) {
        text.push_str(&format!("\n**{}** {}\n", paragraph.lead, paragraph.text));
    }
    text
}

/// All figures as comma-separated values, without words.
pub fn csv(document: &Document) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let keys = COLUMNS.iter().map(|column| column.key).chain(["notes"]);
    writer.write_record(keys)?;
    for row in &document.rows {
        let notes = columns::notes(row).join("; ");
        let Some(median) = &row.median else {
            // What names the row does not need a measurement.
            let empty = Default::default();
            let named = ["pace", "connections", "model"];
            let cells = COLUMNS.iter().map(|column| match named.contains(&column.key) {
                true => columns::for_programs(&(column.cell)(row, &empty)),
                false => String::new(),
            });
            writer.write_record(cells.chain([notes]))?;
            continue;
        };
        let cells = COLUMNS.iter().map(|column| columns::for_programs(&(column.cell)(row, median)));
        writer.write_record(cells.chain([notes]))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The columns that are shown in a form for people.
pub fn shown(form: Shown) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| column.shown <= form).collect()
}

/// The cells of a row for people, one for each column.
pub fn cells(row: &Row, columns: &[&Column]) -> Vec<String> {
    let Some(median) = &row.median else {
        let missing = |column: &&&Column| match column.key {
            "connections" => grouped(row.connections.into()),
            "model" => row.model.clone(),
            _ => "-".to_owned(),
        };
        return columns.iter().map(|column| missing(&column)).collect();
    };
    columns.iter().map(|column| columns::for_people(&(column.cell)(row, median))).collect()
}

/// What there is to say of the rows, each with the name of its row.
pub fn remarks(rows: &[&Row]) -> Vec<String> {
    let mut remarks = Vec::new();
    let late = |row: &&&Row| {
        row.pace == PaceName::FixedRate
            && row.median.as_ref().is_some_and(|median| median.limited_by == Limit::Load)
    };
    let late = rows.iter().filter(late).count();
    if late > 0 {
        remarks.push(format!(
            "the load generator was late in {late} of {} rows (limit: load), whose latencies are to a \
             large part its own",
            rows.len()
        ));
    }
    for row in rows {
        for note in columns::notes(row) {
            let place = format!("{} at {}", row.model, grouped(row.connections.into()));
            remarks.push(format!("{place}: {note}"));
        }
    }
    remarks
}

fn of_pace(document: &Document, pace: PaceName, form: Shown) -> String {
    let columns = shown(form);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(columns.iter().map(|it| it.title));
    let rows = document.rows_at(pace, None);
    for row in &rows {
        table.add_row(cells(row, &columns));
    }
    for (column, layout) in columns.iter().zip(table.column_iter_mut()) {
        if !columns::is_of_words(column) {
            layout.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n");
    let remarks = remarks(&rows);
    if !remarks.is_empty() {
        text.push('\n');
    }
    for remark in remarks {
        text.push_str(&format!("- {remark}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn one_round_has_no_spread_and_two_have() {
        let mut document = examples::usual();
        let columns = shown(Shown::Screen);
        let place = columns.iter().position(|it| it.title == "spread %").expect("the column");
        assert!(document.rows.iter().all(|row| cells(row, &columns)[place] == "-"));
        let row = &mut document.rows[0];
        row.rounds.push(row.rounds[0].clone());
        assert_eq!(cells(row, &columns)[place], "0");
    }

    #[test]
    fn every_form_has_every_row_and_says_what_is_missing() {
        let mut document = examples::usual();
        let row = &mut document.rows[1];
        row.median = None;
        row.rounds.clear();
        row.skipped.push("passed over: too large".to_owned());

        let csv = csv(&document).expect("csv");
        assert_eq!(csv.lines().count(), 1 + 8);
        let line = csv.lines().nth(2).expect("the second row");
        assert!(line.starts_with("closed_loop,16,blocking,,"), "{line}");
        assert!(line.ends_with("passed over: too large"), "{line}");
        let keys = csv.lines().next().expect("the first line").split(',').count();
        assert!(csv.lines().all(|line| line.split(',').count() == keys), "{csv}");

        for text in [screen(&document), markdown(&document)] {
            assert_eq!(text.lines().filter(|line| line.starts_with("| ")).count(), 2 + 8, "{text}");
            assert!(text.contains("- blocking at 16: passed over: too large"), "{text}");
        }
    }
}
