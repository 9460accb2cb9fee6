//! `stress`: loads an echo server and verifies every byte that comes back.
//!
//! The load runs in worker processes, as many as the descriptor limit makes necessary. `team`
//! starts them, lets them begin together and adds up what they saw; `worker` is one of them;
//! `report` says the result. `watched` shows it on a screen while it runs, and `held` looks at the memory
//! that it takes.

mod held;
pub mod report;
pub mod team;
mod watched;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use overlapped_load::document::Outcome;
use overlapped_load::engine::Config;
use overlapped_load::plan::{self, Limits};
use overlapped_load::schedule::Pace;
use overlapped_load::stress_document::{RunOfStress, StressDocument};
use overlapped_load::{limits, room};

use crate::exit::{Reported, Usage};
use crate::interrupt::{self, EndArguments};
use crate::live::terminal;
use crate::{exit, output, values, words};
use held::HeldMemory;
use team::{Event, Moment, Team};
pub use worker::run as run_worker;

/// Connects per second when the ramp is left to the tool.
const RAMP_PER_SECOND: f64 = 5_000.0;

/// How long the load at a rate goes on at the most while memory is looked at.
const COOL_DOWN: Duration = Duration::from_secs(60);

/// Threads of one worker process.
const THREADS: usize = 2;

/// Options of `stress`.
#[derive(Args, Debug)]
pub struct StressArguments {
    /// The server.
    #[arg(default_value = "127.0.0.1:12345", value_parser = values::address)]
    address: SocketAddr,
    /// Connections that are open together.
    #[arg(long, short, value_name = "N", default_value = "30000", value_parser = values::positive)]
    connections: u32,
    /// Messages of each connection.
    #[arg(long, short, value_name = "N", default_value = "3", value_parser = values::positive)]
    messages: u32,
    /// Time between two messages of a connection.
    #[arg(long, short, value_name = "TIME", default_value = "3s", value_parser = values::duration)]
    interval: Duration,
    /// Send each message as soon as the last echo is complete, for this long, instead of a number
    /// of messages at an interval.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration,
          conflicts_with_all = ["messages", "interval"])]
    duration: Option<Duration>,
    /// Hold the connections with little traffic: each has one echo, spread over the time of the ramp; then
    /// so many messages a second, of all connections in turn, for --duration.
    #[arg(long, value_name = "N", value_parser = values::positive, requires = "duration")]
    rate: Option<u32>,
    /// With --rate, also tell the memory of the server whose first process has this id, on this machine.
    #[arg(long, value_name = "ID", value_parser = values::positive, requires = "rate")]
    server_process: Option<u32>,
    /// Bytes of a message.
    #[arg(long, short, value_name = "BYTES", default_value = "64", value_parser = values::size)]
    size: usize,
    /// Time over which the connections are opened [default: 5,000 in a second].
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    ramp: Option<Duration>,
    /// Worker processes [default: as many as the descriptor limit makes necessary].
    #[arg(long, value_name = "N", value_parser = values::processes)]
    processes: Option<u32>,
    /// Longest time for a connect and for an echo.
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = values::positive_duration)]
    timeout: Duration,
    /// Show a screen while it runs, on which it can be stopped and run again.
    #[arg(long, conflicts_with = "json")]
    live: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Print the result as a JSON document.
    #[arg(long)]
    json: bool,
}

impl StressArguments {
    /// Whether the machine has room for the connections.
    fn check_room(&self) -> Result<(), room::Shortage> {
        // On a loopback address the server's ends are on this machine, too.
        let ends_each = if self.address.ip().is_loopback() { 2 } else { 1 };
        room::check(self.connections.into(), ends_each)
    }

    /// The work of each process.
    fn resolve(&self) -> anyhow::Result<Vec<Config>> {
        if self.address.port() == 0 {
            return Err(
                Usage("port 0 is no place to connect to; give the server's port".into()).into()
            );
        }
        // What one process can do matters more where their number was given.
        if self.processes.is_none() {
            self.check_room()?;
        }
        let range = limits::port_range().context("the port range cannot be read")?;
        let limits =
            Limits { descriptors: limits::raise_descriptors()?, ports: limits::ports_in(range) };
        let plan =
            plan::plan(self.connections, self.processes, self.address, limits, std::process::id())?;
        if self.processes.is_some() {
            self.check_room()?;
        }
        let ramp = self.ramp.unwrap_or_else(|| {
            Duration::from_secs_f64(f64::from(self.connections) / RAMP_PER_SECOND)
        });
        let pace = match (self.duration, self.rate) {
            (Some(duration), Some(rate)) => Pace::Turns {
                warm_up: ramp,
                duration,
                cool_down: COOL_DOWN,
                interval: Duration::from_secs_f64(f64::from(self.connections) / f64::from(rate)),
            },
            (Some(duration), None) => {
                Pace::ClosedLoop { warm_up: Duration::ZERO, duration, cool_down: Duration::ZERO }
            }
            (None, _) => Pace::Interval { messages: self.messages, interval: self.interval },
        };
        let config = |share| Config {
            target: self.address,
            share,
            sources: plan.sources,
            ramp,
            pace,
            message_bytes: self.size,
            depth: 1,
            hot: 0,
            timeout: self.timeout,
            threads: THREADS,
        };
        Ok(plan.shares.iter().copied().map(config).collect())
    }

