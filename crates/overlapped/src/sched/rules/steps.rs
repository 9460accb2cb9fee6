//! What the dispatcher tells the rules, and what they answer.

use std::time::Duration;

/// A bound thread's number in its scheduler.
pub(crate) type MemberId = usize;

/// What a thread is given to do.
#[derive(Debug)]
pub(crate) enum Work<T, E> {
    /// A packet, oldest first.
    Packet(T),
    /// An event of the backend, to be performed by this thread. What it yields goes through
    /// [`Rules::exchange`].
    Event(E),
}

/// What the calling thread does next.
#[derive(Debug)]
pub(crate) enum Step<T, E> {
    /// Return with this work; the thread is released.
    Work(Work<T, E>),
    /// Wait in the backend for up to `batch` events, then call [`Rules::returned`].
    Poll { batch: usize },
    /// Look at the backend without waiting, then call [`Rules::glanced`].
    Glance { batch: usize },
    /// Park until unparked, then call [`Rules::woken`].
    Park,
    /// Nothing came in time; the thread is released without a packet.
    TimedOut,
    /// The port was closed while the thread waited.
    Abandoned,
    /// It had been closed before.
    Closed,
}

/// A holder of a slot that the monitor looks at.
#[derive(Debug)]
pub(crate) struct Suspect<K> {
    pub(super) member: MemberId,
    pub(super) last_move: u64,
    pub(super) own_moves: u64,
    pub(crate) parker: K,
    pub(crate) asleep: bool,
}

/// The threads to wake once the lock is released.
#[derive(Debug)]
pub(crate) struct Wakes<K> {
    pub(crate) parkers: Vec<K>,
    pub(crate) kick: bool,
    /// Make a thread come back from the backend after this time, for what a thread left in its own
    /// queue.
    pub(crate) look_after: Option<Duration>,
    /// The blocked-thread monitor dozes, and there is something to watch now.
    pub(crate) monitor: bool,
}

impl<K> Wakes<K> {
    #[inline]
    pub(crate) fn unless_empty(self) -> Option<Self> {
        let Self { parkers, kick, look_after, monitor } = &self;
        let is_empty = parkers.is_empty() && !kick && look_after.is_none() && !monitor;
        (!is_empty).then_some(self)
    }
}

impl<K> Default for Wakes<K> {
    fn default() -> Self {
        Self { parkers: Vec::new(), kick: false, look_after: None, monitor: false }
    }
}
