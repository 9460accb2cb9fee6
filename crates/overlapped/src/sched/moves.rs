//! What a recording of a port says: where its threads were at the beginning, and each move since.

use std::time::Duration;

/// What happened to the threads and the queue of a port during some time; see
/// [`Port::record`](crate::Port::record).
///
/// Whoever knows where all were at the beginning, and applies the moves in their order, knows where
/// all are at each moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// How long it lasted.
    pub length: Duration,
    /// How many threads the port lets run.
    pub concurrency: usize,
    /// Handles that were associated with the port when it began.
    pub devices: usize,
    /// Packets in the queue when it began.
    pub queued: usize,
    /// The threads that were bound to the port at some time in it. Those that were there when it
    /// began come first, who last moved longest ago first of all: of those that waited, the last one
    /// was the first to be released.
    pub threads: Vec<RecordedThread>,
    /// What happened, oldest first.
    pub moves: Vec<Move>,
    /// Why it ended.
    pub ended: RecordingEnd,
}

/// A thread of a [`Recording`]. Its number there is its place in [`Recording::threads`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedThread {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Where it was when the recording began.
    pub place: ThreadPlace,
}

/// Where a thread is, seen from a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadPlace {
    /// Not bound to the port: not yet, or not any more.
    Elsewhere,
    /// It waits for a packet.
    Waiting,
    /// It runs, with a packet or after a time-out.
    Released,
    /// It was released, and is blocked.
    Paused,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// When, since the recording began. What was one step of the port's has one time.
    pub at: Duration,
    /// What.
    pub what: Moved,
}

/// What moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moved {
    /// A thread went from one place to another.
    Thread {
        /// Its number.
        thread: usize,
        /// Where it was.
        from: ThreadPlace,
        /// Where it is from now on.
        to: ThreadPlace,
    },
    /// A packet came into the queue. It is the last of it, unless it was put back from a batch.
    Queued {
        /// How many are in the queue from now on.
        queued: usize,
    },
    /// The oldest packet was taken from the queue.
    Taken {
        /// The number of the thread that has it, if that is known.
        thread: Option<usize>,
        /// How many are in the queue from now on.
        queued: usize,
    },
    /// The port was closed, and what was in its queue was dropped.
    Closed,
}

/// Why a [`Recording`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingEnd {
    /// It was finished.
    Finished,
    /// There were as many moves as there may be: what came later is missing.
    Limit,
    /// The port was closed.
    Closed,
}
