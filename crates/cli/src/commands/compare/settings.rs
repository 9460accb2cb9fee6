//! What is to be measured, and in which order.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use overlapped_load::limits::{self, RAISE_DESCRIPTORS_OR};
use overlapped_load::plan::{self, MOST_PROCESSES};

use super::CompareArguments;
use super::contender::{self, Command, Contender};
use super::document::{Figure, Goal, PaceName};
use crate::exit::Usage;
use crate::place::Place;
use crate::{platform, words};

/// Rounds without pairs, and at most with them.
const ROUNDS: u32 = 2;
const PAIRED_ROUNDS: u32 = 30;

/// Connects per second.
pub const RAMP_PER_SECOND: f64 = 10_000.0;

/// What starting and ending the processes of one measurement take, for the first estimate.
const AROUND: Duration = Duration::from_millis(250);

/// The paces that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Paces {
    // One and then the other, in every round.
    Both,
    // A message is sent when the last came back.
    ClosedLoop,
    // A message is sent at its time.
    FixedRate,
    // Every message has a connection of its own.
    Churn,
    // Hot connections as in a closed loop beside others at a fixed rate.
    Skew,
    // One message and then silence.
    Idle,
}

/// Nice values of a server and of the load, which keeps its schedule beside a server that shares its
/// processor.
const SERVER_NICE: i32 = -10;
const LOAD_NICE: i32 = -20;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Settings {
    pub counts: Vec<u32>,
    pub contenders: Vec<Arc<Contender>>,
    pub rounds: u32,
    /// With pairs, rounds of a case at least.
    pub least_rounds: u32,
    /// A program that says how long the machine stood still, and how long is too long.
    pub stall_probe: Option<Command>,
    pub stall_limit: Duration,
    pub warm_up: Duration,
    pub duration: Duration,
    pub message_bytes: usize,
    /// Messages of a connection that are under way at once in a closed loop.
    pub depth: u32,
    /// Hot connections of the pace `skew`.
    pub hot: u32,
    /// Whom the others are compared with in pairs.
    pub against: Option<String>,
    /// By which figure.
    pub figure: Figure,
    pub goal: Option<Goal>,
    pub server_place: Place,
    pub load_place: Place,
    /// Never empty.
    pub paces: Vec<PaceName>,
    /// Messages in a second at the fixed rate; None: it follows from the closed loop.
    pub rate: Option<f64>,
    /// Descriptors a process may open.
    pub descriptors: u64,
}

/// What all servers are measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub pace: PaceName,
    pub connections: u32,
}

/// One measurement among the others.
#[derive(Clone, Debug)]
pub struct Step {
    pub pace: PaceName,
    pub connections: u32,
    pub contender: Arc<Contender>,
    /// How long it will take, as far as one can know.
    pub expected: Duration,
}

/// Checks the options against each other and against this machine.
pub fn resolve(arguments: &CompareArguments) -> anyhow::Result<Settings> {
    let descriptors = limits::raise_descriptors()?;
    let processes = if platform::SHARES_PORTS { MOST_PROCESSES.into() } else { 1 };
    let room = plan::connections_per_process(descriptors).saturating_mul(processes);
    let mut counts = arguments.counts.clone();
    counts.sort_unstable();
    counts.dedup();
    if let Some(count) = counts.iter().find(|count| u64::from(**count) > room) {
        anyhow::bail!(
            "{count} connections are more than {} can hold here ({}): {RAISE_DESCRIPTORS_OR}give \
             smaller --counts",
            if platform::SHARES_PORTS {
                format!("{MOST_PROCESSES} server processes")
            } else {
                "a server, which is one process on this system,".to_owned()
            },
            words::grouped(room)
        );
    }
    let paces = match arguments.pace {
        Paces::Both => vec![PaceName::ClosedLoop, PaceName::FixedRate],
        Paces::ClosedLoop if arguments.rate.is_some() => {
            return Err(Usage("--rate has no meaning with --pace closed-loop".to_owned()).into());
        }
        Paces::ClosedLoop => vec![PaceName::ClosedLoop],
        Paces::FixedRate if arguments.rate.is_none() => {
            return Err(Usage(
                "--pace fixed-rate needs --rate, since no closed loop tells what to choose".into(),
            )
            .into());
        }
        Paces::FixedRate => vec![PaceName::FixedRate],
        Paces::Churn => vec![PaceName::Churn],
        Paces::Idle => vec![PaceName::Idle],
        Paces::Skew if arguments.rate.is_none() => {
            return Err(Usage("--pace skew needs --rate, that of the others".to_owned()).into());
        }
        Paces::Skew => vec![PaceName::Skew],
    };
    let contenders = contender::chosen(&arguments.models, &arguments.servers)?;
    let hot = hot(arguments, &counts)?;
    let is_paired = arguments.against.is_some();
    let figure = arguments.figure.unwrap_or(match paces[0] {
        PaceName::ClosedLoop | PaceName::Churn => Figure::Processor,
        PaceName::FixedRate | PaceName::Skew => Figure::P99,
        PaceName::Idle => Figure::Memory,
    });
    let named = |name: &String| match contenders.iter().any(|it| it.name == *name) {
        true => Ok(()),
        false => Err(Usage(format!("'{name}' is not among the servers that are measured"))),
    };
    arguments
        .against
        .iter()
        .chain(arguments.goal.as_ref().map(|goal| &goal.server))
        .try_for_each(named)?;
    if arguments.goal.as_ref().is_some_and(|goal| goal.of_ratio) && !is_paired {
        return Err(Usage("a --goal with an x is of a ratio and needs --against".into()).into());
    }
    let nice = |nice| (is_paired && !arguments.no_priority && platform::HAS_PLACES).then_some(nice);
    let place =
        |processors: &Vec<u32>, value| Place { processors: processors.clone(), nice: nice(value) };
    let pins = [&arguments.server_processors, &arguments.load_processors];
    if !platform::HAS_PLACES && pins.iter().any(|pin| !pin.is_empty()) {
        return Err(Usage("processors can be chosen on Linux only".to_owned()).into());
    }
    Ok(Settings {
        counts,
        contenders: contenders.into_iter().map(Arc::new).collect(),
        rounds: arguments.rounds.unwrap_or(if is_paired { PAIRED_ROUNDS } else { ROUNDS }),
        least_rounds: arguments.least_rounds.unwrap_or(0),
        stall_probe: arguments.stall_probe.clone(),
        stall_limit: arguments.stall_limit,
        warm_up: arguments.warm_up,
        duration: arguments.duration,
        message_bytes: arguments.size,
        depth: arguments.depth,
        hot,
        against: arguments.against.clone(),
        figure,
        goal: arguments.goal.clone(),
        server_place: place(&arguments.server_processors, SERVER_NICE),
        load_place: place(&arguments.load_processors, LOAD_NICE),
        paces,
        rate: arguments.rate.map(f64::from),
        descriptors,
    })
}

