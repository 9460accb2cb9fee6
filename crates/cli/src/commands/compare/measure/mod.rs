//! One measurement: the server's processes, the load's processes, and the figures in between.
//!
//! `servers` starts and ends the server, `foreign` one of another program; the load is the team of `stress`; `readings` reads what both
//! have spent; `guard` keeps a measurement from taking what the machine does not have; `stall`
//! asks whether the machine stood still.
//!
//! The order of a measurement: all connections are opened and accepted, context switches are counted, messages flow for a while, the first reading
//! is taken, messages are recorded, the second reading is taken, and while messages flow on unrecorded
//! the figures that take long to read are read. Then the connections end, and after them the server.

mod foreign;
pub mod guard;
mod readings;
mod servers;
pub mod stall;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_load::document::Outcome;
use overlapped_load::engine::Config;
use overlapped_load::failure::FailureKind;
use overlapped_load::histogram::Latencies;
use overlapped_load::limits;
use overlapped_load::plan::{self, Limits};
use overlapped_load::schedule::Pace;

use super::contender::Contender;
use super::document::{Limit, Measurement, PaceName};
use super::settings::RAMP_PER_SECOND;
use super::statistics::rounded;
use crate::commands::stress::team::{Event, Moment, Team, Then};
use crate::place::Place;
use crate::words;
use guard::Guard;
use readings::{Held, Readings, Spent};
use servers::{Ended, Server};
use stall::StallProbe;

/// Threads of each process of the load.
pub const LOAD_THREADS: usize = 2;

/// Longest time for a connect or an echo.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for which messages flow on while figures are read.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// How long connections may take to end after that, before they are ended by force.
const FAREWELL: Duration = Duration::from_secs(3);

/// A fixed rate that is kept to this part is kept.
const KEPT: f64 = 0.97;

/// Where processors count as busy.
const BUSY: f64 = 0.9;

/// Other programs that use more of the machine than this change the kernel's memory, too.
const QUIET: f64 = 0.1;

/// A load that is itself late by this part of the latency says more of itself than of the server.
const LATE: f64 = 0.5;

/// What one measurement is of.
#[derive(Clone, Debug)]
pub struct Task {
    pub contender: Arc<Contender>,
    pub pace: PaceName,
    /// Hot ones among them.
    pub connections: u32,
    pub hot: u32,
    /// Messages in a second, of all connections together that are not hot, at a pace that has a rate.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub duration: Duration,
    pub message_bytes: usize,
    /// Messages of a connection that are under way at once.
    pub depth: u32,
    pub server_place: Place,
    pub load_place: Place,
    /// Descriptors a process may open.
    pub descriptors: u64,
}

/// How a measurement ended.
pub enum Measured {
    /// It was made.
    Complete(Box<Complete>),
    /// It was not tried, for this reason.
    Skipped(String),
    /// The user ended it.
    Interrupted,
}

/// A measurement, and the server in its own words.
pub struct Complete {
    pub measurement: Measurement,
    pub description: String,
    pub latencies: Latencies,
}

