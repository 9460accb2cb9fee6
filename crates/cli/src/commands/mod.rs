//! One folder or file per command. Each has its arguments as clap reads them, a `resolve` that
//! checks them against each other and against this machine, and a `run`. Commands do not call
//! each other, save that `compare` uses the load team of `stress`, `merge` its words, and `course`
//! the report of `compare`.

pub mod client;
pub mod compare;
pub mod completions;
pub mod copy;
pub mod course;
pub mod doctor;
pub mod fetch;
pub mod man;
pub mod merge;
pub mod model_server;
pub mod send;
pub mod serve;
pub mod stress;
pub mod top;

use crate::arguments::{Command, public};

/// Runs a command; None when help or version was all that was asked for.
pub fn run(command: Option<Command>) -> anyhow::Result<()> {
    match command {
        None => Ok(()),
        Some(Command::Serve(arguments)) => serve::run(&arguments),
        Some(Command::Client(arguments)) => client::run(arguments),
        Some(Command::Stress(arguments)) => stress::run(arguments),
        Some(Command::Merge(arguments)) => merge::run(&arguments),
        Some(Command::Top(arguments)) => top::run(&arguments),
        Some(Command::Compare(arguments)) => compare::run(*arguments),
        Some(Command::Copy(arguments)) => copy::run(arguments),
        Some(Command::Send(arguments)) => send::run(arguments),
        Some(Command::Fetch(arguments)) => fetch::run(arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::Completions(arguments)) => completions::run(&arguments, public()),
        Some(Command::Man(arguments)) => man::run(&arguments, public()),
        Some(Command::ServeWorker(arguments)) => serve::run_worker(&arguments),
        Some(Command::StressWorker) => stress::run_worker(),
        Some(Command::ModelServer(arguments)) => model_server::run(&arguments),
        Some(Command::Course(arguments)) => course::run(&arguments),
    }
}
