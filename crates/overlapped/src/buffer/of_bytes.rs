//! Buffers of `bytes::Bytes`, with the feature `bytes`.

use super::memory::{Foreign, Memory};
use super::{Buffer, Buffers};
use bytes::Bytes;

impl Foreign for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Shared, without a copy: dropping the buffer drops its share.
impl From<Bytes> for Buffer {
    fn from(bytes: Bytes) -> Self {
        let filled = bytes.len();
        Self::of_memory(Memory::Foreign(Box::new(bytes)), filled)
    }
}

impl From<Bytes> for Buffers {
    fn from(bytes: Bytes) -> Self {
        Buffer::from(bytes).into()
    }
}
