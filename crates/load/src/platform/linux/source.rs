//! A socket with a source address of its own.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// A socket bound to an address but not yet to a port: the kernel picks that when it connects,
/// when it knows the target, so that connections from different addresses may share a port. Bound
/// at once, a port would be closed to all other connections of this machine.
pub(crate) fn bound_socket(source: IpAddr, _number: u32) -> io::Result<Socket> {
    let source = SocketAddr::new(source, 0);
    let socket = Socket::new(Domain::for_address(source), Type::STREAM, Some(Protocol::TCP))?;
    if source.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&source.into())?;
    Ok(socket)
}
