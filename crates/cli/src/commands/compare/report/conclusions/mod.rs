//! The closing words: which model is best at what, and what the completion port costs against it. All of
//! it is said from the figures.
//!
//! - [`cases`] names the best of each case, and [`reference`] what the completion port costs against it.
//!   This file puts their sentences together.

mod cases;
mod reference;

use super::super::document::{Document, PaceName, Row};
use super::listed;
use super::standing::{COST, Figure, MEMORY, Standing, TAIL, THROUGHPUT, comparable};
use crate::words::grouped;
use cases::{choice, flat_out, little_memory, out_of_reach, steady_load};
use reference::{costs, reference_costs};

/// A machine that is busier than this with other things gives figures that need a warning.
const QUIET_PERCENT: f64 = 10.0;

/// A paragraph with the case it is about.
pub struct Paragraph {
    pub lead: String,
    pub text: String,
}

/// The short words for the screen: two lines for each number of connections and pace.
pub fn short(document: &Document) -> String {
    let mut text = String::new();
    for pace in document.paces() {
        for connections in document.counts(pace) {
            let rows = comparable(document, pace, connections);
            let Some(bests) = bests(pace, &rows) else {
                continue;
            };
            let place = place(document, pace, connections);
            text.push_str(&format!("{}: {bests}.\n", super::capitalised(&place)));
            if let Some(costs) = costs(pace, &rows) {
                text.push_str(&format!("  {costs}\n"));
            }
        }
    }
    if let Some(warning) = warning(busiest(document)) {
        text.push_str(&format!("{warning}\n"));
    }
    text
}

/// The long words for a report: a paragraph for each case.
pub fn long(document: &Document) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let closed = document.counts(PaceName::ClosedLoop);
    for (index, &connections) in closed.iter().enumerate() {
        let rows = comparable(document, PaceName::ClosedLoop, connections);
        let case = match index {
            0 if closed.len() > 1 => "The fewest connections, all busy",
            _ if index + 1 == closed.len() && index > 0 => "The most connections, all busy",
            _ if closed.len() == 1 => "All connections busy",
            _ => "In between, all busy",
        };
        if let Some(text) = flat_out(&rows) {
            let lead = format!("{case} ({}).", grouped(connections.into()));
            paragraphs.push(Paragraph { lead, text });
        }
    }
    let steady = document.counts(PaceName::FixedRate);
    if let Some(text) = steady_load(document, &steady) {
        let rate = grouped(document.rate_per_second.unwrap_or(0.0).max(0.0).round() as u64);
        let lead = format!("A steady load with room to spare ({rate} messages/s).");
        paragraphs.push(Paragraph { lead, text });
    }
    if let Some(text) = little_memory(document) {
        paragraphs.push(Paragraph { lead: "Little memory.".to_owned(), text });
    }
    if let Some(text) = out_of_reach(document) {
        paragraphs.push(Paragraph { lead: "Out of reach.".to_owned(), text });
    }
    if let Some(text) = reference_costs(document) {
        paragraphs.push(Paragraph { lead: "What the completion port costs.".to_owned(), text });
    }
    if let Some(text) = choice(document) {
        paragraphs.push(Paragraph { lead: "So, on this machine:".to_owned(), text });
    }
    paragraphs
}

/// The busiest that the machine was with other things, in percent.
pub fn busiest(document: &Document) -> f64 {
    let medians = document.rows.iter().filter_map(|row| row.median.as_ref());
    medians.filter_map(|median| median.machine_busy_elsewhere_percent).fold(0.0, f64::max)
}

/// Says when other programs took `busiest` percent of the machine: the scheduler shares it out by
/// threads, so that a model of many threads then gets more of it than one of few.
pub fn warning(busiest: f64) -> Option<String> {
    (busiest > QUIET_PERCENT).then(|| {
        format!(
            "Other programs used up to {busiest:.0} % of this machine meanwhile: messages/s and \
             latencies then favour models of many threads, since the system shares out by threads. \
             Measure again on a quiet machine."
        )
    })
}

fn place(document: &Document, pace: PaceName, connections: u32) -> String {
    let connections = format!("at {} connections", grouped(connections.into()));
    match (pace, document.rate_per_second) {
        (PaceName::FixedRate, Some(rate)) => {
            format!("{connections} and {} messages/s", grouped(rate.max(0.0).round() as u64))
        }
        _ => connections,
    }
}

