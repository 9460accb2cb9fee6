//! A connection whose lock is held, and the steps that need the other connections of its port, too.
//!
//! Operations are attempted, completed and queued under that lock, so the packets of one direction
//! are queued in the order in which their operations were started (P150). Values of the user's are
//! never dropped under it. The order of locks is: listener, a stream or socket that it accepts for,
//! scheduler.

use super::connection::Connection;
use super::connections::Connections;
use super::delivery::Delivery;
use super::operation::{Direction, Operation, Pending, Perform, Progress};
use super::queue::Ready;
use super::table::{Entry, Held};
use crate::sys::Event;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Locked<'a, O: Operation> {
    pub(crate) connections: &'a Arc<Connections<O>>,
    pub(crate) token: u64,
    connection: Entry<'a, Connection<O>>,
}

impl<O: Operation> Deref for Locked<'_, O> {
    type Target = Connection<O>;

    fn deref(&self) -> &Connection<O> {
        &self.connection
    }
}

impl<O: Operation> DerefMut for Locked<'_, O> {
    fn deref_mut(&mut self) -> &mut Connection<O> {
        &mut self.connection
    }
}

impl<'a, O: Operation> Locked<'a, O> {
    #[inline(always)]
    pub(super) fn find(connections: &'a Arc<Connections<O>>, token: u64) -> Option<Self> {
        let connection = connections.table.find(token)?;
        Some(Self { connections, token, connection })
    }

    /// The same, unless another thread has it for so long.
    #[inline(always)]
    pub(super) fn find_within(
        connections: &'a Arc<Connections<O>>,
        token: u64,
        patience: Duration,
    ) -> Result<Option<Self>, Held> {
        let found = connections.table.find_within(token, patience)?;
        Ok(found.map(|connection| Self { connections, token, connection }))
    }

    /// Step two, for an event of the system's: performs what may go on. True when it has to be tried
    /// again after a while.
    #[inline(always)]
    pub(super) fn perform(&mut self, event: Event, delivery: &mut Delivery<O>) -> bool {
        let connection = &mut *self.connection;
        // A socket that was never connected hangs up, too, and that says nothing of a connection.
        connection.ended |= event.ended && connection.state.is_of_a_connection();
        if event.readable {
            connection.receive_ready = Ready(true);
        }
        // A send that is tried again by the time may cause such an event itself: a Unix datagram that
        // finds no room at its receiver takes some of the send buffer, and gives it back. It would be
        // tried without end.
        if event.writable && !connection.retry_is_due {
            connection.send_ready = Ready(true);
        }
        self.advance(delivery)
    }

    /// Goes on until nothing of the connection can. True when the system was short of something, and
    /// the alarm has to be set for it.
    #[inline(always)]
    pub(crate) fn advance(&mut self, delivery: &mut Delivery<O>) -> bool {
        let mut deferred = self.advance_receives(delivery);
        let connection = &*self.connection;
        // Mostly there is nothing to be sent, and no end that waits for it.
        if connection.send.is_some() || connection.end_when_sent || connection.is_with_kernel() {
            deferred |= self.advance_sends(delivery);
        }
        deferred && self.connection.owes_retry()
    }

    #[inline(always)]
    fn advance_receives(&mut self, delivery: &mut Delivery<O>) -> bool {
        self.advance_direction(Direction::Receive, delivery)
    }

    #[inline(never)]
    fn advance_sends(&mut self, delivery: &mut Delivery<O>) -> bool {
        let deferred = self.advance_direction(Direction::Send, delivery);
        self.connection.end_if_sent();
        if self.limited {
            self.limit_partly(Direction::Send);
        }
        deferred
    }

    /// Updates the state by what a complete operation says about the connection.
    #[inline(always)]
    pub(crate) fn conclude(&mut self, direction: Direction, operation: &mut impl Perform<O>) {
        self.connection.conclude_state(operation);
        if self.limited {
            self.conclude_limited(direction, operation);
        }
    }

    #[cold]
    #[inline(never)]
    fn conclude_limited(&mut self, direction: Direction, operation: &mut impl Perform<O>) {
        self.limit_transferred(direction, operation.transferred());
    }

    /// True when the system was short of something.
    #[inline(always)]
    fn advance_direction(&mut self, direction: Direction, delivery: &mut Delivery<O>) -> bool {
        if self.is_with_kernel() {
            return self.issue_waiting(direction, delivery);
        }
        loop {
            let connection = &mut *self.connection;
            if !connection.has_next(direction) {
                return false;
            }
            match connection.attempt_next(direction, &self.connections.pool) {
                Some(Progress::Complete { .. }) => {}
                None | Some(Progress::Blocked) => return false,
                Some(Progress::Deferred) => return true,
                Some(Progress::Yields) => {
                    self.rearm();
                    return false;
                }
            }
            let first = self.owes_nothing_before(direction);
            if let Some(packet) = O::end_next(self, direction, delivery) {
                delivery.add_of(self.connections, packet, first);
            }
        }
    }

    /// Whether the packets of all operations before those that wait were handed out.
    #[inline]
    fn owes_nothing_before(&self, direction: Direction) -> bool {
        let Some(waiting) = self.waiting(direction) else { return true };
        let Some(first) = &waiting.first else { return true };
        let owed = first.holder.handed_out_counts().owed(direction, self.starts);
        owed as usize == waiting.len()
    }

    /// Delivers the packet of a complete operation, or leaves the operation to whoever goes on with it.
    pub(super) fn deliver(&mut self, pending: Pending<O>, delivery: &mut Delivery<O>) {
        if let Some(packet) = O::complete(pending, self, delivery) {
            delivery.add(self.connections, packet);
        }
    }

    /// Has the system say once more that the socket may go on, if it may.
    pub(super) fn rearm(&self) {
        if let Some(socket) = &self.socket {
            self.connections.scheduler.backend().rearm(socket, self.token);
        }
    }
}
