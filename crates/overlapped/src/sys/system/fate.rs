//! What is remembered of a connection on Linux, since the system tells it only once.
//!
//! A lost connection has an error that whichever call comes first takes away: the next one finds what
//! looks like the end. And when the peer has ended before, a receive says "the end" although what was
//! sent since was answered with a reset (P160). So the first loss that any call meets is kept, and
//! told by every call from then on.

use crate::sys::code;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The fate of one connection. Calls may be made by several threads; it only ever moves on.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// There is, or was, a connection. Other sockets have none to lose.
    is_connection: AtomicBool,
    /// Our sending was ended, so that it fails without anything being lost.
    has_ended_sending: AtomicBool,
    /// How the connection was lost, or 0.
    lost: AtomicI32,
}

impl Fate {
    pub(super) fn of_a_connection() -> Self {
        let fate = Self::default();
        fate.begin();
        fate
    }

    /// The connection stands.
    pub(super) fn begin(&self) {
        self.is_connection.store(true, Ordering::Relaxed);
    }

    pub(super) fn end_sending(&self) {
        self.has_ended_sending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_connection(&self) -> bool {
        self.is_connection.load(Ordering::Relaxed)
    }

    pub(super) fn loss(&self) -> Option<i32> {
        match self.lost.load(Ordering::Relaxed) {
            0 => None,
            lost => Some(lost),
        }
    }

    /// Takes note of an error that a call met; gives the one to be told.
    pub(super) fn note(&self, error: i32) -> i32 {
        if !self.is_connection() {
            return error;
        }
        let is_our_end = error == code::BROKEN_PIPE
            && self.loss().is_none()
            && self.has_ended_sending.load(Ordering::Relaxed);
        match code::loss(error) {
            Some(loss) if !is_our_end => self.lose(loss),
            _ => error,
        }
    }

    /// The connection is lost; gives how it was first.
    pub(super) fn lose(&self, loss: i32) -> i32 {
        let first = self.lost.compare_exchange(0, loss, Ordering::Relaxed, Ordering::Relaxed);
        first.map_or_else(|first| first, |_| loss)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_stays_and_our_own_end_is_none() {
        let fate = Fate::default();
        assert_eq!(fate.note(code::REFUSED), code::REFUSED);
        assert_eq!(fate.note(code::BROKEN_PIPE), code::BROKEN_PIPE, "it was never connected");
        fate.begin();
        assert_eq!(fate.note(code::WOULD_BLOCK), code::WOULD_BLOCK);
        assert_eq!(fate.loss(), None);
        fate.end_sending();
        assert_eq!(fate.note(code::BROKEN_PIPE), code::BROKEN_PIPE);
        assert_eq!(fate.loss(), None);
        assert_eq!(fate.note(code::TIMED_OUT), code::TIMED_OUT);
        assert_eq!(fate.note(code::RESET), code::TIMED_OUT);
        assert_eq!(fate.note(code::BROKEN_PIPE), code::TIMED_OUT);
        assert_eq!(fate.loss(), Some(code::TIMED_OUT));
    }

    #[test]
    fn a_send_that_finds_the_pipe_broken_has_met_a_reset() {
        let fate = Fate::of_a_connection();
        assert_eq!(fate.note(code::BROKEN_PIPE), code::RESET);
        assert_eq!(fate.loss(), Some(code::RESET));
    }
}
