//! The options of sockets that a server needs, and what others are set by.
//!
//! They are those of the socket that the handle has now. On Linux a disconnect gives the handle a new
//! socket, with the system's defaults.

use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::udp_socket::UdpSocket;
use crate::conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::protocol::Protocol;
use crate::sys::options::{KeepAlive, SocketDescriptor, TcpInfo};
use std::io;
use std::time::Duration;

/// Options of the connection. They hold for the socket that the handle has now: set them again after
/// a [`disconnect`](Self::disconnect), which on Linux gives the handle a new socket. On a simulated
/// network they are accepted and do nothing.
impl<P: Protocol> TcpStream<P> {
    /// Whether small sends go out at once instead of being gathered (TCP_NODELAY).
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_nodelay(on))
    }

    /// Has the system probe the connection while it is silent, or with `None` stop that
    /// (SO_KEEPALIVE). A peer that does not answer is a loss: operations in flight fail, mostly with
    /// "timed out". Without it, a peer that has vanished is never noticed while nothing is sent.
    ///
    /// Times are rounded up to whole seconds, and are at least one.
    ///
    /// # Errors
    /// The system's, for a time that is too long for it for example (on Linux 32,767 seconds), and
    /// "bad descriptor" on a closed handle.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_keep_alive(keep_alive))
    }

    /// After how long without an acknowledgement of what was sent the connection is lost, and its
    /// operations fail with "timed out"; `None` is the system's own, which is minutes.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    ///
    /// # Platform
    /// TCP_USER_TIMEOUT on Linux, in milliseconds; there it also overrides the number of keep-alive
    /// probes. TCP_MAXRT on Windows, rounded up to whole seconds; Wine does not have it.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_user_timeout(timeout))
    }

    /// How much the system keeps of what was sent and not acknowledged, in bytes (SO_SNDBUF). Linux
    /// takes twice as much, for its own needs, up to `net.core.wmem_max`; without this call it
    /// follows the connection.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_send_buffer_size(bytes))
    }

    /// How much the system keeps of what came and was not received, in bytes (SO_RCVBUF); otherwise
    /// as [`set_send_buffer_size`](Self::set_send_buffer_size), up to `net.core.rmem_max`. Set it on
    /// the listening socket, or before the connect: later it cannot make the window larger that the
    /// peer was told of.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_receive_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_receive_buffer_size(bytes))
    }

    /// Whether the end of the last handle, and [`close`](Self::close), reset the connection instead
    /// of ending it, as [`abort`](Self::abort) does (SO_LINGER with 0). A disconnect does not.
    ///
    /// There is no method for the other use of that option, a close that waits until what was sent
    /// is acknowledged: it would keep the thread that drops the last handle. To know that all has
    /// arrived, [shut down](Self::shutdown) sending and receive until the peer ends.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_reset_on_close(&self, on: bool) -> io::Result<()> {
        self.0.with_socket(|socket| socket.has_tcp_option("a reset at the close"))?;
        self.0.set_reset_on_close(on)
    }

    /// What the system tells of the connection.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    ///
    /// # Platform
    /// Bytes need Linux 4.19 or Windows 10 of 2017. Under Wine, and on a simulated network, nothing
    /// is told.
    pub fn tcp_info(&self) -> io::Result<TcpInfo> {
        self.0.with_socket(|socket| socket.tcp_info())
    }
}

impl<P: Protocol> UdpSocket<P> {
    /// Whether datagrams may be sent to the broadcast address of a network (SO_BROADCAST). Off at
    /// first.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_broadcast(on))
    }

    /// How much the system keeps of datagrams that were not received, in bytes (SO_RCVBUF); what
    /// comes beyond is lost. Linux takes twice as much, for its own needs, up to
    /// `net.core.rmem_max`.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_receive_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_receive_buffer_size(bytes))
    }

    /// How much the system keeps of datagrams that did not go out yet, in bytes (SO_SNDBUF).
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_send_buffer_size(bytes))
    }
}

/// Gives handles the method that asks for their descriptor.
macro_rules! have_descriptors {
    ($($handle:ident),+) => { $(
        impl<P: Protocol> $handle<P> {
            /// A descriptor of its socket, to set options by for which there is no method here.
            ///
            /// # Errors
            /// The system's, for want of descriptors for example; "bad descriptor" on a closed
            /// handle; `Unsupported` for a socket of a simulated network.
            pub fn descriptor(&self) -> io::Result<SocketDescriptor> {
                self.0.with_socket(|socket| socket.descriptor())
            }
        }
    )+ };
}

have_descriptors!(TcpStream, TcpListener, UdpSocket);

/// The same for sockets that belong to no port.
macro_rules! sockets_have_descriptors {
    ($($socket:ident),+) => { $(
        impl $socket {
            /// A descriptor of the socket, to set options by before its association.
            ///
            /// # Errors
            /// The system's, for want of descriptors for example; `Unsupported` for a socket of a
            /// simulated network.
            pub fn descriptor(&self) -> io::Result<SocketDescriptor> {
                self.socket().descriptor()
            }
        }
    )+ };
}

sockets_have_descriptors!(TcpSocket, ListenSocket, DatagramSocket);
