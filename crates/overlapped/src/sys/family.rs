//! Which addresses a socket takes.

use super::code;
use std::io;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
pub(crate) use std::os::unix::net::SocketAddr as UnixAddr;

/// The name of a Unix socket. There are none here.
#[cfg(windows)]
pub(crate) use std::convert::Infallible as UnixAddr;

/// What stands for the internet address of a Unix socket or a named pipe, which has none. No socket of
/// the internet is at it or connected to it.
pub(crate) const NO_ADDRESS: SocketAddr = {
    let any = std::net::Ipv4Addr::UNSPECIFIED;
    SocketAddr::new(std::net::IpAddr::V4(any), 0)
};

/// Whom a stream connects to, or who is at the other side of a datagram.
#[derive(Debug)]
pub(crate) enum Remote {
    Internet(SocketAddr),
    /// Boxed, since it is large and datagrams of the internet are many.
    Unix(Box<UnixAddr>),
    /// Whoever opens the named pipe next, of which the stream is an instance.
    #[cfg(windows)]
    PipeClient,
}

impl Remote {
    pub(crate) fn internet(&self) -> SocketAddr {
        match self {
            Self::Internet(address) => *address,
            Self::Unix(_) => NO_ADDRESS,
            #[cfg(windows)]
            Self::PipeClient => NO_ADDRESS,
        }
    }

    /// The name of a Unix socket, if it is one.
    pub(crate) fn into_unix(self) -> Option<Box<UnixAddr>> {
        match self {
            Self::Unix(name) => Some(name),
            _ => None,
        }
    }

    /// Whether the system may go on with a connect that was cancelled, so that nobody knows what became
    /// of it. An instance of a named pipe waits for a client, or has one.
    pub(crate) fn outlasts_cancel(&self) -> bool {
        match self {
            #[cfg(windows)]
            Self::PipeClient => false,
            _ => true,
        }
    }
}

/// The family of a socket's addresses. A socket of IPv6 takes IPv6 alone, whatever the system's
/// default is, unless it was made for both: systems differ in that default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    /// IPv6, and IPv4 under mapped addresses (`::ffff:192.0.2.1`).
    Both,
    /// Paths and other names of this machine.
    #[cfg(target_os = "linux")]
    Unix,
    /// Named pipes, which are no sockets.
    #[cfg(windows)]
    Pipe,
}

impl Family {
    /// That of a socket which is to have this address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    pub(crate) fn is_v6(self) -> bool {
        matches!(self, Self::V6 | Self::Both)
    }

    pub(crate) fn is_internet(self) -> bool {
        self == Self::V4 || self.is_v6()
    }

    /// Whether it is one of named pipes, which are no sockets.
    pub(crate) fn is_pipe(self) -> bool {
        match self {
            #[cfg(windows)]
            Self::Pipe => true,
            _ => false,
        }
    }

    /// Refuses an address that no socket of this family can have or reach. Systems would refuse it
    /// as well, each with other errors for other calls. A mapped address is one of IPv4.
    pub(crate) fn check(self, address: SocketAddr) -> io::Result<()> {
        let fits = match address {
            SocketAddr::V4(_) => self == Self::V4,
            SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => self == Self::Both,
            SocketAddr::V6(_) => self.is_v6(),
        };
        if fits { Ok(()) } else { Err(code::error(code::FAMILY_NOT_SUPPORTED)) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_fits_its_family_and_a_mapped_one_only_a_socket_of_both() {
        let addresses = ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "[::]:1"];
        let fits = |family: Family| {
            addresses.map(|address| family.check(address.parse().expect("an address")).is_ok())
        };
        assert_eq!(fits(Family::V4), [true, false, false, false]);
        assert_eq!(fits(Family::V6), [false, true, false, true]);
        assert_eq!(fits(Family::Both), [false, true, true, true]);
    }
}
