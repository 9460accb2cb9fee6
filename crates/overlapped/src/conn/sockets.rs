//! Sockets that belong to no port yet.

use super::accept_window::Admission;
use super::reuse::Origin;
use crate::sys::family::Family;
use crate::sys::socket::Socket;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// A TCP socket that belongs to no port: a new one, or a connection that was accepted.
///
/// Dropping it closes it. [`Port::associate`](crate::Port::associate) makes a [`TcpStream`](crate::TcpStream) of it.
#[derive(Debug)]
pub struct TcpSocket {
    pub(crate) socket: Socket,
    pub(crate) admission: Option<Admission>,
    /// The peer of a connection, even if it has reset it since.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) origin: Origin,
}

impl TcpSocket {
    /// A fresh IPv4 socket, to be connected after its association.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn v4() -> io::Result<Self> {
        Socket::stream(Family::V4).map(Self::from_socket)
    }

    /// A fresh IPv6 socket, to be connected after its association. It connects to addresses of IPv6
    /// only. An address of IPv4 is refused as one of another family, also in its mapped form.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn v6() -> io::Result<Self> {
        Socket::stream(Family::V6).map(Self::from_socket)
    }

    /// A fresh socket of the family of this address, to be connected with it.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn for_address(address: SocketAddr) -> io::Result<Self> {
        if address.is_ipv4() { Self::v4() } else { Self::v6() }
    }

    /// Binds the socket to a local address; port 0 lets the system choose. A socket that is not
    /// bound is bound by its connect.
    ///
    /// # Errors
    /// The system's: the address is in use or not of this machine.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(address)
    }

    /// Our address.
    ///
    /// # Errors
    /// `InvalidInput` when the socket is bound to none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// "Not connected" for a fresh socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer.map_or_else(|| self.socket.peer_addr(), Ok)
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn from_socket(socket: Socket) -> Self {
        Self { socket, admission: None, peer: None, origin: Origin::Fresh }
    }

    /// An accepted connection.
    pub(crate) fn connection(socket: Socket, peer: SocketAddr) -> Self {
        Self { socket, admission: None, peer: Some(peer), origin: Origin::Accepted }
    }
}

/// A listening TCP socket that belongs to no port.
#[derive(Debug)]
pub struct ListenSocket(Socket);

impl ListenSocket {
    /// Binds to `address`, or to the first one of several that can be bound, and listens, with room for
    /// `backlog` connections that are not accepted yet. The system may lower it (on Linux to
    /// `net.core.somaxconn`). With the port 0 the system chooses one.
    ///
    /// An address may be a text, such as `"127.0.0.1:0"`. A name is looked up by this call, which blocks until
    /// it is found.
    ///
    /// Addresses that a closed server left in waiting can be used again at once. No other socket
    /// can listen there meanwhile. On Windows the library sets `SO_EXCLUSIVEADDRUSE` for that,
    /// since otherwise another program could bind a more specific address of the same port, and
    /// take the clients. To share a port, make the socket yourself and give it to `try_from`.
    ///
    /// The options of a listening socket reach the connections that it accepts, on every system: no
    /// delay, keep-alive, the sizes of the buffers, linger. Set them before you give the socket to
    /// `try_from`.
    ///
    /// On an address of IPv6 it takes clients of IPv6 only, also on `[::]`. This is so on either
    /// system, whatever the system's default is; [`bind_dual_stack`](Self::bind_dual_stack) takes
    /// both.
    ///
    /// # Errors
    /// The system's, for the last address that was tried: it is in use, is not of this machine, or needs a
    /// right (a port below 1024 on Linux). `InvalidInput` for a text that is no address with a port; the
    /// system's when a name is not found.
    pub fn bind(address: impl ToSocketAddrs, backlog: u32) -> io::Result<Self> {
        first_bound(address, |address| Socket::listener(address, Family::of(address), backlog))
            .map(Self)
    }

    /// As [`bind`](Self::bind), for clients of IPv6 and of IPv4: on `[::]`, which then stands for
    /// all addresses of the machine. A client of IPv4 has a mapped address, `::ffff:192.0.2.1`.
    ///
    /// # Errors
    /// "Address family not supported" for an address of IPv4; otherwise as for `bind`.
    pub fn bind_dual_stack(address: impl ToSocketAddrs, backlog: u32) -> io::Result<Self> {
        first_bound(address, |address| Socket::listener(address, Family::Both, backlog)).map(Self)
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(crate) fn from_socket(socket: Socket) -> Self {
        Self(socket)
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.0
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.0
    }
}

/// A socket for datagrams (UDP) that belongs to no port.
///
/// Dropping it closes it. [`Port::associate`](crate::Port::associate) makes a [`UdpSocket`](crate::UdpSocket) of it.
#[derive(Debug)]
pub struct DatagramSocket(Socket);

impl DatagramSocket {
    /// Binds to `address`, or to the first one of several that can be bound. No other socket can bind it
    /// then. With the port 0 the system chooses one.
    ///
    /// An address may be a text, such as `"127.0.0.1:0"`. A name is looked up by this call, which blocks until
    /// it is found.
    ///
    /// On an address of IPv6 it exchanges datagrams with IPv6 alone, also on `[::]`, on either
    /// system; [`bind_dual_stack`](Self::bind_dual_stack) exchanges them with both families.
    ///
    /// # Errors
    /// The system's, for the last address that was tried: it is in use, is not of this machine, or needs a
    /// right. `InvalidInput` for a text that is no address with a port; the system's when a name is not
    /// found.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        first_bound(address, |address| Socket::datagram(address, Family::of(address))).map(Self)
    }

    /// As [`bind`](Self::bind), for IPv6 and for IPv4. An address of IPv4 has its mapped form,
    /// `::ffff:192.0.2.1`, as the sender of a datagram and as the one to send to.
    ///
    /// # Errors
    /// "Address family not supported" for an address of IPv4; otherwise as for `bind`.
    pub fn bind_dual_stack(address: impl ToSocketAddrs) -> io::Result<Self> {
        first_bound(address, |address| Socket::datagram(address, Family::Both)).map(Self)
    }

    /// The address that datagrams reach.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(crate) fn from_socket(socket: Socket) -> Self {
        Self(socket)
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.0
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.0
    }
}

/// A socket at the first address at which there can be one.
fn first_bound(
    addresses: impl ToSocketAddrs,
    bind: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> io::Result<Socket> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address to bind")))
}
