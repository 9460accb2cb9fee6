//! What the cases are held to.
//!
//! A ratio of rounds is met when the lower end of its 95 % interval is at or below the limit. Medians are met
//! when their ratio is. A worst round is met when all rounds are at or below the limit.

use std::fmt;

use super::cases::{Case, Figure};

/// The names of ours, and the first word of the table.
pub const IN_PLACE: &str = "in-place";
pub const ORDINARY: &str = "ordinary";

/// How a figure is held to a limit.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// So many times that of another, by the ratios of rounds.
    Ratio(&'static str),
    /// So many times the median of another.
    Medians(&'static str),
    /// In each round.
    Worst,
    /// In the median.
    Median,
}

struct Goal {
    case: &'static str,
    what: &'static str,
    figure: Figure,
    held: Held,
    /// Of the echo server that takes completions in place, and of the ordinary one.
    limits: [f64; 2],
    rounds: usize,
}

const fn processor(case: &'static str, what: &'static str, limits: [f64; 2]) -> Goal {
    Goal { case, what, figure: Figure::Processor, held: Held::Ratio("tokio"), limits, rounds: 7 }
}

const fn rate(case: &'static str, what: &'static str, figure: Figure) -> Goal {
    Goal { case, what, figure, held: Held::Medians("tokio"), limits: [1.1; 2], rounds: 9 }
}

const fn skew(
    case: &'static str,
    what: &'static str,
    against: &'static str,
    limit: f64,
    rounds: usize,
) -> Goal {
    let held = Held::Ratio(against);
    Goal { case, what, figure: Figure::P99, held, limits: [limit; 2], rounds }
}

const fn worst(case: &'static str, what: &'static str) -> Goal {
    Goal { case, what, figure: Figure::P99, held: Held::Worst, limits: [1_500.0; 2], rounds: 20 }
}

const GOALS: &[Goal] = &[
    processor("ping-128", "CPU a message, 128 connections", [1.0, 1.05]),
    processor("ping-1024", "CPU a message, 1,024 connections", [1.05, 1.1]),
    processor("ping-deep", "CPU a message, 16 deep", [1.0, 1.05]),
    processor("streaming", "CPU a message, 64 KiB streams", [0.6, 0.6]),
    processor("churn", "CPU a connect, echo and close", [1.03, 1.03]),
    processor("two-threads", "CPU a message, two threads, 1,024 connections", [1.02, 1.05]),
    rate("rate-40000", "p99 at 40,000 messages a second", Figure::P99),
    rate("rate-40000", "CPU a message at 40,000 a second", Figure::Processor),
    rate("rate-60000", "p99 at 60,000 messages a second", Figure::P99),
    rate("rate-60000", "CPU a message at 60,000 a second", Figure::Processor),
    skew("busy-4", "p99 beside four that compute 200 us", "asio", 1.2, 7),
    skew("busy-1", "p99 beside one that computes 200 us", "tokio", 1.2, 7),
    skew("sleepers-1", "p99 beside one that sleeps 5 ms", "tokio", 0.06, 20),
    worst("sleepers-1", "the worst round of it"),
    skew("sleepers-2", "p99 beside two that sleep 5 ms", "tokio", 0.06, 20),
    worst("sleepers-2", "the worst round of it"),
    skew("sleepers-4", "p99 beside four that sleep 5 ms", "tokio", 0.06, 20),
    worst("sleepers-4", "the worst round of it"),
    skew("sleepers-8", "p99 beside eight that sleep 5 ms", "tokio", 0.1, 20),
    worst("sleepers-8", "the worst round of it"),
    Goal {
        case: "idle",
        what: "bytes of an idle connection, 10,000 of them",
        figure: Figure::Memory,
        held: Held::Median,
        limits: [200.0; 2],
        rounds: 1,
    },
];

/// A line of the table.
pub struct Row {
    pub what: String,
    pub server: &'static str,
    pub limit: String,
    pub measured: String,
    /// None: nobody knows.
    pub met: Option<bool>,
    pub remark: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let Self { what, server, limit, measured, remark, .. } = self;
        write!(f, "| {what} | {server} | {limit} | {measured} | {verdict}{remark} |")
    }
}

/// The lines of all goals.
pub fn of_cases(cases: &[Case]) -> Vec<Row> {
    let of_goal = |goal: &'static Goal| {
        [IN_PLACE, ORDINARY].into_iter().zip(goal.limits).map(move |(server, limit)| {
            let case = cases.iter().find(|case| case.name == goal.case);
            row(goal, case, server, limit)
        })
    };
    GOALS.iter().flat_map(of_goal).collect()
}

