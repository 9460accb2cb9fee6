//! The one list of the open connections of a server, and what is counted of them.
//!
//! It holds a handle of each, since stopping and sweeping must reach connections on which nothing
//! happens. It is in shards, each with its own lock. A connection touches one of them when it comes
//! and when it goes, and is counted then; a message touches nothing here. A listed connection costs
//! 8 bytes beside its handle.

use crate::{Errors, Failure, Notice, lock};
use overlapped::{Protocol, TcpStream};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A handle of a connection, as a list holds it. A clone is a handle of the same connection.
pub trait Handle: Clone {
    /// What all handles of one connection share.
    type Key: Listed;

    /// It lies at the same address as long as a handle is there.
    fn key(&self) -> &Self::Key;

    /// The client's address, if it is known. Asked only where a [`Watcher`] wants it.
    fn client(&self) -> Option<SocketAddr>;
}

/// What keeps the place of its connection in the list.
///
/// Only [`Connections`] calls it. A place is below 2^31 as long as no shard ever had 2^27
/// connections at once, so a key may use the highest bit for itself.
pub trait Listed {
    /// The place that was kept.
    fn place(&self) -> u32;

    /// Keeps a place. Called once, before the connection is in the list.
    fn keep_place(&self, place: u32);

    /// The client's address, where the key keeps it.
    fn client(&self) -> Option<SocketAddr> {
        None
    }
}

/// Is told of each connection that comes to a list and goes from it, on the thread that serves it or
/// that stops the server, outside of all locks. It holds that thread up as long as it takes.
pub trait Watcher<H>: Send + Sync {
    /// The connection was entered; nothing was received yet.
    fn came(&self, connection: &H);

    /// The connection was taken out, and why, unless it ended gracefully.
    fn left(&self, connection: &H, failure: Option<Failure>);
}

impl<P: Protocol<Key: Listed>> Handle for TcpStream<P> {
    type Key = P::Key;

    fn key(&self) -> &P::Key {
        TcpStream::key(self)
    }

    fn client(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}

impl<T: Listed> Handle for Arc<T> {
    type Key = T;

    fn key(&self) -> &T {
        self
    }

    fn client(&self) -> Option<SocketAddr> {
        T::client(self)
    }
}

/// How many shards a list has.
pub const SHARDS: usize = 16;

/// The list of open connections.
pub struct Connections<H> {
    shards: [Mutex<Shard<H>>; SHARDS],
    counts: Counts,
    watcher: Option<Box<dyn Watcher<H>>>,
}

struct Shard<H> {
    places: Vec<Option<H>>,
    free: Vec<u32>,
}

/// What is counted. On a line of its own: it is written with each connection that comes or goes,
/// while what is beside it is read for each message.
#[derive(Default)]
#[repr(align(128))]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
    peak: AtomicU64,
    /// By [`Failure`].
    failures: [AtomicU64; 4],
    /// None is open, or one has gone and somebody waits for that.
    fewer: Notice,
    /// A thread waits until there are fewer.
    is_awaited: AtomicBool,
}

impl<H: Handle> Connections<H> {
    /// An empty list.
    pub fn new() -> Self {
        let shard = |_| Mutex::new(Shard { places: Vec::new(), free: Vec::new() });
        Self { shards: std::array::from_fn(shard), counts: Counts::default(), watcher: None }
    }

    /// An empty list that tells `watcher` of each connection.
    pub fn watched(watcher: Box<dyn Watcher<H>>) -> Self {
        Self { watcher: Some(watcher), ..Self::new() }
    }

    /// Whether somebody is told of each connection.
    pub fn is_watched(&self) -> bool {
        self.watcher.is_some()
    }

    /// Enters a connection that was accepted, once, and before its first operation, which may end it.
    pub fn add(&self, connection: &H) {
        // Counted before it is in the list, so that whoever takes it out finds it counted. The shards
        // take turns, so that two threads seldom meet in one.
        let number = self.counts.accepted.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
        let open = self.counts.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.peak.fetch_max(open, Ordering::Relaxed);
        let mut shard = lock(&self.shards[number]);
        let place = shard.free.pop().unwrap_or(shard.places.len() as u32);
        connection.key().keep_place(place * SHARDS as u32 + number as u32);
        match shard.places.get_mut(place as usize) {
            Some(free) => *free = Some(connection.clone()),
            None => shard.places.push(Some(connection.clone())),
        }
        drop(shard);
        self.watcher.iter().for_each(|watcher| watcher.came(connection));
    }

    /// Takes a connection out, and counts why it ended, unless that was gracefully. False, and nothing
    /// is counted, when that was done before, also by [`Connections::take_all`]. The last handle
    /// closes the connection, and that is the caller's.
    pub fn remove(&self, connection: &H, failure: Option<Failure>) -> bool {
        self.take_out(connection, failure, failure)
    }

    /// Takes a connection out, counts `failure`, and tells the watcher of `told`.
    fn take_out(&self, connection: &H, failure: Option<Failure>, told: Option<Failure>) -> bool {
        let place = connection.key().place();
        let (number, place) = (place as usize % SHARDS, place / SHARDS as u32);
        let mut shard = lock(&self.shards[number]);
        // The place may be another's since.
        let is_it = |listed: &mut H| std::ptr::eq(listed.key(), connection.key());
        let removed = shard.places.get_mut(place as usize).and_then(|place| place.take_if(is_it));
        if removed.is_some() {
            shard.free.push(place);
        }
        drop(shard);
        let was_there = removed.is_some();
        // Our share of the handle goes where no lock is held.
        drop(removed);
        if was_there {
            // Before it counts as gone, so that whoever sees that it has knows why.
            failure.into_iter().for_each(|failure| self.failed(failure));
            self.watcher.iter().for_each(|watcher| watcher.left(connection, told));
            self.departed(1);
        }
        was_there
    }

