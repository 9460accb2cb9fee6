//! What the gate tells the rules, and what they answer.

use std::time::Duration;

/// A bound thread's number in its turnstile.
pub(crate) type MemberId = usize;

/// What a thread is given to do.
#[derive(Debug)]
pub(crate) enum Work<T, E> {
    /// A packet, oldest first.
    Packet(T),
    /// An event of the driver, to be performed by this thread. What it yields goes through
    /// [`Rules::exchange`].
    Event(E),
}

/// What the calling thread does next.
#[derive(Debug)]
pub(crate) enum Step<T, E, S> {
    /// Return with this work; the thread is released.
    Work(Work<T, E>),
    /// Stand in the driver's wait for up to `batch` events, then call [`Rules::returned`].
    Poll { batch: usize },
    /// Look at the driver without waiting, then call [`Rules::glanced`].
    Glance { batch: usize },
    /// Park until rung, at most for `look_after`, then call [`Rules::woken`].
    Park { look_after: Option<Duration> },
    /// See which of these holders of slots sleep, then call [`Rules::looked`].
    Look(Vec<Suspect<S>>),
    /// Nothing came in time; the thread is released without a packet.
    TimedOut,
    /// The port was closed while the thread waited.
    Abandoned,
}

/// A holder of a slot that the doorman looks at.
#[derive(Debug)]
pub(crate) struct Suspect<S> {
    pub(super) member: MemberId,
    pub(super) last_move: u64,
    pub(crate) seat: S,
    pub(crate) asleep: bool,
}

/// The threads to wake once the lock is released.
#[derive(Debug)]
pub(crate) struct Wakes<S> {
    pub(crate) seats: Vec<S>,
    pub(crate) kick: bool,
    /// Make a thread come back from the driver's wait after this time, to look at the holders.
    pub(crate) look_after: Option<Duration>,
}

impl<S> Wakes<S> {
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && !self.kick && self.look_after.is_none()
    }
}

impl<S> Default for Wakes<S> {
    fn default() -> Self {
        Self { seats: Vec::new(), kick: false, look_after: None }
    }
}

/// The sizes of the structures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) queued: usize,
    pub(crate) waiting: usize,
    pub(crate) released: usize,
    pub(crate) paused: usize,
}
