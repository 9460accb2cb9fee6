//! A socket of Linux, and the calls on it. Each is one attempt: `WouldBlock` means "not now", and an
//! interrupted call is made again at once.

use super::loss::ConnectionLoss;
use crate::sys::{Family, code};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    family: Family,
    lost: ConnectionLoss,
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

impl Socket {
    /// A non-blocking stream socket, bound to nothing.
    pub(crate) fn stream(family: Family) -> io::Result<Self> {
        let is_v6 = family != Family::V4;
        let domain = if is_v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let descriptor = net::socket_with(domain, SocketType::STREAM, FLAGS, None)?;
        if is_v6 {
            // The default is the administrator's, and another one on other systems.
            sockopt::set_ipv6_v6only(&descriptor, family == Family::V6)?;
        }
        Ok(Self { descriptor, family, lost: ConnectionLoss::default() })
    }

    /// Takes over a socket that was made elsewhere.
    fn adopt(descriptor: OwnedFd, lost: ConnectionLoss) -> io::Result<Self> {
        let family = match sockopt::socket_domain(&descriptor)? {
            AddressFamily::INET6 if sockopt::ipv6_v6only(&descriptor)? => Family::V6,
            AddressFamily::INET6 => Family::Both,
            _ => Family::V4,
        };
        Ok(Self { descriptor, family, lost })
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = retry_on_intr(|| {
            net::recv(&self.descriptor, &mut *buffer, RecvFlags::empty()).map(|(_, length)| length)
        });
        self.received(received, !buffer.is_empty())
    }

    /// Receives behind what the buffer holds, as much as fits into its capacity, which is more.
    pub(crate) fn fill(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let received = retry_on_intr(|| {
            let room = spare_capacity(&mut *buffer);
            net::recv(&self.descriptor, room, RecvFlags::empty()).map(|(_, length)| length)
        });
        self.received(received, true)
    }

    fn received(&self, received: Result<usize, Errno>, had_room: bool) -> io::Result<usize> {
        match received {
            Ok(0) if had_room => self.at_the_end().map(|()| 0),
            Ok(length) => Ok(length),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A receive found the end of the stream. Behind it may lie a loss (P160).
    fn at_the_end(&self) -> io::Result<()> {
        self.loss().map_or(Ok(()), |loss| Err(code::error(loss)))
    }

    /// How the connection was lost, if it was: what some call has met, or what the system knows.
    pub(crate) fn loss(&self) -> Option<i32> {
        if self.lost.is_connection()
            && self.lost.code().is_none()
            && let Ok(Err(error)) = sockopt::socket_error(&self.descriptor)
            && let Some(loss) = code::loss(error.raw_os_error())
        {
            // Even a broken pipe is none of our own making: the system keeps an error for a reset.
            self.lost.lose(loss);
        }
        self.lost.code()
    }

    /// The error of a call, of which note is taken.
    fn failed(&self, error: Errno) -> io::Error {
        code::error(self.lost.note(error.raw_os_error()))
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`); takes nothing.
    pub(crate) fn peek(&self) -> io::Result<bool> {
        let mut byte = [0];
        let found = retry_on_intr(|| net::recv(&self.descriptor, &mut byte, RecvFlags::PEEK));
        match found.map_err(|error| self.failed(error))? {
            (_, 0) => self.at_the_end().map(|()| false),
            _ => Ok(true),
        }
    }

    pub(crate) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_with(data, SendFlags::empty())
    }

    /// Sends, and makes the last byte urgent.
    pub(crate) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.send_with(data, SendFlags::OOB)
    }

    fn send_with(&self, data: &[u8], flags: SendFlags) -> io::Result<usize> {
        let flags = flags | SendFlags::NOSIGNAL;
        retry_on_intr(|| net::send(&self.descriptor, data, flags))
            .map_err(|error| self.failed(error))
    }

    /// How many bytes of a stream can be received now.
    pub(crate) fn unread(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.descriptor)?)
    }

    pub(crate) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = retry_on_intr(|| net::recv(&self.descriptor, &mut *buffer, RecvFlags::OOB));
        received.map(|(_, length)| length).map_err(|error| self.failed(error))
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, address) = retry_on_intr(|| net::acceptfrom_with(&self.descriptor, FLAGS))?;
        let address = address.ok_or(Errno::CONNABORTED)?;
        let lost = ConnectionLoss::of_a_connection();
        let accepted = Self { descriptor: socket, family: self.family, lost };
        Ok((accepted, SocketAddr::try_from(address)?))
    }

    /// Starts to connect; `Ok` when it is done at once, `WouldBlock` when it goes on.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        match net::connect(&self.descriptor, &address) {
            Err(Errno::INPROGRESS | Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.stands();
                Ok(())
            }
        }
    }

    /// A stream has connected. Datagrams have no connection that could be lost.
    fn stands(&self) {
        if sockopt::socket_type(&self.descriptor) == Ok(SocketType::STREAM) {
            self.lost.begin();
        }
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match sockopt::socket_error(&self.descriptor)? {
            Err(error) if code::loss(error.raw_os_error()) == Some(code::RESET) => {
                // It stood, and was lost since: that is for the calls that come.
                self.lost.begin();
                self.lost.lose(code::RESET);
            }
            other => other?,
        }
        if self.lost.code().is_some() {
            return Ok(());
        }
        match net::getpeername(&self.descriptor) {
            Ok(_) => {
                self.stands();
                Ok(())
            }
            Err(Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends our sending. That nothing is received any more is no business of the system's: it would
    /// end the receives that wait, and take it for the peer's end (P162).
    pub(crate) fn end_sending(&self) -> io::Result<()> {
        retry_on_intr(|| net::shutdown(&self.descriptor, net::Shutdown::Write))?;
        self.lost.end_sending();
        Ok(())
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = SocketAddr::try_from(net::getsockname(&self.descriptor)?)?;
        // Bound to nothing: Linux calls that all addresses and no port, Windows an error.
        if address.port() == 0 { Err(Errno::INVAL.into()) } else { Ok(address) }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match net::getpeername(&self.descriptor)? {
            Some(address) => Ok(SocketAddr::try_from(address)?),
            None => Err(Errno::NOTCONN.into()),
        }
    }

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.descriptor, !on)?)
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.descriptor, on)?)
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(&self.descriptor, linger)?)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl TryFrom<TcpStream> for Socket {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::adopt(stream.into(), ConnectionLoss::of_a_connection())
    }
}

impl TryFrom<TcpListener> for Socket {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::adopt(listener.into(), ConnectionLoss::default())
    }
}

impl TryFrom<UdpSocket> for Socket {
    type Error = io::Error;

    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::adopt(socket.into(), ConnectionLoss::default())
    }
}
