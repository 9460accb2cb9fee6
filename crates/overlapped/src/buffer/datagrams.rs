//! Many datagrams in one piece of memory: what a batch takes and gives back.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// The most bytes that one call sends as segments: they are one datagram until the system cuts it.
pub(crate) const RUN_BYTES_MAX: usize = 65_507;

/// The most segments that one call sends, of systems that have such calls.
pub(crate) const RUN_SEGMENTS_MAX: usize = 64;

/// What a datagram says of congestion: the two bits of explicit congestion notification (RFC 3168).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// `00`: not capable of it.
    #[default]
    NotCapable,
    /// `01`: capable, ECT(1).
    Capable1,
    /// `10`: capable, ECT(0).
    Capable0,
    /// `11`: congestion was experienced on the way.
    Experienced,
}

impl Ecn {
    /// The two bits, as they are in the header.
    pub fn bits(self) -> u8 {
        match self {
            Self::NotCapable => 0b00,
            Self::Capable1 => 0b01,
            Self::Capable0 => 0b10,
            Self::Experienced => 0b11,
        }
    }

    /// Of the lowest two bits of `bits`, such as a traffic class has them.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotCapable,
            0b01 => Self::Capable1,
            0b10 => Self::Capable0,
            _ => Self::Experienced,
        }
    }
}

/// What goes with a datagram besides its bytes, in either direction.
///
/// An address is enough to send (`address.into()`), and nothing is, on a connected socket
/// (`Default::default()`). [`reply`](Self::reply) makes the one that answers a received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramInfo {
    /// The other side: who sent it, or where it goes. `None` on a send goes to the peer of a
    /// connected socket.
    pub peer: Option<SocketAddr>,
    /// Our address: where it was sent to, or where it is sent from. `None` on a send lets the system
    /// choose; `None` of a received one means that the system did not say.
    pub local: Option<IpAddr>,
    /// The index of the network interface that it came in by, or is to go out by; `None` as for
    /// [`local`](Self::local).
    pub interface: Option<u32>,
    /// The bits of congestion notification.
    pub ecn: Ecn,
    /// On a send: the bytes are several datagrams, each of so many bytes but for the last one, which
    /// may be shorter. Of a received one: it came in a run of datagrams of that size.
    pub segment_size: Option<NonZeroU16>,
}

impl DatagramInfo {
    /// What sends an answer back the same way: peer, our address and interface are the same. An
    /// address of ours that is one of many receivers' (multicast, broadcast) cannot be sent from, so
    /// it is left out.
    #[must_use]
    pub fn reply(&self) -> Self {
        let is_ours = |ip: &IpAddr| match ip {
            IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast() && !v4.is_unspecified(),
            IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
        };
        Self {
            peer: self.peer,
            local: self.local.filter(is_ours),
            interface: self.interface,
            ..Self::default()
        }
    }
}

impl From<SocketAddr> for DatagramInfo {
    fn from(peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..Self::default() }
    }
}

/// One datagram of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Its bytes, or the beginning of them; see [`is_truncated`](Self::is_truncated).
    pub bytes: &'a [u8],
    /// What goes with it.
    pub info: DatagramInfo,
    /// A received one had more bytes than there was room for. They are lost.
    pub is_truncated: bool,
}

/// Datagrams to be sent, or that were received, in one piece of memory.
///
/// One is filled, sent, given back, emptied and filled again, so that no memory is made for a
/// datagram.
///
/// ```
/// use overlapped::{DatagramInfo, Datagrams};
///
/// let there = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
/// let mut datagrams = Datagrams::new();
/// datagrams.push(DatagramInfo::from(there), b"one");
/// datagrams.push(DatagramInfo { segment_size: 2.try_into().ok(), ..there.into() }, b"twosix!");
/// let each: Vec<&[u8]> = datagrams.iter().map(|datagram| datagram.bytes).collect();
/// assert_eq!(each, [&b"one"[..], b"tw", b"os", b"ix", b"!"]);
/// datagrams.remove_first(3);
/// assert_eq!(datagrams.len(), 2);
/// ```
#[derive(Default)]
pub struct Datagrams {
    /// One pointer, so that operations and packets stay small.
    inner: Box<Inner>,
}

