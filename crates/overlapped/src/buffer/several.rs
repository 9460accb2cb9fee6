//! The buffers of one send.

use super::Buffer;
use std::io::IoSlice;

/// What a send takes and its packet gives back: none, one or several buffers, sent in order.
///
/// ```
/// use overlapped::{Buffer, Buffers};
///
/// let head_and_body = Buffers::from(vec![Buffer::from(b"head"), Buffer::from(b"body")]);
/// assert_eq!(head_and_body.byte_len(), 8);
/// assert_eq!(Buffers::from(()).iter().count(), 0);
/// ```
#[derive(Debug)]
pub struct Buffers(Kind);

#[derive(Debug)]
enum Kind {
    None,
    One(Buffer),
    #[expect(clippy::box_collection, reason = "it keeps every send and packet small")]
    Several(Box<Vec<Buffer>>),
}

impl Buffers {
    pub(super) fn none() -> Self {
        Self(Kind::None)
    }

    /// The buffers in the order in which they are sent.
    pub fn iter(&self) -> std::slice::Iter<'_, Buffer> {
        self.as_slice().iter()
    }

    /// How many bytes the filled parts hold together.
    pub fn byte_len(&self) -> usize {
        self.iter().map(|buffer| buffer.len()).sum()
    }

    /// The single buffer, if it is just one.
    pub fn into_one(self) -> Option<Buffer> {
        match self.0 {
            Kind::One(buffer) => Some(buffer),
            Kind::None | Kind::Several(_) => None,
        }
    }

    #[inline]
    pub(crate) fn as_one(&self) -> Option<&Buffer> {
        match &self.0 {
            Kind::One(buffer) => Some(buffer),
            Kind::None | Kind::Several(_) => None,
        }
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Buffer> {
        match &mut self.0 {
            Kind::None => [].iter_mut(),
            Kind::One(buffer) => std::slice::from_mut(buffer).iter_mut(),
            Kind::Several(buffers) => buffers.iter_mut(),
        }
    }

    fn as_slice(&self) -> &[Buffer] {
        match &self.0 {
            Kind::None => &[],
            Kind::One(buffer) => std::slice::from_ref(buffer),
            Kind::Several(buffers) => buffers,
        }
    }

    /// How many of the buffers hold anything.
    pub(crate) fn part_count(&self) -> usize {
        self.parts_after(0).count()
    }

    /// What is left after `skip` bytes, in the order in which it is sent; nothing of it is empty.
    pub(crate) fn parts_after(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        self.as_slice().iter().filter_map(move |buffer| {
            let skipped = skip.min(buffer.len());
            skip -= skipped;
            Some(&buffer[skipped..]).filter(|part| !part.is_empty())
        })
    }

    /// Writes the slices of what is left after `skip` bytes into `slices`; returns how many.
    pub(crate) fn rest<'a>(&'a self, skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(self.parts_after(skip)) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Everything in one piece.
    pub(crate) fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.byte_len());
        for part in self.parts_after(0) {
            joined.extend_from_slice(part);
        }
        joined
    }
}

impl<'a> IntoIterator for &'a Buffers {
    type Item = &'a Buffer;
    type IntoIter = std::slice::Iter<'a, Buffer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Buffers {
    type Item = Buffer;
    type IntoIter = std::vec::IntoIter<Buffer>;

    fn into_iter(self) -> Self::IntoIter {
        match self.0 {
            Kind::None => Vec::new(),
            Kind::One(buffer) => vec![buffer],
            Kind::Several(buffers) => *buffers,
        }
        .into_iter()
    }
}

impl From<Buffer> for Buffers {
    fn from(buffer: Buffer) -> Self {
        Self(Kind::One(buffer))
    }
}

impl From<Vec<Buffer>> for Buffers {
    fn from(buffers: Vec<Buffer>) -> Self {
        Self(Kind::Several(Box::new(buffers)))
    }
}
