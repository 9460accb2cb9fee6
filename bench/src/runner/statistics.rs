//! Medians, spread and ratios over the rounds.

use serde::Serialize;

use super::Run;
use super::metric::Metric;
use crate::load::outcome::Outcome;

/// The server that ratios are to.
pub const REFERENCE: &str = "tokio";

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Summary {
    /// Summary of `values`; none when there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let upper = values[values.len() / 2];
        let lower = values[(values.len() - 1) / 2];
        Some(Self { median: (lower + upper) / 2.0, min, max })
    }
}

/// The outcomes of a server that count, with their rounds; one that was left out does not.
pub(super) fn counted<'a>(runs: &'a [Run], server: &str) -> Vec<(usize, &'a Outcome)> {
    let of_server = runs.iter().filter(|run| run.server == server && run.left_out.is_none());
    of_server.filter_map(|run| Some((run.round, run.outcome.as_ref()?))).collect()
}

/// Summary of a figure of a server.
pub(super) fn summary(runs: &[Run], server: &str, metric: Metric) -> Option<Summary> {
    Summary::of(counted(runs, server).iter().filter_map(|(_, one)| metric.of(one)).collect())
}

/// Summary of the ratios to the reference, each within one round, where both had the same
/// neighbours on the machine.
pub(super) fn ratio(runs: &[Run], server: &str, metric: Metric) -> Option<Summary> {
    let reference = counted(runs, REFERENCE);
    let in_round = |round| reference.iter().find(|(other, _)| *other == round);
    let ratios = counted(runs, server).into_iter().filter_map(|(round, outcome)| {
        let reference = metric.of(in_round(round)?.1)?;
        (reference > 0.0).then_some(metric.of(outcome)? / reference)
    });
    Summary::of(ratios.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Latency;
    use crate::runner::LeftOut;

    fn run(server: &str, round: usize, p99_us: f64, lagged: bool) -> Run {
        let latency = Some(Latency { p99_us, ..Latency::default() });
        let outcome = Outcome { latency, lagged, ..Outcome::default() };
        let left_out = LeftOut::reason(&outcome, None);
        Run { server: server.into(), round, outcome: Some(outcome), failure: None, left_out }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Summary::of(vec![]), None);
        let odd = Summary::of(vec![9.0, 1.0, 2.0]);
        assert_eq!(odd, Some(Summary { median: 2.0, min: 1.0, max: 9.0 }));
        let even = Summary::of(vec![4.0, 1.0, 2.0, 9.0]);
        assert_eq!(even.map(|summary| summary.median), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let runs = [
            run("tokio", 0, 10.0, false),
            run("overlapped", 0, 5.0, false),
            run("tokio", 1, 100.0, false),
            run("overlapped", 1, 90.0, false),
            run("overlapped", 2, 7.0, false),
        ];
        let ratio = ratio(&runs, "overlapped", Metric::P99);
        assert_eq!(ratio, Some(Summary { median: 0.7, min: 0.5, max: 0.9 }));
    }

    #[test]
    fn disturbed_runs_are_left_out_on_request() {
        let outcome = Outcome { disturbance: 0.3, ..Outcome::default() };
        assert_eq!(LeftOut::reason(&outcome, None), None);
        assert_eq!(LeftOut::reason(&outcome, Some(30.0)), None);
        assert_eq!(LeftOut::reason(&outcome, Some(29.0)), Some(LeftOut::Disturbed));
    }

    #[test]
    fn lagged_runs_do_not_count() {
        let runs = [run("tokio", 0, 10.0, true), run("tokio", 1, 20.0, false)];
        let summary = summary(&runs, "tokio", Metric::P99);
        assert_eq!(summary.map(|summary| summary.max), Some(20.0));
        assert_eq!(counted(&runs, "tokio").len(), 1);
    }
}
