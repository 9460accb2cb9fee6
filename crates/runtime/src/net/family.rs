//! What tells the streams of TCP from those of Unix sockets: their addresses.

use overlapped::{Protocol, TcpListener, TcpStream};
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;

/// The family of a [`Stream`](super::Stream) or a [`Listener`](super::Listener): [`Tcp`], or `Unix` on
/// Linux.
pub trait Family: Names {
    /// Its addresses.
    type Address: Debug;

    #[doc(hidden)]
    fn of_accepted<P: Protocol>(
        remote: SocketAddr,
        stream: &TcpStream<P>,
    ) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer<P: Protocol>(stream: &TcpStream<P>) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn local<P: Protocol>(listener: &TcpListener<P>) -> io::Result<Self::Address>;
}

/// What types are called when they are shown.
pub trait Names {
    const STREAM: &'static str;
    const LISTENER: &'static str;
}

/// TCP.
#[derive(Debug)]
pub enum Tcp {}

impl Names for Tcp {
    const STREAM: &'static str = "TcpStream";
    const LISTENER: &'static str = "TcpListener";
}

impl Family for Tcp {
    type Address = SocketAddr;

    fn of_accepted<P: Protocol>(remote: SocketAddr, _: &TcpStream<P>) -> io::Result<SocketAddr> {
        Ok(remote)
    }

    fn peer<P: Protocol>(stream: &TcpStream<P>) -> io::Result<SocketAddr> {
        stream.peer_addr()
    }

    fn local<P: Protocol>(listener: &TcpListener<P>) -> io::Result<SocketAddr> {
        listener.local_addr()
    }
}
