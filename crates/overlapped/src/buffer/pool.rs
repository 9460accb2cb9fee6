//! The buffers of a port that nobody uses.
//!
//! Most of them lie with the threads that receive, each with [its own](super::cache); what those have
//! too many of lies here, under a lock, for all threads. The last one put back is the first one given
//! out, so the few that are in use stay in the processor's cache.

use super::memory::Memory;
use super::sizes::{SIZES, Size, Sizes};
use super::{Buffer, Inner, cache};
use crate::sync::unmodelled::AtomicBool;
use crate::sync::{Mutex, shared};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What one thread keeps unused of each size for one port, at the most.
const OF_A_THREAD: usize = 64;
const OF_A_THREAD_BYTES: usize = 512 << 10;
/// The part of the pool's limit that one thread may keep besides.
const OF_A_THREAD_PART: usize = 8;

/// The pool of one port.
pub(crate) struct Pool {
    pub(super) unused: Mutex<Unused>,
    sizes: Sizes,
    /// How much is kept here when unused.
    limit_bytes: usize,
    /// How many of each size one thread keeps.
    of_a_thread: [usize; SIZES],
    /// Nothing is kept any more.
    closed: AtomicBool,
}

/// The unused buffers of a pool.
#[derive(Default)]
pub(super) struct Unused {
    #[expect(clippy::vec_box, reason = "a buffer is its box; it must not move out and in again")]
    pub(super) of_size: [Vec<Box<Inner>>; SIZES],
    bytes: usize,
}

impl Pool {
    /// Keeps unused buffers up to the bytes of `limit` small ones.
    pub(crate) fn new(sizes: Sizes, limit: usize) -> Arc<Self> {
        let limit_bytes = limit.saturating_mul(sizes.bytes(Size::Small));
        let of_a_thread = |size| {
            let bytes = sizes.bytes(size).max(1);
            let part = limit_bytes / OF_A_THREAD_PART;
            OF_A_THREAD.min(OF_A_THREAD_BYTES.min(part) / bytes)
        };
        Arc::new(Self {
            unused: Mutex::new(Unused::default()),
            sizes,
            limit_bytes,
            of_a_thread: Size::ALL.map(of_a_thread),
            closed: AtomicBool::new(false),
        })
    }

    /// An empty buffer of the size that most have, newly made if none is unused.
    #[inline]
    pub(crate) fn get(self: &Arc<Self>) -> Buffer {
        self.get_of(Size::Small)
    }

    #[inline]
    pub(crate) fn get_of(self: &Arc<Self>, size: Size) -> Buffer {
        Buffer::of_pool(cache::get(self, size).unwrap_or_else(|| self.get_shared(size)))
    }

    /// One that no thread keeps, or a new one.
    #[cold]
    fn get_shared(self: &Arc<Self>, size: Size) -> Box<Inner> {
        let unused = self.unused.lock().take(size);
        let mut inner = unused.unwrap_or_else(|| {
            let memory = Memory::zeroed(self.sizes.bytes(size));
            Box::new(Inner { size, ..Inner::new(memory, 0) })
        });
        inner.home = Some(shared(self));
        inner
    }

    #[inline]
    pub(crate) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// How many unused buffers of this size one thread may keep.
    pub(super) fn of_a_thread(&self, size: Size) -> usize {
        self.of_a_thread[size as usize]
    }

    /// Up to `count` buffers for a thread that is to keep them.
    pub(super) fn give(
        self: &Arc<Self>,
        size: Size,
        count: usize,
    ) -> impl Iterator<Item = Box<Inner>> {
        let mut unused = self.unused.lock();
        let given: Vec<_> = std::iter::from_fn(|| unused.take(size)).take(count).collect();
        drop(unused);
        // The last one put back goes out first, from where it is put last.
        given.into_iter().rev().map(|mut inner| {
            inner.home = Some(shared(self));
            inner
        })
    }

    /// Takes buffers back: they are kept, up to the limit, or freed.
    pub(super) fn put(&self, buffers: impl Iterator<Item = Box<Inner>>) {
        let mut freed = None;
        let mut unused = self.unused.lock();
        for mut inner in buffers {
            // What lies in the pool has no share in it, or neither would ever go.
            inner.home = None;
            // Closed under the lock, so that none is put back after those were freed that are there.
            if !self.is_closed() {
                let larger = || Size::ALL.into_iter().rev().take_while(|size| *size > inner.size);
                if unused.bytes + inner.capacity > self.limit_bytes
                    && let Some(mut larger) = larger().find_map(|size| unused.take(size))
                {
                    // Room for those of which more fit: what a burst has left does not stay for ever.
                    larger.next = freed;
                    freed = Some(larger);
                }
                if unused.bytes + inner.capacity <= self.limit_bytes {
                    unused.bytes += inner.capacity;
                    unused.of_size[inner.size as usize].push(inner);
                    continue;
                }
            }
            inner.next = freed;
            freed = Some(inner);
        }
        drop(unused);
        cache::each(freed).for_each(drop);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The port is closed: frees what lies here, and what the calling thread keeps. From now on a
    /// buffer that is dropped is freed.
    pub(crate) fn close(&self) {
        let mut unused = self.unused.lock();
        self.closed.store(true, Ordering::Relaxed);
        let freed = std::mem::take(&mut *unused);
        drop(unused);
        drop(freed);
        cache::forget_closed();
    }
}

impl Unused {
    fn take(&mut self, size: Size) -> Option<Box<Inner>> {
        let inner = self.of_size[size as usize].pop()?;
        self.bytes -= inner.capacity;
        Some(inner)
    }
}
