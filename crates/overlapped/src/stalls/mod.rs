//! Which work holds its thread for long: by name, how often, for how long, and what the thread does meanwhile.
//!
//! Each thread says what it works on: three stores to a place of its own, and no look at a clock. A thread of the
//! watch looks at that now and then, and sleeps while nobody works.
//!
//! - [`seat`] is where a thread says so.
//! - [`watch`] is the thread that looks.
//! - [`table`] is what was seen, by name.

pub(crate) mod seat;
pub(crate) mod table;
pub(crate) mod watch;

use std::borrow::Cow;
use std::time::Duration;

/// Work has held its thread for long, and holds it still.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// What the thread has said that it works on; see [`StallSeat::begin`](crate::StallSeat::begin).
    pub label: u64,
    /// What it is called: by itself ([`doing`](crate::doing)), or else by who watches.
    pub name: Cow<'static, str>,
    /// For how long it has held its thread so far, or somewhat longer.
    pub lasted: Duration,
    /// What its thread does.
    pub kind: StallKind,
    /// The system call in which its thread was asleep at this moment, if it was, with what it was called for if
    /// that is known. Linux alone tells it.
    pub asleep_in: Option<String>,
}

/// What a thread does that work holds for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StallKind {
    /// It mostly sleeps, or waits for something. Another thread was let in for it.
    Blocks,
    /// It mostly computes, and others wait for a processor.
    Computes,
    /// The system does not say; so on Windows.
    Unknown,
}

/// How often work held its thread for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stalls {
    /// While its thread slept or waited.
    pub blocked: u64,
    /// While its thread computed.
    pub computed: u64,
    /// While its thread did what the system does not say.
    pub unknown: u64,
}
