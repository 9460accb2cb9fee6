//! What is to be measured, and in which order.

use std::time::Duration;

use clap::ValueEnum;
use overlapped_load::limits::{self, RAISE_DESCRIPTORS_OR};
use overlapped_load::plan::{self, MOST_PROCESSES};
use overlapped_models::models;

use super::CompareArguments;
use super::document::PaceName;
use crate::exit::Usage;
use crate::{platform, words};

/// Time before a measurement during which the load runs already.
pub const WARM_UP: Duration = Duration::from_millis(200);

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
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Settings {
    pub counts: Vec<u32>,
    pub models: Vec<&'static str>,
    pub rounds: u32,
    pub duration: Duration,
    pub message_bytes: usize,
    /// Never empty.
    pub paces: Vec<PaceName>,
    /// Messages in a second at the fixed rate; None: it follows from the closed loop.
    pub rate: Option<f64>,
    /// Descriptors a process may open.
    pub descriptors: u64,
}

/// One measurement among the others.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub pace: PaceName,
    pub connections: u32,
    pub model: &'static str,
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
    };
    Ok(Settings {
        counts,
        models: chosen_models(&arguments.models)?,
        rounds: arguments.rounds,
        duration: arguments.duration,
        message_bytes: arguments.size,
        paces,
        rate: arguments.rate.map(f64::from),
        descriptors,
    })
}

/// The models of these names, in the order of the models crate; all without any.
fn chosen_models(asked: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let known = || models().iter().map(|model| model.name());
    if let Some(stranger) = asked.iter().find(|asked| !known().any(|name| name == *asked)) {
        let names = known().collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("there is no model '{stranger}'; the models are {names}")).into());
    }
    Ok(known().filter(|name| asked.is_empty() || asked.iter().any(|it| it == name)).collect())
}

impl Settings {
    /// All measurements in their order. Every other round goes backwards through the models, so that
    /// none is always the one that follows a certain other.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for round in 0..self.rounds {
            for &pace in &self.paces {
                for &connections in &self.counts {
                    let ramp = Duration::from_secs_f64(f64::from(connections) / RAMP_PER_SECOND);
                    let expected = WARM_UP + self.duration + ramp + AROUND;
                    let step = |model| Step { pace, connections, model, expected };
                    let mut models = self.models.clone();
                    if round % 2 == 1 {
                        models.reverse();
                    }
                    steps.extend(models.into_iter().map(step));
                }
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
            models: vec!["a", "b"],
            rounds: 2,
            duration: Duration::from_secs(1),
            message_bytes: 64,
            paces: vec![PaceName::ClosedLoop, PaceName::FixedRate],
            rate: None,
            descriptors: 1_000,
        };
        let steps = settings.steps();
        assert_eq!(steps.len(), 16);
        let of = |pace, connections| -> Vec<_> {
            let fits = |step: &&Step| step.pace == pace && step.connections == connections;
            steps.iter().filter(fits).map(|step| step.model).collect()
        };
        assert_eq!(of(PaceName::ClosedLoop, 2), ["a", "b", "b", "a"]);
        assert_eq!(of(PaceName::FixedRate, 4), ["a", "b", "b", "a"]);
        // The rate follows from the closed loop of the first round, at every count.
        let first_fixed = steps.iter().position(|step| step.pace == PaceName::FixedRate);
        assert_eq!(first_fixed, Some(4));
    }
}
