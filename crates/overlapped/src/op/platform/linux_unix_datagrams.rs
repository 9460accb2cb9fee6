//! What a socket for datagrams does besides if it is a Unix socket.

use super::linux_unix::of_system;
use crate::buffer::{Buffer, Buffers};
use crate::error::{OperationId, Refused};
use crate::op::udp_socket::UdpSocket;
use crate::protocol::Protocol;
use crate::sys::family::Remote;
use std::io;
use std::os::unix::net::SocketAddr;

/// Unix sockets, of Linux only: a `UnixDatagram` of the standard library, bound or not, connected or not,
/// or one of a pair, is associated as it is. [`receive_from`](Self::receive_from) and its pooled form
/// receive here, too, and say `0.0.0.0:0` for every sender. [`send`](Self::send) sends to the peer of a
/// connected socket or of a pair, and waits for room in its queue. A datagram is not lost on its way, and
/// stays in order.
///
/// What only UDP has is refused as `Unsupported`: batches, broadcast, groups, fragmentation and
/// coalescing.
///
/// ```
/// use overlapped::{Packet, Port};
/// use std::os::linux::net::SocketAddrExt;
/// use std::os::unix::net::{SocketAddr, UnixDatagram};
///
/// let name = SocketAddr::from_abstract_name(format!("overlapped-doc-{}", std::process::id()))?;
/// let port = Port::<()>::new()?;
/// let server = port.associate(UnixDatagram::bind_addr(&name)?, ())?;
/// let client = port.associate(UnixDatagram::unbound()?, ())?;
/// client.send_to_unix(b"hello", name, ())?;
/// server.receive_from_unix_pooled(())?;
/// for _ in 0..2 {
///     match port.take() {
///         Ok(Packet::SentTo { transferred, .. }) => assert_eq!(transferred, 5),
///         Ok(Packet::ReceivedFromUnix { buffer, result, .. }) => {
///             assert!(result?.is_unnamed(), "the client was not bound");
///             assert_eq!(&buffer[..], b"hello");
///         }
///         _ => panic!("nothing else was started"),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
impl<P: Protocol> UdpSocket<P> {
    /// Connects the socket to the one at `peer`, a path or an abstract name: from now on it receives
    /// from there alone, and [`send`](Self::send) goes there. It is done when it returns. Connecting
    /// again changes the peer.
    ///
    /// A peer that has closed is told to each send, as "connection refused" or "not connected".
    ///
    /// # Errors
    /// `NotFound` if there is no such path, "connection refused" if no socket is there, "permission
    /// denied", `InvalidInput` for an address without a name, "address family not supported" for a
    /// socket of UDP, and "bad descriptor" on a closed handle.
    pub fn connect_unix(&self, peer: &SocketAddr) -> io::Result<()> {
        self.0.with_socket(|socket| of_system(socket)?.connect_datagrams_unix(peer))
    }

    /// Our address: a path, an abstract name, or none.
    ///
    /// # Errors
    /// `Unsupported` for a socket of UDP, and "bad descriptor" on a closed handle.
    pub fn unix_local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| of_system(socket)?.unix_local_addr())
    }

    /// Starts to send the filled parts of `buffers`, in order, as one datagram to the Unix socket at
    /// `address`, a path or an abstract name.
    ///
    /// Completes as [`send_to`](Self::send_to) does, with [`Packet::SentTo`](crate::Packet::SentTo). While the receiver's
    /// queue is full (10 datagrams at first, `net.unix.max_dgram_qlen`) the send waits, and with it
    /// the sends of this socket behind it, also those to others. The system does not say when there
    /// is room, so it is tried again every 50 ms, and each time counts as
    /// [put off](crate::Counters::accept_deferrals). [Limit](Self::set_send_limit) it in time, or
    /// cancel it, to give up. A [connected](Self::connect_unix) socket is told of room at once by
    /// [`send`](Self::send).
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet: `NotFound` if there
    /// is no such path, "connection refused" if no socket is there any more, "operation not permitted"
    /// if that one is connected to somebody else, "message too long" for more than the send buffer
    /// ([`set_send_buffer_size`](Self::set_send_buffer_size)) takes, `InvalidInput` for an address
    /// without a name, "address family not supported" for a socket of UDP, closed, or the port is
    /// closed. An operation that waited reports the same by its packet.
    ///
    /// # Cancellation
    /// A cancelled send was not sent.
    pub fn send_to_unix(
        &self,
        buffers: impl Into<Buffers>,
        address: SocketAddr,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.start_send(buffers.into(), Some(Remote::Unix(Box::new(address))), operation)
    }

    /// Starts to receive one datagram into `buffer`, as [`receive_from`](Self::receive_from) does.
    ///
    /// Completes with [`Packet::ReceivedFromUnix`](crate::Packet::ReceivedFromUnix) and the sender's name. Descriptors that come with
    /// a datagram are closed by the system. A sender whose path has 108 bytes, which no address of
    /// the standard library takes, is the error `InvalidData`; the buffer has its datagram.
    ///
    /// # Errors
    /// As for `receive_from`; `Unsupported` for a socket of UDP.
    ///
    /// # Cancellation
    /// As for `receive_from`: no datagram is lost by a cancelled receive.
    pub fn receive_from_unix(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        self.start_receive(buffer, true, operation)
    }

    /// Starts to receive one datagram into a buffer of the port's pool, as
    /// [`receive_from_pooled`](Self::receive_from_pooled) does. Completes with
    /// [`Packet::ReceivedFromUnix`](crate::Packet::ReceivedFromUnix) and the sender's name.
    ///
    /// # Errors
    /// As for [`receive_from_unix`](Self::receive_from_unix); the operation is given back.
    pub fn receive_from_unix_pooled(
        &self,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.start_receive_pooled(true, operation)
    }
}
