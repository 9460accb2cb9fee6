//! The socket of a connection and its source address.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use overlapped::{TcpSocket, TcpStream};

use super::{Load, Shared, Step};
use crate::platform::source::bound_socket;

/// The source address of connection `index` when it opens again after so many messages: another
/// loopback address every time, so that ports in TIME_WAIT are never in the way. None, which leaves it
/// to the plan, for a target elsewhere.
pub(super) fn source_for_again(shared: &Shared, index: u32, messages: u32) -> Option<IpAddr> {
    let config = &shared.config;
    let is_loopback = matches!(config.target.ip(), IpAddr::V4(target) if target.is_loopback());
    let before = messages.wrapping_mul(shared.schedule.connections);
    let number = before.wrapping_add(config.share.first).wrapping_add(index);
    let [_, high, middle, low] = number.to_be_bytes();
    is_loopback.then(|| Ipv4Addr::new(127, 128 | high, middle, low.max(1)).into())
}

/// Starts to connect connection `index`, from `source` instead of the address that is planned for it.
pub(super) fn start_connect(
    shared: &Shared,
    index: u32,
    source: Option<IpAddr>,
) -> io::Result<TcpStream<Load>> {
    let target = shared.config.target;
    let sources = shared.config.sources;
    let number = shared.config.share.first + index;
    let socket = match source.or(sources.address(number)) {
        Some(address) => {
            let socket = bound_socket(address, number % sources.connections_per_address)?;
            TcpSocket::try_from(std::net::TcpStream::from(socket))?
        }
        None if target.is_ipv4() => TcpSocket::v4()?,
        None => TcpSocket::v6()?,
    };
    let stream = shared.port.associate(socket, index).map_err(|refused| refused.error)?;
    stream.connect(target, (), Step::Connect).map_err(|refused| refused.error)?;
    Ok(stream)
}
