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
    /// Starts a timer; it completes with [`Packet::Timer`] no earlier than after `after`.
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

    /// Cancels a timer; its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when its time is over already.
    pub fn cancel_timer(&self, id: TimerId) -> io::Result<()> {
        let connections = &self.inner().connections;
        match connections.timers.cancel(id) {
            Some(Due::Timer(operation)) => {
                drop(connections.queue(Packet::Timer { operation, result: Err(aborted()) }));
                Ok(())
            }
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such timer: it ran out before it could be cancelled",
            )),
        }
    }
}
