//! The result document: all that was measured, as it is written and read again.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use overlapped::open_at_once;
use overlapped_load::failure::Failures;
use serde::{Deserialize, Serialize};

use super::paired::{Interval, Verdict};

/// Names the form of [`Document`]; it changes when a field changes its meaning.
pub const FORMAT: &str = "overlapped-compare-2";

/// The whole result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the tool.
    pub version: String,
    /// When it was measured: the beginning, in UTC.
    pub date: String,
    /// The command that measured it; None in a document of an older tool.
    #[serde(default)]
    pub command: Option<String>,
    pub machine: Machine,
    /// Bytes of a message.
    pub message_bytes: u64,
    pub warm_up_seconds: f64,
    /// Length of one measurement.
    pub seconds: f64,
    /// Rounds that were planned.
    pub rounds: u32,
    /// Messages in a second, of all connections together, at the fixed rate; None when nothing was
    /// measured at it.
    pub rate_per_second: Option<f64>,
    /// Messages of a connection that are under way at once in a closed loop.
    #[serde(default = "one")]
    pub depth: u32,
    /// Hot connections among those of the pace `skew`.
    #[serde(default)]
    pub hot_connections: u32,
    /// Processors that the server and the load were kept to; empty: any.
    #[serde(default)]
    pub server_processors: Vec<u32>,
    #[serde(default)]
    pub load_processors: Vec<u32>,
    /// Whom the others were compared with in pairs, and by which figure; None: they were not.
    #[serde(default)]
    pub against: Option<String>,
    #[serde(default)]
    pub figure: Option<Figure>,
    /// What one of them is held to.
    #[serde(default)]
    pub goal: Option<Goal>,
    /// Rounds of paired measurements that were made again because the machine was disturbed.
    #[serde(default)]
    pub rounds_repeated: u32,
    /// Those among them in which it stood still for longer than the limit; None: nobody looked.
    #[serde(default)]
    pub rounds_stalled: u32,
    #[serde(default)]
    pub stall_limit_us: Option<f64>,
    /// Threads of each process of the load.
    pub load_threads: u32,
    /// Whether all measurements were made, or passed over for a reason that the row tells.
    pub complete: bool,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// How many measurements were planned, how many made, and how many passed over for a reason.
    pub measurements_planned: u64,
    pub measurements_made: u64,
    pub measurements_skipped: u64,
    /// How long all of it took.
    pub elapsed_seconds: f64,
    /// The models in their order, and how each of them worked.
    pub models: Vec<Model>,
    /// By pace, then connections, then in the order of the models.
    pub rows: Vec<Row>,
}

/// The machine that was measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub kernel: String,
    pub processor: Option<String>,
    pub processors: u64,
    pub memory_kib: Option<u64>,
    pub congestion_control: Option<String>,
    pub descriptors_per_process: u64,
}

/// A model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    pub name: String,
    /// The server in its own words; None when it never started.
    pub description: Option<String>,
}

/// How messages were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaceName {
    /// Each connection sends its next message when the echo of the last is complete.
    ClosedLoop,
    /// Each message has its time, however long the echoes take.
    FixedRate,
    /// Each connection connects, has one echo, closes, and connects again.
    Churn,
    /// A few connections send as in a closed loop beside many at a fixed rate, of which the latencies are.
    Skew,
    /// Each connection has one echo and is silent from then on.
    Idle,
}

/// The figure by which servers are compared in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    // Processor time of the server for a message.
    Processor,
    // 99th percentile of the latencies.
    P99,
    // Messages in a second.
    Rate,
    // Resident memory of the server for a connection.
    Memory,
}

impl Figure {
    /// The figure of a measurement; None when it has none.
    pub fn of(self, measurement: &Measurement) -> Option<f64> {
        match self {
            Self::Processor => measurement.processor_us_per_message,
            Self::P99 => measurement.p99_us,
            Self::Rate => Some(measurement.messages_per_second),
            Self::Memory => measurement.resident_bytes_per_connection,
        }
    }
}

/// What a server is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    pub server: String,
    /// At most so much of the figure, or so many times that of the one it is compared with.
    pub at_most: f64,
    /// Whether it is of the ratio.
    pub of_ratio: bool,
}

/// How a row compares with that of another server, by the ratios of the rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// None when there are too few rounds.
    pub interval: Option<Interval>,
    pub verdict: Verdict,
}

fn one() -> u32 {
    1
}

/// The results of one model at one pace and number of connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub pace: PaceName,
    /// Connections that were attempted.
    pub connections: u32,
    pub model: String,
    /// The median of each figure over the rounds; errors are summed. None when no round succeeded.
    pub median: Option<Measurement>,
    /// The least and the greatest value over the rounds, of figures that vary; None as above.
    pub range: Option<Ranges>,
    /// Against the row of the same pace and connections that the document names; None without one.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// Every round.
    pub rounds: Vec<Measurement>,
    /// Why rounds were passed over, which is no fault.
    pub skipped: Vec<String>,
    /// Why rounds failed.
    pub problems: Vec<String>,
}

/// The least and the greatest value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub least: f64,
    pub greatest: f64,
}

/// Ranges of the figures that vary from round to round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ranges {
    pub messages_per_second: Option<Range>,
    pub p50_us: Option<Range>,
    pub p99_us: Option<Range>,
    pub processor_us_per_message: Option<Range>,
    pub resident_kib: Option<Range>,
}

