//! Timer: an operation of the port itself, which completes after a time.

use super::aborted;
use crate::error::Refused;
use crate::handle::refusals::port_closed;
use crate::port::packet::Packet;
use crate::port::timers::Due;
use crate::port::{Port, Protocol};
use std::io;
use std::time::{Duration, Instant};

/// Names one timer of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    pub(crate) at: Instant,
    pub(crate) number: u64,
}

impl<P: Protocol> Port<P> {
    /// Starts a timer; it completes with [`Packet::Timer`] no earlier than after `after`.
    ///
    /// Timers that are due together complete in the order of their times, and of their starts when
    /// those are equal.
    ///
    /// # Errors
    /// The operation, when the port is closed.
    pub fn timer(
        &self,
        after: Duration,
        operation: P::Operation,
    ) -> Result<TimerId, Refused<P::Operation>> {
        let inner = self.inner();
        let operation = Due::Operation(operation);
        let started = match inner.is_closed() {
            true => Err(operation),
            false => inner.timers.start(inner.scheduler.backend(), after, operation),
        };
        started.map_err(|refused| {
            let Due::Operation(operation) = refused else {
                unreachable!("what is given back is what was given")
            };
            Refused::new(port_closed(), operation)
        })
    }

    /// Cancels a timer; its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when it has run out already.
    pub fn cancel_timer(&self, id: TimerId) -> io::Result<()> {
        let inner = self.inner();
        match inner.timers.cancel(id) {
            Some(Due::Operation(operation)) => {
                drop(inner.queue(Packet::Timer { operation, result: Err(aborted()) }));
                Ok(())
            }
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such timer: it ran out before it could be cancelled",
            )),
        }
    }
}
