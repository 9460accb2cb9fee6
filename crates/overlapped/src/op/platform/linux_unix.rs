//! What a stream and a listener do besides if they are Unix sockets.

use crate::buffer::Buffers;
use crate::error::{OperationId, Refused};
use crate::op::tcp_listener::TcpListener;
use crate::op::tcp_stream::TcpStream;
use crate::protocol::Protocol;
use crate::sys::family::Remote;
use crate::sys::options::PeerCredentials;
use crate::sys::socket::Socket;
use crate::sys::system::SystemSocket;
use std::io;
use std::os::unix::net::SocketAddr;

/// Unix sockets, of Linux only. All other methods are for them, too, but for the options of TCP,
/// which are refused as `Unsupported`. [`abort`](Self::abort) ends such a connection as
/// [`close`](Self::close) does.
impl<P: Protocol> TcpStream<P> {
    /// Starts to connect to the Unix listener at `address`, a path or an abstract name, and, once
    /// connected, to send `first_data` (`()` for none). The stream is one of a
    /// [`TcpSocket::unix`](crate::TcpSocket::unix).
    ///
    /// Completes as [`connect`](Self::connect) does, with
    /// [`Packet::Connected`](crate::Packet::Connected). While the listener's backlog is full the
    /// connect waits, as one of TCP does. The system does not say when there is room, so it is tried
    /// again every 50 ms, and each time counts as
    /// [put off](crate::Counters::accept_deferrals). Limit it in time, or cancel it, to give up.
    ///
    /// # Errors
    /// What fails at once gives the buffers and the operation back and queues no packet, as for
    /// `connect`: `NotFound` if there is no such path, "connection refused" if nobody listens
    /// there, "permission denied", `InvalidInput` for an address without a name, and "address
    /// family not supported" for a stream of TCP.
    ///
    /// # Cancellation
    /// As for `connect`: close the stream.
    pub fn connect_unix(
        &self,
        address: SocketAddr,
        first_data: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.connect_to(Remote::Unix(Box::new(address)), first_data.into(), operation)
    }

    /// Our address: a path, an abstract name, or none, as for a client that was not bound.
    ///
    /// # Errors
    /// `Unsupported` for a connection of TCP, and "bad descriptor" on a closed handle.
    pub fn unix_local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| of_system(socket)?.unix_local_addr())
    }

    /// The peer's address. Most clients have none: see
    /// [`unix_peer_credentials`](Self::unix_peer_credentials) for who it is.
    ///
    /// # Errors
    /// "Not connected", `Unsupported` for a connection of TCP, and "bad descriptor" on a closed
    /// handle.
    pub fn unix_peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| of_system(socket)?.unix_peer_addr())
    }

    /// Who the peer is, as the system knows it (SO_PEERCRED): who connected, or, for the one that
    /// connects, who listens. For a pair it is who made the pair.
    ///
    /// # Errors
    /// "Not connected", `Unsupported` for a connection of TCP, and "bad descriptor" on a closed
    /// handle.
    pub fn unix_peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.peer_addr()?;
        self.0.with_socket(|socket| of_system(socket)?.unix_peer_credentials())
    }
}

/// Unix sockets, of Linux only.
impl<P: Protocol> TcpListener<P> {
    /// The path or name that is listened on.
    ///
    /// # Errors
    /// `Unsupported` for a listener of TCP, and "bad descriptor" on a closed handle.
    pub fn unix_local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| of_system(socket)?.unix_local_addr())
    }
}

pub(super) fn of_system(socket: &Socket) -> io::Result<&SystemSocket> {
    match socket {
        Socket::System(socket) => Ok(socket),
        Socket::Simulated(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a simulated network has no Unix sockets",
        )),
    }
}
