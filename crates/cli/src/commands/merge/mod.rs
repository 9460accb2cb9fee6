//! `merge`: adds up the results of `stress` runs, of which each was made on a machine of its own.
//!
//! `input` reads the documents out of the files, `together` says which runs were at the same time. What
//! is added, and how, is what one run does with its processes ([`Outcome::merge`]).

mod input;
mod together;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use overlapped_load::document::Outcome;
use overlapped_load::stress_document::{RunOfStress, StressDocument};

use super::stress::report;
use crate::exit::Reported;
use crate::{exit, output, words};
use together::Together;

/// Options of `merge`.
#[derive(Args, Debug)]
pub struct MergeArguments {
    /// Files with what `stress --json` or `merge --json` wrote, one document a line; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print the result as a JSON document of the kind that `stress` prints.
    #[arg(long)]
    json: bool,
}

/// What was read so far.
#[derive(Default)]
struct Sum {
    outcome: Outcome,
    targets: BTreeSet<String>,
    /// Size of a message, and whose it is.
    message_bytes: Option<(u64, String)>,
    runs: Vec<RunOfStress>,
    /// Where each run was read, by its id.
    places: HashMap<String, String>,
}

impl Sum {
    /// Adds a document, which `place` names.
    fn add(&mut self, document: StressDocument, place: &str) -> anyhow::Result<()> {
        let outcome = document
            .outcome()
            .map_err(|error| anyhow::anyhow!("{place}: this result cannot be added: {error}"))?;
        let (bytes, first) =
            self.message_bytes.get_or_insert_with(|| (document.message_bytes, place.to_owned()));
        anyhow::ensure!(
            *bytes == document.message_bytes,
            "{place}: messages of {} bytes, and those of {first} have {bytes}: merge runs with the \
             same --size",
            document.message_bytes
        );
        for run in document.runs {
            if let Some(other) = self.places.insert(run.id.clone(), place.to_owned()) {
                anyhow::bail!("{place}: it has a run that {other} has already: give each run once");
            }
            self.runs.push(run);
        }
        self.targets.extend(document.target.split(", ").map(str::to_owned));
        self.outcome.merge(&outcome);
        Ok(())
    }

    /// When runs were, with the names of their places.
    fn together(&self) -> Together<'_> {
        let span = |run: &RunOfStress| -> Option<(SystemTime, SystemTime, &str)> {
            let (since, until) = run.recorded()?;
            (until > since).then_some((since, until, self.places.get(&run.id)?.as_str()))
        };
        Together::of(self.runs.iter().filter_map(span).collect())
    }
}

/// Runs the command.
pub fn run(arguments: &MergeArguments) -> anyhow::Result<()> {
    let mut sum = Sum::default();
    for file in &arguments.files {
        input::read(file, |document, place| sum.add(document, place))?;
    }
    let together = sum.together();
    let (in_words, warning) = (together.to_string(), together.warning());
    let target = sum.targets.iter().cloned().collect::<Vec<_>>().join(", ");
    let outcome = sum.outcome;
    if arguments.json {
        let bytes = sum.message_bytes.map_or(0, |(bytes, _)| bytes);
        output::json_line(&StressDocument::of(&outcome, target.clone(), bytes, sum.runs))?;
    } else {
        let from = format!("{} run(s)", words::grouped(sum.runs.len() as u64));
        output::text(&report::text(&outcome, &target, &format!("{from}, {in_words}")))?;
    }
    if let Some(warning) = warning {
        exit::complain(&warning);
    }
    if outcome.is_clean() {
        return Ok(());
    }
    let advice = "check its address and that it runs".to_owned();
    exit::complain(&report::complaint(&outcome, &target, advice));
    Err(Reported.into())
}