/// What is worth comparing at a pace, with the name of being best at it.
fn figures(pace: PaceName) -> &'static [(&'static str, &'static Figure)] {
    match pace {
        PaceName::ClosedLoop | PaceName::Churn => {
            &[("fastest", &THROUGHPUT), ("least processor time", &COST), ("smallest", &MEMORY)]
        }
        PaceName::FixedRate | PaceName::Skew => {
            &[("lowest p99", &TAIL), ("least processor time", &COST), ("smallest", &MEMORY)]
        }
        PaceName::Idle => &[("smallest", &MEMORY)],
    }
}

fn names<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<String> {
    rows.into_iter().map(|row| row.model.clone()).collect()
}

/// `completion-port (93,766 messages/s), level with it select`.
fn best_in_words(standing: &Standing<'_>, figure: &Figure) -> String {
    let (best, value) = standing.best();
    let level = names(standing.level());
    let level = match level.is_empty() {
        true => String::new(),
        false => format!(", level with it {}", listed(&level)),
    };
    format!("{} ({}){level}", best.model, (figure.say)(value))
}

fn bests(pace: PaceName, rows: &[&Row]) -> Option<String> {
    let words = figures(pace).iter().filter_map(|&(name, figure)| {
        let standing = Standing::of(rows, figure)?;
        Some(format!("{name} {}", best_in_words(&standing, figure)))
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::reference::REFERENCE;
    use super::*;

    #[test]
    fn a_busy_machine_is_warned_of() {
        assert_eq!(warning(9.0), None);
        assert!(warning(34.0).is_some_and(|text| text.contains("34 %")));
    }

    #[test]
    fn the_short_words_name_the_best_whoever_it_is() {
        let text = short(&examples::usual());
        assert!(
            text.contains("At 1,024 connections: fastest completion-port (70,000 messages/s)"),
            "{text}"
        );
        assert!(text.contains("lowest p99 blocking (700 us)"), "{text}");
        assert!(text.contains("completion-port has 1.3 times the p99 of blocking"), "{text}");
        assert!(text.contains("completion-port is the best at all of them"), "{text}");
    }

    #[test]
    fn what_the_reference_costs_is_said_with_its_rival() {
        let row = |model, rate, cost, resident| {
            examples::row(PaceName::ClosedLoop, 9, model, (rate, cost, 500.0, resident))
        };
        let rows = vec![
            row("select", 100_000.0, 10.0, 1_000),
            row(REFERENCE, 80_000.0, 12.0, 3_000),
            row("blocking", 40_000.0, 30.0, 9_000),
        ];
        let document = examples::document(rows);
        let text = short(&document);
        for part in [
            "moves 20 % fewer messages than select",
            "takes 20 % more processor time than select",
            "takes 3.0 times as much memory as select",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        let all: Vec<String> =
            long(&document).iter().map(|it| format!("{} {}", it.lead, it.text)).collect();
        let all = all.join("\n");
        for part in [
            "Slowest is blocking, which takes 2.5 times as long: it makes 1.20 context switches",
            "It is not the cheapest everywhere: at 9 connections it takes 20 % more processor time",
            "for the least memory select",
        ] {
            assert!(all.contains(part), "{part:?} is not in {all}");
        }
    }

    #[test]
    fn one_model_alone_and_no_figures_at_all_are_no_fault() {
        let alone = vec![examples::row(PaceName::ClosedLoop, 9, REFERENCE, (1.0, 1.0, 1.0, 1))];
        let mut document = examples::document(alone);
        assert!(short(&document).contains("fastest completion-port"));
        assert!(reference_costs(&document).is_none() && choice(&document).is_none());
        document.rows[0].median = None;
        document.rows[0].skipped.push("passed over".to_owned());
        assert_eq!(short(&document), "");
        let text = out_of_reach(&document).expect("a row that was not measured");
        assert!(text.contains("completion-port at 9 was passed over"), "{text}");
        document.rows.clear();
        assert_eq!(short(&document), "");
        assert!(long(&document).is_empty());
    }
}