/// What kept more messages from being echoed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Nothing that these figures show: the fixed rate was kept, or both sides waited.
    #[default]
    Nothing,
    /// The server used all the processors that its threads can use, or did not keep the fixed rate.
    Server,
    /// All processors were busy, with the server more than with the load.
    Machine,
    /// All processors were busy, with the load more than with the server; or the load was late.
    Load,
}

/// One measurement of one model. Figures of the server are those of its processes together. What the
/// system does not tell, or could not be read in time, is None.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// Connections that were tried.
    pub attempted: u64,
    /// Connections that the server held at once.
    pub established: u64,
    /// Echoes in a second.
    pub messages_per_second: f64,
    /// Bytes in a second, the same in both directions.
    pub bytes_per_second_each_way: f64,
    /// Median latency. None when nothing came back.
    pub p50_us: Option<f64>,
    /// 99 % of the latencies are at most this. None as above.
    pub p99_us: Option<f64>,
    /// The same for 99.9 %.
    #[serde(default)]
    pub p99_9_us: Option<f64>,
    /// Messages of hot connections in a second, and their median latency. None without any.
    #[serde(default)]
    pub hot_messages_per_second: Option<f64>,
    #[serde(default)]
    pub hot_p50_us: Option<f64>,
    /// Processor time of the server for one message.
    pub processor_us_per_message: Option<f64>,
    /// The parts of it in the program and in the kernel.
    #[serde(default)]
    pub user_us_per_message: Option<f64>,
    #[serde(default)]
    pub kernel_us_per_message: Option<f64>,
    /// Processor time of the server over elapsed time; 100 is one processor.
    pub processor_percent: Option<f64>,
    /// Resident memory of the server.
    pub resident_kib: Option<u64>,
    /// What it grew by for each connection since before the first.
    #[serde(default)]
    pub resident_bytes_per_connection: Option<f64>,
    /// What the kernel's memory grew by since before the server started, for sockets of both ends and
    /// stacks of threads, and what TCP buffers hold. None also when other programs used much of the
    /// machine, since their part of it cannot be told apart.
    pub kernel_memory_kib: Option<u64>,
    /// Memory of all TCP buffers on the machine, which is part of the above.
    pub kernel_socket_kib: Option<u64>,
    /// Threads of the server.
    pub threads: Option<u64>,
    /// Context switches of the server for one message, from the first message on.
    pub context_switches_per_message: Option<f64>,
    /// Processes that the server was made of.
    pub server_processes: u64,
    /// Processor time of the load over elapsed time; 100 is one processor.
    pub load_processor_percent: Option<f64>,
    /// 99 % of the messages that had a time of their own were sent at most this late by the load itself.
    pub load_lateness_p99_us: Option<f64>,
    /// How much of the machine was used by other programs meanwhile; 100 is all of it.
    pub machine_busy_elsewhere_percent: Option<f64>,
    /// How much of the machine its host took meanwhile.
    #[serde(default)]
    pub stolen_percent: Option<f64>,
    /// How much too late a program woke that slept in short ticks meanwhile, at the most. None without one.
    #[serde(default)]
    pub longest_stall_us: Option<f64>,
    /// What kept more messages from being echoed.
    pub limited_by: Limit,
    /// Messages that were sent and had not come back whole at the end.
    #[serde(default)]
    pub unanswered: u64,
    /// Connections that were established and failed later, save those that the measurement ended itself,
    /// and those that the server had to end by force.
    pub errors: u64,
    /// Connections that failed, by kind; those among them that never were established.
    pub failures: Failures,
    /// Connections that the server ended by force.
    pub left_by_server: u64,
    /// Why it is not what was asked for.
    pub notes: Vec<String>,
}

/// No document is nearly as long; what is longer is a device, or somebody's mistake.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Reads a file, or a pipe that somebody writes to.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = open_at_once(path, OpenOptions::new().read(true))?;
    if file.take(DOCUMENT_BYTES_MAX + 1).read_to_string(&mut text)? as u64 > DOCUMENT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long for a document"));
    }
    Ok(text)
}

impl Document {
    /// Reads a document that was written earlier.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let place = path.display();
        let text = read(path).with_context(|| format!("cannot read {place}"))?;
        let hint = "give a file that `overlapped compare --json FILE` has written";
        let head: Head = serde_json::from_str(&text)
            .with_context(|| format!("{place} is no result of a comparison; {hint}"))?;
        anyhow::ensure!(
            head.format == FORMAT,
            "{place} is of the form {:?} and not {FORMAT:?}; {hint} of this version",
            head.format
        );
        serde_json::from_str(&text).with_context(|| format!("{place} is damaged; {hint}"))
    }

    /// The rows of one pace, and of one number of connections if that is given.
    pub fn rows_at(&self, pace: PaceName, connections: Option<u32>) -> Vec<&Row> {
        let fits = |row: &&Row| {
            row.pace == pace && connections.is_none_or(|connections| row.connections == connections)
        };
        self.rows.iter().filter(fits).collect()
    }

    /// The numbers of connections at one pace, from the least on.
    pub fn counts(&self, pace: PaceName) -> Vec<u32> {
        let mut counts: Vec<u32> =
            self.rows_at(pace, None).iter().map(|row| row.connections).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// The paces there are rows of, in their order.
    pub fn paces(&self) -> Vec<PaceName> {
        let mut paces: Vec<PaceName> = self.rows.iter().map(|row| row.pace).collect();
        paces.sort_unstable();
        paces.dedup();
        paces
    }
}
