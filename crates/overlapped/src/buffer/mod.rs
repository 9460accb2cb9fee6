//! Owned buffers: the one concrete type that operations take and packets give back.
//!
//! - [`Buffer`] is a fixed room of bytes and the length of its filled part. It is one pointer wide,
//!   so operations and packets that carry one stay small.
//! - [`Buffers`] is what a send takes: none, one or several of them.
//! - [`pool`] keeps the buffers of a port that nobody uses; a pooled buffer goes back there when it
//!   is dropped, wherever that happens.
//! - [`sizes`] says how large they are, and which of them a stream gets.
//! - [`cache`] is in front of it: what a thread that receives keeps for itself.
//!
//! It uses nothing of the library but its locks.

pub(crate) mod cache;
pub(crate) mod pool;
mod several;
pub(crate) mod sizes;
#[cfg(all(test, not(loom)))]
mod tests;

pub use several::Buffers;

use pool::Pool;
use sizes::Size;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// An owned buffer: a room of fixed capacity, of which the first `len` bytes are filled.
///
/// It reads as the slice of its filled part.
///
/// ```
/// use overlapped::Buffer;
///
/// let mut buffer = Buffer::with_capacity(16);
/// buffer.extend_from_slice(b"ping");
/// assert_eq!(&buffer[..], b"ping");
/// assert_eq!(buffer.capacity(), 16);
/// ```
pub struct Buffer {
    /// Always there until the buffer is dropped.
    inner: Option<Box<Inner>>,
}

pub(crate) struct Inner {
    /// The memory; the buffer's room is the part of it that `start` and `capacity` name.
    memory: Box<[u8]>,
    /// Where the room begins, so that it can lie at an aligned address.
    start: usize,
    capacity: usize,
    filled: usize,
    /// Of one that is pooled: which of its pool's sizes it has.
    size: Size,
    /// The pool of one that is in use, or kept by a thread.
    home: Option<Arc<Pool>>,
    /// The one after it among those that a thread keeps.
    next: Option<Box<Inner>>,
}

impl Inner {
    /// All of `memory` as room, of which the first `filled` bytes hold data.
    fn new(memory: Box<[u8]>, filled: usize) -> Self {
        Self {
            start: 0,
            capacity: memory.len(),
            memory,
            filled,
            size: Size::Small,
            home: None,
            next: None,
        }
    }

    fn room(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.capacity]
    }

    fn room_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.capacity]
    }
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes, which belongs to no pool.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::from_room(vec![0; capacity].into_boxed_slice(), 0)
    }

    /// A buffer without room: what a receive takes that only waits for data.
    pub fn empty() -> Self {
        Self::with_capacity(0)
    }

    /// An empty buffer with room for `capacity` bytes at an address that is a multiple of
    /// `alignment`, as [unbuffered files](crate::FileOptions::unbuffered) ask for it.
    ///
    /// ```
    /// let buffer = overlapped::Buffer::aligned(8192, 4096);
    /// assert_eq!(buffer.capacity(), 8192);
    /// ```
    ///
    /// # Panics
    /// When `alignment` is not a power of two.
    pub fn aligned(capacity: usize, alignment: usize) -> Self {
        assert!(alignment.is_power_of_two(), "an alignment is a power of two, {alignment} is not");
        let memory = vec![0; capacity + (alignment - 1)].into_boxed_slice();
        // The memory never moves while it lives, so what is aligned now stays so.
        let start = memory.as_ptr().align_offset(alignment);
        Self { inner: Some(Box::new(Inner { start, capacity, ..Inner::new(memory, 0) })) }
    }

    fn from_room(room: Box<[u8]>, filled: usize) -> Self {
        Self { inner: Some(Box::new(Inner::new(room, filled))) }
    }

    fn of_pool(mut inner: Box<Inner>) -> Self {
        inner.filled = 0;
        Self { inner: Some(inner) }
    }

    fn inner(&self) -> &Inner {
        self.inner.as_ref().expect("a buffer has its room until it is dropped")
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("a buffer has its room until it is dropped")
    }

    /// How many bytes fit in all.
    pub fn capacity(&self) -> usize {
        self.inner().capacity
    }

    /// Empties the buffer; its bytes stay where they are and are overwritten later.
    pub fn clear(&mut self) {
        self.inner_mut().filled = 0;
    }

    /// The same buffer, empty: what an operation fills begins so, also when it ends before that.
    pub(crate) fn cleared(mut self) -> Self {
        self.clear();
        self
    }

    /// Keeps the first `length` bytes. A longer length has no effect.
    pub fn truncate(&mut self, length: usize) {
        let inner = self.inner_mut();
        inner.filled = inner.filled.min(length);
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// When they do not fit; see [`Buffer::capacity`].
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let inner = self.inner_mut();
        let end = inner.filled + bytes.len();
        assert!(
            end <= inner.capacity,
            "{} bytes do not fit into a buffer of {} that holds {}",
            bytes.len(),
            inner.capacity,
            inner.filled
        );
        let filled = std::mem::replace(&mut inner.filled, end);
        inner.room_mut()[filled..end].copy_from_slice(bytes);
    }

    /// The whole room, for a receive to fill.
    pub(crate) fn room_mut(&mut self) -> &mut [u8] {
        self.inner_mut().room_mut()
    }

    /// The address at which the room begins.
    pub(crate) fn address(&self) -> usize {
        self.inner().room().as_ptr().addr()
    }

    /// Says that the first `filled` bytes of the room hold data now.
    pub(crate) fn set_filled(&mut self, filled: usize) {
        let inner = self.inner_mut();
        assert!(filled <= inner.capacity, "no more can be filled than there is room");
        inner.filled = filled;
    }
}

/// A buffer, or none, in one pointer: what an operation has of it.
#[derive(Debug)]
pub(crate) struct MaybeBuffer(Buffer);

impl MaybeBuffer {
    pub(crate) const NONE: Self = Self(Buffer { inner: None });

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Buffer> {
        let inner = self.0.inner.take()?;
        Some(Buffer { inner: Some(inner) })
    }

    /// There was none before.
    #[inline]
    pub(crate) fn put(&mut self, buffer: Buffer) {
        *self = Self(buffer);
    }

    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(crate) fn as_ref(&self) -> Option<&Buffer> {
        self.0.inner.is_some().then_some(&self.0)
    }

    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(crate) fn as_mut(&mut self) -> Option<&mut Buffer> {
        if self.0.inner.is_some() { Some(&mut self.0) } else { None }
    }
}

impl From<Option<Buffer>> for MaybeBuffer {
    fn from(buffer: Option<Buffer>) -> Self {
        buffer.map_or(Self::NONE, Self)
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && inner.home.is_some()
        {
            cache::put(inner);
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let inner = self.inner();
        &inner.room()[..inner.filled]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let inner = self.inner_mut();
        let filled = inner.filled;
        &mut inner.room_mut()[..filled]
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        let filled = bytes.len();
        Self::from_room(bytes.into_boxed_slice(), filled)
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Buffer {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}
