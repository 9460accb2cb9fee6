//! Opening a listening socket, with errors that name the remedy.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::platform;

/// Opens a listening socket. The system cuts `backlog` down to its own limit.
pub fn listen(address: SocketAddr, backlog: u32) -> anyhow::Result<TcpListener> {
    open(address, backlog, |_| Ok(())).map_err(|error| anyhow::anyhow!(explain(address, &error)))
}

/// Opens a listening socket on a port that other processes listen on in the same way; each connection
/// goes to one of them.
///
/// # Platform
/// For Linux. Elsewhere the port is not shared, and the second process is refused.
pub fn listen_shared(address: SocketAddr, backlog: u32) -> anyhow::Result<TcpListener> {
    open(address, backlog, platform::share_port)
        .map_err(|error| anyhow::anyhow!(explain(address, &error)))
}

fn open(
    address: SocketAddr,
    backlog: u32,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    platform::prepare_to_listen(&socket)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(platform::backlog(backlog))?;
    Ok(socket.into())
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the server that uses it or choose another; port 0 picks a free one"
        }
        io::ErrorKind::PermissionDenied => platform::remedy_for_denied(address),
        io::ErrorKind::AddrNotAvailable => platform::REMEDY_FOR_FOREIGN_ADDRESS,
        _ => "check the address and the limits with `overlapped doctor`",
    };
    format!("cannot listen on {address}: {error}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn an_address_in_use_is_told_with_the_remedy() {
        let first = listen(address(0), 1).expect("a free port");
        let taken = first.local_addr().expect("a bound socket");
        let error = listen(taken, 1).expect_err("the port is taken");
        let text = error.to_string();
        assert!(text.contains(&taken.to_string()) && text.contains("port 0"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_low_port_without_the_right_is_told_as_that() {
        let denied = io::Error::from_raw_os_error(13);
        assert!(explain(address(80), &denied).contains("CAP_NET_BIND_SERVICE"));
        assert!(!explain(address(8_080), &denied).contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn an_address_of_another_machine_is_told_as_that() {
        let error = listen("192.0.2.1:0".parse().expect("an address"), 1).expect_err("not ours");
        assert!(error.to_string().contains("not an address of this machine"), "{error}");
    }
}