/// Makes the measurement. `interruptible` is given where to tell the load of an interrupt, and
/// says whether there has been one already.
pub fn measure(
    task: &Task,
    guard: &Guard,
    stalls: Option<&StallProbe>,
    interruptible: impl FnOnce(Sender<Event>) -> bool,
) -> anyhow::Result<Measured> {
    if let Some(reason) = guard.refuses(task) {
        return Ok(Measured::Skipped(reason));
    }
    let mut readings = Readings::begin();
    let threads = guard::connection_threads(task);
    let mut servers = Server::start(task, threads)?;
    readings.of_server(servers.ids());
    let configs = configs(task, &servers)?;
    let (sender, events) = channel();
    if interruptible(sender.clone()) {
        return Ok(Measured::Interrupted);
    }
    let mut team = task.load_place.start(|| Team::start(&configs, sender, events))?;
    readings.of_load(team.process_ids());
    let mut notes = Vec::new();
    if let Some(limit) = threads.filter(|limit| *limit < u64::from(task.connections)) {
        notes.push(format!(
            "{} threads at most, so that other programs find some",
            words::grouped(limit)
        ));
    }
    let whole = ramp(task) + TIMEOUT + task.warm_up + task.duration + COOL_DOWN + FAREWELL;
    let deadline = Instant::now() + whole;
    let mut closing = None;
    let mut longest_stall_us = None;
    let (outcome, interrupted) = team.run(Some(deadline), |moment, sum| {
        match moment {
            Moment::Progress => {
                if let Some(reason) = guard.low() {
                    notes.push(reason);
                    return Ok(Then::Stop);
                }
                let over = |since: Instant| since.elapsed() > FAREWELL;
                return Ok(if closing.is_some_and(over) { Then::Stop } else { Then::GoOn });
            }
            Moment::Open => {
                servers.wait_until_accepted(sum.connected)?;
                readings.open();
            }
            Moment::Recording => {
                readings.first()?;
                stalls.map(StallProbe::longest_us).transpose()?;
            }
            Moment::CoolDown => {
                readings.second(sum.messages_echoed)?;
                longest_stall_us = stalls.map(StallProbe::longest_us).transpose()?;
                return Ok(Then::Close);
            }
            Moment::Closing => closing = Some(Instant::now()),
        }
        Ok(Then::GoOn)
    })?;
    if Instant::now() >= deadline {
        let stage = if readings.is_open() { "it was not over" } else { "it was still connecting" };
        notes.push(format!("ended early: after {} {stage}", words::seconds(whole)));
    }
    let description = servers.description(task);
    let ended = servers.stop();
    if interrupted {
        return Ok(Measured::Interrupted);
    }
    let ended = ended?;
    let measurement = figures(task, &outcome, &readings, &ended, notes);
    let measurement = Measurement { longest_stall_us, ..measurement };
    let latencies = outcome.latencies;
    Ok(Measured::Complete(Box::new(Complete { measurement, description, latencies })))
}

fn ramp(task: &Task) -> Duration {
    Duration::from_secs_f64(f64::from(task.connections) / RAMP_PER_SECOND)
}

/// The work of each process of the load.
fn configs(task: &Task, servers: &Server) -> anyhow::Result<Vec<Config>> {
    let ports = limits::ports_in(limits::port_range()?);
    let limits = Limits { descriptors: task.descriptors, ports };
    let target = servers.address();
    let plan = plan::plan(task.connections, None, target, limits, std::process::id())?;
    let (warm_up, duration, cool_down) = (task.warm_up, task.duration, COOL_DOWN);
    let pace = match task.pace {
        PaceName::ClosedLoop => Pace::ClosedLoop { warm_up, duration, cool_down },
        PaceName::Churn => Pace::Churn { warm_up, duration, cool_down },
        PaceName::Idle => Pace::Idle { warm_up, duration, cool_down },
        PaceName::FixedRate | PaceName::Skew => {
            let light = f64::from(task.connections - task.hot);
            let rate = task.rate.context("no rate is known")?;
            let interval = Duration::from_secs_f64(light / rate);
            Pace::FixedRate { warm_up, duration, cool_down, interval }
        }
    };
    let threads = match task.load_place.processors.len() {
        0 => LOAD_THREADS,
        processors => processors.min(LOAD_THREADS),
    };
    let config = |share| Config {
        target,
        share,
        sources: plan.sources,
        ramp: ramp(task),
        pace,
        message_bytes: task.message_bytes,
        depth: task.depth,
        hot: task.hot,
        timeout: TIMEOUT,
        threads,
    };
    Ok(plan.shares.iter().copied().map(config).collect())
}

