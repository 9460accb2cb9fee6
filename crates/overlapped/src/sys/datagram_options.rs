//! The options of datagram sockets, which are the same on every system but for a few.

use super::family::Family;
use super::socket::Socket;
use super::system::SystemSocket;
use socket2::{InterfaceIndexOrAddress, SockRef};
use std::io;
use std::net::IpAddr;

/// One option, and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DatagramOption {
    /// A group, and the index of the interface; 0 is the system's choice.
    Join(IpAddr, u32),
    Leave(IpAddr, u32),
    MulticastInterface(u32),
    MulticastLoop(bool),
    MulticastTtl(u8),
    Fragmentation(bool),
    Coalescing(bool),
}

impl DatagramOption {
    /// What it is called in errors.
    fn name(self) -> &'static str {
        match self {
            Self::Join(..) | Self::Leave(..) => "a group",
            Self::MulticastInterface(_) | Self::MulticastLoop(_) | Self::MulticastTtl(_) => {
                "an option of groups"
            }
            Self::Fragmentation(_) => "fragmentation",
            Self::Coalescing(_) => "coalescing",
        }
    }
}

impl Socket {
    /// Whether datagrams may be sent to everybody.
    pub(crate) fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.has_udp_option("broadcast")?;
        match self {
            Self::System(socket) => SockRef::from(socket).set_broadcast(on),
            Self::Simulated(_) => Ok(()),
        }
    }

    /// Sets the option. A simulated network has no groups, and does not limit what is sent.
    pub(crate) fn set_datagram_option(&self, option: DatagramOption) -> io::Result<()> {
        self.has_udp_option(option.name())?;
        match self {
            Self::System(socket) => set(socket, option),
            Self::Simulated(_) => match option {
                DatagramOption::Fragmentation(_) => Ok(()),
                _ => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "a simulated network has neither groups nor coalescing",
                )),
            },
        }
    }
}

fn set(socket: &SystemSocket, option: DatagramOption) -> io::Result<()> {
    use DatagramOption as O;
    let common = SockRef::from(socket);
    let is_v4 = socket.family() == Family::V4;
    match option {
        O::Join(IpAddr::V4(group), interface) => {
            common.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
        }
        O::Join(IpAddr::V6(group), interface) => common.join_multicast_v6(&group, interface),
        O::Leave(IpAddr::V4(group), interface) => {
            common.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
        }
        O::Leave(IpAddr::V6(group), interface) => common.leave_multicast_v6(&group, interface),
        O::MulticastInterface(interface) if is_v4 => socket.set_multicast_interface_v4(interface),
        O::MulticastInterface(interface) => common.set_multicast_if_v6(interface),
        O::MulticastLoop(on) if is_v4 => common.set_multicast_loop_v4(on),
        O::MulticastLoop(on) => common.set_multicast_loop_v6(on),
        O::MulticastTtl(hops) if is_v4 => common.set_multicast_ttl_v4(hops.into()),
        O::MulticastTtl(hops) => common.set_multicast_hops_v6(hops.into()),
        O::Fragmentation(on) => socket.set_fragmentation(on),
        O::Coalescing(on) => socket.set_coalescing(on),
    }
}