#[derive(Default)]
struct Inner {
    memory: Vec<u8>,
    /// How many of the bytes the records use, when they were pushed.
    used: usize,
    /// Into how much memory each received datagram goes.
    slot_bytes: usize,
    slots: usize,
    records: Vec<Record>,
}

/// One datagram, or a run of them.
#[derive(Debug, Clone, Copy)]
struct Record {
    info: DatagramInfo,
    start: usize,
    length: usize,
    is_truncated: bool,
}

impl Record {
    fn count(&self) -> usize {
        match self.info.segment_size {
            Some(size) => self.length.div_ceil(usize::from(size.get())).max(1),
            None => 1,
        }
    }

    /// How many bytes its first `count` datagrams have.
    fn bytes_of(&self, count: usize) -> usize {
        match self.info.segment_size {
            Some(size) => count.saturating_mul(size.get().into()).min(self.length),
            None if count == 0 => 0,
            None => self.length,
        }
    }
}

/// What one call sends: a datagram, or a run of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) info: &'a DatagramInfo,
    pub(crate) bytes: &'a [u8],
    /// How many datagrams it is.
    pub(crate) count: usize,
}

/// What a system says of a datagram that it wrote into a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) info: DatagramInfo,
    pub(crate) length: usize,
    pub(crate) is_truncated: bool,
}

impl Datagrams {
    /// None, without room to receive; it grows by what is pushed.
    pub fn new() -> Self {
        Self::default()
    }

    /// With room to receive `count` datagrams of at most `bytes_each`. One receive fills at most 64.
    ///
    /// # Panics
    /// When that is more memory than there can be.
    pub fn with_room(count: usize, bytes_each: usize) -> Self {
        let bytes = count.checked_mul(bytes_each).expect("memory has fewer bytes than that");
        let inner = Inner {
            memory: vec![0; bytes],
            slot_bytes: bytes_each,
            slots: count,
            records: Vec::with_capacity(count),
            ..Inner::default()
        };
        Self { inner: Box::new(inner) }
    }

    /// Appends what is to be sent. With a [segment size](DatagramInfo::segment_size) the bytes are
    /// several datagrams.
    ///
    /// It may be appended to what was received: it then goes behind it, and is sent with it.
    pub fn push(&mut self, info: impl Into<DatagramInfo>, bytes: &[u8]) {
        let Inner { memory, used, records, .. } = &mut *self.inner;
        let end = *used + bytes.len();
        if memory.len() < end {
            memory.resize(end, 0);
        }
        memory[*used..end].copy_from_slice(bytes);
        let record =
            Record { info: info.into(), start: *used, length: bytes.len(), is_truncated: false };
        records.push(record);
        *used = end;
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.inner.records.iter().map(Record::count).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.records.is_empty()
    }

