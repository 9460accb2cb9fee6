//! The sockets of the standard library, which become ours and may become themselves again.

use super::reuse::Origin;
use super::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::sys::socket::Socket;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};

impl TcpSocket {
    /// Takes over a connected socket, or gives it back.
    pub(crate) fn adopt(stream: TcpStream) -> Result<Self, (io::Error, TcpStream)> {
        let socket = Self::from_socket(Socket::System(stream.try_into()?));
        Ok(Self { origin: Origin::Unknown, ..socket })
    }

    fn into_inner(self) -> Socket {
        self.socket
    }
}

impl ListenSocket {
    /// Takes over a listening socket, or gives it back.
    pub(crate) fn adopt(listener: TcpListener) -> Result<Self, (io::Error, TcpListener)> {
        Ok(Self::from_socket(Socket::System(listener.try_into()?)))
    }

    fn into_inner(self) -> Socket {
        self.into_socket()
    }
}

impl DatagramSocket {
    /// Takes over a socket for datagrams, or gives it back.
    pub(crate) fn adopt(socket: UdpSocket) -> Result<Self, (io::Error, UdpSocket)> {
        Ok(Self::from_socket(Socket::System(socket.try_into()?)))
    }

    fn into_inner(self) -> Socket {
        self.into_socket()
    }
}

impl TryFrom<TcpStream> for TcpSocket {
    type Error = io::Error;

    /// Takes a connected socket, and makes it non-blocking.
    ///
    /// # Platform
    /// On Windows the socket must queue a packet for whatever succeeds at once, as a new one does.
    /// One that was told not to (`SetFileCompletionNotificationModes`) cannot be told from others,
    /// and its operations may never complete.
    fn try_from(stream: TcpStream) -> io::Result<Self> {
        Self::adopt(stream).map_err(|(error, _)| error)
    }
}

impl TryFrom<TcpListener> for ListenSocket {
    type Error = io::Error;

    /// Takes a listening socket, and makes it non-blocking.
    ///
    /// # Platform
    /// On Windows the socket must queue a packet for whatever succeeds at once, as a new one does.
    /// One that was told not to (`SetFileCompletionNotificationModes`) cannot be told from others,
    /// and its operations may never complete.
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        Self::adopt(listener).map_err(|(error, _)| error)
    }
}

impl TryFrom<UdpSocket> for DatagramSocket {
    type Error = io::Error;

    /// Takes a socket that is not connected, and makes it non-blocking.
    ///
    /// On a connected datagram socket a receive may fail because no socket was open at the other
    /// end; other sockets do not report that.
    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        Self::adopt(socket).map_err(|(error, _)| error)
    }
}

/// Lets sockets become those of the standard library.
macro_rules! become_standard {
    ($($ours:ident => $standard:ident),+) => { $(
        impl TryFrom<$ours> for $standard {
            type Error = io::Error;

            /// The socket, for programs that use it in another way. It is a blocking socket. What
            /// the library knows of it is forgotten, such as the place that it takes under its
            /// listener's limit, which is free then.
            ///
            /// # Errors
            /// `Unsupported` for a socket of a simulated network, `InvalidInput` for a Unix
            /// socket or a named pipe, and the system's. The socket is closed then.
            fn try_from(socket: $ours) -> io::Result<Self> {
                let socket = socket.into_inner();
                if !socket.is_internet() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        socket.local_home(),
                    ));
                }
                match socket {
                    Socket::System(socket) => {
                        socket.set_blocking(true)?;
                        Ok(socket.into_std())
                    }
                    Socket::Simulated(_) => Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        "a simulated socket is none of the system's: \
                         associate it with a port of its network",
                    )),
                }
            }
        }

        impl $ours {
            /// The socket of the standard library that this one was made of.
            pub(crate) fn give_back(self) -> $standard {
                let Socket::System(socket) = self.into_inner() else {
                    unreachable!("no simulated socket is made of one of the system's")
                };
                // It cannot fail for a socket that is open; one that does not block is whole, too.
                let _ = socket.set_blocking(true);
                socket.into_std()
            }
        }
    )+ };
}

become_standard! {
    TcpSocket => TcpStream,
    ListenSocket => TcpListener,
    DatagramSocket => UdpSocket
}
