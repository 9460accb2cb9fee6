//! A thread's own queue, and what others see of the thread without the scheduler's lock.
//!
//! In it lie the events that the thread has taken from the backend for itself, and the packets of
//! operations that completed while it started them. The thread pushes and pops without a lock; other
//! threads rob it, under the scheduler's lock, when they have nothing else to do, and everything is
//! put back to the head of the shared queue when the thread blocks, leaves, ends or is found asleep.

use super::metrics::SAMPLE_EVERY;
use super::rules::steps::Work;
use crate::sync::Line;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::queue::{Stealer, Worker};
use crate::sys::BATCH_MAX;

/// The owner's side.
pub(super) struct OwnQueue<T, E> {
    queue: Worker<Work<T, E>>,
    /// Where taking from it is written.
    line: Line,
}

impl<T, E> OwnQueue<T, E> {
    /// With room for so many, a power of two.
    pub(super) fn with_room(capacity: usize) -> Self {
        Self { queue: Worker::new(capacity), line: Line::new() }
    }

    /// Whether nothing is there, and a batch of events has room: what is just being robbed takes room.
    pub(super) fn has_room_for_batch(&self) -> bool {
        self.queue.is_empty() && self.queue.spare_capacity() >= BATCH_MAX
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.queue.spare_capacity() > 0
    }

    /// Puts something behind all that is there, which must leave room for it.
    #[inline(always)]
    pub(super) fn push(&self, work: Work<T, E>) {
        let pushed = self.queue.push(work);
        assert!(pushed.is_ok(), "only its thread fills the queue, and has looked for room");
    }

    /// Puts the events of a batch behind all that is there, which must leave room for them.
    #[inline]
    pub(super) fn extend(&self, events: impl ExactSizeIterator<Item = E>) {
        debug_assert!(events.len() <= self.queue.spare_capacity());
        self.queue.extend(events.map(Work::Event));
    }

    /// The oldest.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<Work<T, E>> {
        let work = self.queue.pop()?;
        self.line.written();
        Some(work)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The other threads' side.
    pub(super) fn robber(&self) -> Robber<T, E> {
        Robber { queue: self.queue.stealer(), line: self.line }
    }
}

/// The other threads' side. Only one of them robs at a time: whoever has the scheduler's lock.
pub(super) struct Robber<T, E> {
    queue: Stealer<Work<T, E>>,
    line: Line,
}

impl<T, E> Robber<T, E> {
    /// Moves the older half of what is there, rounded up; false when there is nothing.
    pub(super) fn rob_half(&self, into: &OwnQueue<T, E>) -> bool {
        self.rob(into, |count| count - count / 2)
    }

    /// Moves all that is there.
    pub(super) fn rob_all(&self, into: &OwnQueue<T, E>) -> bool {
        self.rob(into, |count| count)
    }

    fn rob(&self, into: &OwnQueue<T, E>, share: impl FnMut(usize) -> usize) -> bool {
        let robbed = self.queue.steal(&into.queue, share).is_ok();
        if robbed {
            // Once to take hold of it, once to let it go.
            self.line.written();
            self.line.written();
        }
        robbed
    }

    pub(super) fn is_empty(&self, scratch: &OwnQueue<T, E>) -> bool {
        let mut found = false;
        // What is asked for nothing moves nothing.
        let _ = self.queue.steal(&scratch.queue, |_| {
            found = true;
            0
        });
        !found
    }
}

/// What a thread says of itself without the scheduler's lock.
#[derive(Debug)]
pub(crate) struct ThreadState {
    /// It holds a slot, so what it completes may go into its own queue. Written under the lock.
    holds_slot: AtomicBool,
    /// It was seen asleep with a slot, which it lost. Written under the lock, and cleared by the thread itself.
    seen_asleep: AtomicBool,
    /// How often it has taken something from its own queue. Only the thread itself writes.
    moves: AtomicU64,
    /// Packets that the thread has queued and taken past the shared queue. Only the thread itself
    /// writes.
    queued: AtomicU64,
    taken: AtomicU64,
}

impl ThreadState {
    pub(super) fn new() -> Self {
        Self {
            holds_slot: AtomicBool::new(false),
            seen_asleep: AtomicBool::new(false),
            moves: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn holds_slot(&self) -> bool {
        self.holds_slot.load(Ordering::Acquire)
    }

    pub(super) fn set_holds_slot(&self, holds_slot: bool) {
        self.holds_slot.store(holds_slot, Ordering::Release);
    }

    pub(super) fn saw_asleep(&self) {
        self.seen_asleep.store(true, Ordering::Relaxed);
    }

    /// Whether it was seen asleep since the last such call, which only the thread itself makes.
    #[inline]
    pub(super) fn take_seen_asleep(&self) -> bool {
        let seen = self.seen_asleep.load(Ordering::Relaxed);
        if seen {
            self.seen_asleep.store(false, Ordering::Relaxed);
        }
        seen
    }

    #[inline]
    pub(super) fn moved(&self) {
        add_one(&self.moves);
    }

    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn count_queued(&self) {
        add_one(&self.queued);
    }

    /// Whether the delay of the next packet that the thread queues for itself is to be measured.
    #[inline]
    pub(super) fn is_of_sample(&self) -> bool {
        self.queued.load(Ordering::Relaxed).is_multiple_of(u64::from(SAMPLE_EVERY))
    }

    #[inline]
    pub(super) fn count_taken(&self) {
        add_one(&self.taken);
    }

    /// How many packets the thread has queued and taken past the shared queue.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.queued.load(Ordering::Relaxed), self.taken.load(Ordering::Relaxed))
    }
}

/// Without a read-modify-write: one thread alone writes it.
#[inline]
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl<T, E> std::fmt::Debug for OwnQueue<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnQueue").field("is_empty", &self.is_empty()).finish()
    }
}

impl<T, E> std::fmt::Debug for Robber<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Robber").finish_non_exhaustive()
    }
}
