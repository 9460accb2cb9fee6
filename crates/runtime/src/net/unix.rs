//! Unix stream sockets, of Linux.

use super::connect::connected;
use super::family::{Family, Names};
use super::listener::{BACKLOG, Listener};
use super::stream::{self, Stream};
use crate::executor::current;
use overlapped::{ListenSocket, PeerCredentials, Protocol, TcpListener, TcpSocket, TcpStream};
use std::io;
use std::net::SocketAddr as InternetAddress;
use std::os::unix::net::{self as standard, SocketAddr};
use std::path::Path;

/// Unix sockets, of Linux only.
#[derive(Debug)]
pub enum Unix {}

/// A stream of Unix sockets, of Linux only.
pub type UnixStream = Stream<Unix>;

/// A listener of Unix sockets, of Linux only.
pub type UnixListener = Listener<Unix>;

impl Names for Unix {
    const STREAM: &'static str = "UnixStream";
    const LISTENER: &'static str = "UnixListener";
}

impl Family for Unix {
    type Address = SocketAddr;

    fn of_accepted<P: Protocol>(
        _: InternetAddress,
        stream: &TcpStream<P>,
    ) -> io::Result<SocketAddr> {
        stream.unix_peer_addr()
    }

    fn peer<P: Protocol>(stream: &TcpStream<P>) -> io::Result<SocketAddr> {
        stream.unix_peer_addr()
    }

    fn local<P: Protocol>(listener: &TcpListener<P>) -> io::Result<SocketAddr> {
        listener.unix_local_addr()
    }
}

impl UnixListener {
    /// Listens at a path. Its file is made, and nobody removes it but you: a path that a server has left
    /// is "in use".
    ///
    /// # Errors
    /// The path is in use, is longer than 107 bytes, its folder is not there, or it needs a right.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Listens at a path or an abstract name.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind); the address has no name.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let executor = current::get("a listener");
        Self::associate(executor, ListenSocket::bind_unix(address, BACKLOG)?)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    /// It does not listen, or the system is short of memory.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(listener: standard::UnixListener) -> io::Result<Self> {
        Self::associate(current::get("a listener"), ListenSocket::try_from(listener)?)
    }

    /// The path or name at which it listens.
    ///
    /// # Errors
    /// The listener is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.unix_local_addr()
    }
}

impl UnixStream {
    /// Connects to the listener at a path. While its backlog is full this waits; see
    /// [`timeout`](crate::time::timeout). A future that is dropped gives up its connection.
    ///
    /// # Errors
    /// There is no such path, nobody listens there, or it needs a right.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_addr(SocketAddr::from_pathname(path)?).await
    }

    /// Connects to the listener at a path or an abstract name.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); the address has no name.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn connect_addr(address: SocketAddr) -> io::Result<Self> {
        let executor = current::get("a stream");
        let start =
            |stream: &stream::Handle, operation| stream.connect_unix(address, (), operation);
        let stream = connected(&executor, TcpSocket::unix()?, start).await?;
        Ok(Self::of(stream, executor))
    }

    /// Two streams that are connected with each other.
    ///
    /// # Errors
    /// Descriptors or memory are short.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, two) = standard::UnixStream::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(two)?))
    }

    /// Takes over a connected stream of the standard library.
    ///
    /// # Errors
    /// It is not connected, or the system is short of memory.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn from_std(stream: standard::UnixStream) -> io::Result<Self> {
        let executor = current::get("a stream");
        let stream = Self::associate(&executor, TcpSocket::try_from(stream)?)?;
        Ok(Self::of(stream, executor))
    }

    /// Our path or name, or none.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream().unix_local_addr()
    }

    /// The path or name of the peer; most clients have none.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().unix_peer_addr()
    }

    /// The process, user and group of the peer, when it connected or began to listen.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.stream().unix_peer_credentials()
    }
}
