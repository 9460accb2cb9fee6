//! Paired comparison: each case has rounds of its own, in which every server is measured once, until the
//! ratios to one of them are known well enough or there were enough rounds.
//!
//! A round in which the machine was disturbed says nothing and is made again. One with an error ends its
//! case: a server that drops messages is compared with nobody.

use std::sync::Arc;
use std::time::Duration;

use super::collect::Results;
use super::contender::Contender;
use super::document::{Measurement, PaceName};
use super::measure::{Complete, Measured, Task};
use super::screen::Screen;
use super::settings::{Case, Settings, Step};

/// A round in which the host took more of the machine than this is made again.
const STOLEN_PERCENT: f64 = 5.0;

/// A round in which the load was later than this with 1 % of its messages is made again: its latencies
/// are the load's.
const LATE_US: f64 = 500.0;

/// Rounds that are made again at most, for each round that was asked for.
const REPEATS: u32 = 3;

/// How a comparison went on.
pub enum Ended {
    Done,
    Interrupted,
}

/// Measures all cases. `measure` makes one measurement.
pub fn run(
    settings: &Settings,
    results: &mut Results,
    screen: &mut Screen,
    mut measure: impl FnMut(&Task) -> anyhow::Result<Measured>,
) -> Ended {
    for case in settings.cases() {
        if case.pace == PaceName::FixedRate {
            results.choose_rate();
        }
        let mut round = 0;
        let mut repeats = 0;
        while round < settings.rounds {
            let turn = round + repeats;
            match one_round(settings, results, screen, &case, turn, &mut measure) {
                Round::Interrupted => return Ended::Interrupted,
                Round::Failed => break,
                Round::Disturbed(Disturbance { reason, .. })
                    if repeats >= REPEATS * settings.rounds =>
                {
                    let step = settings.step(&case, &settings.contenders[0]);
                    results.add_problem(&step, format!("{reason} in too many rounds"));
                    break;
                }
                Round::Disturbed(Disturbance { reason, stalled }) => {
                    repeats += 1;
                    results.repeated(stalled);
                    screen.say(&format!("{reason}; the round is made again"));
                }
                Round::Made(measured) => {
                    round += 1;
                    for (step, measured) in measured {
                        results.add(&step, measured);
                    }
                    let is_decided = results.compare(&case);
                    if is_decided && round >= settings.least_rounds {
                        break;
                    }
                }
            }
        }
    }
    Ended::Done
}

enum Round {
    Made(Vec<(Step, Complete)>),
    Disturbed(Disturbance),
    Failed,
    Interrupted,
}

/// Why a round says nothing.
#[derive(Debug, PartialEq)]
struct Disturbance {
    reason: String,
    /// The machine stood still.
    stalled: bool,
}

/// Measures every server once. The order moves on with the turn.
fn one_round(
    settings: &Settings,
    results: &mut Results,
    screen: &mut Screen,
    case: &Case,
    turn: u32,
    measure: &mut impl FnMut(&Task) -> anyhow::Result<Measured>,
) -> Round {
    let mut made = Vec::new();
    let mut disturbed = None;
    for contender in in_turn(&settings.contenders, turn) {
        let step = settings.step(case, &contender);
        screen.announce(&step);
        let measured = match results.task(settings, &step) {
            Ok(task) => measure(&task),
            Err(reason) => Ok(Measured::Skipped(reason)),
        };
        match measured {
            Ok(Measured::Interrupted) => return Round::Interrupted,
            Ok(Measured::Complete(complete)) => {
                screen.note(&step, &complete.line());
                if let Some(problem) = problem(&complete.measurement) {
                    results.add_problem(&step, problem);
                    return Round::Failed;
                }
                disturbed =
                    disturbed.or_else(|| disturbance(&complete.measurement, settings.stall_limit));
                made.push((step, *complete));
            }
            Ok(Measured::Skipped(reason)) => {
                screen.note(&step, &reason);
                results.plan(1);
                results.skip(&step, reason);
                return Round::Failed;
            }
            Err(error) => {
                let problem = format!("{error:#}");
                screen.note(&step, &problem);
                results.add_problem(&step, problem);
                return Round::Failed;
            }
        }
    }
    match disturbed {
        Some(disturbance) => Round::Disturbed(disturbance),
        None => {
            results.plan(made.len() as u64);
            Round::Made(made)
        }
    }
}

