//! A connection that one thread serves among others: its stay on the list and its conversation in
//! one hand.

use super::Common;
use super::conversation::{Conversation, Desk, Line, Next};
use super::patience::Terms;
use super::stay::{Member, Share, Stay};
use std::sync::Arc;
use std::time::Instant;

/// A connection in the hands of a thread. Dropping it takes it off the list and closes it.
pub(crate) struct Guest<L: Line + Member> {
    stay: Stay<L>,
    conversation: Conversation,
    next: Next,
}

impl<L: Line + Member> Guest<L> {
    /// Enters a connection that was accepted.
    pub(crate) fn new(common: &Arc<Common<Share<L>>>, line: L) -> Self {
        Self {
            stay: Stay::enter(common, line),
            conversation: Conversation::new(&Terms::of(&common.limits)),
            next: Next::Data,
        }
    }

    pub(crate) fn line(&self) -> &L {
        &self.stay
    }

    /// What it waits for.
    pub(crate) fn next(&self) -> Next {
        self.next
    }

    /// See [`Conversation::go_on`]. False when the connection has ended and is to be dropped.
    pub(crate) fn go_on(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.go_on(&*self.stay, desk);
        self.set_next(next)
    }

    /// See [`Conversation::send_on`]. False when the connection has ended and is to be dropped.
    pub(crate) fn send_on(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.send_on(&*self.stay, desk);
        self.set_next(next)
    }

    /// See [`Conversation::finish`]. False when the connection has ended and is to be dropped.
    pub(crate) fn finish(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.finish(&*self.stay, desk);
        self.set_next(next)
    }

    /// See [`Conversation::client_is_done`]. False when the connection has ended and is to be
    /// dropped.
    pub(crate) fn client_is_done(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.client_is_done(&*self.stay, desk);
        self.set_next(next)
    }

    /// See [`Conversation::expire`]. False when the connection has ended and is to be dropped.
    pub(crate) fn expire(&mut self, desk: &mut Desk, now: Instant) -> bool {
        match self.conversation.expire(&*self.stay, desk, now) {
            None => true,
            Some(next) => self.set_next(next),
        }
    }

    fn set_next(&mut self, next: Next) -> bool {
        self.next = next;
        let Next::Ended(failure) = next else { return true };
        self.stay.set_failure(failure);
        false
    }
}
