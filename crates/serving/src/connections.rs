//! The one list of the open connections of a server.
//!
//! It holds a handle of each, since stopping and sweeping must reach connections on which nothing
//! happens. It is in shards, each with its own lock, touched when a connection comes and when it
//! goes, never per message. A listed connection costs 8 bytes beside the library's handle.

use crate::{Notice, lock};
use overlapped::{Protocol, TcpStream};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// A completion key that keeps the place of its connection in the list.
///
/// Only [`Connections`] calls it. A place is below 2^31 as long as no shard ever had 2^27
/// connections at once, so a key may use the highest bit for itself.
pub trait Listed {
    /// The place that was kept.
    fn place(&self) -> u32;

    /// Keeps a place. Called once, before the connection is in the list.
    fn keep_place(&self, place: u32);
}

/// How many shards a list has.
pub const SHARDS: usize = 16;

/// The list of open connections.
pub struct Connections<P: Protocol> {
    shards: [Mutex<Shard<P>>; SHARDS],
    tally: Tally,
}

struct Shard<P: Protocol> {
    places: Vec<Option<TcpStream<P>>>,
    free: Vec<u32>,
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

impl<P: Protocol<Key: Listed>> Connections<P> {
    /// An empty list.
    pub fn new() -> Self {
        let shard = |_| Mutex::new(Shard { places: Vec::new(), free: Vec::new() });
        Self { shards: std::array::from_fn(shard), tally: Tally::default() }
    }

    /// Enters a connection, once, and before its first operation, which may end it. `near` spreads
    /// the threads over the shards.
    pub fn add(&self, stream: &TcpStream<P>, near: usize) {
        let number = near % SHARDS;
        // Before it is in the list, so that whoever takes it out finds it counted.
        let open = self.tally.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.tally.peak.fetch_max(open, Ordering::Relaxed);
        let mut shard = lock(&self.shards[number]);
        let place = shard.free.pop().unwrap_or(shard.places.len() as u32);
        stream.key().keep_place(place * SHARDS as u32 + number as u32);
        match shard.places.get_mut(place as usize) {
            Some(free) => *free = Some(stream.clone()),
            None => shard.places.push(Some(stream.clone())),
        }
    }

    /// Takes a connection out. False when that was done before, also by [`Connections::take_all`].
    /// The last handle closes the connection, and that is the caller's.
    pub fn remove(&self, stream: &TcpStream<P>) -> bool {
        let place = stream.key().place();
        let (number, place) = (place as usize % SHARDS, place / SHARDS as u32);
        let mut shard = lock(&self.shards[number]);
        // The place may be another's since. A key lies where it lies as long as a handle is there.
        let is_it = |listed: &mut TcpStream<P>| std::ptr::eq(listed.key(), stream.key());
        let removed = shard.places.get_mut(place as usize).and_then(|place| place.take_if(is_it));
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

    /// Says that the calling thread has this connection in hand, until what this gives is dropped.
    /// Should the thread unwind before, the connection is taken out and reset: nobody else would go
    /// on with it, and its client must not take half an answer for a whole one.
    pub fn in_hand(&self, stream: &TcpStream<P>) -> InHand<'_, P> {
        InHand { connections: self, stream: stream.clone() }
    }

    /// Takes every connection out and hands it to `end`; returns how many there were. Their places
    /// stay empty for ever, so that a worker that still holds one of them removes no other.
    pub fn take_all(&self, mut end: impl FnMut(TcpStream<P>)) -> u64 {
        let mut count = 0;
        for shard in &self.shards {
            let all: Vec<_> = lock(shard).places.iter_mut().filter_map(Option::take).collect();
            count += all.len() as u64;
            all.into_iter().for_each(&mut end);
        }
        self.departed(count);
        count
    }

    /// Calls `visit`, without a lock, with every connection that is there all the while and whose
    /// key is one for which `which` holds.
    pub fn for_each(&self, which: impl Fn(&P::Key) -> bool, mut visit: impl FnMut(&TcpStream<P>)) {
        for shard in 0..SHARDS {
            self.those_of(shard, &which).iter().for_each(&mut visit);
        }
    }

    /// The connections of one shard, a number below [`SHARDS`], for whose keys `which` holds. It is
    /// called under the lock of the shard.
    pub fn those_of(&self, shard: usize, which: impl Fn(&P::Key) -> bool) -> Vec<TcpStream<P>> {
        let shard = lock(&self.shards[shard]);
        shard.places.iter().flatten().filter(|stream| which(stream.key())).cloned().collect()
    }

    /// How many are open.
    pub fn open(&self) -> u64 {
        self.tally.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub fn peak(&self) -> u64 {
        self.tally.peak.load(Ordering::Relaxed)
    }

    /// Waits until none is open; false when the deadline came first.
    pub fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        self.tally.fewer.wait_for(deadline, || self.open() == 0)
    }

    /// Waits until fewer than `limit` are open, or `is_over`, or the deadline has come. For one
    /// thread, which accepts; when `is_over` becomes true it is told by [`Connections::look_again`].
    pub fn wait_for_room(
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
    pub fn look_again(&self) {
        self.tally.fewer.give();
    }

    fn departed(&self, count: u64) {
        let is_last = self.tally.open.fetch_sub(count, Ordering::SeqCst) == count;
        if is_last || self.tally.is_awaited.load(Ordering::SeqCst) {
            self.tally.fewer.give();
        }
    }
}

/// A connection that a thread has in hand; see [`Connections::in_hand`].
#[must_use = "it is in hand as long as this is there"]
pub struct InHand<'a, P: Protocol<Key: Listed>> {
    connections: &'a Connections<P>,
    stream: TcpStream<P>,
}

impl<P: Protocol<Key: Listed>> Drop for InHand<'_, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.connections.remove(&self.stream);
            self.stream.abort();
        }
    }
}

impl<P: Protocol<Key: Listed>> fmt::Debug for InHand<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InHand").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<P: Protocol<Key: Listed>> Default for Connections<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Protocol> fmt::Debug for Connections<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.tally.open.load(Ordering::SeqCst);
        f.debug_struct("Connections").field("open", &open).finish_non_exhaustive()
    }
}
