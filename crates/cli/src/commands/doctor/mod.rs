//! `doctor`: what this machine gives, and each problem with its remedy.
//!
//! `probes` looks at one thing each and says what it found; nothing is changed. This file prints
//! the findings as a list or as one JSON document.

mod probes;

use clap::Args;
use serde::Serialize;

use crate::output;

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// Print the findings as a JSON document.
    #[arg(long)]
    json: bool,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Good,
    /// Works, with a limit worth knowing.
    Limited,
    /// Does not work, or stands in the way.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at; stable, for scripts.
    pub name: &'static str,
    /// How good it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Good, found: found.into(), remedy: None }
    }

    fn limited(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Limited, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn problem(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Problem, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// The findings as a JSON document.
#[derive(Serialize)]
struct Document {
    format: &'static str,
    version: &'static str,
    problems: usize,
    findings: Vec<Finding>,
}

/// Runs the command. A problem that was found is a result, not a failure.
pub fn run(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let findings = probes::all();
    let problems = findings.iter().filter(|finding| finding.state == State::Problem).count();
    if arguments.json {
        return output::json_line(&Document {
            format: "overlapped-doctor-1",
            version: env!("CARGO_PKG_VERSION"),
            problems,
            findings,
        });
    }
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    for finding in &findings {
        let mark = match finding.state {
            State::Good => "good",
            State::Limited => "limited",
            State::Problem => "PROBLEM",
        };
        output::line(&format!("{mark:<8} {:<width$}  {}", finding.name, finding.found))?;
        if let Some(remedy) = &finding.remedy {
            output::line(&format!("{:9}{:width$}  remedy: {remedy}", "", ""))?;
        }
    }
    match problems {
        0 => output::line("No problems found."),
        1 => output::line("1 problem found."),
        _ => output::line(&format!("{problems} problems found.")),
    }
}
