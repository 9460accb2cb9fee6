//! The paired comparison in words, and as a section of a page that holds several.

use super::super::document::{Comparison, Document, Figure, Measurement, Row};
use super::super::paired::{NARROW, Verdict};
use super::{about, conclusions};
use crate::words::{grouped, latency, size};

/// What a figure is called, and what more of it is.
fn words(figure: Figure) -> (&'static str, &'static str, &'static str) {
    match figure {
        Figure::Processor => ("processor time for a message", "less", "more"),
        Figure::P99 => ("p99", "lower", "higher"),
        Figure::Rate => ("messages a second", "fewer", "more"),
        Figure::Memory => ("resident memory for a connection", "less", "more"),
    }
}

/// A line for each row that is compared and for the goal; none when nothing is compared.
pub fn lines(document: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    let figure = document.figure.unwrap_or(Figure::Processor);
    for row in &document.rows {
        if let (Some(comparison), Some(against)) = (&row.comparison, &document.against) {
            lines.push(line(row, comparison, against, figure));
        }
    }
    lines.extend(document.rows.iter().filter_map(|row| goal(document, row)));
    if document.rounds_repeated > 0 {
        lines.push(format!(
            "{} more rounds were disturbed and made again{}.",
            grouped(document.rounds_repeated.into()),
            stalls(document)
        ));
    }
    lines
}

/// How many of the disturbed rounds were so since the machine stood still.
fn stalls(document: &Document) -> String {
    match document.stall_limit_us {
        Some(limit) if document.rounds_stalled > 0 => format!(
            ", {} of them since the machine stood still for more than {}",
            grouped(document.rounds_stalled.into()),
            latency(limit)
        ),
        _ => String::new(),
    }
}

fn line(row: &Row, comparison: &Comparison, against: &str, figure: Figure) -> String {
    let (name, less, more) = words(figure);
    let place = format!("{} at {} connections", row.model, grouped(row.connections.into()));
    let rounds = row.rounds.len();
    let Some(interval) = comparison.interval else {
        return format!("{place}: too few rounds to compare it with {against}.");
    };
    let said = match comparison.verdict {
        Verdict::Less => format!("{less} than"),
        Verdict::More => format!("{more} than"),
        Verdict::Level => format!("within {:.0} % of", NARROW * 100.0),
        Verdict::Undecided => "no difference shown to".to_owned(),
    };
    format!(
        "{place}: {said} {against}: {name} {:.3} times, 95 % interval {:.3} to {:.3}, {rounds} rounds.",
        interval.ratio, interval.low, interval.high
    )
}

/// Whether the row meets the goal, if it has one.
fn goal(document: &Document, row: &Row) -> Option<String> {
    let goal = document.goal.as_ref().filter(|goal| goal.server == row.model)?;
    let figure = document.figure.unwrap_or(Figure::Memory);
    let bound = if goal.of_ratio {
        format!("{} times {}", goal.at_most, document.against.as_deref().unwrap_or("-"))
    } else {
        value(figure, Some(goal.at_most))
    };
    let verdict = if goal.of_ratio {
        match row.comparison.as_ref()?.interval {
            Some(interval) if interval.high <= goal.at_most => "met",
            Some(interval) if interval.low > goal.at_most => "MISSED",
            _ => "not decided: the interval holds it",
        }
    } else {
        let reached = figure.of(row.median.as_ref()?)?;
        if reached <= goal.at_most { "met" } else { "MISSED" }
    };
    Some(format!("Goal for {}: {} at most {bound}: {verdict}.", row.model, words(figure).0))
}

fn value(figure: Figure, value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match figure {
        Figure::Processor => format!("{value:.3} us"),
        Figure::P99 => latency(value),
        Figure::Rate => grouped(value.max(0.0).round() as u64),
        Figure::Memory => size(value),
    }
}

/// The document as a section of a page: heading, command, one table for each case, and the lines.
pub fn section(document: &Document, title: &str) -> String {
    let mut text = format!("### {title}\n\n");
    if let Some(command) = &document.command {
        text.push_str(&format!("    {command}\n\n"));
    }
    for pace in document.paces() {
        for connections in document.counts(pace) {
            let rows = document.rows_at(pace, Some(connections));
            text.push_str(&table(document, &rows));
            text.push('\n');
        }
    }
    for line in lines(document) {
        text.push_str(&format!("- {line}\n"));
    }
    for row in &document.rows {
        for problem in row.problems.iter().chain(&row.skipped) {
            text.push_str(&format!("- {}: {problem}\n", row.model));
        }
    }
    for (name, value) in about::facts(document) {
        if matches!(name, "Date" | "Measurements") {
            text.push_str(&format!("- {name}: {value}.\n"));
        }
    }
    let busiest = conclusions::busiest(document);
    if busiest >= 1.0 {
        text.push_str(&format!("- Other programs used up to {busiest:.0} % of the machine.\n"));
    }
    text.push('\n');
    text
}

