//! What only a datagram socket has: its peer, groups, and how datagrams travel. Other options are in
//! [`options`](super::options).

use super::udp_socket::UdpSocket;
use crate::protocol::Protocol;
use crate::sys::datagram_options::DatagramOption;
use std::io;
use std::net::{IpAddr, SocketAddr};

impl<P: Protocol> UdpSocket<P> {
    fn set(&self, option: DatagramOption) -> io::Result<()> {
        self.0.with_socket(|socket| socket.set_datagram_option(option))
    }

    /// Connects the socket to `peer`: from now on it receives from there alone, and
    /// [`send`](Self::send), or a datagram of a batch without an address, goes there. It asks nobody,
    /// and is done when it returns; what came from others before may still be received. Connecting
    /// again changes the peer.
    ///
    /// That nobody is at the peer's address, which its system may answer, is then an error of a later
    /// operation in either direction, of kind
    /// [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused). It ends that operation alone:
    /// the socket goes on.
    ///
    /// # Errors
    /// The system's: the address is of the other family or cannot be reached. "Bad descriptor" on a
    /// closed handle.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.with_socket(|socket| socket.connect_datagrams(peer))
    }

    /// Receives what is sent to this group from now on, on the interface with this index; 0 lets the
    /// system choose one.
    ///
    /// # Errors
    /// The system's: no group of the socket's family, or no such interface. `Unsupported` in a
    /// simulated network.
    pub fn join_multicast(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        self.set(DatagramOption::Join(group, interface))
    }

    /// No longer receives what is sent to this group.
    ///
    /// # Errors
    /// The system's: the group was not joined on that interface. `Unsupported` in a simulated
    /// network.
    pub fn leave_multicast(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        self.set(DatagramOption::Leave(group, interface))
    }

    /// By which interface what is sent to groups goes out; 0 lets the system choose. On a socket of
    /// both families, as the next two, for groups of IPv6.
    ///
    /// # Errors
    /// The system's: no such interface. `Unsupported` in a simulated network.
    pub fn set_multicast_interface(&self, interface: u32) -> io::Result<()> {
        self.set(DatagramOption::MulticastInterface(interface))
    }

    /// Whether sockets of this machine receive what is sent to groups from here. On at first.
    ///
    /// # Platform
    /// On Linux the sender's option counts, on Windows the receiver's.
    ///
    /// # Errors
    /// The system's. `Unsupported` in a simulated network.
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        self.set(DatagramOption::MulticastLoop(on))
    }

    /// How many networks what is sent to groups may cross: 1, the value at first, stays in this one.
    ///
    /// # Errors
    /// The system's. `Unsupported` in a simulated network.
    pub fn set_multicast_ttl(&self, hops: u8) -> io::Result<()> {
        self.set(DatagramOption::MulticastTtl(hops))
    }

    /// Whether a datagram that is too long for a network on its way may be cut there. On at first.
    /// QUIC switches it off: a datagram that is too long is then lost, which is how it finds out what
    /// the path takes. One that is too long for the first network is refused ("message too long").
    ///
    /// # Errors
    /// The system's.
    pub fn set_fragmentation(&self, on: bool) -> io::Result<()> {
        self.set(DatagramOption::Fragmentation(on))
    }

    /// Whether the system may join datagrams of one sender that come together, to hand them over in
    /// one piece (GRO, URO). Off at first. A [batch](Self::receive_batch) takes such a run apart
    /// again; its slots should have room for 65,535 bytes, or a run is truncated. Other receives are
    /// refused while it is on.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such thing, and in a simulated network. Without it
    /// everything is the same, a call more for each datagram.
    pub fn set_coalescing(&self, on: bool) -> io::Result<()> {
        self.set(DatagramOption::Coalescing(on))
    }
}
