//! Owned buffers: the one concrete type that operations take and packets give back.
//!
//! - [`Buffer`] is a fixed room of bytes and the length of its filled part. It is one pointer wide,
//!   so operations and packets that carry one stay small.
//! - [`memory`] is what its bytes lie in: its own memory, or memory that is shared and only read.
//! - [`filling`] is how a program writes into one, and [`conversions`] what one is made from.
//! - [`Buffers`] is what a send takes: none, one or several of them.
//! - [`datagrams`] are many datagrams in one piece of memory.
//! - [`pool`] keeps the buffers of a port that nobody uses; a pooled buffer goes back there when it
//!   is dropped, wherever that happens.
//! - [`sizes`] says how large they are, and which of them a stream gets.
//! - [`cache`] is in front of it: what a thread that receives keeps for itself.
//!
//! It uses nothing of the library but its locks.

pub(crate) mod cache;
mod conversions;
pub(crate) mod datagrams;
mod filling;
mod memory;
#[cfg(feature = "bytes")]
mod of_bytes;
pub(crate) mod pool;
mod scattered;
mod several;
pub(crate) mod sizes;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(test, not(loom)))]
mod tests_of_making;

pub use datagrams::{Datagram, DatagramInfo, Datagrams, Ecn};
pub use several::Buffers;

use memory::Memory;
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
/// assert_eq!((buffer.capacity(), buffer.spare_len()), (16, 12));
/// ```
///
/// # What it is made from
///
/// A buffer of a `Vec<u8>` or a `String` keeps its allocation, with the room that this has to spare,
/// and [`into_vec`](Self::into_vec) gives it back. One of a `&'static [u8]`, a `&'static str`, an
/// `Arc<[u8]>`, an `Arc<str>` or, with the feature `bytes`, a `bytes::Bytes` is *shared*: it holds the
/// bytes where they are, so a message to a thousand clients is there once. What is shared is never
/// written to: what writes into such a buffer, be it an operation, gives it memory of its own first,
/// with a copy of its bytes (copy on write). [`Buffer::copy_of`] copies any slice.
///
/// ```
/// use overlapped::Buffer;
/// use std::sync::Arc;
///
/// let message: Arc<[u8]> = Arc::from(*b"to everybody");
/// let mut buffer = Buffer::from(Arc::clone(&message));
/// assert_eq!(buffer.as_ptr(), message.as_ptr(), "no copy");
/// buffer[0] = b'T';
/// assert_eq!((&buffer[..], &message[..]), (&b"To everybody"[..], &b"to everybody"[..]));
/// ```
pub struct Buffer {
    /// Always there until the buffer is dropped.
    inner: Option<Box<Inner>>,
}

pub(crate) struct Inner {
    /// The buffer's room is the part of it that `start` and `capacity` name.
    memory: Memory,
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
    fn new(memory: Memory, filled: usize) -> Self {
        Self {
            start: 0,
            capacity: memory.capacity(),
            memory,
            filled,
            size: Size::Small,
            home: None,
            next: None,
        }
    }

    /// The memory up to the end of the room, to write to.
    #[inline]
    fn memory_mut(&mut self) -> &mut [u8] {
        let end = self.start + self.capacity;
        &mut self.memory.writable(self.start + self.filled, end)[..end]
    }

    #[inline]
    fn room_mut(&mut self) -> &mut [u8] {
        let start = self.start;
        &mut self.memory_mut()[start..]
    }
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes, which belongs to no pool.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::of_memory(Memory::zeroed(capacity), 0)
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
        let memory = Memory::zeroed(capacity + (alignment - 1));
        // The memory never moves while it lives, so what is aligned now stays so.
        let start = memory.bytes().as_ptr().align_offset(alignment);
        Self { inner: Some(Box::new(Inner { start, capacity, ..Inner::new(memory, 0) })) }
    }

    fn of_memory(memory: Memory, filled: usize) -> Self {
        Self { inner: Some(Box::new(Inner::new(memory, filled))) }
    }

    #[inline]
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

    /// The whole room, for an operation to fill from its start.
    pub(crate) fn room_mut(&mut self) -> &mut [u8] {
        self.inner_mut().room_mut()
    }

    /// The room behind the filled part, for a receive to fill.
    #[inline]
    pub(crate) fn spare_mut(&mut self) -> &mut [u8] {
        let inner = self.inner_mut();
        let from = inner.start + inner.filled;
        &mut inner.memory_mut()[from..]
    }

    /// Says that the next `count` bytes of the room hold data now.
    #[inline]
    pub(crate) fn add_filled(&mut self, count: usize) {
        self.set_filled(self.inner().filled + count);
    }

    /// The address at which the room begins.
    pub(crate) fn address(&self) -> usize {
        let inner = self.inner();
        inner.memory.bytes().as_ptr().addr() + inner.start
    }

    /// The same buffer with memory of its own, if that was shared: its address stays what it is.
    pub(crate) fn owned(mut self) -> Self {
        self.room_mut();
        self
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
        &inner.memory.bytes()[inner.start..inner.start + inner.filled]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let inner = self.inner_mut();
        let filled = inner.filled;
        if filled == 0 {
            return &mut [];
        }
        &mut inner.room_mut()[..filled]
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
