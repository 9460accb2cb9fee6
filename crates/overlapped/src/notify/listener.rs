//! A listening socket that belongs to no port.

use super::{Completed, EventObject, Overlapped, system};
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::handle::ListenSocket;
use crate::handle::state::Direction;
use crate::operation::Task;
use crate::operation::accept::{Accept, Accepted};
use std::io;
use std::net::SocketAddr;

/// A listening TCP socket that belongs to no port.
///
/// A clone is the same socket; it is closed when the last one is dropped and nothing is in flight.
/// Accepts end in the order in which they were started.
#[derive(Debug, Clone)]
pub struct Listener(system::Handle);

impl Listener {
    /// Starts to accept one connection; at the end `event` is set.
    ///
    /// Events, the end at once and the platforms are as for
    /// [`Stream::receive`](super::Stream::receive). A connection that failed while it waited is
    /// passed over.
    ///
    /// # Errors
    /// What fails at once sets no event. When descriptors or memory are short the accept fails, at
    /// once or later, and the connection stays for the next one.
    pub fn accept(&self, event: &EventObject) -> Result<Overlapped<(), Accepted>, Refused<()>> {
        match self.0.start(Direction::Receive, Accept::task(), Some(event)) {
            Ok(pending) => Ok(Overlapped::new(pending, accepted)),
            Err((error, _)) => Err(Refused::new(error, ())),
        }
    }

    /// Starts to accept one connection, and to run `routine` with the completion, as
    /// [`Stream::receive_then`](super::Stream::receive_then) does.
    ///
    /// # Errors
    /// What fails at once drops the routine without running it.
    pub fn accept_then(
        &self,
        routine: impl FnOnce(Completed<(), Accepted>) + 'static,
    ) -> Result<(), Refused<()>> {
        let routine = Box::new(move |task| routine(accepted(task)));
        self.0
            .start_then(Direction::Receive, Accept::task(), routine)
            .map_err(|(error, _)| Refused::new(error, ()))
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

fn accepted(task: Task) -> Completed<(), Accepted> {
    match task {
        Task::Accept(accept) => accept.into_completed(),
        _ => unreachable!("an accept ends as an accept"),
    }
}

impl From<ListenSocket> for Listener {
    fn from(socket: ListenSocket) -> Self {
        Self(system::Handle::new(socket.into_socket()))
    }
}

impl TryFrom<std::net::TcpListener> for Listener {
    type Error = io::Error;

    /// Takes a listening socket, and makes it non-blocking.
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self(system::Handle::new(Socket::System(listener.try_into()?))))
    }
}