/// All of them, beginning with another one at each turn.
fn in_turn(contenders: &[Arc<Contender>], turn: u32) -> Vec<Arc<Contender>> {
    let mut order = contenders.to_vec();
    let count = order.len().max(1);
    order.rotate_left(turn as usize % count);
    order
}

/// Why a measurement cannot be compared with anything, if it cannot.
fn problem(measurement: &Measurement) -> Option<String> {
    if measurement.established < measurement.attempted {
        Some(measurement.notes.join("; "))
    } else if measurement.errors > 0 {
        Some(format!("{} errors: {}", measurement.errors, measurement.failures))
    } else if measurement.unanswered > 0 {
        Some(format!("{} messages stayed without an answer", measurement.unanswered))
    } else {
        None
    }
}

/// What disturbed a measurement, if anything did.
fn disturbance(measurement: &Measurement, stall_limit: Duration) -> Option<Disturbance> {
    let stalled_us = measurement.longest_stall_us.unwrap_or(0.0);
    if stalled_us > stall_limit.as_secs_f64() * 1e6 {
        let reason = format!("the machine stood still for {stalled_us:.0} us");
        return Some(Disturbance { reason, stalled: true });
    }
    let reason = load_or_host(measurement)?;
    Some(Disturbance { reason, stalled: false })
}

fn load_or_host(measurement: &Measurement) -> Option<String> {
    let stolen = measurement.stolen_percent.unwrap_or(0.0);
    let late = measurement.load_lateness_p99_us.unwrap_or(0.0);
    if stolen > STOLEN_PERCENT {
        Some(format!("the host took {stolen:.0} % of the machine"))
    } else if late > LATE_US {
        Some(format!("the load was {late:.0} us late with 1 % of its messages"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_first_as_often_as_the_others() {
        let contenders: Vec<_> =
            ["a", "b", "c"].map(|name| Arc::new(Contender::model(name))).to_vec();
        let names = |turn| -> String {
            in_turn(&contenders, turn).iter().map(|it| it.name.as_str()).collect()
        };
        assert_eq!([names(0), names(1), names(2), names(3)], ["abc", "bca", "cab", "abc"]);
    }

    #[test]
    fn errors_and_missing_answers_are_problems_and_stolen_time_is_a_disturbance() {
        let good = Measurement {
            attempted: 2,
            established: 2,
            stolen_percent: Some(5.0),
            load_lateness_p99_us: Some(500.0),
            longest_stall_us: Some(1_500.0),
            ..Measurement::default()
        };
        let disturbance = |it: &Measurement| disturbance(it, Duration::from_micros(1_500));
        assert_eq!((problem(&good), disturbance(&good)), (None, None));
        let bad = |change: fn(&mut Measurement)| {
            let mut measurement = good.clone();
            change(&mut measurement);
            measurement
        };
        assert!(problem(&bad(|it| it.errors = 1)).is_some());
        assert!(problem(&bad(|it| it.unanswered = 1)).is_some());
        assert!(problem(&bad(|it| it.established = 1)).is_some());
        let stalled = |change| disturbance(&bad(change)).map(|it| it.stalled);
        assert_eq!(stalled(|it| it.stolen_percent = Some(5.1)), Some(false));
        assert_eq!(stalled(|it| it.load_lateness_p99_us = Some(501.0)), Some(false));
        assert_eq!(stalled(|it| it.longest_stall_us = Some(1_501.0)), Some(true));
    }
}
