//! Timer: an operation of the port itself, which completes after a time.

use super::Port;
use crate::conn::timers::{Due, TimerId};
use crate::error::port_closed;
use crate::error::{Refused, aborted};
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use std::io;
use std::time::Duration;

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
        let operation = Due::Timer(operation);
        let started = match connections.is_closed() {
            true => Err(operation),
            false => connections.timers.start(&connections.scheduler, after, operation),
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
        drop(self.inner().connections.queue(Packet::Timer { operation, result: Err(aborted()) }));
        Ok(())
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such timer: it ran out before it could be reached")
}
