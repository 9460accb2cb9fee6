//! The typed handle of a TCP connection.

use super::Op;
use crate::conn::handle::Handle;
use crate::error::OperationId;
use crate::protocol::Protocol;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// A TCP connection associated with a port. On Linux it may also be a connection of Unix sockets, and on
/// Windows an end of a named pipe.
///
/// A handle is shared by cloning; its methods take `&self`, and any number of operations may be in
/// flight in each direction. Every operation in flight holds a handle and its packet gives it back;
/// when the last one is dropped the connection is [closed](Self::close). To keep the handle for the
/// next connection, [`disconnect`](Self::disconnect) it.
///
/// If several threads start operations of one direction at once, their order is left to chance. A
/// receive and a send may be started at once.
pub struct TcpStream<P: Protocol>(pub(crate) Handle<Op<P>>);

impl<P: Protocol> TcpStream<P> {
    /// The completion key that the socket was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// Cancels one operation; its packet comes as aborted, with what was transferred before.
    ///
    /// # Errors
    /// `NotFound` when no such operation is in flight: it has completed, which is a normal outcome
    /// of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        self.0.cancel(id)
    }

    /// Cancels every operation in flight on this connection; returns how many there were.
    pub fn cancel_all(&self) -> usize {
        self.0.cancel_all()
    }

    /// Ends the connection in one direction or both. What was sent before still goes out: the end
    /// waits for the sends in flight. Receives in flight stay in flight, and take data that has
    /// come or comes later; cancel them if you do not want that. It is no error if the direction
    /// was ended before, or if the connection is over already.
    ///
    /// # Errors
    /// "Not connected" before the connection stands and after a [`disconnect`](Self::disconnect): a
    /// connect in flight goes on. The error that an operation of this stream has met, such as a
    /// reset. "Bad descriptor" on a closed handle.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// Closes the connection now, whoever else holds a handle. Every operation in flight completes
    /// as aborted, and its packet may be taken after this has returned.
    ///
    /// What was sent before still goes out, and the peer sees a graceful end. If received data was
    /// left unread, or more comes afterwards, it sees a reset instead, and may lose data that it
    /// has not read yet. So if the peer may still be sending, [disconnect](Self::disconnect)
    /// instead, or [shut down](Self::shutdown) sending and go on receiving for a while.
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes the connection now and resets it: unsent data is lost, and the peer sees an error.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Our address.
    ///
    /// # Errors
    /// `InvalidInput` when the socket is bound to none, and "bad descriptor" on a closed handle.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| socket.local_addr())
    }

    /// The peer's address. It is known from the packet of the accept or connect until a disconnect
    /// or the close, also when the connection has ended or was lost.
    ///
    /// # Errors
    /// "Not connected", and "bad descriptor" on a closed handle.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// How long ago the connection was established; `None` before it is, after a disconnect and
    /// after the close. The time goes on when the connection has ended or was lost.
    ///
    /// For an accepted connection it counts from its association.
    pub fn connected_for(&self) -> Option<Duration> {
        self.0.connected_at().map(|at| at.elapsed())
    }
}

impl<P: Protocol> Clone for TcpStream<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> std::fmt::Debug for TcpStream<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpStream").field("peer", &self.peer_addr().ok()).finish()
    }
}
