//! One measurement: a server process, a load process, and the server's figures in between.

use std::io;
use std::num::NonZero;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_load::document::Outcome;
use overlapped_load::engine::Config;
use overlapped_load::kernel_figures::{self, SocketFigures};
use overlapped_load::limits;
use overlapped_load::plan::{self, Limits};
use overlapped_load::process_figures::{self, ProcessFigures};
use overlapped_load::schedule::Pace;

use crate::children::{Copy, Said};
use crate::commands::model_server::ModelReport;
use crate::commands::stress::team::{Event, Moment, Team};
use crate::{platform, words};

use super::results::Measurement;

/// How long a server may take until it listens, and until it has ended.
const SERVER_PATIENCE: Duration = Duration::from_secs(10);

/// Longest time for a connect or an echo.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects per second.
const RAMP_PER_SECOND: f64 = 10_000.0;

/// Threads of the load.
const LOAD_THREADS: usize = 2;

/// The part of the measurement after which the server's figures are read: all connections are
/// still open then, which they are not at its end.
const READ_AFTER: f64 = 0.85;

/// What one measurement is of.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub model: &'static str,
    pub connections: u32,
    pub warm_up: Duration,
    pub duration: Duration,
    pub message_bytes: usize,
    /// Descriptors a process may open.
    pub descriptors: u64,
}

/// How a measurement ended.
pub enum Measured {
    /// All of it was made.
    Complete(Box<Measurement>),
    /// The user ended it.
    Interrupted,
}

/// What was read of the server at one moment of the load.
struct Reading {
    at: Instant,
    messages: u64,
    /// None where the system does not tell it.
    processor_time: Option<Duration>,
    /// Processor time of everything that is not part of the measurement; None as above.
    elsewhere: Option<Duration>,
}

/// The reading near the end, with what takes longer to read.
struct LastReading {
    reading: Reading,
    figures: ProcessFigures,
    /// None where the system does not tell them.
    sockets: Option<SocketFigures>,
}

/// Makes the measurement. `interruptible` is given where to tell the load of an interrupt, and
/// says whether there has been one already.
pub fn measure(
    task: &Task,
    interruptible: impl FnOnce(Sender<Event>) -> bool,
) -> anyhow::Result<Measured> {
    let mut server = ServerProcess::start(task)?;
    let config = config(task, &server)?;
    let (sender, events) = channel();
    if interruptible(sender.clone()) {
        return Ok(Measured::Interrupted);
    }
    let mut team = Team::start(&[config], sender, events)?;
    let mut first: Option<Reading> = None;
    let mut last: Option<LastReading> = None;
    let server_id = server.process.id();
    let load_ids = team.process_ids();
    let read = |messages| -> anyhow::Result<Reading> {
        let processor_time = if_told(process_figures::processor_time(server_id))
            .context("the server's process has gone")?;
        let at = Instant::now();
        let load: Duration =
            load_ids.iter().filter_map(|id| process_figures::processor_time(*id).ok()).sum();
        let machine = kernel_figures::machine_processor_time()?;
        let elsewhere = processor_time.map(|server| {
            machine.saturating_sub(server + load + process_figures::own_processor_time())
        });
        Ok(Reading { at, messages, processor_time, elsewhere })
    };
    let (outcome, interrupted) = team.run(|moment, sum| {
        match moment {
            Moment::Recording => first = Some(read(sum.messages_echoed)?),
            Moment::Progress | Moment::Closing => {
                let due = first
                    .as_ref()
                    .is_some_and(|first| first.at.elapsed() >= task.duration.mul_f64(READ_AFTER));
                if due && last.is_none() {
                    last = Some(LastReading {
                        reading: read(sum.messages_echoed)?,
                        figures: ProcessFigures::read(server_id)?,
                        sockets: SocketFigures::read().ok(),
                    });
                }
            }
        }
        Ok(())
    })?;
    let left = server.stop()?;
    if interrupted {
        return Ok(Measured::Interrupted);
    }
    Ok(Measured::Complete(Box::new(figures(task, &outcome, first, last, left))))
}

/// None where the system does not tell such a figure at all.
fn if_told<T>(figure: io::Result<T>) -> io::Result<Option<T>> {
    match figure {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        other => other.map(Some),
    }
}

fn config(task: &Task, server: &ServerProcess) -> anyhow::Result<Config> {
    let ports = limits::ports_in(limits::port_range()?);
    let limits = Limits { descriptors: task.descriptors, ports };
    let plan = plan::plan(task.connections, Some(1), server.address, limits, std::process::id())?;
    let share = *plan.shares.first().context("a plan without a process")?;
    Ok(Config {
        target: server.address,
        share,
        sources: plan.sources,
        ramp: Duration::from_secs_f64(f64::from(task.connections) / RAMP_PER_SECOND),
        pace: Pace::ClosedLoop { warm_up: task.warm_up, duration: task.duration },
        message_bytes: task.message_bytes,
        timeout: TIMEOUT,
        threads: LOAD_THREADS,
    })
}

