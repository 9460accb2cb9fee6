//! The closing words: which model was faster and cheaper where, said from the figures.

use super::results::{Document, Measurement, Row};
use crate::words::grouped;

/// Differences smaller than this are called level: the machine's own noise is of that size.
const LEVEL: f64 = 0.05;

/// The model the others are held against, when it was measured.
const REFERENCE: &str = "completion-port";

/// A machine that is busier than this with other things gives figures that need a warning.
const QUIET_PERCENT: f64 = 10.0;

/// One line for each number of connections and each model that is held against the reference.
pub fn words(document: &Document) -> String {
    let mut text = String::from("\n");
    for row in document.rows.iter().filter(|row| row.model == REFERENCE) {
        let Some(reference) = &row.median else {
            continue;
        };
        let others = document
            .rows
            .iter()
            .filter(|other| other.connections == row.connections && other.model != REFERENCE);
        for other in others {
            let Some(median) = &other.median else {
                continue;
            };
            text.push_str(&line(row, reference, other.model, median));
            text.push('\n');
        }
    }
    let busiest = document
        .rows
        .iter()
        .filter_map(|row| row.median.as_ref())
        .filter_map(|median| median.machine_busy_elsewhere_percent)
        .fold(0.0, f64::max);
    text.push_str(&warning(busiest));
    text
}

/// Says when other programs took `busiest` percent of the machine: the scheduler shares it out by
/// threads, so that a model of many threads then gets more of it than one of few.
fn warning(busiest: f64) -> String {
    if busiest <= QUIET_PERCENT {
        return String::new();
    }
    format!(
        "Other programs used up to {busiest:.0} % of this machine meanwhile: messages/s and \
         latencies then favour models of many threads, since the system shares out by threads. \
         Measure again on a quiet machine.\n"
    )
}

fn line(row: &Row, reference: &Measurement, other_name: &str, other: &Measurement) -> String {
    let mut parts = vec![faster(reference, other_name, other)];
    if let (Some(ours), Some(theirs)) =
        (reference.processor_us_per_message, other.processor_us_per_message)
    {
        parts.push(cheaper(other_name, ours, theirs));
    }
    if reference.resident_kib > 0 && other.resident_kib > 0 {
        parts.push(format!(
            "{} KiB against {} KiB of memory",
            grouped(reference.resident_kib),
            grouped(other.resident_kib)
        ));
    }
    if reference.errors + other.errors > 0 {
        parts.push(format!(
            "{} errors against {}",
            grouped(reference.errors),
            grouped(other.errors)
        ));
    }
    format!("At {} connections {}.", grouped(row.connections.into()), parts.join("; "))
}

fn faster(reference: &Measurement, other_name: &str, other: &Measurement) -> String {
    let (ours, theirs) = (reference.messages_per_second, other.messages_per_second);
    match compare(ours, theirs) {
        Difference::Level => format!("{REFERENCE} and {other_name} were level in messages/s"),
        Difference::First(percent) => {
            format!("{REFERENCE} was faster than {other_name} by {percent}")
        }
        Difference::Second(percent) => {
            format!("{other_name} was faster than {REFERENCE} by {percent}")
        }
        Difference::Unknown => "nothing came back from one of them".to_owned(),
    }
}

fn cheaper(other_name: &str, ours: f64, theirs: f64) -> String {
    match compare(theirs, ours) {
        Difference::Level => "they cost the same processor time per message".to_owned(),
        Difference::First(percent) => format!("{other_name} cost {percent} more processor time"),
        Difference::Second(percent) => format!("{REFERENCE} cost {percent} more processor time"),
        Difference::Unknown => "the cost of one of them is not known".to_owned(),
    }
}

#[derive(Debug, PartialEq)]
enum Difference {
    /// Within the noise.
    Level,
    /// The first is larger by so much.
    First(String),
    /// The second is larger by so much.
    Second(String),
    /// One of them is nothing.
    Unknown,
}

fn compare(first: f64, second: f64) -> Difference {
    if first <= 0.0 || second <= 0.0 {
        return Difference::Unknown;
    }
    let percent = |ratio: f64| format!("{:.0} %", (ratio - 1.0) * 100.0);
    if first >= second * (1.0 + LEVEL) {
        Difference::First(percent(first / second))
    } else if second >= first * (1.0 + LEVEL) {
        Difference::Second(percent(second / first))
    } else {
        Difference::Level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_are_not_called_a_win() {
        assert_eq!(compare(104.0, 100.0), Difference::Level);
        assert_eq!(compare(120.0, 100.0), Difference::First("20 %".to_owned()));
        assert_eq!(compare(100.0, 150.0), Difference::Second("50 %".to_owned()));
        assert_eq!(compare(0.0, 150.0), Difference::Unknown);
    }

    #[test]
    fn a_busy_machine_is_warned_of() {
        assert_eq!(warning(9.0), "");
        assert!(warning(34.0).contains("34 %"));
    }

    #[test]
    fn the_words_name_the_winner_whoever_it_is() {
        let measurement = |rate: f64, cost: f64| Measurement {
            messages_per_second: rate,
            processor_us_per_message: Some(cost),
            resident_kib: 1_000,
            ..Measurement::default()
        };
        let row = Row {
            model: REFERENCE,
            connections: 1_024,
            median: None,
            rounds: Vec::new(),
            problems: Vec::new(),
        };
        let ours = measurement(100.0, 6.0);
        let lost = line(&row, &ours, "blocking", &measurement(130.0, 5.0));
        assert!(lost.contains("blocking was faster than completion-port by 30 %"), "{lost}");
        assert!(lost.contains("completion-port cost 20 % more"), "{lost}");
        let won = line(&row, &ours, "blocking", &measurement(50.0, 12.0));
        assert!(won.contains("completion-port was faster than blocking by 100 %"), "{won}");
        assert!(won.contains("blocking cost 100 % more"), "{won}");
    }
}
