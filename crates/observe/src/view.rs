//! What a server shows at one moment. All counts are totals since its start: whoever has two views can say what happened
//! between them.

use serde::{Deserialize, Serialize};

/// The value of [`View::format`].
pub const FORMAT: &str = "overlapped-live-1";

/// Everything that a server shows at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// [`FORMAT`].
    pub format: String,
    /// What is served, by which model and where.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long the server has run by then.
    pub uptime_ms: u64,
    /// Whether it accepts clients.
    pub phase: Phase,
    /// What is wrong, in one sentence. A [`Judge`](crate::Judge) writes it.
    pub verdict: Verdict,
    /// How many processes serve.
    pub processes: u32,
    /// Connections now and so far.
    pub connections: Connections,
    /// What came.
    pub traffic: Traffic,
    /// Connections that ended before their time.
    pub errors: Errors,
    /// Processor time that the server has used.
    pub processor_seconds: f64,
    /// The port, if the server has one.
    pub port: Option<PortView>,
    /// Handlers that held a thread for long, by name, the most recent first.
    pub stalls: Vec<StallLine>,
    /// The threads that are in a handler for long at this moment, longest first.
    pub busy: Vec<BusyThread>,
    /// The last lines of the log, oldest first.
    pub log: Vec<LogLine>,
}

/// Whether a server accepts clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It does.
    #[default]
    Serving,
    /// It was asked to pause: new clients wait in the backlog.
    Paused,
    /// It ends, and serves those that are there.
    Draining,
}

/// What can be said of a server in one sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How much it matters.
    pub weight: Weight,
    /// The sentence. It begins with a small letter, and has no full stop.
    pub text: String,
}

/// How much a verdict matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Nothing is wrong.
    Good,
    /// It explains what is seen, and nothing is wrong.
    #[default]
    Note,
    /// Clients wait, or lose something.
    Bad,
}

/// Connections of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// The most that were open at one moment.
    pub peak: u64,
    /// Accepted.
    pub accepted: u64,
    /// Closed at once, since their client had as many as it may.
    pub refused: u64,
    /// How often an accept was put off for lack of a descriptor.
    pub accept_deferrals: u64,
}

/// What came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Messages, or requests.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Connections that ended before their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// The client reset the connection.
    pub reset: u64,
    /// The client was silent for too long.
    pub timed_out: u64,
    /// Operations of connections that the server itself ended.
    pub aborted: u64,
    /// Anything else.
    pub other: u64,
}

/// A completion port: its five structures, and what it has counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortView {
    /// The device list: handles associated with the port and not closed.
    pub devices: u64,
    /// The completion queue: packets in it.
    pub queued: u64,
    /// Threads that wait for a packet; the last one that came is woken first.
    pub waiting: u64,
    /// Threads that run.
    pub released: u64,
    /// Threads that were released and are blocked.
    pub paused: u64,
    /// How many threads the port lets run.
    pub concurrency: u64,
    /// The most threads that may take packets.
    pub most_threads: u64,
    /// Packets that were taken, or completed in place.
    pub packets: u64,
    /// How often a thread was let in because another one blocked.
    pub released_on_block: u64,
    /// How often all threads there may be were blocked while packets waited.
    pub exhausted: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// How long packets waited in the queue, of a sample: upper bounds in nanoseconds (exclusive) and counts.
    pub queue_delay_ns: Vec<(u64, u64)>,
}

/// What a handler does that holds its thread for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallKind {
    /// It sleeps or waits. Another thread was let in for it.
    Blocks,
    /// It computes, and others wait for a processor.
    Computes,
    /// The system does not say.
    Unknown,
}

/// A handler that held its thread for long, and how often it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StallLine {
    /// The handler.
    pub name: String,
    /// What it does meanwhile.
    pub kind: StallKind,
    /// The system call in which it was seen asleep, if it was.
    pub asleep_in: Option<String>,
    /// How often.
    pub count: u64,
    /// The longest time, in milliseconds.
    pub longest_ms: f64,
    /// All of them together, in milliseconds.
    pub total_ms: f64,
    /// How long ago the last one was seen, in milliseconds.
    pub last_ms_ago: u64,
}

/// A thread that is in a handler for long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BusyThread {
    /// The name of the thread.
    pub thread: String,
    /// The handler.
    pub name: String,
    /// What it does.
    pub kind: StallKind,
    /// The system call in which it was seen asleep, if it was.
    pub asleep_in: Option<String>,
    /// For how long it has been there, in milliseconds.
    pub for_ms: u64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counts up from 1: a gap means that lines were dropped.
    pub number: u64,
    /// When it was written, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it says. It has no control characters.
    pub text: String,
}
