//! What buffers are made from, and what they become. Nothing is copied here but by
//! [`Buffer::copy_of`].

use super::memory::Memory;
use super::{Buffer, Buffers};
use std::sync::Arc;

impl Buffer {
    /// A buffer with a copy of `bytes`, as large as they are.
    ///
    /// ```
    /// let word = String::from("word");
    /// let buffer = overlapped::Buffer::copy_of(word.as_bytes());
    /// assert_eq!((&buffer[..], buffer.capacity()), (&b"word"[..], 4));
    /// ```
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }

    /// The filled part as a vector, which takes over the buffer's memory without a copy.
    ///
    /// Of a buffer that was [aligned](Self::aligned) the bytes may move within that memory.
    ///
    /// ```
    /// use overlapped::Buffer;
    ///
    /// let bytes = Vec::from(*b"reply");
    /// let address = bytes.as_ptr();
    /// let buffer = Buffer::from(bytes); // As a packet gives it back.
    /// let bytes = buffer.into_vec().expect("it is no pooled or shared one");
    /// assert_eq!((&bytes[..], bytes.as_ptr()), (&b"reply"[..], address));
    /// assert!(Buffer::from("static").into_vec().is_err());
    /// ```
    ///
    /// # Errors
    /// Gives the buffer back whose memory is not its own: a shared one, or one of a port's pool,
    /// whose memory goes back there. `buffer.to_vec()` copies its bytes.
    pub fn into_vec(mut self) -> Result<Vec<u8>, Self> {
        let inner = self.inner_mut();
        match &mut inner.memory {
            Memory::Own(own) if inner.home.is_none() => {
                let mut own = std::mem::take(own);
                own.truncate(inner.start + inner.filled);
                own.drain(..inner.start);
                Ok(own)
            }
            _ => Err(self),
        }
    }
}

/// Keeps the allocation; its capacity is the buffer's.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        let filled = bytes.len();
        Self::of_memory(Memory::Own(bytes), filled)
    }
}

/// Keeps the allocation; its capacity is the buffer's.
impl From<String> for Buffer {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

/// Shared, without a copy. [`Buffer::copy_of`] takes a slice that does not live for ever.
impl From<&'static [u8]> for Buffer {
    fn from(bytes: &'static [u8]) -> Self {
        Self::of_memory(Memory::Static(bytes), bytes.len())
    }
}

/// Shared, without a copy.
impl<const N: usize> From<&'static [u8; N]> for Buffer {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

/// Shared, without a copy.
impl From<&'static str> for Buffer {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
}

/// Shared, without a copy: dropping the buffer drops its share.
impl From<Arc<[u8]>> for Buffer {
    fn from(bytes: Arc<[u8]>) -> Self {
        let filled = bytes.len();
        Self::of_memory(Memory::Shared(bytes), filled)
    }
}

/// Shared, without a copy: dropping the buffer drops its share.
impl From<Arc<str>> for Buffer {
    fn from(text: Arc<str>) -> Self {
        let filled = text.len();
        Self::of_memory(Memory::Foreign(Box::new(text)), filled)
    }
}

impl From<()> for Buffers {
    fn from((): ()) -> Self {
        Self::none()
    }
}

impl<const N: usize> From<&'static [u8; N]> for Buffers {
    fn from(bytes: &'static [u8; N]) -> Self {
        Buffer::from(bytes).into()
    }
}

/// What is one buffer as [`Buffer`] makes it.
macro_rules! as_one {
    ($($from:ty),+) => {
        $(impl From<$from> for Buffers {
            fn from(one: $from) -> Self {
                Buffer::from(one).into()
            }
        })+
    };
}

as_one!(Vec<u8>, String, &'static [u8], &'static str, Arc<[u8]>, Arc<str>);