fn row(goal: &Goal, case: Option<&Case>, server: &'static str, limit: f64) -> Row {
    let found = case.and_then(|case| measured(goal, case, server, limit));
    let rounds = case.map_or(0, |case| case.rounds(server, goal.figure).len());
    let (measured, met) = match found {
        Some((measured, met)) => (measured, Some(met)),
        None => ("-".to_owned(), None),
    };
    let remark = if met.is_some() && rounds < goal.rounds {
        format!(", but of {rounds} rounds instead of {}", goal.rounds)
    } else {
        String::new()
    };
    let limit = match goal.held {
        Held::Ratio(against) => format!("{limit} x {against}"),
        Held::Medians(against) => format!("{limit} x {against}, medians"),
        Held::Worst | Held::Median => shown(goal.figure, limit),
    };
    Row { what: goal.what.to_owned(), server, limit, measured, met, remark }
}

/// What was measured, and whether it is as it must be.
fn measured(goal: &Goal, case: &Case, server: &str, limit: f64) -> Option<(String, bool)> {
    let figure = goal.figure;
    match goal.held {
        Held::Ratio(against) => {
            let ratio = case.ratio(server, against, figure)?;
            Some((ratio.to_string(), ratio.low <= limit))
        }
        Held::Medians(against) => {
            let (own, other) = (case.median(server, figure)?, case.median(against, figure)?);
            let ratio = own / other;
            let text = format!("{ratio:.3} ({} and {})", shown(figure, own), shown(figure, other));
            Some((text, ratio <= limit))
        }
        Held::Worst => {
            let worst = case.rounds(server, figure).into_iter().reduce(f64::max)?;
            Some((shown(figure, worst), worst <= limit))
        }
        Held::Median => {
            let median = case.median(server, figure)?;
            Some((shown(figure, median), median <= limit))
        }
    }
}

/// A figure with its unit.
pub fn shown(figure: Figure, value: f64) -> String {
    match figure {
        Figure::Processor => format!("{value:.2} us"),
        Figure::P99 if value >= 1_000.0 => format!("{:.1} ms", value / 1_000.0),
        Figure::P99 => format!("{value:.0} us"),
        Figure::Memory => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::examples;
    use super::*;

    fn verdict(rows: &[Row], what: &str, server: &str) -> Option<bool> {
        let row = rows.iter().find(|row| row.what == what && row.server == server);
        row.expect("a row").met
    }

    #[test]
    fn the_lower_end_of_the_interval_decides_a_ratio_and_each_round_the_worst() {
        let level = [1.0; 7];
        let ping = examples::case(
            "ping-128",
            &[
                ("in-place", &[1.1, 0.9, 1.1, 0.9, 1.1, 0.9, 1.1], &level),
                ("ordinary", &[1.06; 7], &level),
                ("tokio", &level, &level),
            ],
        );
        let sleepers = examples::case(
            "sleepers-2",
            &[
                ("in-place", &[1.0; 2], &[300.0, 1_500.0]),
                ("ordinary", &[1.0; 2], &[300.0, 1_501.0]),
                ("tokio", &[1.0; 2], &[8_000.0, 8_000.0]),
            ],
        );
        let rows = of_cases(&[ping, sleepers]);
        let of = |what, server| verdict(&rows, what, server);
        assert_eq!(of("CPU a message, 128 connections", IN_PLACE), Some(true));
        assert_eq!(of("CPU a message, 128 connections", ORDINARY), Some(false));
        assert_eq!(of("CPU a message, 16 deep", ORDINARY), None);
        let worst: Vec<_> = rows
            .iter()
            .filter(|row| row.what.starts_with("the worst") && row.met.is_some())
            .collect();
        assert_eq!(worst.iter().map(|row| row.met).collect::<Vec<_>>(), [Some(true), Some(false)]);
        assert!(worst[0].remark.contains("2 rounds instead of 20"), "{}", worst[0]);
    }

    #[test]
    fn medians_are_compared_as_they_are() {
        let rate = examples::case(
            "rate-40000",
            &[
                ("in-place", &[1.0; 3], &[900.0, 1_100.0, 9_000.0]),
                ("tokio", &[1.0; 3], &[1_000.0, 1_000.0, 1_000.0]),
            ],
        );
        let rows = of_cases(&[rate]);
        assert_eq!(verdict(&rows, "p99 at 40,000 messages a second", IN_PLACE), Some(true));
    }
}
