//! What is known of a connection, in few bytes: every connection has it.

use crate::sync;
use std::net::SocketAddrV4;
use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Whom a connection is connected to, if to anybody.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    None,
    V4([u8; 4], [u8; 2]),
    /// Its address is too large to lie here.
    Elsewhere,
}

impl Peer {
    pub(super) fn v4(address: SocketAddrV4) -> Self {
        Self::V4(address.ip().octets(), address.port().to_ne_bytes())
    }
}

/// A moment, as the nanoseconds since one that is before all that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    pub(crate) fn now() -> Self {
        Self::of(sync::now())
    }

    pub(super) fn of(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(first()).as_nanos();
        // It lasts for 584 years.
        Self(NonZeroU64::MIN.saturating_add(since as u64))
    }

    /// The moment so long after this one, a hundred years at the most.
    pub(crate) fn after(self, after: Duration) -> Self {
        let after = u64::try_from(after.min(FAR_AWAY).as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(after))
    }

    /// How much later it is than `earlier`.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The moment so long before this one, or the first one.
    pub(super) fn before(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self::at(self.0.get().saturating_sub(nanoseconds))
    }

    pub(crate) fn nanoseconds(self) -> u64 {
        self.0.get()
    }

    /// The moment of these [nanoseconds](Moment::nanoseconds).
    pub(crate) fn at(nanoseconds: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanoseconds.saturating_sub(1)))
    }

    pub(crate) fn instant(self) -> Instant {
        first() + Duration::from_nanos(self.0.get() - 1)
    }

    pub(crate) fn elapsed(self) -> Duration {
        let since = sync::now().saturating_duration_since(first());
        since.saturating_sub(Duration::from_nanos(self.0.get() - 1))
    }
}

/// Times that a clock cannot express are treated as this far away: a hundred years.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn first() -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    // A little earlier, so that a time that was held before anybody asked is a moment, too.
    *FIRST.get_or_init(|| {
        let now = sync::now();
        now.checked_sub(Duration::from_secs(60)).unwrap_or(now)
    })
}
