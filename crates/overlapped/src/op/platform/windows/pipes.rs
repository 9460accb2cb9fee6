//! What a stream does besides if it is an end of a named pipe.

use crate::buffer::Buffers;
use crate::conn::sockets::TcpSocket;
use crate::error::{OperationId, Refused};
use crate::op::tcp_stream::TcpStream;
use crate::protocol::Protocol;
use crate::sys::family::Remote;
use std::io;

/// Named pipes, of Windows only. Receives, sends, limits of time, cancels, closes and disconnects are
/// those of every stream, with the same packets. These differ:
///
/// - A send of several buffers is a write for each. A receive into several fills the first that has
///   room. At most one operation of each direction is with the kernel; the next one waits here.
/// - A pooled receive holds its buffer from its start, and a receive into a buffer without room is
///   refused: a pipe does not tell of data without giving it.
/// - Both directions end together, so a [`shutdown`](Self::shutdown) of sending is `Unsupported`, as are
///   options of sockets and [`transmit_file`](Self::transmit_file).
/// - [`close`](Self::close) leaves what was sent to be received. [`abort`](Self::abort) of a server's end
///   discards it, and the client sees a reset; that of a client's end is a close.
/// - [`disconnect`](Self::disconnect) is for the server's end. If the client has closed its own, the
///   instance waits for another one; otherwise a new instance takes its place, so that what was sent
///   stays to be received, and the old one may count until the client has closed it. While as many are in
///   use as there may be, the disconnect is refused as `ResourceBusy`, and the connection is as it was.
impl<P: Protocol> TcpStream<P> {
    /// Starts to wait for a client of the named pipe that this stream is an instance of
    /// (`ConnectNamedPipe`) and, once it is connected, to send `first_data` (`()` for none).
    ///
    /// Completes as [`connect`](Self::connect) does, with
    /// [`Packet::Connected`](crate::Packet::Connected). A client that opened the instance before is taken
    /// at once. If it has left again by then, receives yield what it sent, and then the end. The stream
    /// may wait for the next client after a [`disconnect`](Self::disconnect).
    ///
    /// # Errors
    /// What fails at once gives the buffers and the operation back and queues no packet: connected
    /// already, another wait in progress, closed, or the port is closed; "address family not supported"
    /// for a socket.
    ///
    /// # Cancellation
    /// A cancelled wait, and one whose time is over, may be started again. A client that came meanwhile
    /// is taken then.
    pub fn connect_named_pipe(
        &self,
        first_data: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.connect_to(Remote::PipeClient, first_data.into(), operation)
    }

    /// Another instance of the named pipe that this stream is an instance of; see
    /// [`TcpSocket::another_named_pipe`].
    ///
    /// # Errors
    /// As there, and "bad descriptor" on a closed handle.
    pub fn another_named_pipe(&self) -> io::Result<TcpSocket> {
        self.0.with_socket(|socket| socket.another_named_pipe())
    }

    /// The process at the other end of a named pipe, as the system knows it: the one that opened this
    /// instance, or, for a client, the one that made it. It may have ended since, and another process
    /// may have its number.
    ///
    /// # Errors
    /// "Not connected", `Unsupported` for a socket, "bad descriptor" on a closed handle, and the
    /// system's.
    pub fn named_pipe_peer_process(&self) -> io::Result<u32> {
        self.peer_addr()?;
        self.0.with_socket(|socket| socket.named_pipe()?.peer_process())
    }
}