    /// Messages of the whole run; None when time decides.
    fn total_messages(&self) -> Option<u64> {
        let all = u64::from(self.connections) * u64::from(self.messages);
        self.duration.is_none().then_some(all)
    }
}

/// Runs the command.
pub fn run(arguments: StressArguments) -> anyhow::Result<()> {
    if arguments.live {
        arguments.end.refuse_beside("--live")?;
        terminal::check("--live", "leave it out, or use --json")?;
    }
    let configs = arguments.resolve()?;
    let (outcome, interrupted) = if arguments.live {
        on_a_screen(&arguments, &configs)
    } else {
        with_a_bar(&arguments, &configs)
    }?;
    let target = arguments.address.to_string();
    if arguments.json {
        let runs = vec![RunOfStress::of(&outcome)];
        let size = arguments.size as u64;
        output::json_line(&StressDocument::of(&outcome, target.clone(), size, runs))?;
    } else {
        output::text(&report::text(&outcome, &target, &of_processes(configs.len())))?;
    }
    if outcome.is_clean() {
        return Ok(());
    }
    if interrupted {
        exit::complain("interrupted; the figures are those of the part that was run");
    } else {
        exit::complain(&report::complaint(&outcome, &target, explain_target(&arguments)));
    }
    Err(Reported.into())
}

/// Runs the load under a screen.
fn on_a_screen(arguments: &StressArguments, configs: &[Config]) -> anyhow::Result<(Outcome, bool)> {
    let interrupts = watched::Interrupts::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let (running, over) = (Arc::clone(&interrupts), Arc::clone(&is_over));
    interrupt::on_first(interrupt::USUAL_DRAIN, move || {
        over.store(true, Ordering::Release);
        if let Some(running) = &*running.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = running.send(Event::Interrupt);
        }
    })?;
    watched::run(arguments, configs, interrupts, || is_over.load(Ordering::Acquire))
}

/// Runs the load under a line that says how far it is.
fn with_a_bar(arguments: &StressArguments, configs: &[Config]) -> anyhow::Result<(Outcome, bool)> {
    let (sender, events) = channel();
    let interrupted = sender.clone();
    interrupt::on_first_or(arguments.end, interrupt::USUAL_DRAIN, move || {
        let _ = interrupted.send(Event::Interrupt);
    })?;
    let bar = progress_bar(arguments.total_messages());
    let mut memory = HeldMemory::before(arguments)?;
    let mut team = Team::start(configs, sender, events)?;
    let processes = team.process_ids();
    let total = u64::from(arguments.connections);
    let result = team.run(None, |moment, sum| {
        if moment == Moment::Progress {
            bar.set_position(sum.messages_echoed);
            let stage = match () {
                () if sum.open => "",
                () => " opening",
            };
            bar.set_message(format!(
                "{}/{}{stage}, {} failed",
                words::grouped(sum.connected),
                words::grouped(total),
                words::grouped(sum.failed)
            ));
        }
        memory.look(moment, sum, &processes)
    });
    bar.finish_and_clear();
    result.map(|(outcome, interrupted)| (memory.add_to(outcome), interrupted))
}

/// From how many processes a load comes.
fn of_processes(number: usize) -> String {
    words::count(number as u64, "process")
}

/// What a server at this target would be started with.
fn explain_target(arguments: &StressArguments) -> String {
    match arguments.address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            format!("start one with `overlapped serve {}`", arguments.address)
        }
        _ => "check its address and that it runs".to_owned(),
    }
}

/// A bar over all messages, or a spinner; hidden where standard error is not a terminal.
fn progress_bar(messages: Option<u64>) -> ProgressBar {
    let (bar, template) = match messages {
        Some(messages) => (
            ProgressBar::new(messages),
            "{bar:30} {human_pos}/{human_len} messages, connected {msg}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {human_pos} messages, connected {msg}, {elapsed}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style).with_message("none"),
        Err(_) => bar,
    }
}
