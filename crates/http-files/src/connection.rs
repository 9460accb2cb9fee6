//! What is kept per connection, and the one list of all that are open.
//!
//! The list holds a handle of each connection, since the sweep and the stop must reach those on
//! which nothing happens. It is in shards, touched when a connection comes and when it goes.

use crate::cache::File;
use crate::lock;
use overlapped::{Protocol, TransmissionProgress};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

pub(crate) type Stream = overlapped::TcpStream<Serving>;

/// The protocol of the server.
#[derive(Debug)]
pub(crate) struct Serving;

impl Protocol for Serving {
    type Key = Connection;
    type Operation = Work;
    type Message = End;
}

/// What is posted: the worker that takes it ends.
#[derive(Debug)]
pub(crate) struct End;

/// What an operation is part of. A connection has one operation in flight or is in one worker's
/// hands, so what is known of its request travels with the operation.
#[derive(Debug)]
pub(crate) enum Work {
    /// A receive that waits for a request's first byte.
    Waits,
    /// The same, for a last time, while the server is being stopped.
    LastLook,
    /// A receive for the rest of a head, which must be whole at this tick.
    Head { bytes: Vec<u8>, until: u32 },
    /// A response is on its way.
    Answer(Box<Answer>),
    /// What still comes is thrown away, so that the client can read our last answer.
    Discard { until: u32 },
    /// Of the listener and of the timer.
    Other,
}

/// A response on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What of the head is not sent yet, where a file follows it.
    pub(crate) head_left: usize,
    pub(crate) file: Option<Part>,
    pub(crate) body_sent: u64,
    pub(crate) after: After,
    /// The first line of the request, if there is a log.
    pub(crate) line: Option<Box<[u8]>>,
}

/// What of a file is still to be sent.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What comes after a response.
#[derive(Debug)]
pub(crate) enum After {
    /// The next request, of which so much has come already.
    Next(Vec<u8>),
    /// The end, when the client has read.
    End,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// A request.
    Request,
    /// The rest of a head.
    Head,
    /// That the client takes a response.
    Answer,
    /// The client's end.
    Discard,
}

/// The completion key of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// None for the listener.
    pub(crate) client: Option<SocketAddr>,
    place: AtomicU32,
    /// The tick at which its time is over, or a mark; [`super::deadline`] keeps it.
    pub(crate) until: AtomicU32,
    phase: AtomicU8,
    /// How far the response is, where that is a file.
    progress: Mutex<Option<TransmissionProgress>>,
    /// How far it was when the sweep looked last.
    pub(crate) seen: AtomicU64,
}

impl Connection {
    pub(crate) fn new(client: Option<SocketAddr>) -> Self {
        Self {
            client,
            place: AtomicU32::new(0),
            until: AtomicU32::new(u32::MAX),
            phase: AtomicU8::new(Phase::Request as u8),
            progress: Mutex::new(None),
            seen: AtomicU64::new(0),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        const PHASES: [Phase; 4] = [Phase::Request, Phase::Head, Phase::Answer, Phase::Discard];
        PHASES[usize::from(self.phase.load(Ordering::SeqCst)) % PHASES.len()]
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    pub(crate) fn set_progress(&self, progress: Option<TransmissionProgress>) {
        self.seen.store(0, Ordering::Relaxed);
        *lock(&self.progress) = progress;
    }

    /// How many bytes of the response the system has taken.
    pub(crate) fn progress(&self) -> u64 {
        lock(&self.progress).as_ref().map_or(0, TransmissionProgress::bytes)
    }
}

pub(crate) const SHARDS: usize = 16;

#[derive(Default)]
struct Shard {
    places: Vec<Option<Stream>>,
    free: Vec<u32>,
}

/// The list of open connections.
#[derive(Default)]
pub(crate) struct Connections {
    shards: [Mutex<Shard>; SHARDS],
    open: AtomicU64,
    peak: AtomicU64,
    none: Notice,
}

impl Connections {
    /// Enters a connection. `near` spreads the threads over the shards.
    pub(crate) fn add(&self, stream: &Stream, near: usize) {
        let number = near % SHARDS;
        // Before it is in the list, so that whoever takes it out finds it counted.
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(open, Ordering::Relaxed);
        let mut shard = lock(&self.shards[number]);
        let place = shard.free.pop().unwrap_or(shard.places.len() as u32);
        stream.key().place.store(place * SHARDS as u32 + number as u32, Ordering::Relaxed);
        match shard.places.get_mut(place as usize) {
            Some(free) => *free = Some(stream.clone()),
            None => shard.places.push(Some(stream.clone())),
        }
    }

    /// Takes a connection out. False when that was done before.
    pub(crate) fn remove(&self, stream: &Stream) -> bool {
        let place = stream.key().place.load(Ordering::Relaxed);
        let (number, place) = (place as usize % SHARDS, place / SHARDS as u32);
        let mut shard = lock(&self.shards[number]);
        let removed = shard.places.get_mut(place as usize).and_then(Option::take);
        if removed.is_some() {
            shard.free.push(place);
        }
        drop(shard);
        let was_there = removed.is_some();
        // Our share of the handle goes where no lock is held.
        drop(removed);
        if was_there {
            self.departed(1);
        }
        was_there
    }

    /// Takes every connection out and hands it to `end`; returns how many there were. Their places
    /// stay empty for ever, so that a worker that still holds one of them removes no other.
    pub(crate) fn take_all(&self, mut end: impl FnMut(Stream)) -> u64 {
        let mut count = 0;
        for shard in &self.shards {
            let all: Vec<_> = lock(shard).places.iter_mut().filter_map(Option::take).collect();
            count += all.len() as u64;
            all.into_iter().for_each(&mut end);
        }
        self.departed(count);
        count
    }

    /// The connections of one shard for which `which` holds.
    pub(crate) fn those_of(
        &self,
        shard: usize,
        which: impl Fn(&Connection) -> bool,
    ) -> Vec<Stream> {
        let shard = lock(&self.shards[shard]);
        shard.places.iter().flatten().filter(|stream| which(stream.key())).cloned().collect()
    }

    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Waits until none is open; false when the deadline came first.
    pub(crate) fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        self.none.wait_for(deadline, || self.open() == 0)
    }

    fn departed(&self, count: u64) {
        if self.open.fetch_sub(count, Ordering::SeqCst) == count {
            self.none.give();
        }
    }
}

/// Tells the thread that stops a server that something may have become true.
#[derive(Default)]
pub(crate) struct Notice {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Notice {
    pub(crate) fn give(&self) {
        // Whoever has found it untrue under the lock is waiting once the lock is free.
        drop(lock(&self.lock));
        self.changed.notify_all();
    }

    /// Waits until `is_true`; false when the deadline came first.
    pub(crate) fn wait_for(&self, deadline: Option<Instant>, is_true: impl Fn() -> bool) -> bool {
        let mut guard = lock(&self.lock);
        while !is_true() {
            guard = match deadline {
                None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let rest = end.saturating_duration_since(Instant::now());
                    if rest.is_zero() {
                        return false;
                    }
                    let waited = self.changed.wait_timeout(guard, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}
