//! One socket of a readiness driver, and the calls that operations make on it.
//!
//! Every call is one attempt that does not block. `WouldBlock` means "not now"; an interrupted
//! call is tried again at once.

use super::simulated::SimulatedSocket;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

/// How many buffers one send call takes at the most.
pub(crate) const SEND_BUFFERS_MAX: usize = 64;

#[derive(Debug)]
pub(crate) enum Socket {
    #[cfg(target_os = "linux")]
    System(OwnedFd),
    /// Boxed, so that a socket of the system, of which there are many, is small.
    Simulated(Box<SimulatedSocket>),
}

/// Runs the same expression on the socket of either kind; the system's calls are made again when a
/// signal interrupts them.
macro_rules! either {
    ($socket:expr, $system:ident => $call:expr, $simulated:ident => $other:expr) => {
        match $socket {
            #[cfg(target_os = "linux")]
            Socket::System($system) => rustix::io::retry_on_intr(|| $call).map_err(io::Error::from),
            Socket::Simulated($simulated) => $other,
        }
    };
}

impl Socket {
    /// A non-blocking stream socket, bound to nothing.
    #[cfg(target_os = "linux")]
    pub(crate) fn stream(v6: bool) -> io::Result<Self> {
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(Self::System(net::socket_with(family, SocketType::STREAM, flags, None)?))
    }

    /// Sockets of the system have no driver here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn stream(_v6: bool) -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self,
            fd => net::recv(fd, &mut *buffer, RecvFlags::empty()).map(|(_, length)| length),
            simulated => simulated.receive(buffer))
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`); takes nothing.
    pub(crate) fn peek(&self) -> io::Result<bool> {
        let mut byte = [0];
        either!(self,
            fd => net::recv(fd, &mut byte, RecvFlags::PEEK).map(|(_, length)| length > 0),
            simulated => simulated.peek())
    }

    pub(crate) fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self,
            fd => match buffers {
                [one] => net::send(fd, one, SendFlags::NOSIGNAL),
                several => net::sendmsg(
                    fd,
                    several,
                    &mut net::SendAncillaryBuffer::default(),
                    SendFlags::NOSIGNAL,
                ),
            },
            simulated => simulated.send(buffers))
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let (socket, address) =
                    rustix::io::retry_on_intr(|| net::acceptfrom_with(fd, flags))?;
                let address = address.ok_or(rustix::io::Errno::CONNABORTED)?;
                Ok((Self::System(socket), SocketAddr::try_from(address)?))
            }
            Self::Simulated(simulated) => {
                let (socket, address) = simulated.accept()?;
                Ok((Self::Simulated(Box::new(socket)), address))
            }
        }
    }

    /// Starts to connect; `Ok` when it is done at once, `WouldBlock` when it goes on.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => match net::connect(fd, &address) {
                Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                other => Ok(other?),
            },
            Self::Simulated(simulated) => simulated.connect(address),
        }
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => {
                sockopt::socket_error(fd)??;
                match net::getpeername(fd) {
                    Ok(_) => Ok(()),
                    Err(rustix::io::Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Simulated(simulated) => simulated.connected(),
        }
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        either!(self, fd => net::bind(fd, &address), simulated => simulated.bind(address))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self,
            fd => net::shutdown(fd, match how {
                Shutdown::Read => net::Shutdown::Read,
                Shutdown::Write => net::Shutdown::Write,
                Shutdown::Both => net::Shutdown::Both,
            }),
            simulated => simulated.shutdown(how))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => Ok(SocketAddr::try_from(net::getsockname(fd)?)?),
            Self::Simulated(simulated) => simulated.local_addr(),
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => match net::getpeername(fd)? {
                Some(address) => Ok(SocketAddr::try_from(address)?),
                None => Err(rustix::io::Errno::NOTCONN.into()),
            },
            Self::Simulated(simulated) => simulated.peer_addr(),
        }
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => Ok(sockopt::set_tcp_nodelay(fd, on)?),
            Self::Simulated(_) => Ok(()),
        }
    }

    /// What closing does with unsent data: `None` sends it in the background, zero discards it and
    /// resets the connection (P144).
    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(fd) => Ok(sockopt::set_socket_linger(fd, linger)?),
            Self::Simulated(simulated) => simulated.set_linger(linger),
        }
    }
}
