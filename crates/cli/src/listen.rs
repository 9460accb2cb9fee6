//! Opening a listening socket, or taking one from the parent, with errors that name the remedy.

use std::io;
use std::net::{SocketAddr, TcpListener};

use clap::Args;
use overlapped::ListenSocket;

use crate::exit::Usage;
use crate::platform;

/// Whose clients a listening socket of IPv6 takes.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct StackArguments {
    /// Take clients of IPv4 as well where the address is one of IPv6, such as [::]:12345; they have
    /// addresses like ::ffff:192.0.2.1 then.
    #[arg(long)]
    dual_stack: bool,
}

/// Opens a listening socket. The system cuts `backlog` down to its own limit.
pub fn listen(
    address: SocketAddr,
    stack: StackArguments,
    backlog: u32,
) -> anyhow::Result<TcpListener> {
    if stack.dual_stack && address.is_ipv4() {
        let message = format!("--dual-stack needs an address of IPv6, not {address}: use [::]");
        return Err(Usage(format!("{message}:{}", address.port())).into());
    }
    let bind = if stack.dual_stack { ListenSocket::bind_dual_stack } else { ListenSocket::bind };
    bind(address, backlog)
        .and_then(TcpListener::try_from)
        .map_err(|error| anyhow::anyhow!(explain(address, &error)))
}

/// Opens a listening socket on a port that other processes listen on in the same way; each connection
/// goes to one of them.
///
/// # Platform
/// For Linux. Elsewhere the port is not shared, and the second process is refused.
pub fn listen_shared(address: SocketAddr, backlog: u32) -> anyhow::Result<TcpListener> {
    platform::listen_shared(address, backlog)
        .map_err(|error| anyhow::anyhow!(explain(address, &error)))
}

/// Takes a listening socket from the parent process, by the protocol of systemd: the one with this name, or
/// the only one. To be called before there are other threads, since it changes the environment.
///
/// # Platform
/// For Linux. Elsewhere it is refused.
pub fn inherited(name: Option<&str>) -> anyhow::Result<TcpListener> {
    platform::inherited(name)
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

    const ALONE: StackArguments = StackArguments { dual_stack: false };

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn an_address_in_use_is_told_with_the_remedy() {
        let first = listen(address(0), ALONE, 1).expect("a free port");
        let taken = first.local_addr().expect("a bound socket");
        let error = listen(taken, ALONE, 1).expect_err("the port is taken");
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
        let foreign = "192.0.2.1:0".parse().expect("an address");
        let error = listen(foreign, ALONE, 1).expect_err("not ours");
        assert!(error.to_string().contains("not an address of this machine"), "{error}");
    }
    #[test]
    fn all_addresses_of_ipv6_are_no_addresses_of_ipv4_unless_that_is_asked_for() {
        // Where it was switched off, all its addresses can be listened on still.
        if let Err(error) = std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)) {
            return println!("skipped: there is no IPv6 here: {error}");
        }
        for dual_stack in [false, true] {
            let all = "[::]:0".parse().expect("an address");
            let listener = listen(all, StackArguments { dual_stack }, 1).expect("there is IPv6");
            let port = listener.local_addr().expect("it is bound").port();
            let by_ipv4 = std::net::TcpStream::connect(address(port));
            assert_eq!(by_ipv4.is_ok(), dual_stack, "{by_ipv4:?}");
            let by_ipv6 = std::net::TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, port));
            assert!(by_ipv6.is_ok(), "{by_ipv6:?}");
        }
        let error = listen(address(0), StackArguments { dual_stack: true }, 1).expect_err("IPv4");
        assert!(error.is::<Usage>() && error.to_string().contains("[::]:0"), "{error}");
    }
}
