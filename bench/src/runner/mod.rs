//! The comparison: servers and load generators as pinned child processes, turn by turn.
//!
//! - [`suite`]: what is compared: each suite's cases, with the arguments of server and generator.
//! - [`child`]: starting, pinning and ending child processes.
//! - [`urgency`]: going before the other programs of the machine.
//! - [`metric`]: what is taken out of an outcome, and the goals.
//! - [`statistics`]: medians, spread and ratios over the rounds.
//! - [`report`]: tables and the JSON document.

mod child;
mod metric;
mod report;
pub mod statistics;
mod suite;
mod urgency;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::load::outcome::Outcome;
use suite::{Case, Suite};
use urgency::{NiceValues, UrgentSession};

/// Compares Overlapped with its peers. Every suite runs its cases in rounds; in a round each server
/// gets its turn, in an order that moves on with the round, with a fresh process on processors of
/// its own.
///
/// Ratios are to tokio in the same round; their medians are what to look at, not the absolute
/// figures.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "bench", version)]
pub struct Options {
    /// What to compare; everything when left out.
    #[arg(value_enum, value_name = "SUITE")]
    suites: Vec<Suite>,

    /// How often each server has its turn.
    #[arg(long, default_value = "5", value_name = "N")]
    rounds: NonZeroUsize,

    /// Measured seconds of each turn.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    seconds: f64,

    /// Seconds of each turn before the measured ones.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    warm_up: f64,

    /// Servers: overlapped, tokio, epoll, threads, or NAME=PATH for another build of one of their
    /// programs.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "overlapped,tokio,epoll,threads",
        value_name = "LIST"
    )]
    servers: Vec<Server>,

    /// Only cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,

    /// Processors of the server [default: 0 in ping and idle, 0,1 in sleepers and busy].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    server_cpus: Vec<usize>,

    /// Processor of the load generator.
    #[arg(long, default_value_t = 1, value_name = "N")]
    load_cpu: usize,

    /// Threads in Overlapped's pool [default: what overlapped-echo chooses].
    #[arg(long, value_name = "T")]
    pool: Option<usize>,

    /// Connections in the idle suite.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    idle_connections: usize,

    /// Also write everything, each single run included, to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Leave out runs in which others used more than this many percent of one processor.
    #[arg(long, value_name = "PERCENT")]
    quiet: Option<f64>,

    /// Leave the nice values of server and generator as they are [default: -10 and -20 where that
    /// is permitted].
    #[arg(long)]
    no_priority: bool,

    /// Go before every other session of the machine too; the others nearly stand still meanwhile.
    /// Needs root. After `kill -9`, write the old nice value to /proc/PID/autogroup of the shell.
    #[arg(long)]
    urgent: bool,

    /// Do not build the servers and the load generator first.
    #[arg(long)]
    no_build: bool,
}

/// A server that takes part.
#[derive(Clone, Debug, Serialize)]
struct Server {
    name: String,
    /// Where the program is; the build's own when none.
    path: Option<PathBuf>,
}

impl std::str::FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((name, path)) = text.split_once('=') {
            return Ok(Self { name: name.into(), path: Some(path.into()) });
        }
        match text {
            "overlapped" | "tokio" | "epoll" | "threads" => {
                Ok(Self { name: text.into(), path: None })
            }
            _ => Err("choose from overlapped, tokio, epoll, threads, or give NAME=PATH".into()),
        }
    }
}

impl Server {
    fn program(&self, folder: &Path) -> PathBuf {
        match (&self.path, self.name.as_str()) {
            (Some(path), _) => path.clone(),
            (None, "overlapped") => folder.join("overlapped-echo"),
            (None, name) => folder.join(format!("echo-{name}")),
        }
    }
}

/// One turn of one server.
#[derive(Clone, Debug, Serialize)]
struct Run {
    server: String,
    round: usize,
    outcome: Option<Outcome>,
    /// Why there is no outcome.
    failure: Option<String>,
    /// Why the outcome does not count.
    left_out: Option<LeftOut>,
}

/// Why a run that did not fail does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum LeftOut {
    /// The generator could not keep its schedule.
    Lagged,
    /// Others used the machine too much.
    Disturbed,
}

impl LeftOut {
    fn reason(outcome: &Outcome, quiet: Option<f64>) -> Option<Self> {
        if outcome.lagged {
            return Some(Self::Lagged);
        }
        let disturbed = quiet.is_some_and(|percent| outcome.disturbance * 100.0 > percent);
        disturbed.then_some(Self::Disturbed)
    }
}

/// A case and all its turns.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    case: Case,
    runs: Vec<Run>,
}

