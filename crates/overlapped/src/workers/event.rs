//! What the user of a pool is told, and what it counts.

use crate::op::packet_parts::{PacketHandle, PacketKind};
use crate::protocol::Protocol;
use crate::stalls::Stall;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happens to the threads of a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkersEvent<P: Protocol> {
    /// The handler has panicked. The connection of its packet is reset already; a listener, a socket
    /// for datagrams and a file stay open.
    #[non_exhaustive]
    HandlerPanicked {
        /// Of which operation the packet was.
        kind: PacketKind,
        /// The packet's handle, with its key.
        handle: PacketHandle<P>,
        /// What the panic said.
        message: String,
    },
    /// A handler has held its thread for long, and holds it still. It is told once for each, on a thread that does
    /// nothing else; see [`stall_after`](crate::Workers::stall_after).
    #[non_exhaustive]
    HandlerStalled {
        /// What it is called, for how long, and what the thread does. The label is of no use here.
        stall: Stall,
    },
    /// All of the most threads are blocked, none has come back for 20 ms (or the time given to
    /// [`shed_when_exhausted`](crate::Workers::shed_when_exhausted)), and work waits.
    #[non_exhaustive]
    Exhausted {
        /// How many threads there are.
        threads: usize,
    },
    /// A thread waits for work again.
    Recovered,
    /// A thread could not be started. The pool goes on with those it has, and tries again ten times a
    /// second while it needs one.
    #[non_exhaustive]
    ThreadNotStarted {
        /// How many threads there are.
        threads: usize,
        /// Why it could not be started.
        error: io::Error,
    },
}

#[cfg(feature = "tracing")]
impl<P: Protocol> WorkersEvent<P> {
    /// Tells it to the subscriber of the program.
    pub(super) fn trace(&self) {
        match self {
            Self::HandlerPanicked { kind, message, .. } => {
                tracing::error!(?kind, message, "a handler has panicked; its connection is reset");
            }
            Self::HandlerStalled { stall } => match stall.kind {
                crate::stalls::StallKind::Blocks => tracing::debug!(
                    name = %stall.name, lasted = ?stall.lasted, asleep_in = stall.asleep_in,
                    "a handler blocks its thread; another one was let in"
                ),
                _ => tracing::warn!(
                    name = %stall.name, lasted = ?stall.lasted,
                    "a handler holds its thread for long"
                ),
            },
            Self::Exhausted { threads } => {
                tracing::warn!(threads, "all threads there may be are blocked, and packets wait");
            }
            Self::Recovered => tracing::info!("a thread waits for packets again"),
            Self::ThreadNotStarted { threads, error } => {
                tracing::error!(threads, %error, "a thread could not be started");
            }
        }
    }
}

/// What a pool has counted since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkersCounters {
    /// Threads that were started.
    pub started: u64,
    /// Threads that have ended.
    pub ended: u64,
    /// Threads that could not be started.
    pub not_started: u64,
    /// Packets that were handed to the handler.
    pub handled: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// How often all of the most threads were blocked while work waited.
    pub exhausted: u64,
    /// Packets that were shed.
    pub shed: u64,
}

/// The same while it is counted, without what the threads count for themselves.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) started: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) not_started: AtomicU64,
    /// By threads that have ended.
    pub(super) handled: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) exhausted: AtomicU64,
    pub(super) shed: AtomicU64,
}

impl Counts {
    pub(super) fn add(count: &AtomicU64, number: u64) {
        count.fetch_add(number, Ordering::Relaxed);
    }

    /// With what threads that have not ended have handled.
    pub(super) fn read(&self, handled: u64) -> WorkersCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WorkersCounters {
            started: read(&self.started),
            ended: read(&self.ended),
            not_started: read(&self.not_started),
            handled: read(&self.handled) + handled,
            panicked: read(&self.panicked),
            exhausted: read(&self.exhausted),
            shed: read(&self.shed),
        }
    }
}
