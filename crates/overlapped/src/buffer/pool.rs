//! The buffers of a port that nobody uses.
//!
//! Most of them lie with the threads that receive, each with [its own](super::cache); what those have
//! too many of lies here, under a lock, for all threads. The last one put back is the first one given
//! out, so the few that are in use stay in the processor's cache.

use super::{Buffer, Inner, cache};
use crate::sync::unmodelled::AtomicBool;
use crate::sync::{Mutex, shared};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What one thread keeps unused for one port, at the most.
const OF_A_THREAD: usize = 16;
const OF_A_THREAD_BYTES: usize = 128 << 10;
/// The part of the pool's limit that one thread may keep besides.
const OF_A_THREAD_PART: usize = 8;

/// The pool of one port: buffers of one size, of which at most `limit` are kept here when unused.
pub(crate) struct Pool {
    #[expect(clippy::vec_box, reason = "a buffer is its box; it must not move out and in again")]
    pub(super) unused: Mutex<Vec<Box<Inner>>>,
    buffer_size: usize,
    limit: usize,
    /// How many one thread keeps.
    of_a_thread: usize,
    /// Nothing is kept any more.
    closed: AtomicBool,
}

impl Pool {
    pub(crate) fn new(buffer_size: usize, limit: usize) -> Arc<Self> {
        let of_a_thread =
            OF_A_THREAD.min(OF_A_THREAD_BYTES / buffer_size.max(1)).min(limit / OF_A_THREAD_PART);
        Arc::new(Self {
            unused: Mutex::new(Vec::new()),
            buffer_size,
            limit,
            of_a_thread,
            closed: AtomicBool::new(false),
        })
    }

    /// An empty buffer, newly made if none is unused.
    #[inline]
    pub(crate) fn get(self: &Arc<Self>) -> Buffer {
        Buffer::of_pool(cache::get(self).unwrap_or_else(|| self.get_shared()))
    }

    /// One that no thread keeps, or a new one.
    #[cold]
    fn get_shared(self: &Arc<Self>) -> Box<Inner> {
        let unused = self.unused.lock().pop();
        let mut inner = unused.unwrap_or_else(|| {
            let room = vec![0; self.buffer_size].into_boxed_slice();
            Box::new(Inner::new(room, 0))
        });
        inner.home = Some(shared(self));
        inner
    }

    /// The size in bytes of each buffer.
    #[allow(dead_code, reason = "only a kernel that accepts with first data asks for it")]
    pub(crate) fn buffer_size(&self) -> usize {
        self.buffer_size
    }

    /// How many unused buffers one thread may keep.
    pub(super) fn of_a_thread(&self) -> usize {
        self.of_a_thread
    }

    /// Up to `count` buffers for a thread that is to keep them.
    pub(super) fn give(self: &Arc<Self>, count: usize) -> impl Iterator<Item = Box<Inner>> {
        let mut unused = self.unused.lock();
        let from = unused.len().saturating_sub(count);
        let given = unused.split_off(from);
        drop(unused);
        given.into_iter().map(|mut inner| {
            inner.home = Some(shared(self));
            inner
        })
    }

    /// Takes buffers back: they are kept, up to the limit, or freed.
    pub(super) fn put(&self, buffers: impl Iterator<Item = Box<Inner>>) {
        let mut buffers = buffers.map(|mut inner| {
            // What lies in the pool has no share in it, or neither would ever go.
            inner.home = None;
            inner
        });
        let mut unused = self.unused.lock();
        // Under the lock, so that none is put back after those were dropped that are there.
        if !self.is_closed() {
            let room = self.limit.saturating_sub(unused.len());
            unused.extend(buffers.by_ref().take(room));
        }
        drop(unused);
        buffers.for_each(drop);
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
