//! Completion in place: a result that is there at once goes to the one who starts the operation, and
//! queues no packet.
//!
//! It must not overtake another packet of its direction (P150). An operation is *owed* from its start
//! until its packet is handed out, wherever it is meanwhile: in its queue or the kernel, in the port's
//! queue, or in a batch. Starts are counted under the connection's lock, and what was handed out
//! where that happens, without it; so if the two are equal under the lock, nothing is owed.

use super::handle::Handle;
use super::operation::{Direction, Operation};
use crate::error::OperationId;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::unmodelled::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What became of an operation that was started with leave to complete in place.
#[derive(Debug)]
#[must_use = "a packet in it is reported nowhere else, and dropping its handle may close the connection"]
pub enum Started<T> {
    /// It is in flight, or complete and its packet queued: its packet will be taken.
    InFlight(OperationId),
    /// It is complete. This is the packet that a take would have given, and none is queued.
    Complete(T),
}

impl<T> Started<T> {
    /// The packet of an operation that is complete.
    pub fn complete(self) -> Option<T> {
        match self {
            Self::InFlight(_) => None,
            Self::Complete(packet) => Some(packet),
        }
    }
}

/// How many packets of operations of each direction were handed out. It wraps, as ids do.
#[derive(Debug, Default)]
pub(super) struct HandedOut {
    receives: AtomicU32,
    sends: AtomicU32,
}

impl HandedOut {
    #[inline]
    pub(super) fn count(&self, direction: Direction) {
        // Released, so that whoever finds nothing owed comes after this packet in every respect.
        self.of(direction).fetch_add(1, Ordering::Release);
    }

    /// Whether more operations of this direction were started than packets handed out. Under the
    /// connection's lock what it says stays true until one is started.
    #[inline]
    pub(super) fn is_behind(&self, direction: Direction, starts: StartCounts) -> bool {
        self.owed(direction, starts) != 0
    }

    /// How many operations of this direction were started whose packets were not handed out.
    #[inline]
    pub(super) fn owed(&self, direction: Direction, starts: StartCounts) -> u32 {
        starts.of(direction).wrapping_sub(self.of(direction).load(Ordering::Acquire))
    }

    #[inline]
    fn of(&self, direction: Direction) -> &AtomicU32 {
        match direction {
            Direction::Receive => &self.receives,
            Direction::Send => &self.sends,
        }
    }
}

/// How many operations of each direction were started that yield, or have yielded, a queued packet.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct StartCounts {
    receives: u32,
    sends: u32,
}

impl StartCounts {
    #[inline]
    pub(super) fn count(&mut self, direction: Direction) {
        let starts = match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        };
        *starts = starts.wrapping_add(1);
    }

    /// The number of the next operation of a direction. It is not counted as started yet.
    #[inline]
    pub(super) fn next_id(self, direction: Direction) -> u32 {
        // See [`Direction::of_id`].
        self.of(direction).wrapping_mul(2) | direction as u32
    }

    #[inline]
    fn of(self, direction: Direction) -> u32 {
        match direction {
            Direction::Receive => self.receives,
            Direction::Send => self.sends,
        }
    }
}

impl<O: Operation> Handle<O> {
    /// The packet of an operation of this handle reaches its user.
    #[inline]
    pub(crate) fn handed_out(&self, direction: Direction) {
        self.handed_out_counts().count(direction);
    }
}

/// Counts what completes in place. Threads count in different places, each in a line of its own.
#[derive(Debug, Default)]
pub(super) struct Tally([Line; 8]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Tally {
    #[inline]
    pub(super) fn count(&self, thread: usize) {
        self.0[thread % self.0.len()].0.fetch_add(1, Relaxed);
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|line| line.0.load(Relaxed)).sum()
    }
}
