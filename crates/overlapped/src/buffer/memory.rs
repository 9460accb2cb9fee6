//! What the bytes of a buffer lie in.

use std::sync::Arc;

pub(super) enum Memory {
    /// Its own. All of it that was ever the room of an operation is initialised; what a vector has to
    /// spare is, as soon as somebody is to write there.
    Own(Vec<u8>),
    /// The rest is only read.
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
    Foreign(Box<dyn Foreign>),
}

/// Bytes of a type that is shared, whose slice is the same at every call: a kernel may hold its
/// address.
pub(super) trait Foreign: Send + Sync {
    fn bytes(&self) -> &[u8];
}

impl Foreign for Arc<str> {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Memory {
    pub(super) fn zeroed(length: usize) -> Self {
        Self::Own(vec![0; length])
    }

    /// How many bytes of room there are.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Own(own) => own.capacity(),
            _ => self.bytes().len(),
        }
    }

    /// What is initialised.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(own) => own,
            _ => self.shared_bytes(),
        }
    }

    #[inline(never)]
    fn shared_bytes(&self) -> &[u8] {
        match self {
            Self::Own(own) => own,
            Self::Static(bytes) => bytes,
            Self::Shared(shared) => shared,
            Self::Foreign(foreign) => foreign.bytes(),
        }
    }

    /// The memory as one's own, with at least `length` bytes; the first `filled` are kept.
    #[inline]
    pub(super) fn writable(&mut self, filled: usize, length: usize) -> &mut [u8] {
        if !matches!(self, Self::Own(own) if own.len() >= length) {
            self.make_own(filled, length);
        }
        match self {
            Self::Own(own) => own,
            _ => unreachable!("it was made so"),
        }
    }

    #[cold]
    #[inline(never)]
    fn make_own(&mut self, filled: usize, length: usize) {
        match self {
            // It has the capacity: nothing moves.
            Self::Own(own) => own.resize(length, 0),
            shared => {
                let mut own = Vec::with_capacity(length);
                own.extend_from_slice(&shared.bytes()[..filled]);
                own.resize(length, 0);
                *shared = Self::Own(own);
            }
        }
    }
}
