//! Association: what makes a socket or a file one of a port, for life.

use super::inner::Inner;
use crate::conn::connection::ConnectionState;
use crate::conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::error::Refused;
use crate::file::{File, FileHandle, Home, OpenFile};
use crate::foreign::{
    self, Core, Directory, DirectoryCore, OpenDirectory, Process, ProcessCore, WaitHandle,
};
use crate::op::tcp_listener::TcpListener;
use crate::op::tcp_stream::TcpStream;
use crate::op::udp_socket::UdpSocket;
use crate::protocol::Protocol;
use crate::sys::waits::Owned;
use sealed::PortRef;
use std::process::Child;
use std::sync::Arc;

/// What associating a socket or a file yields: its handle, or what was given back with the key.
pub type Association<Handle, Socket, Key> = Result<Handle, Refused<(Socket, Key)>>;

/// Sockets and files that can be associated with a port. The library implements it for its own, and
/// for the sockets of the standard library: a connected `TcpStream`, a `TcpListener`, a
/// `UdpSocket` that is not connected, and on Linux a connected `UnixStream`, a `UnixListener` and a
/// `UnixDatagram`. It makes these non-blocking. One that is refused comes back as
/// one that blocks. Everything else that can be waited for is associated as an `OwnedFd` of Linux or an
/// `OwnedHandle` of Windows, and a child process as its `Child`.
pub trait Associable: Sized + sealed::Sealed {
    /// The typed handle that association makes.
    type Handle<P: Protocol>;

    #[doc(hidden)]
    fn associate<P: Protocol>(
        self,
        port: &sealed::PortRef<'_, P>,
        key: P::Key,
    ) -> Association<Self::Handle<P>, Self, P::Key>;
}

impl Associable for TcpSocket {
    type Handle<P: Protocol> = TcpStream<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<TcpStream<P>, Self, P::Key> {
        let peer = self.peer_addr().ok();
        let state = match peer {
            Some(_) => ConnectionState::Connected,
            None => ConnectionState::Unconnected,
        };
        port.0.connections.associate(Self { peer, ..self }, state, key).map(TcpStream)
    }
}

impl Associable for ListenSocket {
    type Handle<P: Protocol> = TcpListener<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<TcpListener<P>, Self, P::Key> {
        let socket = TcpSocket::from_socket(self.into_socket());
        let associated = port.0.connections.associate(socket, ConnectionState::Listening, key);
        associated
            .map(TcpListener)
            .map_err(|refused| refused.map(|(socket, key)| (Self::from_socket(socket.socket), key)))
    }
}

impl Associable for DatagramSocket {
    type Handle<P: Protocol> = UdpSocket<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<UdpSocket<P>, Self, P::Key> {
        let socket = TcpSocket::from_socket(self.into_socket());
        let associated = port.0.connections.associate(socket, ConnectionState::Datagrams, key);
        associated
            .map(UdpSocket)
            .map_err(|refused| refused.map(|(socket, key)| (Self::from_socket(socket.socket), key)))
    }
}

impl Associable for OpenFile {
    type Handle<P: Protocol> = File<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<File<P>, Self, P::Key> {
        let home: Arc<dyn Home<P>> = Arc::clone(port.0) as _;
        FileHandle::associate(home, self, key).map(File)
    }
}

impl Associable for Owned {
    type Handle<P: Protocol> = WaitHandle<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<WaitHandle<P>, Self, P::Key> {
        let home: Arc<dyn foreign::Home<P>> = Arc::clone(port.0) as _;
        Core::associate(home, self, key).map(WaitHandle)
    }
}

impl Associable for OpenDirectory {
    type Handle<P: Protocol> = Directory<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<Directory<P>, Self, P::Key> {
        let home: Arc<dyn foreign::Home<P>> = Arc::clone(port.0) as _;
        DirectoryCore::associate(home, self, key).map(Directory)
    }
}

impl Associable for Child {
    type Handle<P: Protocol> = Process<P>;

    fn associate<P: Protocol>(
        self,
        port: &PortRef<'_, P>,
        key: P::Key,
    ) -> Association<Process<P>, Self, P::Key> {
        let home: Arc<dyn foreign::Home<P>> = Arc::clone(port.0) as _;
        ProcessCore::associate(home, self, key).map(Process)
    }
}

/// Lets sockets of the standard library be associated as they are.
macro_rules! standard_sockets {
    ($($standard:ident => $socket:ident, $handle:ident;)+) => { $(
        impl Associable for std::net::$standard {
            type Handle<P: Protocol> = $handle<P>;

            fn associate<P: Protocol>(
                self,
                port: &PortRef<'_, P>,
                key: P::Key,
            ) -> Association<$handle<P>, Self, P::Key> {
                let socket = match $socket::adopt(self) {
                    Ok(socket) => socket,
                    Err((error, given)) => return Err(Refused::new(error, (given, key))),
                };
                let associated = socket.associate(port, key);
                associated
                    .map_err(|refused| refused.map(|(socket, key)| (socket.give_back(), key)))
            }
        }

        impl sealed::Sealed for std::net::$standard {}
    )+ };
}

standard_sockets! {
    TcpStream => TcpSocket, TcpStream;
    TcpListener => ListenSocket, TcpListener;
    UdpSocket => DatagramSocket, UdpSocket;
}

pub(in crate::port) mod sealed {
    use super::{
        Arc, Child, DatagramSocket, Inner, ListenSocket, OpenDirectory, OpenFile, Owned, Protocol,
        TcpSocket,
    };

    pub trait Sealed {}
    impl Sealed for TcpSocket {}
    impl Sealed for ListenSocket {}
    impl Sealed for DatagramSocket {}
    impl Sealed for OpenFile {}
    impl Sealed for Owned {}
    impl Sealed for Child {}
    impl Sealed for OpenDirectory {}

    /// The port, as a type that no user can make.
    pub struct PortRef<'a, P: Protocol>(pub(crate) &'a Arc<Inner<P>>);
}