fn figures(
    task: &Task,
    outcome: &Outcome,
    first: Option<Reading>,
    last: Option<LastReading>,
    left: u64,
) -> Measurement {
    let latencies = outcome.latencies.summary();
    let rate = outcome.messages_per_second();
    let mut measurement = Measurement {
        attempted: outcome.counts.attempted,
        established: outcome.counts.established,
        messages_per_second: rate,
        bytes_per_second_each_way: rate * task.message_bytes as f64,
        p50_us: latencies.p50_us,
        p99_us: latencies.p99_us,
        errors: outcome.failures.total() + left,
        failures: outcome.failures.clone(),
        left_by_server: left,
        ..Measurement::default()
    };
    if let (Some(first), Some(last)) = (first, last) {
        let between = |first: Option<Duration>, last: Option<Duration>| {
            Some(last?.saturating_sub(first?).as_secs_f64())
        };
        let processor = between(first.processor_time, last.reading.processor_time);
        let messages = last.reading.messages.saturating_sub(first.messages);
        let seconds = (last.reading.at - first.at).as_secs_f64();
        measurement.processor_us_per_message =
            processor.filter(|_| messages > 0).map(|spent| spent * 1e6 / messages as f64);
        measurement.processor_percent = processor.map(|spent| spent * 100.0 / seconds.max(1e-9));
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get) as f64;
        measurement.machine_busy_elsewhere_percent =
            between(first.elsewhere, last.reading.elsewhere)
                .map(|spent| spent * 100.0 / (seconds.max(1e-9) * processors));
        measurement.resident_kib = last.figures.resident_kib;
        measurement.kernel_socket_kib = last.sockets.map(|sockets| sockets.tcp_memory_kib);
        measurement.threads = last.figures.threads;
        // Counted from the server's start, since reading it for each of thousands of threads at
        // the start of the measurement would disturb what is measured.
        measurement.context_switches_per_message = last
            .figures
            .context_switches
            .filter(|_| last.reading.messages > 0)
            .map(|switches| switches as f64 / last.reading.messages as f64);
    }
    measurement
}

impl Measurement {
    /// The measurement as one line.
    pub fn line(&self, task: &Task) -> String {
        format!(
            "{} at {} connections: {} messages/s, p99 {}, {} errors",
            task.model,
            words::grouped(task.connections.into()),
            words::grouped(self.messages_per_second.round() as u64),
            words::latency(self.p99_us),
            words::grouped(self.errors)
        )
    }
}

/// The process of a model's server.
struct ServerProcess {
    process: Copy,
    said: std::sync::mpsc::Receiver<Said>,
    address: std::net::SocketAddr,
}

impl ServerProcess {
    fn start(task: &Task) -> anyhow::Result<Self> {
        let (sender, said) = channel();
        // The server is given some room above the connections of the load, so that its admission
        // limit is not what is measured.
        let connections = (task.connections + 64).to_string();
        let arguments = ["internal-model", "--model", task.model, "--connections", &connections];
        let mut process = Copy::start(&arguments, None, sender, |said| said)?;
        match next_report(&said)? {
            Some(ModelReport::Listening { address, .. }) => Ok(Self { process, said, address }),
            _ => {
                let status = process.wait(Duration::ZERO)?;
                anyhow::bail!("the server did not start ({})", platform::ending(status))
            }
        }
    }

    /// Ends the server; gives the connections it ended by force.
    fn stop(&mut self) -> anyhow::Result<u64> {
        self.process.close_input();
        let report = next_report(&self.said)?;
        let status = self.process.wait(SERVER_PATIENCE)?;
        match report {
            Some(ModelReport::Stopped { left, .. }) if status.success() => Ok(left),
            _ => anyhow::bail!("the server ended badly ({})", platform::ending(status)),
        }
    }
}

/// The next thing a server says; None when it has ended.
fn next_report(said: &std::sync::mpsc::Receiver<Said>) -> anyhow::Result<Option<ModelReport>> {
    match said.recv_timeout(SERVER_PATIENCE) {
        Ok(Said::Line(line)) => {
            Ok(Some(serde_json::from_str(&line).context("the server was not understood")?))
        }
        Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => Ok(None),
        Err(RecvTimeoutError::Timeout) => {
            anyhow::bail!("the server said nothing for {} s", SERVER_PATIENCE.as_secs())
        }
    }
}