/// How many connections are hot.
fn hot(arguments: &CompareArguments, counts: &[u32]) -> anyhow::Result<u32> {
    if arguments.pace != Paces::Skew {
        return match arguments.hot {
            Some(_) => Err(Usage("--hot has a meaning with --pace skew only".to_owned()).into()),
            None => Ok(0),
        };
    }
    let hot = arguments.hot.unwrap_or(1);
    match counts.iter().find(|count| **count <= hot) {
        Some(count) => {
            Err(Usage(format!("of {count} connections {hot} cannot be hot beside others")).into())
        }
        None => Ok(hot),
    }
}

impl Settings {
    /// What the servers are measured at.
    pub fn cases(&self) -> Vec<Case> {
        let at = |pace| move |&connections: &u32| Case { pace, connections };
        self.paces.iter().flat_map(|&pace| self.counts.iter().map(at(pace))).collect()
    }

    /// The measurement of one server at a case.
    pub fn step(&self, case: &Case, contender: &Arc<Contender>) -> Step {
        let ramp = Duration::from_secs_f64(f64::from(case.connections) / RAMP_PER_SECOND);
        Step {
            pace: case.pace,
            connections: case.connections,
            contender: contender.clone(),
            expected: self.warm_up + self.duration + ramp + AROUND,
        }
    }

    /// All measurements in their order, without pairs. Every other round goes backwards through the models, so that
    /// none is always the one that follows a certain other.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for round in 0..self.rounds {
            for case in self.cases() {
                let mut contenders = self.contenders.clone();
                if round % 2 == 1 {
                    contenders.reverse();
                }
                steps.extend(contenders.iter().map(|contender| self.step(&case, contender)));
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_take_turns_and_change_their_order() {
        let settings = Settings {
            counts: vec![2, 4],
            contenders: ["a", "b"].map(|name| Arc::new(Contender::model(name))).to_vec(),
            rounds: 2,
            least_rounds: 0,
            stall_probe: None,
            stall_limit: Duration::from_millis(1),
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(1),
            message_bytes: 64,
            depth: 1,
            hot: 0,
            against: None,
            figure: Figure::Processor,
            goal: None,
            server_place: Place::default(),
            load_place: Place::default(),
            paces: vec![PaceName::ClosedLoop, PaceName::FixedRate],
            rate: None,
            descriptors: 1_000,
        };
        let steps = settings.steps();
        assert_eq!(steps.len(), 16);
        let of = |pace, connections| -> Vec<_> {
            let fits = |step: &&Step| step.pace == pace && step.connections == connections;
            steps.iter().filter(fits).map(|step| step.contender.name.as_str()).collect()
        };
        assert_eq!(of(PaceName::ClosedLoop, 2), ["a", "b", "b", "a"]);
        assert_eq!(of(PaceName::FixedRate, 4), ["a", "b", "b", "a"]);
        // The rate follows from the closed loop of the first round, at every count.
        let first_fixed = steps.iter().position(|step| step.pace == PaceName::FixedRate);
        assert_eq!(first_fixed, Some(4));
    }
}
