//! Timer: an operation of the port itself, which completes after a time.

use super::Port;
use crate::conn::timers::{Due, TimerId};
use crate::error::port_closed;
use crate::error::{Refused, aborted};
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use std::io;
use std::time::{Duration, Instant};

impl<P: Protocol> Port<P> {
    /// Starts a timer; it completes with [`Packet::Timer`] no earlier than after `after`, and 0.13 ms
    /// later at the most if a thread is there to take it and the system is not late. A time beyond a
    /// hundred years counts as a hundred years.
    ///
    /// If several timers are due, they complete in the order of their times; with equal times, in
    /// the order in which they were started.
    ///
    /// # Errors
    /// Gives the operation back when the port is closed.
    pub fn timer(
        &self,
        after: Duration,
        operation: P::Operation,
    ) -> Result<TimerId, Refused<P::Operation>> {
        let connections = &self.inner().connections;
        let start = |due| connections.timers.start(&connections.scheduler, after, due);
        self.started_by(start, operation)
    }

    /// The same for a moment. The clock is not read for it, unless the timer becomes the earliest of the
    /// port. A moment that has passed is one that is due.
    ///
    /// # Errors
    /// As for [`Port::timer`].
    pub fn timer_at(
        &self,
        at: Instant,
        operation: P::Operation,
    ) -> Result<TimerId, Refused<P::Operation>> {
        let connections = &self.inner().connections;
        let start = |due| connections.timers.start_until(&connections.scheduler, at, due);
        self.started_by(start, operation)
    }

    fn started_by(
        &self,
        start: impl FnOnce(Due<P::Operation>) -> Result<TimerId, Due<P::Operation>>,
        operation: P::Operation,
    ) -> Result<TimerId, Refused<P::Operation>> {
        let operation = Due::Timer(operation);
        let started = match self.inner().connections.is_closed() {
            true => Err(operation),
            false => start(operation),
        };
        started.map_err(|refused| {
            let Due::Timer(operation) = refused else {
                unreachable!("what is given back is what was given")
            };
            Refused::new(port_closed(), operation)
        })
    }

    /// Lets a timer run for `after` from now on, whenever it was to complete before. It costs neither
    /// memory nor a packet, and no system call unless it becomes the earliest of the port.
    ///
    /// # Errors
    /// `NotFound` when its time is over already.
    pub fn reset_timer(&self, id: TimerId, after: Duration) -> io::Result<()> {
        let connections = &self.inner().connections;
        match connections.timers.reset(&connections.scheduler, id, after) {
            true => Ok(()),
            false => Err(over()),
        }
    }

    /// The same for a moment, as for [`Port::timer_at`].
    ///
    /// # Errors
    /// `NotFound` when its time is over already.
    pub fn reset_timer_at(&self, id: TimerId, at: Instant) -> io::Result<()> {
        let connections = &self.inner().connections;
        match connections.timers.reset_until(&connections.scheduler, id, at) {
            true => Ok(()),
            false => Err(over()),
        }
    }

    /// Ends a timer without a packet, and gives its operation back.
    ///
    /// # Errors
    /// `NotFound` when its time is over already: then its packet comes, or was taken.
    pub fn stop_timer(&self, id: TimerId) -> io::Result<P::Operation> {
        self.inner().connections.timers.take(id).ok_or_else(over)
    }

    /// Cancels a timer; its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when its time is over already.
    pub fn cancel_timer(&self, id: TimerId) -> io::Result<()> {
        let operation = self.stop_timer(id)?;
        let packet = Packet::Timer { operation, result: Err(aborted()) };
        self.inner().connections.queue_or_discard(packet);
        Ok(())
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such timer: it ran out before it could be reached")
}
