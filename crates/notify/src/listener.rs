//! A listening socket whose accepts are overlapped operations.

use crate::operation::Operation;
use crate::{Accepted, Completed, EventObject, Overlapped, Refused, platform, sys};
use std::io;
use std::net::SocketAddr;

/// A listening TCP socket whose accepts are overlapped operations.
///
/// A clone is the same socket; it is closed when the last one is dropped and nothing is in flight.
/// Accepts end in the order in which they were started.
#[derive(Debug, Clone)]
pub struct Listener(platform::Handle);

impl Listener {
    /// Starts to accept one connection; at the end `event` is set.
    ///
    /// Events, the end at once and the platforms are as for
    /// [`Stream::receive`](crate::Stream::receive). A connection that failed while it waited is
    /// passed over.
    ///
    /// # Errors
    /// What fails at once sets no event. When descriptors or memory are short the accept fails, at
    /// once or later, and the connection stays for the next one.
    pub fn accept(&self, event: &EventObject) -> Result<Overlapped<(), Accepted>, Refused<()>> {
        match self.0.start(Operation::accept(), Some(event)) {
            Ok(pending) => Ok(Overlapped::new(pending, Operation::accepted)),
            Err((error, _)) => Err(Refused::new(error, ())),
        }
    }

    /// Starts to accept one connection, and to run `routine` with the completion, as
    /// [`Stream::receive_then`](crate::Stream::receive_then) does.
    ///
    /// # Errors
    /// What fails at once drops the routine without running it.
    pub fn accept_then(
        &self,
        routine: impl FnOnce(Completed<(), Accepted>) + 'static,
    ) -> Result<(), Refused<()>> {
        let routine = Box::new(move |ended: Operation| routine(ended.accepted()));
        let started = self.0.start_then(Operation::accept(), routine);
        started.map_err(|(error, _)| Refused::new(error, ()))
    }

    /// Cancels every accept in flight, whoever started it.
    pub fn cancel_all(&self) {
        self.0.cancel_all();
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket().local_addr()
    }
}

impl TryFrom<std::net::TcpListener> for Listener {
    type Error = io::Error;

    /// Takes a listening socket, and makes it non-blocking.
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self(platform::Handle::new(sys::Socket::try_from(listener)?)))
    }
}
