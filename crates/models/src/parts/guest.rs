//! A connection that one thread serves among others: its socket, its place in the register and its
//! conversation in one hand.

use super::Common;
use super::conversation::{Conversation, Desk, Line, Next};
use super::patience::Terms;
use super::register::{Member, Ticket};
use overlapped_serving::Failure;
use std::sync::Arc;
use std::time::Instant;

/// A connection in the hands of a thread. Dropping it takes it off the list and closes it.
pub(crate) struct Guest<L: Line + Member> {
    // First, so that whoever sees the end finds it counted.
    stay: Stay<L>,
    line: Arc<L>,
    conversation: Conversation,
    next: Next,
}

/// A connection's time on the list; ends with the connection, however that ends.
pub(crate) struct Stay<L: Member> {
    common: Arc<Common<L>>,
    ticket: Option<Ticket>,
    failure: Option<Failure>,
}

impl<L: Member> Stay<L> {
    /// A connection that was accepted begins.
    pub(crate) fn enter(common: &Arc<Common<L>>, line: &Arc<L>) -> Self {
        let ticket = Some(common.register.enter(Arc::clone(line)));
        // Until something better is known: nobody serves it.
        Self { common: Arc::clone(common), ticket, failure: Some(Failure::Other) }
    }

    /// How it ends, unless it says something else later.
    pub(crate) fn set_failure(&mut self, failure: Option<Failure>) {
        self.failure = failure;
    }
}

impl<L: Line + Member> Guest<L> {
    /// Enters a connection that was accepted.
    pub(crate) fn new(common: &Arc<Common<L>>, line: L) -> Self {
        let line = Arc::new(line);
        Self {
            stay: Stay::enter(common, &line),
            line,
            conversation: Conversation::new(&Terms::of(&common.limits)),
            next: Next::Data,
        }
    }

    pub(crate) fn line(&self) -> &L {
        &self.line
    }

    /// What it waits for.
    pub(crate) fn next(&self) -> Next {
        self.next
    }

    /// See [`Conversation::go_on`]. False when the connection has ended and is to be dropped.
    pub(crate) fn go_on(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.go_on(&*self.line, desk);
        self.set_next(next)
    }

    /// See [`Conversation::send_on`]. False when the connection has ended and is to be dropped.
    pub(crate) fn send_on(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.send_on(&*self.line, desk);
        self.set_next(next)
    }

    /// See [`Conversation::finish`]. False when the connection has ended and is to be dropped.
    pub(crate) fn finish(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.finish(&*self.line, desk);
        self.set_next(next)
    }

    /// See [`Conversation::client_is_done`]. False when the connection has ended and is to be
    /// dropped.
    pub(crate) fn client_is_done(&mut self, desk: &mut Desk) -> bool {
        let next = self.conversation.client_is_done(&*self.line, desk);
        self.set_next(next)
    }

    /// See [`Conversation::expire`]. False when the connection has ended and is to be dropped.
    pub(crate) fn expire(&mut self, desk: &mut Desk, now: Instant) -> bool {
        match self.conversation.expire(&*self.line, desk, now) {
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

impl<L: Member> Drop for Stay<L> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.common.register.leave(ticket, self.failure);
        }
    }
}