    /// Each datagram, in order; a run is taken apart.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.inner.records.iter().flat_map(move |record| {
            let count = record.count();
            (0..count).map(move |index| Datagram {
                bytes: self.bytes(record, index, 1),
                info: record.info,
                is_truncated: record.is_truncated && index + 1 == count,
            })
        })
    }

    fn bytes(&self, record: &Record, index: usize, count: usize) -> &[u8] {
        let (from, to) = (record.bytes_of(index), record.bytes_of(index + count));
        &self.inner.memory[record.start + from..record.start + to]
    }

    /// Removes all datagrams; the memory stays.
    pub fn clear(&mut self) {
        self.inner.records.clear();
        self.inner.used = 0;
    }

    /// Removes the first `count` datagrams: after a send that sent so many, what is left is the
    /// rest. More than there are removes all.
    pub fn remove_first(&mut self, mut count: usize) {
        let records = &mut self.inner.records;
        let whole = records.iter().take_while(|record| {
            let fits = record.count() <= count;
            if fits {
                count -= record.count();
            }
            fits
        });
        let whole = whole.count();
        records.drain(..whole);
        if let Some(first) = records.first_mut() {
            let skipped = first.bytes_of(count);
            first.start += skipped;
            first.length -= skipped;
        }
        if records.is_empty() {
            self.inner.used = 0;
        }
    }

    /// How many datagrams, or runs, one receive may yield.
    pub(crate) fn slots(&self) -> usize {
        self.inner.slots
    }

    /// The memory of each slot.
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let Inner { memory, slot_bytes, slots, .. } = &mut *self.inner;
        let mut rest = &mut memory[..];
        (0..*slots).map(move |_| {
            let (slot, after) = std::mem::take(&mut rest).split_at_mut(*slot_bytes);
            rest = after;
            slot
        })
    }

    /// The next slots hold this; there is a slot for it.
    pub(crate) fn arrived(&mut self, arrival: Arrival) {
        let Arrival { info, length, is_truncated } = arrival;
        let Inner { used, slot_bytes, records, .. } = &mut *self.inner;
        let start = records.len() * *slot_bytes;
        records.push(Record { info, start, length: length.min(*slot_bytes), is_truncated });
        *used = start + *slot_bytes;
    }

    /// What is left after the first `skip` datagrams, as calls send it: a run in pieces that one call
    /// takes, or each of its datagrams alone.
    pub(crate) fn runs_after(
        &self,
        mut skip: usize,
        in_segments: bool,
    ) -> impl Iterator<Item = Run<'_>> {
        self.inner.records.iter().flat_map(move |record| {
            let count = record.count();
            let mut next = skip.min(count);
            skip -= next;
            let size = record.info.segment_size.map_or(record.length, |size| size.get().into());
            let at_once = match (in_segments, size) {
                (true, 1..) => (RUN_BYTES_MAX / size).clamp(1, RUN_SEGMENTS_MAX),
                _ => 1,
            };
            std::iter::from_fn(move || {
                let taken = at_once.min(count - next);
                if taken == 0 {
                    return None;
                }
                let bytes = self.bytes(record, next, taken);
                next += taken;
                Some(Run { info: &record.info, bytes, count: taken })
            })
        })
    }
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datagrams")
            .field("len", &self.len())
            .field("room", &self.inner.slots)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pushed(runs: &[(u16, usize)]) -> Datagrams {
        let mut datagrams = Datagrams::new();
        for &(size, length) in runs {
            let segment_size = NonZeroU16::new(size);
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            datagrams.push(DatagramInfo { segment_size, ..DatagramInfo::default() }, &bytes);
        }
        datagrams
    }

    fn runs(datagrams: &Datagrams, skip: usize, in_segments: bool) -> Vec<(usize, usize)> {
        let runs = datagrams.runs_after(skip, in_segments);
        runs.map(|run| (run.count, run.bytes.len())).collect()
    }

    #[test]
    fn a_run_goes_out_in_pieces_that_a_call_takes_wherever_it_begins() {
        let datagrams = pushed(&[(0, 5), (10, 25), (10, 0), (1, 100), (40_000, 90_000)]);
        assert_eq!(datagrams.len(), 1 + 3 + 1 + 100 + 3);
        let all = [(1, 5), (3, 25), (1, 0), (64, 64), (36, 36), (1, 40_000), (1, 40_000)];
        assert_eq!(runs(&datagrams, 0, true)[..7], all);
        assert_eq!(runs(&datagrams, 2, true)[..3], [(2, 15), (1, 0), (64, 64)]);
        assert_eq!(runs(&datagrams, 3, false)[..3], [(1, 5), (1, 0), (1, 1)]);
        assert_eq!(runs(&datagrams, 107, true), [(1, 10_000)]);
        assert_eq!(runs(&datagrams, 108, true), []);
    }

    #[test]
    fn removing_what_was_sent_leaves_the_rest_also_within_a_run() {
        let mut datagrams = pushed(&[(0, 5), (10, 25), (0, 7)]);
        datagrams.remove_first(2);
        let rest: Vec<usize> = datagrams.iter().map(|datagram| datagram.bytes.len()).collect();
        assert_eq!(rest, [10, 5, 7]);
        assert_eq!(datagrams.iter().next().map(|datagram| datagram.bytes[0]), Some(10));
        datagrams.push(DatagramInfo::default(), b"more");
        datagrams.remove_first(3);
        assert_eq!(datagrams.iter().next().map(|datagram| datagram.bytes), Some(&b"more"[..]));
        datagrams.remove_first(9);
        assert!(datagrams.is_empty());
    }
}
