//! The least rate of a peer, which keeps one that moves a little now and then from holding a place, a
//! thread or a user for ever.

use std::time::Duration;

/// Bytes a second that are asked of a peer when nobody says otherwise: less than the slowest links that
/// people fetch files by, and more than what only pretends to.
pub(crate) const LEAST_RATE: u64 = 1_024;

/// Whether so many bytes in this time are fewer than `least` a second.
pub(crate) fn is_below(least: u64, bytes: u64, time: Duration) -> bool {
    u128::from(bytes) * 1_000 < u128::from(least) * time.as_millis()
}
