//! The typed handle of a listening TCP socket.

use super::Op;
use crate::conn::handle::Handle;
use crate::error::OperationId;
use crate::protocol::Protocol;
use std::io;
use std::net::SocketAddr;

/// A listening socket associated with a port, of TCP or, on Linux, a Unix socket.
///
/// Connections are accepted by posted accepts: single ones ([`accept`](Self::accept), and
/// [`accept_into`](Self::accept_into) a stream that was disconnected) or a window that refills
/// itself ([`accept_window`](Self::accept_window)). While none is posted, clients wait in the
/// backlog.
pub struct TcpListener<P: Protocol>(pub(crate) Handle<Op<P>>);

impl<P: Protocol> TcpListener<P> {
    /// The completion key that the socket was associated under, and that its packets carry.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// "Bad descriptor" on a closed handle.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| socket.local_addr())
    }

    /// Cancels one posted accept; its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when no such accept is posted: it has completed.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        self.0.cancel(id)
    }

    /// Cancels every posted accept; returns how many there were.
    pub fn cancel_all(&self) -> usize {
        self.0.cancel_all()
    }

    /// Stops listening now. Every posted accept completes as aborted; connections in the backlog
    /// are reset by the system; accepted ones are not touched.
    pub fn close(&self) {
        self.0.close();
    }
}

impl<P: Protocol> Clone for TcpListener<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> std::fmt::Debug for TcpListener<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local_addr().ok()).finish()
    }
}