fn figures(
    task: &Task,
    outcome: &Outcome,
    readings: &Readings,
    ended: &Ended,
    mut notes: Vec<String>,
) -> Measurement {
    let latencies = outcome.latencies.summary();
    let told = |value: f64| (latencies.count > 0).then_some(value);
    let rate = outcome.messages_per_second();
    // What this side ended itself is no fault of the server.
    let interrupted = outcome.failures.by_kind.get(&FailureKind::Interrupted).copied().unwrap_or(0);
    let held = ended.peak_connected.unwrap_or(u64::MAX);
    let established = outcome.counts.established.min(held);
    let missing = outcome.counts.attempted.saturating_sub(established);
    if missing > 0 {
        notes.push(shortfall(task, outcome, ended, established));
    }
    let spent = readings.spent();
    let last = readings.last();
    let late = outcome.lateness.summary();
    let is_quiet = spent.elsewhere.is_some_and(|share| share <= spent.processors * QUIET);
    let hot = outcome.hot_latencies.summary();
    let per_message = |share: f64| (rate > 0.0).then_some(share * 1e6 / rate);
    let per_connection = |last: &Held| {
        let grown = last.resident_kib.saturating_sub(readings.resident_before_kib()?);
        (established > 0).then(|| grown as f64 * 1_024.0 / established as f64)
    };
    let mut measurement = Measurement {
        attempted: outcome.counts.attempted,
        established,
        messages_per_second: rate,
        bytes_per_second_each_way: rate * task.message_bytes as f64,
        p50_us: told(latencies.p50_us),
        p99_us: told(latencies.p99_us),
        p99_9_us: told(latencies.p99_9_us),
        hot_messages_per_second: (hot.count > 0)
            .then(|| hot.count as f64 / outcome.recorded_time.as_secs_f64().max(1e-9)),
        hot_p50_us: (hot.count > 0).then_some(hot.p50_us),
        processor_us_per_message: spent.server.and_then(per_message),
        user_us_per_message: spent
            .server
            .zip(spent.server_kernel)
            .and_then(|(server, kernel)| per_message((server - kernel).max(0.0))),
        kernel_us_per_message: spent.server_kernel.and_then(per_message),
        resident_bytes_per_connection: last.and_then(per_connection),
        unanswered: outcome.counts.messages_sent.saturating_sub(outcome.counts.messages_echoed),
        stolen_percent: spent.stolen.map(|share| share * 100.0 / spent.processors),
        processor_percent: spent.server.map(|share| share * 100.0),
        resident_kib: last.map(|last| last.resident_kib),
        kernel_memory_kib: last.filter(|_| is_quiet).and_then(|last| last.kernel_memory_kib),
        kernel_socket_kib: last.and_then(|last| last.kernel_socket_kib),
        threads: last.map(|last| last.threads),
        context_switches_per_message: last
            .filter(|last| last.messages > 0)
            .and_then(|last| Some(last.context_switches? as f64 / last.messages as f64)),
        server_processes: ended.processes,
        load_processor_percent: spent.load.map(|share| share * 100.0),
        load_lateness_p99_us: (late.count > 0).then_some(late.p99_us),
        machine_busy_elsewhere_percent: spent
            .elsewhere
            .map(|share| share * 100.0 / spent.processors),
        longest_stall_us: None,
        limited_by: Limit::Nothing,
        errors: outcome.failures.total().saturating_sub(interrupted + missing) + ended.left,
        failures: outcome.failures.clone(),
        left_by_server: ended.left,
        notes,
    };
    measurement.limited_by = limit(task, &measurement, &spent);
    rounded(measurement)
}

/// What kept more messages from being echoed.
fn limit(task: &Task, measurement: &Measurement, spent: &Spent) -> Limit {
    let Some(rate) = task.rate.filter(|_| task.pace == PaceName::FixedRate) else {
        let (Some(server), Some(load), Some(idle)) = (spent.server, spent.load, spent.idle) else {
            return Limit::Nothing;
        };
        let usable = (measurement.threads.unwrap_or(u64::MAX) as f64).min(spent.processors);
        if server >= usable * BUSY {
            return Limit::Server;
        }
        if idle > spent.processors * (1.0 - BUSY) {
            return Limit::Nothing;
        }
        return if load > server { Limit::Load } else { Limit::Machine };
    };
    let late = |latency: f64| {
        measurement.load_lateness_p99_us.is_some_and(|lateness| lateness > latency * LATE)
    };
    if measurement.p99_us.is_some_and(late) {
        Limit::Load
    } else if measurement.messages_per_second < rate * KEPT {
        Limit::Server
    } else {
        Limit::Nothing
    }
}