    /// Takes a connection out that a panic has ended, which is counted where that is contained.
    pub(crate) fn forget(&self, connection: &H) {
        self.take_out(connection, None, Some(Failure::Other));
    }

    /// Counts a failure that ends no connection of the list: one that could not be entered, or that
    /// was taken out before.
    pub fn failed(&self, failure: Failure) {
        self.counts.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes every connection out, counts it as aborted and hands it to `end`; returns how many there
    /// were. Their places stay empty for ever, so that a thread that still holds one of them removes
    /// no other.
    pub fn take_all(&self, mut end: impl FnMut(H)) -> u64 {
        let mut count = 0;
        for shard in &self.shards {
            let all: Vec<_> = lock(shard).places.iter_mut().filter_map(Option::take).collect();
            count += all.len() as u64;
            let aborted = &self.counts.failures[Failure::Aborted as usize];
            aborted.fetch_add(all.len() as u64, Ordering::Relaxed);
            for connection in all {
                let aborted = Some(Failure::Aborted);
                self.watcher.iter().for_each(|watcher| watcher.left(&connection, aborted));
                end(connection);
            }
        }
        self.departed(count);
        count
    }

    /// Calls `visit`, without a lock, with every connection that is there all the while and whose
    /// key is one for which `which` holds.
    pub fn for_each(&self, which: impl Fn(&H::Key) -> bool, mut visit: impl FnMut(&H)) {
        for shard in 0..SHARDS {
            self.those_of(shard, &which).iter().for_each(&mut visit);
        }
    }

    /// The connections of one shard, a number below [`SHARDS`], for whose keys `which` holds. It is
    /// called under the lock of the shard.
    pub fn those_of(&self, shard: usize, which: impl Fn(&H::Key) -> bool) -> Vec<H> {
        let shard = lock(&self.shards[shard]);
        shard.places.iter().flatten().filter(|listed| which(listed.key())).cloned().collect()
    }

    /// How many are open. Asked before the other figures, it is no more than were accepted, and
    /// whoever is missing from it is counted with its failure.
    pub fn open(&self) -> u64 {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub fn peak(&self) -> u64 {
        self.counts.peak.load(Ordering::Relaxed)
    }

    /// How many have been entered.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// How many ended before their time, and what else failed.
    pub fn errors(&self) -> Errors {
        let count = |failure| self.counts.failures[failure as usize].load(Ordering::Relaxed);
        Errors {
            reset: count(Failure::Reset),
            timed_out: count(Failure::TimedOut),
            aborted: count(Failure::Aborted),
            other: count(Failure::Other),
        }
    }

    /// Waits until none is open; false when the deadline came first.
    pub fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        self.counts.fewer.wait_for(deadline, || self.open() == 0)
    }

    /// Waits until fewer than `limit` are open, or `is_over`, or the deadline has come. For one
    /// thread, which accepts; when `is_over` becomes true it is told by [`Connections::look_again`].
    pub fn wait_for_room(
        &self,
        limit: usize,
        deadline: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) {
        if self.open() < limit as u64 {
            return;
        }
        self.counts.is_awaited.store(true, Ordering::SeqCst);
        self.counts.fewer.wait_for(deadline, || self.open() < limit as u64 || is_over());
        self.counts.is_awaited.store(false, Ordering::SeqCst);
    }

    /// Makes whoever waits look again.
    pub fn look_again(&self) {
        self.counts.fewer.give();
    }

    fn departed(&self, count: u64) {
        let is_last = self.counts.open.fetch_sub(count, Ordering::SeqCst) == count;
        if is_last || self.counts.is_awaited.load(Ordering::SeqCst) {
            self.counts.fewer.give();
        }
    }
}

impl<P: Protocol<Key: Listed>> Connections<TcpStream<P>> {
    /// Says that the calling thread has this connection in hand, until what this gives is dropped.
    /// Should the thread unwind before, the connection is taken out and reset: nobody else would go
    /// on with it, and its client must not take half an answer for a whole one. The panic itself is counted
    /// by whoever contains it, as the threads of [`workers`](crate::workers) do. They do the same for the connection of
    /// the packet; this is for another one.
    pub fn in_hand(&self, stream: &TcpStream<P>) -> InHand<'_, P> {
        InHand { connections: self, stream: stream.clone() }
    }
}

/// A connection that a thread has in hand; see [`Connections::in_hand`].
#[must_use = "it is in hand as long as this is there"]
pub struct InHand<'a, P: Protocol<Key: Listed>> {
    connections: &'a Connections<TcpStream<P>>,
    stream: TcpStream<P>,
}

impl<P: Protocol<Key: Listed>> Drop for InHand<'_, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.connections.forget(&self.stream);
            self.stream.abort();
        }
    }
}

impl<P: Protocol<Key: Listed>> fmt::Debug for InHand<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InHand").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<H: Handle> Default for Connections<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> fmt::Debug for Connections<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.counts.open.load(Ordering::SeqCst);
        f.debug_struct("Connections").field("open", &open).finish_non_exhaustive()
    }
}
