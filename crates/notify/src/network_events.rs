//! The ten network events, and the record that tells which of them have happened to a socket.

use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};

/// How many kinds of events there are.
const COUNT: usize = 10;

/// A set of network events: what is asked for, and what has happened.
///
/// Each event is reported once. It is reported again only after the call that enables it again,
/// even if that call fails:
///
/// | event | is reported when | enabled again by |
/// |---|---|---|
/// | [`READ`](Self::READ) | data is there | [`receive`](crate::Socket::receive); then at once if data is left |
/// | [`WRITE`](Self::WRITE) | the socket could send when it was selected; it connected or was accepted; a send had failed with "would block" and there is room again | [`send`](crate::Socket::send) that fails with "would block", and no other |
/// | [`OOB`](Self::OOB) | urgent data is there | [`receive_out_of_band`](crate::Socket::receive_out_of_band) and `receive` |
/// | [`ACCEPT`](Self::ACCEPT) | a connection waits | [`accept`](crate::Socket::accept); then at once if another one waits |
/// | [`CONNECT`](Self::CONNECT) | a connect is done, or has failed | nothing; on Linux the next [`connect`](crate::Socket::connect) |
/// | [`CLOSE`](Self::CLOSE) | the peer has ended its direction, or the connection is broken | nothing |
/// | [`QOS`](Self::QOS), [`GROUP_QOS`](Self::GROUP_QOS) | never here | |
/// | [`ROUTING_INTERFACE_CHANGE`](Self::ROUTING_INTERFACE_CHANGE), [`ADDRESS_LIST_CHANGE`](Self::ADDRESS_LIST_CHANGE) | refused when they are asked for | |
///
/// `CLOSE` may come while data is unread: receive until nothing is left, and then close.
///
/// ```
/// use overlapped_notify::NetworkEvents;
///
/// let mask = NetworkEvents::READ | NetworkEvents::CLOSE;
/// assert!(mask.contains(NetworkEvents::READ) && !mask.contains(NetworkEvents::WRITE));
/// assert_eq!(mask.iter().count(), 2);
/// assert_eq!(mask.without(NetworkEvents::READ), NetworkEvents::CLOSE);
/// assert!(mask.and(NetworkEvents::WRITE).is_empty());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NetworkEvents(u16);

impl NetworkEvents {
    /// Data is there to be received.
    pub const READ: Self = Self(1);
    /// A send would be taken.
    pub const WRITE: Self = Self(1 << 1);
    /// Urgent ("out-of-band") data is there.
    pub const OOB: Self = Self(1 << 2);
    /// A connection waits to be accepted.
    pub const ACCEPT: Self = Self(1 << 3);
    /// A connect is done, or has failed.
    pub const CONNECT: Self = Self(1 << 4);
    /// The peer has ended its direction, or the connection is broken.
    pub const CLOSE: Self = Self(1 << 5);
    /// The quality of service has changed. It never happens here.
    pub const QOS: Self = Self(1 << 6);
    /// Reserved by the system. It never happens.
    pub const GROUP_QOS: Self = Self(1 << 7);
    /// The interface to a destination has changed. It cannot be asked for here.
    pub const ROUTING_INTERFACE_CHANGE: Self = Self(1 << 8);
    /// The addresses of the machine have changed. It cannot be asked for here.
    pub const ADDRESS_LIST_CHANGE: Self = Self(1 << 9);

    const NAMES: [&'static str; COUNT] = [
        "READ",
        "WRITE",
        "OOB",
        "ACCEPT",
        "CONNECT",
        "CLOSE",
        "QOS",
        "GROUP_QOS",
        "ROUTING_INTERFACE_CHANGE",
        "ADDRESS_LIST_CHANGE",
    ];

    /// No event.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Whether it holds no event.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds all of `events`.
    #[must_use]
    pub const fn contains(self, events: Self) -> bool {
        self.0 & events.0 == events.0
    }

    /// Its events one by one, in the order of the constants above.
    pub fn iter(self) -> impl Iterator<Item = Self> {
        (0..COUNT).map(|bit| Self::from_bits(1 << bit)).filter(move |one| self.contains(*one))
    }

    /// Those that are in `other` as well.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The numbers that the socket functions of Windows give them.
    pub(crate) const fn bits(self) -> i32 {
        self.0 as i32
    }

    /// What is not known is left out.
    pub(crate) const fn from_bits(bits: i32) -> Self {
        Self((bits & ((1 << COUNT) - 1)) as u16)
    }

    /// Where the error of the lowest of its events is kept.
    pub(crate) fn index(self) -> usize {
        (self.bits().trailing_zeros() as usize).min(COUNT - 1)
    }

    /// Refuses what this library cannot tell of.
    pub(crate) fn check(self) -> io::Result<()> {
        let refused = self.and(Self::ROUTING_INTERFACE_CHANGE | Self::ADDRESS_LIST_CHANGE);
        if refused.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{refused:?} cannot be asked for: leave it out of the mask"),
        ))
    }
}

impl BitOr for NetworkEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for NetworkEvents {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for NetworkEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|one| Self::NAMES[one.index()]).collect();
        match &*names {
            [] => f.write_str("no event"),
            names => f.write_str(&names.join(" | ")),
        }
    }
}

/// What [`enumerate_network_events`](crate::Socket::enumerate_network_events) took out of a socket's
/// record: the events that have happened, and how each ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkRecord {
    events: NetworkEvents,
    /// The system's numbers, by the bit of the event; 0 is none (M86).
    errors: [i32; COUNT],
}

impl NetworkRecord {
    /// What has happened.
    #[must_use]
    pub fn events(&self) -> NetworkEvents {
        self.events
    }

    /// The error of one event: why a connect failed, or a connection broke. `None` when all went
    /// well, when the event has not happened, and for no event or several.
    #[must_use]
    pub fn error(&self, event: NetworkEvents) -> Option<io::Error> {
        let code = self.code(event);
        (code != 0).then(|| io::Error::from_raw_os_error(code))
    }

    pub(crate) fn code(&self, event: NetworkEvents) -> i32 {
        let is_one = event.0.is_power_of_two() && self.events.contains(event);
        if is_one { self.errors[event.index()] } else { 0 }
    }

    pub(crate) fn add(&mut self, event: NetworkEvents, code: i32) {
        self.events |= event;
        self.errors[event.index()] = code;
    }
}
