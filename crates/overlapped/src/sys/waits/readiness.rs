//! What a wait is for, and what it saw.

use crate::sys::Event;
use std::fmt;

/// What a [wait](crate::WaitHandle::wait) is for, and what it saw.
///
/// # Platform
/// Linux tells reading from writing; there `SIGNALLED` is the same as `READABLE`, since timers, counters
/// and processes are signalled by becoming readable. Windows knows only that a handle is signalled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Readiness(u8);

impl Readiness {
    /// The handle is signalled. On Linux the descriptor can be read without waiting.
    pub const SIGNALLED: Self = Self(1);
    const WRITABLE_BIT: u8 = 2;
    const ENDED_BIT: u8 = 4;

    /// Whether it was signalled; on Linux, whether a read would not wait.
    pub const fn is_signalled(self) -> bool {
        self.0 & Self::SIGNALLED.0 != 0
    }

    /// What an event has shown of what was waited for.
    pub(crate) fn seen(self, event: Event) -> Self {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let seen = bit(event.readable, Self::SIGNALLED.0) | bit(event.writable, Self::WRITABLE_BIT);
        Self(seen & self.0 | bit(event.ended, Self::ENDED_BIT))
    }
}

#[cfg(target_os = "linux")]
impl Readiness {
    /// A read would not wait: there is something, or the end.
    pub const READABLE: Self = Self::SIGNALLED;
    /// A write would not wait: there is room, or nobody reads any more.
    pub const WRITABLE: Self = Self(Self::WRITABLE_BIT);
    /// Either of the two.
    pub const EITHER: Self = Self(Self::READABLE.0 | Self::WRITABLE_BIT);

    /// Whether a read would not wait.
    pub const fn is_readable(self) -> bool {
        self.is_signalled()
    }

    /// Whether a write would not wait.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE_BIT != 0
    }

    /// Whether the other side has gone, or has ended its direction, or the descriptor has an error. It is told
    /// whatever was waited for; the next read or write says which it is.
    pub const fn is_ended(self) -> bool {
        self.0 & Self::ENDED_BIT != 0
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(1, "signalled"), (Self::WRITABLE_BIT, "writable"), (Self::ENDED_BIT, "ended")];
        let set = names.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name);
        f.debug_set().entries(set).finish()
    }
}
