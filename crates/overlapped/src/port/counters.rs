//! What a port counts.

use crate::sched::metrics::DelayHistogram;

/// What a port has counted since it was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that were made: put into the queue, or given directly to the thread that performed
    /// the operation.
    pub queued: u64,
    /// Packets that were taken.
    pub taken: u64,
    /// Packets that the start of an operation returned
    /// ([`Started::Complete`](crate::Started::Complete)). They are neither queued nor taken.
    pub completed_in_place: u64,
    /// Packets that were posted.
    pub posted: u64,
    /// How often a thread was let in because another one blocked.
    pub released_on_block: u64,
    /// How often a thread began to run so that more threads ran than the port's concurrency.
    pub over_limit_moments: u64,
    /// How often the blocked-thread monitor looked whether the running threads really run.
    pub monitor_looks: u64,
    /// How often an accept or a disconnect was put off because descriptors or memory ran short, or
    /// an accept of a window because its closure panicked, a connect because the backlog of a Unix
    /// listener was full, or a send because the queue of a Unix datagram's receiver was.
    pub accept_deferrals: u64,
    /// The time from a packet's completion to its taking, of every sixteenth queued packet.
    pub queue_delay: DelayHistogram,
}
