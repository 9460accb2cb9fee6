//! The typed handle of a socket for datagrams.

use super::Op;
use crate::conn::handle::Handle;
use crate::error::OperationId;
use crate::protocol::Protocol;
use std::io;
use std::net::SocketAddr;

/// A socket for datagrams (UDP), associated with a port.
///
/// A handle is shared by cloning; its methods take `&self`, and any number of operations may be in
/// flight in each direction. Every operation in flight holds a handle and its packet gives it back;
/// when the last one is dropped the socket is closed.
///
/// ```
/// use overlapped::{DatagramSocket, Packet, Port, Protocol};
///
/// struct Example;
/// impl Protocol for Example {
///     type Key = &'static str;
///     type Operation = ();
///     type Message = ();
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let port = Port::<Example>::new()?;
/// let socket = port.associate(DatagramSocket::bind("127.0.0.1:0")?, "the only one")?;
/// socket.receive_from_pooled(())?;
/// socket.send_to(b"to itself", socket.local_addr()?, ())?;
/// for _ in 0..2 {
///     match port.take() {
///         Ok(Packet::SentTo { transferred, .. }) => assert_eq!(transferred, 9),
///         Ok(Packet::ReceivedFrom { socket, buffer, result, .. }) => {
///             assert_eq!(result?, socket.local_addr()?);
///             assert_eq!(&buffer[..], b"to itself");
///         }
///         _ => panic!("nothing else was started"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket<P: Protocol>(pub(crate) Handle<Op<P>>);

impl<P: Protocol> UdpSocket<P> {
    /// The completion key that the socket was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// The address that datagrams reach.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(|socket| socket.local_addr())
    }

    /// Cancels one operation; its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when no such operation is in flight: it has completed, which is a normal outcome
    /// of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        self.0.cancel(id)
    }

    /// Cancels every operation in flight on this socket; returns how many there were.
    pub fn cancel_all(&self) -> usize {
        self.0.cancel_all()
    }

    /// Closes the socket now, whoever else holds a handle. Every operation in flight completes as
    /// aborted. What was sent before still goes out; what came and was not received is lost.
    pub fn close(&self) {
        self.0.close();
    }
}

impl<P: Protocol> Clone for UdpSocket<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> std::fmt::Debug for UdpSocket<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.local_addr().ok()).finish()
    }
}
