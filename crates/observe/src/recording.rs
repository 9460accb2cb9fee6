//! The moves of a port's threads and packets during a short time, as a document that travels as JSON and can be played.

use serde::{Deserialize, Serialize};

/// The value of [`Recording::format`].
pub const FORMAT: &str = "overlapped-recording-1";

/// The moves of a port's threads and packets during a short time.
///
/// Whoever knows where all were at the beginning, and applies the moves in their order, knows where all are at each moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// [`FORMAT`].
    pub format: String,
    /// What was served, by which model and where.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it lasted, in nanoseconds.
    pub length_ns: u64,
    /// How many threads the port lets run.
    pub concurrency: u64,
    /// Handles that were associated with the port when it began.
    pub devices: u64,
    /// Packets in the queue when it began.
    pub queued: u64,
    /// The threads that were bound to the port at some time in it.
    pub threads: Vec<ThreadLine>,
    /// What happened, oldest first.
    pub moves: Vec<Move>,
    /// Why it ended.
    pub ended: Ended,
}

/// A thread of a recording. Its number is its place in [`Recording::threads`], from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadLine {
    /// Its name, or empty.
    pub name: String,
    /// Where it was when the recording began.
    pub place: Place,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Not bound to the port: not yet, or not any more.
    Elsewhere,
    /// It waits for a packet.
    Waiting,
    /// It runs.
    Released,
    /// It was released, and is blocked.
    Paused,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// When, in nanoseconds since the recording began.
    pub at_ns: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A thread went from one place to another.
    Thread {
        /// Its number.
        thread: u64,
        /// Where it was.
        from: Place,
        /// Where it is from now on.
        to: Place,
    },
    /// A packet came into the queue, behind all others.
    Queued {
        /// How many are in the queue from now on.
        queued: u64,
    },
    /// The oldest packet was taken from the queue.
    Taken {
        /// The number of the thread that has it, if that is known.
        thread: Option<u64>,
        /// How many are in the queue from now on.
        queued: u64,
    },
    /// The port was closed, and what was in its queue was dropped.
    Closed,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The time that was asked for was over.
    Asked,
    /// There were as many moves as there may be: what came later is missing.
    Limit,
    /// The port was closed.
    Closed,
}