/// A column of a section: its title, and its cell of a median.
type Column = (&'static str, fn(&Measurement) -> Option<String>);

const COLUMNS: &[Column] = &[
    ("messages/s", |it| {
        (it.messages_per_second > 0.0).then(|| grouped(it.messages_per_second.round() as u64))
    }),
    ("CPU us/message", |it| it.processor_us_per_message.map(|it| format!("{it:.2}"))),
    ("user", |it| it.user_us_per_message.map(|it| format!("{it:.2}"))),
    ("kernel", |it| it.kernel_us_per_message.map(|it| format!("{it:.2}"))),
    ("switches/message", |it| it.context_switches_per_message.map(|it| format!("{it:.3}"))),
    ("p50", |it| it.p50_us.map(latency)),
    ("p99", |it| it.p99_us.map(latency)),
    ("p99.9", |it| it.p99_9_us.map(latency)),
    ("hot messages/s", |it| it.hot_messages_per_second.map(|it| grouped(it.round() as u64))),
    ("load late p99", |it| it.load_lateness_p99_us.map(latency)),
    ("bytes/connection", |it| it.resident_bytes_per_connection.map(|it| format!("{it:.0}"))),
];

/// The medians of a case. Columns in which nobody has a figure are left out.
fn table(document: &Document, rows: &[&Row]) -> String {
    let cells = |row: &Row, cell: fn(&Measurement) -> Option<String>| -> Option<String> {
        row.median.as_ref().and_then(cell)
    };
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, cell)| rows.iter().any(|row| cells(row, *cell).is_some()))
        .collect();
    let mut text = String::from("| server |");
    for (title, _) in &columns {
        text.push_str(&format!(" {title} |"));
    }
    let against = document.against.as_deref();
    if let Some(against) = against {
        text.push_str(&format!(" times {against} |"));
    }
    let count = columns.len() + usize::from(against.is_some());
    text.push_str(&format!("\n|---|{}\n", "---:|".repeat(count)));
    for row in rows {
        text.push_str(&format!("| {} |", row.model));
        for (_, cell) in &columns {
            text.push_str(&format!(" {} |", cells(row, *cell).unwrap_or_else(|| "-".to_owned())));
        }
        if against.is_some() {
            let interval = row.comparison.as_ref().and_then(|it| it.interval);
            let shown = interval.map_or("-".to_owned(), |it| {
                format!("{:.2} ({:.2} to {:.2})", it.ratio, it.low, it.high)
            });
            text.push_str(&format!(" {shown} |"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::document::{Goal, PaceName};
    use super::super::super::paired::Interval;
    use super::super::examples;
    use super::*;

    /// Two servers, of which the first has this interval and verdict against the second.
    fn compared(low: f64, high: f64, verdict: Verdict) -> Document {
        let row = |name| examples::row(PaceName::ClosedLoop, 9, name, (1_000.0, 3.0, 500.0, 9));
        let mut document = examples::document(vec![row("mine"), row("theirs")]);
        document.against = Some("theirs".to_owned());
        document.figure = Some(Figure::Processor);
        let interval = Some(Interval { ratio: (low * high).sqrt(), low, high });
        document.rows[0].comparison = Some(Comparison { interval, verdict });
        document
    }

    #[test]
    fn only_a_verdict_says_that_there_is_a_difference() {
        let said = |low, high, verdict| lines(&compared(low, high, verdict)).join("\n");
        assert!(said(0.8, 0.9, Verdict::Less).contains("less than theirs"));
        assert!(said(1.1, 1.3, Verdict::More).contains("more than theirs"));
        assert!(said(0.99, 1.02, Verdict::Level).contains("within 3 % of theirs"));
        let nothing = said(0.8, 0.99, Verdict::Undecided);
        assert!(nothing.contains("no difference shown to theirs"), "{nothing}");
        for word in ["less", "more", "faster", "slower"] {
            assert!(!nothing.contains(word), "{word} in {nothing}");
        }
    }

    #[test]
    fn a_goal_is_met_or_missed_only_by_the_whole_interval() {
        let said = |low, high| {
            let mut document = compared(low, high, Verdict::Undecided);
            document.goal = Some(Goal { server: "mine".to_owned(), at_most: 1.05, of_ratio: true });
            lines(&document).pop().expect("a line")
        };
        assert!(said(0.9, 1.05).ends_with("1.05 times theirs: met."), "{}", said(0.9, 1.05));
        assert!(said(1.06, 1.2).contains("MISSED"));
        assert!(said(1.0, 1.1).contains("not decided"));
    }

    #[test]
    fn a_section_has_the_command_and_leaves_out_columns_without_figures() {
        let mut document = compared(0.8, 0.9, Verdict::Less);
        let busy =
            Measurement { machine_busy_elsewhere_percent: Some(34.0), ..Measurement::default() };
        document.rows[1].median = Some(busy);
        let text = section(&document, "A case");
        assert!(text.contains("used up to 34 % of the machine"), "{text}");
        assert!(text.starts_with("### A case\n\n    overlapped compare\n\n| server |"), "{text}");
        assert!(
            text.contains("| times theirs |") && text.contains("0.85 (0.80 to 0.90)"),
            "{text}"
        );
        assert!(!text.contains("hot messages/s"), "{text}");
    }
}