/// Why fewer connections were established than were tried.
fn shortfall(task: &Task, outcome: &Outcome, ended: &Ended, established: u64) -> String {
    let mut reasons = Vec::new();
    if ended.other_errors > 0 {
        reasons.push(format!(
            "the server had no thread or other means for {}",
            words::grouped(ended.other_errors)
        ));
    }
    if ended.accept_deferrals > 0 {
        reasons.push("the server was out of descriptors or memory when it accepted".to_owned());
    }
    if outcome.failures.total() > 0 {
        reasons.push(format!("the load saw {}", outcome.failures));
    }
    if reasons.is_empty() {
        reasons.push("the server accepted the others only when the first had ended".to_owned());
    }
    format!(
        "{} of {} connections established: {}",
        words::grouped(established),
        words::grouped(task.connections.into()),
        reasons.join("; ")
    )
}

impl Complete {
    /// The measurement as one line.
    pub fn line(&self) -> String {
        let measurement = &self.measurement;
        let mut line = format!(
            "{} messages/s, p99 {}, {} errors",
            words::grouped(measurement.messages_per_second.round() as u64),
            measurement.p99_us.map_or("-".to_owned(), words::latency),
            words::grouped(measurement.errors)
        );
        for note in &measurement.notes {
            line.push_str("; ");
            line.push_str(note);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Task {
        /// A task for the tests of this folder.
        pub fn example() -> Self {
            Self {
                contender: Arc::new(Contender::model("m")),
                pace: PaceName::ClosedLoop,
                connections: 10,
                hot: 0,
                rate: None,
                warm_up: Duration::ZERO,
                duration: Duration::from_secs(1),
                message_bytes: 64,
                depth: 1,
                server_place: Place::default(),
                load_place: Place::default(),
                descriptors: 20_000,
            }
        }
    }

    fn spent(server: f64, load: f64) -> Spent {
        Spent {
            server: Some(server),
            load: Some(load),
            elsewhere: Some(0.0),
            idle: Some((2.0 - server - load).max(0.0)),
            processors: 2.0,
            ..Spent::default()
        }
    }

    #[test]
    fn who_was_at_the_limit_of_a_closed_loop_is_said() {
        let threads = |threads| Measurement { threads: Some(threads), ..Measurement::default() };
        assert_eq!(limit(&Task::example(), &threads(1), &spent(0.97, 1.0)), Limit::Server);
        assert_eq!(limit(&Task::example(), &threads(5), &spent(1.2, 0.8)), Limit::Machine);
        assert_eq!(limit(&Task::example(), &threads(5), &spent(0.7, 1.3)), Limit::Load);
        assert_eq!(limit(&Task::example(), &threads(1), &spent(0.3, 0.4)), Limit::Nothing);
        let unknown = Spent { server: None, ..spent(0.0, 0.0) };
        assert_eq!(limit(&Task::example(), &threads(1), &unknown), Limit::Nothing);
    }

    #[test]
    fn who_was_at_the_limit_of_a_fixed_rate_is_said() {
        let task = Task { pace: PaceName::FixedRate, rate: Some(1_000.0), ..Task::example() };
        let measured = |rate, lateness| Measurement {
            messages_per_second: rate,
            p99_us: Some(800.0),
            load_lateness_p99_us: Some(lateness),
            ..Measurement::default()
        };
        let of = |rate, lateness| limit(&task, &measured(rate, lateness), &spent(0.1, 0.1));
        assert_eq!(of(1_001.0, 90.0), Limit::Nothing);
        assert_eq!(of(900.0, 90.0), Limit::Server);
        assert_eq!(of(900.0, 500.0), Limit::Load);
    }
}
