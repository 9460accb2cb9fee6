//! Sockets of a simulated network, for a port to be associated with.

use super::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::sys::family::Family;
use crate::sys::simulated::Network;
use std::io;
use std::net::SocketAddr;

/// The sockets of a simulated network.
impl Network {
    /// A listening socket for a port to be associated with; port 0 is any free one. `backlog`
    /// connections (at least one) wait there to be accepted; the next ones stay in progress.
    ///
    /// # Errors
    /// The system's "address in use".
    pub fn listen(&self, address: SocketAddr, backlog: usize) -> io::Result<ListenSocket> {
        self.listening(address, backlog).map(ListenSocket::from_socket)
    }

    /// An unconnected IPv4 socket, for a port to be associated with and to connect.
    pub fn stream(&self) -> TcpSocket {
        TcpSocket::from_socket(self.unconnected(Family::V4))
    }

    /// An unconnected IPv6 socket, for a port to be associated with and to connect.
    pub fn stream_v6(&self) -> TcpSocket {
        TcpSocket::from_socket(self.unconnected(Family::V6))
    }

    /// A datagram socket bound to `address`, for a port to be associated with; port 0 is any free
    /// one.
    ///
    /// # Errors
    /// The system's "address in use".
    pub fn datagram(&self, address: SocketAddr) -> io::Result<DatagramSocket> {
        self.for_datagrams(address).map(DatagramSocket::from_socket)
    }
}
