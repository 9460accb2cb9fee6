//! The discipline of the completion port as a pure data structure.
//!
//! Packets leave in the order they were queued; waiting threads are released newest first; at
//! most `concurrency` of them are released at a time; a thread that blocks gives its slot away.
//! The rules know no lock, no clock and no I/O: the [dispatcher](super::dispatcher) calls them under
//! its lock and carries out what they answer.
//!
//! A waiting thread is in one of two places: *parked* with us, or *polling*, that is, standing in
//! the backend's wait for events. A parked thread can be given a packet by name; which of several
//! polling threads the kernel wakes is the kernel's business, so work for "a polling thread" lies
//! in one queue from which whoever comes back takes first.
//!
//! - [`recording`] is what is noted of it while a recording runs.
//! - [`robbing`] is how what lies in threads' own queues comes back into the shared one.
//! - [`steps`] are the words in which rules and dispatcher speak.
//! - [`taking`] is a thread on its way to work; [`queueing`] what comes in and who gets it.
//! - [`threads`] is where each thread stands; [`monitor`] how one that blocks without saying so is
//!   noticed.

pub(crate) mod monitor;
mod queueing;
mod recording;
mod robbing;
pub(crate) mod steps;
mod taking;
mod threads;

use super::Sizes;
use super::metrics::Counts;
use super::own_queue::OwnQueue;
use crate::sys::BATCH_MAX;
use monitor::Monitor;
use recording::Recorder;
use std::collections::VecDeque;
use steps::{MemberId, Work};
use threads::Member;

/// How much lies in a thread's own queue at most: a batch of events, and as much again of what they
/// led to.
pub(super) const OWN_QUEUE_ROOM: usize = 2 * BATCH_MAX;

/// The bits of what threads look at without the lock.
pub(super) mod word {
    /// The scheduler is closed.
    pub(crate) const CLOSED: u32 = 1;
    /// Packets lie in the shared queue.
    pub(crate) const QUEUED: u32 = 2;
    /// A slot is free and a thread waits: what goes into an own queue now may have to be robbed.
    pub(crate) const SPARE: u32 = 4;
    /// A thread will come back from the backend to look for that.
    pub(crate) const LOOK_ARMED: u32 = 8;
    /// As many threads run as may, and no more. Who is one of them may take from the backend for
    /// itself what comes, if nothing is [`QUEUED`] or [`READY`] before it.
    pub(crate) const FULL: u32 = 16;
    /// Events lie in the shared queue.
    pub(crate) const READY: u32 = 32;
    /// Somebody waits for the backend with others: nothing may lie where it cannot be seen from there.
    pub(crate) const WATCHED: u32 = 64;
    /// A thread waits for which there is no work yet.
    pub(crate) const SOMEBODY_WAITS: u32 = 128;
    /// A recording runs: nothing may move without the lock.
    pub(crate) const RECORDED: u32 = 256;
    /// More threads run than may, since one has come back from blocking. Whoever asks next has to wait (P71),
    /// also for what lies in its own queue.
    pub(crate) const OVER: u32 = 512;
}

/// The state of one scheduler: `T` packets, `E` backend events, `K` parkers of threads.
#[derive(Debug)]
pub(crate) struct Rules<T, E, K> {
    concurrency: usize,
    monitor: Monitor,
    /// How many rounds in a row with nothing to watch send the monitor to sleep.
    quiet_rounds: u32,
    /// Threads that hold a slot, including those that were handed work and have not woken yet.
    active: usize,
    paused: usize,
    queue: VecDeque<T>,
    /// Events taken from the backend and not performed yet: not packets, and not in the snapshot.
    ready: VecDeque<E>,
    members: Vec<Option<Member<T, E, K>>>,
    /// How often a thread has moved.
    moves: u64,
    /// The waiting stack, newest last.
    parked: Vec<MemberId>,
    polling: usize,
    /// Work whose slot is already counted, for the next threads back from its wait in the backend.
    for_pollers: VecDeque<Work<T, E>>,
    /// The backend has been asked to bring a thread back for a look.
    look_armed: bool,
    /// Threads that look at the backend on their way to a packet: a slot is kept for each, or a
    /// packet queued meanwhile would wake another thread for what this one came for (P57, P58).
    glancing: usize,
    since_glance: u32,
    /// What was robbed, on its way to the shared queue.
    loot: OwnQueue<T, E>,
    closed: bool,
    /// Somebody waits for the backend together with others of their own.
    watched: bool,
    counts: Counts,
    /// The recording that runs.
    recorder: Option<Box<Recorder>>,
    /// One that has ended and was not fetched yet.
    recorded: Option<Box<Recorder>>,
}

impl<T, E, K: Clone> Rules<T, E, K> {
    /// With a monitor it dozes after so many rounds in a row in which there was nothing to watch.
    pub(crate) fn new(concurrency: usize, quiet_rounds: Option<u32>) -> Self {
        assert!(concurrency > 0, "a port that lets nobody run delivers nothing");
        Self {
            concurrency,
            monitor: Monitor::new(quiet_rounds.is_some()),
            quiet_rounds: quiet_rounds.unwrap_or_default(),
            active: 0,
            paused: 0,
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            members: Vec::new(),
            moves: 0,
            parked: Vec::new(),
            polling: 0,
            for_pollers: VecDeque::new(),
            look_armed: false,
            glancing: 0,
            since_glance: 0,
            loot: OwnQueue::with_room(OWN_QUEUE_ROOM),
            closed: false,
            watched: false,
            counts: Counts::default(),
            recorder: None,
            recorded: None,
        }
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.counts.clone();
        for member in self.members.iter().flatten() {
            counts.add(member.state.counts());
        }
        counts
    }

    /// How many packets no thread has been given yet, in the shared queue and in own ones.
    fn not_taken(&self) -> usize {
        if self.closed {
            return self.queue.len();
        }
        let Counts { queued, taken, .. } = self.counts();
        // Threads count on while this adds up.
        usize::try_from(queued.wrapping_sub(taken) as i64).unwrap_or(0)
    }

    /// What threads look at without the lock.
    pub(crate) fn word(&self) -> u32 {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        bit(self.closed, word::CLOSED)
            | bit(!self.queue.is_empty(), word::QUEUED)
            | bit(self.has_spare() && !self.closed, word::SPARE)
            | bit(self.look_armed, word::LOOK_ARMED)
            | bit(self.active == self.concurrency, word::FULL)
            | bit(!self.ready.is_empty(), word::READY)
            | bit(self.watched, word::WATCHED)
            | bit(self.somebody_waits(), word::SOMEBODY_WAITS)
            | bit(self.is_recorded(), word::RECORDED)
            | bit(self.active > self.concurrency, word::OVER)
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            queued: self.not_taken(),
            waiting: self.parked.len() + self.standing_pollers() + self.glancing,
            released: self.active,
            paused: self.paused,
        }
    }
}
