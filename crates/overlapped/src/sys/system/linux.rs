//! A socket of Linux.

use super::fate::Fate;
use super::linux_datagrams::ask_for_information;
use crate::sys::code;
use crate::sys::family::{Family, NO_ADDRESS};
use crate::sys::files::SystemFile;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct SystemSocket {
    pub(super) descriptor: OwnedFd,
    pub(super) family: Family,
    fate: Fate,
    /// Datagrams of it may come several as one.
    pub(super) coalesces: AtomicBool,
    /// A run of datagrams was refused, and each went out alone.
    pub(super) no_segments: AtomicBool,
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

impl SystemSocket {
    /// A non-blocking stream socket, bound to nothing.
    pub(crate) fn stream(family: Family) -> io::Result<Self> {
        Self::open(family, SocketType::STREAM)
    }

    /// A non-blocking datagram socket, bound to nothing.
    pub(crate) fn datagram(family: Family) -> io::Result<Self> {
        let socket = Self::open(family, SocketType::DGRAM)?;
        ask_for_information(&socket.descriptor, family)?;
        Ok(socket)
    }

    /// A non-blocking socket that listens on `address`. Addresses that a closed one left in waiting
    /// can be used again at once.
    pub(crate) fn listener(address: SocketAddr, family: Family, backlog: u32) -> io::Result<Self> {
        let socket = Self::stream(family)?;
        sockopt::set_socket_reuseaddr(&socket.descriptor, true)?;
        socket.bind(address)?;
        net::listen(&socket.descriptor, i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    }

    /// The socket as one of the standard library's.
    pub(crate) fn into_std<T: From<OwnedFd>>(self) -> T {
        self.descriptor.into()
    }

    fn open(family: Family, kind: SocketType) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 | Family::Both => AddressFamily::INET6,
            Family::Unix => AddressFamily::UNIX,
        };
        let descriptor = net::socket_with(domain, kind, FLAGS, None)?;
        if family.is_v6() {
            // The default is the administrator's, and another one on other systems.
            sockopt::set_ipv6_v6only(&descriptor, family == Family::V6)?;
        }
        Ok(Self::new(descriptor, family, Fate::default()))
    }

    /// Takes over a socket that was made elsewhere, or gives it back.
    pub(super) fn adopt<T: AsFd + Into<OwnedFd>>(
        socket: T,
        fate: Fate,
    ) -> Result<Self, (io::Error, T)> {
        match prepare(&socket) {
            Ok(family) => Ok(Self::new(socket.into(), family, fate)),
            Err(error) => Err((error, socket)),
        }
    }

    fn new(descriptor: OwnedFd, family: Family, fate: Fate) -> Self {
        let (coalesces, no_segments) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { descriptor, family, fate, coalesces, no_segments }
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    #[inline]
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received =
            retry_on_intr(|| net::recv(&self.descriptor, &mut *buffer, RecvFlags::empty()));
        match received {
            Ok((_, 0)) if !buffer.is_empty() => self.at_the_end().map(|()| 0),
            Ok((_, length)) => Ok(length),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Fills the rooms in order with what is there. At least one of them has room.
    pub(crate) fn receive_scattered(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match retry_on_intr(|| rustix::io::readv(&self.descriptor, rooms)) {
            Ok(0) => self.at_the_end().map(|()| 0),
            Ok(length) => Ok(length),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A receive found the end of the stream. Behind it may lie a loss (P160).
    #[inline(never)]
    fn at_the_end(&self) -> io::Result<()> {
        self.loss().map_or(Ok(()), |loss| Err(code::error(loss)))
    }

    /// How the connection was lost, if it was: what some call has met, or what the system knows.
    pub(crate) fn loss(&self) -> Option<i32> {
        if self.fate.is_connection()
            && self.fate.loss().is_none()
            && let Ok(Err(error)) = sockopt::socket_error(&self.descriptor)
            && let Some(loss) = code::loss(error.raw_os_error())
        {
            // Even a broken pipe is none of our own making: the system keeps an error for a reset.
            self.fate.lose(loss);
        }
        self.fate.loss()
    }

    /// The error of a call, of which note is taken.
    #[cold]
    fn failed(&self, error: Errno) -> io::Error {
        code::error(self.fate.note(error.raw_os_error()))
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

    #[inline]
    pub(crate) fn send(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let more = if more { SendFlags::MORE } else { SendFlags::empty() };
        let flags = SendFlags::NOSIGNAL | more;
        let sent = retry_on_intr(|| match buffers {
            [one] => net::send(&self.descriptor, one, flags),
            several => net::sendmsg(
                &self.descriptor,
                several,
                &mut net::SendAncillaryBuffer::default(),
                flags,
            ),
        });
        sent.map_err(|error| self.failed(error))
    }

    /// Sends what it can of `length` bytes of a file; 0 is the end of the file. One call sends no
    /// more than 2^31 - 4096 bytes (X83).
    pub(crate) fn send_file(
        &self,
        file: &SystemFile,
        offset: u64,
        length: usize,
    ) -> io::Result<usize> {
        let sent = retry_on_intr(|| {
            let mut offset = offset;
            rustix::fs::sendfile(&self.descriptor, file, Some(&mut offset), length)
        });
        sent.map_err(|error| self.failed(error))
    }

    /// Takes one datagram: how many bytes of it fitted, and who sent it, or "message too long" when
    /// more did not fit and are lost.
    pub(crate) fn receive_from(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<SocketAddr>)> {
        if self.coalesces.load(Ordering::Relaxed) {
            return Err(super::cannot_take_apart());
        }
        let (filled, from) = self.take_datagram(buffer)?;
        let sender = from.and_then(|from| {
            if self.family == Family::Unix {
                return Ok(NO_ADDRESS);
            }
            Ok(from.ok_or(Errno::AFNOSUPPORT).and_then(SocketAddr::try_from)?)
        });
        Ok((filled, sender))
    }

    /// The same for a socket of any family, whose senders may have no address.
    pub(super) fn take_datagram(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<Option<net::SocketAddrAny>>)> {
        // With this flag the length is that of the datagram, not of what fitted.
        let (filled, length, from) =
            retry_on_intr(|| net::recvfrom(&self.descriptor, &mut *buffer, RecvFlags::TRUNC))?;
        let fits = filled == length;
        Ok((filled, if fits { Ok(from) } else { Err(Errno::MSGSIZE.into()) }))
    }

    /// Sends the buffers as one datagram; without an address, to the peer of a connected socket.
    pub(crate) fn send_to(
        &self,
        buffers: &[IoSlice<'_>],
        address: Option<SocketAddr>,
    ) -> io::Result<()> {
        let Some(address) = address else {
            self.send(buffers, false)?;
            return Ok(());
        };
        self.family.check(address)?;
        retry_on_intr(|| match buffers {
            [] => net::sendto(&self.descriptor, &[], SendFlags::empty(), &address),
            [one] => net::sendto(&self.descriptor, one, SendFlags::empty(), &address),
            several => net::sendmsg_addr(
                &self.descriptor,
                &address,
                several,
                &mut net::SendAncillaryBuffer::default(),
                SendFlags::empty(),
            ),
        })?;
        Ok(())
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, address) = retry_on_intr(|| net::acceptfrom_with(&self.descriptor, FLAGS))?;
        let accepted = Self::new(socket, self.family, Fate::of_a_connection());
        if self.family == Family::Unix {
            return Ok((accepted, NO_ADDRESS));
        }
        let address = address.ok_or(Errno::CONNABORTED)?;
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

    /// Whom a datagram socket exchanges datagrams with from now on.
    pub(crate) fn connect_datagrams(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        Ok(retry_on_intr(|| net::connect(&self.descriptor, &address))?)
    }

    /// A stream has connected. Datagrams have no connection that could be lost.
    pub(super) fn stands(&self) {
        if sockopt::socket_type(&self.descriptor) == Ok(SocketType::STREAM) {
            self.fate.begin();
        }
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match sockopt::socket_error(&self.descriptor)? {
            Err(error) if code::loss(error.raw_os_error()) == Some(code::RESET) => {
                // It stood, and was lost since: that is for the calls that come.
                self.fate.begin();
                self.fate.lose(code::RESET);
            }
            other => other?,
        }
        if self.fate.loss().is_some() {
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

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        Ok(retry_on_intr(|| net::bind(&self.descriptor, &address))?)
    }

    /// Ends our sending. That nothing is received any more is no business of the system's: it would
    /// end the receives that wait, and take it for the peer's end (P162).
    pub(crate) fn end_sending(&self) -> io::Result<()> {
        retry_on_intr(|| net::shutdown(&self.descriptor, net::Shutdown::Write))?;
        self.fate.end_sending();
        Ok(())
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = net::getsockname(&self.descriptor)?;
        if self.family == Family::Unix {
            return Ok(NO_ADDRESS);
        }
        let address = SocketAddr::try_from(address)?;
        // Bound to nothing: Linux calls that all addresses and no port, Windows an error.
        if address.port() == 0 { Err(Errno::INVAL.into()) } else { Ok(address) }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match net::getpeername(&self.descriptor)? {
            _ if self.family == Family::Unix => Ok(NO_ADDRESS),
            Some(address) => Ok(SocketAddr::try_from(address)?),
            None => Err(Errno::NOTCONN.into()),
        }
    }

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.descriptor, !on)?)
    }

    /// Sets by index which interface what is sent to a group of IPv4 goes out by; 0 is the system's
    /// choice.
    pub(crate) fn set_multicast_interface_v4(&self, interface: u32) -> io::Result<()> {
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        Ok(sockopt::set_ip_multicast_if_with_ifindex(&self.descriptor, &any, &any, interface)?)
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.descriptor, on)?)
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(&self.descriptor, linger)?)
    }
}

impl AsFd for SystemSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Makes a socket non-blocking, and finds out its family.
fn prepare(socket: impl AsFd) -> io::Result<Family> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(match sockopt::socket_domain(&socket)? {
        AddressFamily::INET6 if sockopt::ipv6_v6only(&socket)? => Family::V6,
        AddressFamily::INET6 => Family::Both,
        AddressFamily::UNIX => Family::Unix,
        _ => Family::V4,
    })
}

impl TryFrom<TcpStream> for SystemSocket {
    type Error = (io::Error, TcpStream);

    fn try_from(stream: TcpStream) -> Result<Self, Self::Error> {
        Self::adopt(stream, Fate::of_a_connection())
    }
}

impl TryFrom<TcpListener> for SystemSocket {
    type Error = (io::Error, TcpListener);

    fn try_from(listener: TcpListener) -> Result<Self, Self::Error> {
        Self::adopt(listener, Fate::default())
    }
}

impl TryFrom<UdpSocket> for SystemSocket {
    type Error = (io::Error, UdpSocket);

    fn try_from(socket: UdpSocket) -> Result<Self, Self::Error> {
        let prepared = prepare(&socket).and_then(|family| ask_for_information(&socket, family));
        match prepared {
            Ok(()) => Self::adopt(socket, Fate::default()),
            Err(error) => Err((error, socket)),
        }
    }
}
