//! Unix sockets that belong to no port yet.

use crate::conn::reuse::Origin;
use crate::conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::sys::family::Family;
use crate::sys::socket::Socket;
use crate::sys::system::SystemSocket;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

/// Unix sockets, of Linux only. They are connections as those of TCP are, with the same operations.
impl TcpSocket {
    /// A fresh Unix stream socket, to be connected after its association
    /// ([`connect_unix`](crate::TcpStream::connect_unix)).
    ///
    /// Its `local_addr` is `0.0.0.0:0`, and so is its `peer_addr` once it is connected: no
    /// connection of TCP has that.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn unix() -> io::Result<Self> {
        Socket::stream(Family::Unix).map(Self::from_socket)
    }
}

/// Unix sockets, of Linux only.
impl ListenSocket {
    /// Binds to a path or an abstract name, and listens, with room for `backlog` connections that
    /// are not accepted yet. The system may lower it (to `net.core.somaxconn`).
    ///
    /// The file of a path is made, with the rights that the process's umask leaves, and nobody
    /// removes it but you: not a close, nor the end of the program. So a path that a server left is
    /// "in use" although nobody listens there, and a connect to it is refused. The library does not
    /// remove it, since it cannot know whose it is. Remove the file before the bind if no other
    /// server can be at it, or take an abstract name, which ends with its socket.
    ///
    /// ```
    /// # use overlapped::ListenSocket;
    /// # use std::os::linux::net::SocketAddrExt;
    /// # use std::os::unix::net::SocketAddr;
    /// let name = format!("overlapped-example-{}", std::process::id());
    /// let listener = ListenSocket::bind_unix(&SocketAddr::from_abstract_name(name)?, 1024)?;
    /// # drop(listener);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system's: the path or name is in use, its folder is not there, or it needs a right;
    /// `InvalidInput` for an address without a name. A path or name of more than 107 bytes is
    /// refused where its address is made.
    pub fn bind_unix(address: &SocketAddr, backlog: u32) -> io::Result<Self> {
        let socket = SystemSocket::unix_listener(address, backlog)?;
        Ok(Self::from_socket(Socket::System(socket)))
    }
}

/// What takes a Unix socket of the standard library and gives it back.
macro_rules! unix_sockets {
    ($($standard:ident, $ours:ident, $socket:ident => $made:expr, $given:ident => $inner:expr;)+) => { $(
        impl $ours {
            /// Takes over a socket, or gives it back.
            pub(crate) fn adopt_unix(given: $standard) -> Result<Self, (io::Error, $standard)> {
                let $socket = Self::from_socket(Socket::System(given.try_into()?));
                Ok($made)
            }

            /// The socket of the standard library that this one was made of.
            pub(crate) fn give_back_unix(self) -> $standard {
                let $given = self;
                let Socket::System(socket) = $inner else {
                    unreachable!("no simulated socket is made of one of the system's")
                };
                // It cannot fail for a socket that is open; one that does not block is whole, too.
                let _ = socket.set_blocking(true);
                socket.into_std()
            }
        }

        impl TryFrom<$standard> for $ours {
            type Error = io::Error;

            /// Takes the socket, and makes it non-blocking.
            fn try_from(given: $standard) -> io::Result<Self> {
                Self::adopt_unix(given).map_err(|(error, _)| error)
            }
        }

        impl TryFrom<$ours> for $standard {
            type Error = io::Error;

            /// The socket, for programs that use it in another way. It is a blocking socket. What
            /// the library knows of it is forgotten, such as the place that it takes under its
            /// listener's limit, which is free then.
            ///
            /// # Errors
            /// `InvalidInput` for a socket that is no Unix socket, and the system's. The socket is
            /// closed then.
            fn try_from($given: $ours) -> io::Result<Self> {
                match $inner {
                    Socket::System(socket) if !socket.family().is_internet() => {
                        socket.set_blocking(true)?;
                        Ok(socket.into_std())
                    }
                    _ => Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "this is no Unix socket: make one of `std::net` of it",
                    )),
                }
            }
        }
    )+ };
}

unix_sockets! {
    UnixStream, TcpSocket,
        socket => Self { origin: Origin::Unknown, ..socket }, given => given.socket;
    UnixListener, ListenSocket, socket => socket, given => given.into_socket();
    UnixDatagram, DatagramSocket, socket => socket, given => given.into_socket();
}
