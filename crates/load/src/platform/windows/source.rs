//! A socket with a source address of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::limits;

/// A socket bound to an address and a port of it. A port that the system picks is closed to all
/// other connections of this machine, whatever their address, so the ports are picked here:
/// the first of the range that is free at this address, from place `number` of the range on.
pub(crate) fn bound_socket(source: IpAddr, number: u32) -> io::Result<Socket> {
    let (first, last) = limits::port_range()?;
    let ports = u32::from(last - first) + 1;
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for step in 0..ports {
        let port = first + ((number + step) % ports) as u16;
        let source = SocketAddr::new(source, port);
        let socket = Socket::new(Domain::for_address(source), Type::STREAM, Some(Protocol::TCP))?;
        if source.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        match socket.bind(&source.into()) {
            Ok(()) => return Ok(socket),
            Err(error) if is_taken(&error) => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Whether somebody has that port, or has kept it for himself.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}
