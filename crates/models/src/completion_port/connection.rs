//! What is kept per connection, and the one list of all that are open.
//!
//! The list holds a handle of each connection, since stopping and sweeping must reach connections
//! on which nothing happens. It is in shards, each with its own lock, touched when a connection
//! comes and when it goes, never per message.

use super::notice::Notice;
use overlapped::{Protocol, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The protocol of the server.
#[derive(Debug)]
pub(super) struct Serving;

impl Protocol for Serving {
    type Key = Connection;
    type Operation = Receive;
    type Message = End;
}

/// What is posted: the worker that takes it ends.
#[derive(Debug)]
pub(super) struct End;

/// What a receive is for; other operations carry it without meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receive {
    /// It waits for the client, as long as that takes.
    Waits,
    /// It looks a last time whether something came before the server closes the connection.
    LastLook,
}

/// The completion key of a connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Its place in the list, and [`HAS_SPOKEN`].
    place: AtomicU32,
    /// When something last happened on it, kept by [`super::sweep`].
    pub(super) last: AtomicU32,
}

/// Beside the place: the client has sent something. There are not so many places.
const HAS_SPOKEN: u32 = 1 << 31;

impl Connection {
    /// The client has sent something.
    pub(super) fn speaks(&self) {
        // Mostly it has before, and then nobody's cache line is taken away.
        if !self.has_spoken() {
            self.place.fetch_or(HAS_SPOKEN, Ordering::Relaxed);
        }
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.place.load(Ordering::Relaxed) & HAS_SPOKEN != 0
    }
}

pub(super) const SHARDS: usize = 16;

type Stream = TcpStream<Serving>;

#[derive(Default)]
struct Shard {
    places: Vec<Option<Stream>>,
    free: Vec<u32>,
}

/// The list of open connections.
#[derive(Default)]
pub(super) struct Connections {
    shards: [Mutex<Shard>; SHARDS],
    tally: Tally,
}

/// How many there are. On a line of its own: it is written with each connection that comes or
/// goes, while what is beside it is read for each message.
#[derive(Default)]
#[repr(align(128))]
struct Tally {
    open: AtomicU64,
    peak: AtomicU64,
    /// None is open, or one has gone and somebody waits for that.
    fewer: Notice,
    /// A thread waits until there are fewer.
    is_awaited: AtomicBool,
}

impl Connections {
    /// Enters a connection. `near` spreads the threads over the shards.
    pub(super) fn add(&self, stream: &Stream, near: usize) {
        let shard_number = near % SHARDS;
        let place = {
            let mut shard = lock(&self.shards[shard_number]);
            let place = shard.free.pop().unwrap_or(shard.places.len() as u32);
            match shard.places.get_mut(place as usize) {
                Some(free) => *free = Some(stream.clone()),
                None => shard.places.push(Some(stream.clone())),
            }
            place
        };
        let place = place * SHARDS as u32 + shard_number as u32;
        stream.key().place.fetch_or(place, Ordering::Relaxed);
        let open = self.tally.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.tally.peak.fetch_max(open, Ordering::Relaxed);
    }

    /// Takes a connection out. False when that has been done by [`Connections::take_all`].
    pub(super) fn remove(&self, stream: &Stream) -> bool {
        let place = stream.key().place.load(Ordering::Relaxed) & !HAS_SPOKEN;
        let (shard_number, place) = (place as usize % SHARDS, place / SHARDS as u32);
        let removed = {
            let mut shard = lock(&self.shards[shard_number]);
            let removed = shard.places.get_mut(place as usize).and_then(Option::take);
            if removed.is_some() {
                shard.free.push(place);
            }
            removed
        };
        // Our share of the handle is dropped here, where no lock is held.
        let was_there = removed.is_some();
        drop(removed);
        if was_there {
            self.departed(1);
        }
        was_there
    }

    /// Takes every connection out and hands it to `end`; returns how many there were. Their places
    /// stay empty for ever, so that a worker that still holds one of them removes no other.
    pub(super) fn take_all(&self, mut end: impl FnMut(Stream)) -> u64 {
        let mut count = 0;
        for shard in &self.shards {
            let all: Vec<_> = lock(shard).places.iter_mut().filter_map(Option::take).collect();
            count += all.len() as u64;
            all.into_iter().for_each(&mut end);
        }
        self.departed(count);
        count
    }

    /// Calls `visit` with every connection that is there all the while, without a lock.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Stream)) {
        for shard in 0..SHARDS {
            self.those_of(shard, |_| true).iter().for_each(&mut visit);
        }
    }

    /// The connections of one shard for which `which` holds.
    pub(super) fn those_of(
        &self,
        shard: usize,
        which: impl Fn(&Connection) -> bool,
    ) -> Vec<Stream> {
        let shard = lock(&self.shards[shard]);
        shard.places.iter().flatten().filter(|stream| which(stream.key())).cloned().collect()
    }

    /// How many are open.
    pub(super) fn open(&self) -> u64 {
        self.tally.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(super) fn peak(&self) -> u64 {
        self.tally.peak.load(Ordering::Relaxed)
    }

    /// Waits until none is open; false when the deadline came first.
    pub(super) fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        self.tally.fewer.wait_for(deadline, || self.open() == 0)
    }

    /// Waits until fewer than `limit` are open, or `is_over`, or the deadline has come. For one
    /// thread.
    pub(super) fn wait_for_room(
        &self,
        limit: usize,
        deadline: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) {
        self.tally.is_awaited.store(true, Ordering::SeqCst);
        self.tally.fewer.wait_for(deadline, || self.open() < limit as u64 || is_over());
        self.tally.is_awaited.store(false, Ordering::SeqCst);
    }

    /// Makes whoever waits look again.
    pub(super) fn look_again(&self) {
        self.tally.fewer.give();
    }

    fn departed(&self, count: u64) {
        let is_last = self.tally.open.fetch_sub(count, Ordering::SeqCst) == count;
        if is_last || self.tally.is_awaited.load(Ordering::SeqCst) {
            self.tally.fewer.give();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