/// Runs the comparison.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; use --release for figures that mean something");
    }
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let folder = own.parent().context("this program's own file has no folder")?;
    if !options.no_build {
        build(folder)?;
    }
    check_programs(options, folder)?;

    let cases: Vec<Case> = suite::cases(options)
        .into_iter()
        .filter(|case| options.case.as_ref().is_none_or(|text| case.name.contains(text)))
        .collect();
    if cases.is_empty() {
        bail!("no case matches --case; leave it out to run all");
    }
    // Only now, so that building does not go before the other sessions.
    let urgent = options.urgent.then(UrgentSession::begin).transpose()?;
    let urgent_at_interrupt = urgent.clone();
    ctrlc::set_handler(move || {
        // The kernel ends the children when this process has ended.
        eprintln!("\ninterrupted");
        urgent_at_interrupt.iter().for_each(UrgentSession::restore);
        std::process::exit(130);
    })
    .context("cannot handle Ctrl-C")?;
    report::print_machine();
    if !options.no_priority && NiceValues::permitted() == NiceValues::default() {
        eprintln!("warning: nice values may not be lowered here; expect more runs that lagged");
    }
    let turns = cases.len() * options.rounds.get() * options.servers.len();
    let progress = Progress::new(turns);
    let mut measured = Vec::new();
    for case in cases {
        let runs = run_case(options, folder, &case, &progress);
        let case = Measured { case, runs };
        progress.bar.suspend(|| report::print_case(options, &case));
        measured.push(case);
    }
    progress.bar.finish_and_clear();
    if let Some(path) = &options.json {
        report::write_json(options, &measured, path)?;
    }
    let failures =
        measured.iter().flat_map(|case| &case.runs).filter(|run| run.failure.is_some()).count();
    if failures > 0 {
        bail!("{failures} of {turns} runs failed; see the lines above");
    }
    Ok(())
}

fn run_case(options: &Options, folder: &Path, case: &Case, progress: &Progress) -> Vec<Run> {
    let mut runs = Vec::new();
    for round in 0..options.rounds.get() {
        for turn in 0..options.servers.len() {
            let server = &options.servers[(round + turn) % options.servers.len()];
            progress.step(&format!("{}, round {}: {}", case.title(), round + 1, server.name));
            let result = run_once(options, folder, case, server);
            if let Err(error) = &result {
                progress.line(&format!("{}, {}: failed: {error:#}", case.title(), server.name));
            }
            let failure = result.as_ref().err().map(|error| format!("{error:#}"));
            let outcome = result.ok();
            let left_out = outcome.as_ref().and_then(|one| LeftOut::reason(one, options.quiet));
            let server = server.name.clone();
            runs.push(Run { server, round, outcome, failure, left_out });
        }
    }
    runs
}

fn run_once(
    options: &Options,
    folder: &Path,
    case: &Case,
    server: &Server,
) -> anyhow::Result<Outcome> {
    let program = server.program(folder);
    let mut command = Command::new(&program);
    command.args(&case.server_arguments);
    let ours = program.file_name().is_some_and(|name| name == "overlapped-echo");
    if let Some(pool) = options.pool.filter(|_| ours) {
        command.args(["--pool", &pool.to_string()]);
    }
    let nice = if options.no_priority { NiceValues::default() } else { NiceValues::permitted() };
    let place = child::Place { cpus: case.server_cpus.clone(), nice: nice.server };
    let server = child::Server::start(&mut command, &place)?;

    let mut command = Command::new(folder.join("load"));
    command.arg(&case.load_mode).arg("--end-with-parent");
    command.args(["--addr", &server.address().to_string()]);
    command.args(["--server-pid", &server.pid().to_string()]);
    command.args(&case.load_arguments);
    let limit = Duration::from_secs_f64(options.seconds + options.warm_up + 60.0);
    let place = child::Place { cpus: vec![options.load_cpu], nice: nice.load };
    let output = child::output(&mut command, &place, limit)?;
    let outcome: Outcome =
        serde_json::from_str(&output).context("cannot understand what the load generator said")?;
    if outcome.unanswered > 0 {
        bail!("{} messages stayed without an echo", outcome.unanswered);
    }
    Ok(outcome)
}

/// Builds the other programs into the folder that this one runs from; `cargo run --bin bench`
/// builds only this one.
fn build(folder: &Path) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--bins", "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command.status().context("cannot run cargo; use --no-build without it")?;
    if !status.success() {
        bail!("cannot build the servers; see the lines above, or use --no-build");
    }
    Ok(())
}

fn check_programs(options: &Options, folder: &Path) -> anyhow::Result<()> {
    let servers = options.servers.iter().map(|server| server.program(folder));
    for program in servers.chain([folder.join("load")]) {
        if !program.is_file() {
            bail!("{} is missing; run without --no-build to build it", program.display());
        }
    }
    Ok(())
}

/// A status line on a terminal, plain lines elsewhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(turns: usize) -> Self {
        let bar = ProgressBar::new(turns as u64);
        let style = ProgressStyle::with_template("[{pos}/{len}, {eta} left] {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    fn step(&self, what: &str) {
        if self.bar.is_hidden() {
            eprintln!("[{}/{}] {what}", self.bar.position() + 1, self.bar.length().unwrap_or(0));
        }
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}
