//! What tells one handle from another, and how the socket of one gets out of the port again.

use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::udp_socket::UdpSocket;
use crate::conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::error::Refused;
use crate::file::File;
use crate::foreign::{Directory, Process, WaitHandle};
use crate::protocol::Protocol;
use std::hash::{Hash, Hasher};

/// What tells handles apart.
macro_rules! handles {
    ($($handle:ident),+) => { $(
        impl<P: Protocol> $handle<P> {
            /// The number of the handle; its clones have the same. No other handle has
            /// it in this process, also not after this one is gone. It stays when the handle is
            /// used for another connection.
            pub fn id(&self) -> u64 {
                self.0.id()
            }
        }

        /// Two handles are equal if they are clones of each other. As keys of a table use their
        /// [`id`](Self::id)s: a handle in a table keeps its connection open.
        impl<P: Protocol> PartialEq for $handle<P> {
            fn eq(&self, other: &Self) -> bool {
                self.id() == other.id()
            }
        }

        impl<P: Protocol> Eq for $handle<P> {}

        impl<P: Protocol> Hash for $handle<P> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.id().hash(state);
            }
        }
    )+ };
}

handles!(TcpStream, TcpListener, UdpSocket, File, WaitHandle, Process, Directory);

/// How sockets get out of their port again.
macro_rules! handles_of_sockets {
    ($($handle:ident, $socket:ident, $make:expr;)+) => { $(
        impl<P: Protocol> $handle<P> {
            /// Takes the socket out of its port, to be associated with another one, or to be made
            /// one of the standard library. What came and was not received is still there. The key
            /// is dropped. That a direction was [shut down](crate::TcpStream::shutdown) for
            /// receiving is forgotten.
            ///
            /// # Errors
            /// Gives the handle back: `ResourceBusy` unless this is the last one. Each operation in
            /// flight holds a handle, each of its packets that was not taken or not dropped, and an
            /// accept window that of its listener. "Bad descriptor" on a closed handle.
            ///
            /// # Platform
            /// Windows has it from 8.1 on; before, the error is `Unsupported`.
            pub fn into_socket(self) -> Result<$socket, Refused<Self>> {
                let taken = self.0.into_socket().map_err(|refused| refused.map(Self))?;
                Ok($make(taken))
            }
        }
    )+ };
}

handles_of_sockets! {
    TcpStream, TcpSocket, |taken: TcpSocket| taken;
    TcpListener, ListenSocket, |taken: TcpSocket| ListenSocket::from_socket(taken.socket);
    UdpSocket, DatagramSocket, |taken: TcpSocket| DatagramSocket::from_socket(taken.socket);
}
