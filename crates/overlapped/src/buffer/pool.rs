//! The buffers of a port that nobody uses.
//!
//! The last one put back is the first one given out, so the few that are in use stay in the
//! processor's cache.

use super::{Buffer, Inner};
use crate::sync::{Mutex, shared};
use std::sync::Arc;

/// The pool of one port: buffers of one size, of which at most `limit` are kept when unused.
pub(crate) struct Pool {
    #[expect(clippy::vec_box, reason = "a buffer is its box; it must not move out and in again")]
    pub(super) unused: Mutex<Vec<Box<Inner>>>,
    buffer_size: usize,
    limit: usize,
}

impl Pool {
    pub(crate) fn new(buffer_size: usize, limit: usize) -> Arc<Self> {
        Arc::new(Self { unused: Mutex::new(Vec::new()), buffer_size, limit })
    }

    /// An empty buffer, newly made if none is unused.
    pub(crate) fn get(self: &Arc<Self>) -> Buffer {
        let unused = self.unused.lock().pop();
        let inner = unused.unwrap_or_else(|| {
            let room = vec![0; self.buffer_size].into_boxed_slice();
            Box::new(Inner::new(room, 0))
        });
        Buffer::from_pool(inner, shared(self))
    }

    /// The size in bytes of each buffer.
    #[allow(dead_code, reason = "only a kernel that accepts with first data asks for it")]
    pub(crate) fn buffer_size(&self) -> usize {
        self.buffer_size
    }

    pub(super) fn put(&self, inner: Box<Inner>) {
        let mut unused = self.unused.lock();
        if unused.len() < self.limit {
            unused.push(inner);
        }
    }
}
