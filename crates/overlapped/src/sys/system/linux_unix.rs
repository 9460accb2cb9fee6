//! Unix sockets: those whose names are paths, or names that only Linux has.

use super::fate::Fate;
use super::linux::SystemSocket;
use crate::sys::code;
use crate::sys::family::Family;
use crate::sys::options::PeerCredentials;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, SendFlags, SocketAddrAny, SocketAddrUnix, sockopt};
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

impl SystemSocket {
    /// A non-blocking socket that listens on `address`.
    pub(crate) fn unix_listener(address: &SocketAddr, backlog: u32) -> io::Result<Self> {
        let address = system_address(address)?;
        let socket = Self::stream(Family::Unix)?;
        retry_on_intr(|| net::bind(&socket.descriptor, &address))?;
        net::listen(&socket.descriptor, i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    }

    /// Connects, or says that the backlog is full: by the system's number, since this does not go on.
    pub(crate) fn connect_unix(&self, address: &SocketAddr) -> io::Result<()> {
        let address = self.destination(address)?;
        retry_on_intr(|| net::connect(&self.descriptor, &address))?;
        self.stands();
        Ok(())
    }

    /// Whom a datagram socket exchanges datagrams with from now on.
    pub(crate) fn connect_datagrams_unix(&self, address: &SocketAddr) -> io::Result<()> {
        let address = self.destination(address)?;
        Ok(retry_on_intr(|| net::connect(&self.descriptor, &address))?)
    }

    /// Takes one datagram: how many bytes of it fitted, and who sent it, or "message too long" when
    /// more did not fit and are lost.
    pub(crate) fn receive_from_unix(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<Box<SocketAddr>>)> {
        if self.family != Family::Unix {
            return Err(not_unix());
        }
        let (filled, from) = self.take_datagram(buffer)?;
        Ok((filled, from.and_then(name_of).map(Box::new)))
    }

    /// Sends the buffers as one datagram.
    pub(crate) fn send_to_unix(
        &self,
        buffers: &[IoSlice<'_>],
        address: &SocketAddr,
    ) -> io::Result<()> {
        let address = self.destination(address)?;
        retry_on_intr(|| {
            net::sendmsg_addr(
                &self.descriptor,
                &address,
                buffers,
                &mut net::SendAncillaryBuffer::default(),
                SendFlags::NOSIGNAL,
            )
        })?;
        Ok(())
    }

    /// An address of the system, for a socket that may have to do with it.
    fn destination(&self, address: &SocketAddr) -> io::Result<SocketAddrUnix> {
        if self.family != Family::Unix {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        system_address(address)
    }

    /// A duplicate that the standard library asks: it reads whatever name a peer has chosen.
    fn as_standard(&self) -> io::Result<UnixStream> {
        if self.family != Family::Unix {
            return Err(not_unix());
        }
        Ok(self.descriptor.try_clone()?.into())
    }

    pub(crate) fn unix_local_addr(&self) -> io::Result<SocketAddr> {
        self.as_standard()?.local_addr()
    }

    pub(crate) fn unix_peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_standard()?.peer_addr()
    }

    pub(crate) fn unix_peer_credentials(&self) -> io::Result<PeerCredentials> {
        if self.family != Family::Unix {
            return Err(not_unix());
        }
        let told = sockopt::socket_peercred(&self.descriptor)?;
        Ok(PeerCredentials {
            process: told.pid.as_raw_nonzero().get().cast_unsigned(),
            user: told.uid.as_raw(),
            group: told.gid.as_raw(),
        })
    }
}

fn system_address(address: &SocketAddr) -> io::Result<SocketAddrUnix> {
    if let Some(path) = address.as_pathname() {
        return Ok(SocketAddrUnix::new(path)?);
    }
    match address.as_abstract_name() {
        Some(name) => Ok(SocketAddrUnix::new_abstract_name(name)?),
        None => Err(Errno::INVAL.into()),
    }
}

/// The name of a sender, who may have none.
fn name_of(sender: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    let Some(sender) = sender else { return SocketAddr::from_pathname("") };
    if sender.addr_len() as usize > size_of::<SunPath>() + size_of::<u16>() {
        // The system counts a zero that no address has room for, and nothing could be sent there.
        let why = "the sender's path has 108 bytes, one more than an address has room for";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let sender = SocketAddrUnix::try_from(sender)?;
    match (sender.path_bytes(), sender.abstract_name()) {
        (Some(path), _) => SocketAddr::from_pathname(OsStr::from_bytes(path)),
        (None, Some(name)) => SocketAddr::from_abstract_name(name),
        (None, None) => SocketAddr::from_pathname(""),
    }
}

/// The room that an address of the system has for a name, behind its family.
type SunPath = [u8; 108];

fn not_unix() -> io::Error {
    let why = "this is no Unix socket: it has addresses of the internet";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

impl TryFrom<UnixStream> for SystemSocket {
    type Error = (io::Error, UnixStream);

    fn try_from(stream: UnixStream) -> Result<Self, Self::Error> {
        Self::adopt(stream, Fate::of_a_connection())
    }
}

impl TryFrom<UnixListener> for SystemSocket {
    type Error = (io::Error, UnixListener);

    fn try_from(listener: UnixListener) -> Result<Self, Self::Error> {
        Self::adopt(listener, Fate::default())
    }
}

impl TryFrom<UnixDatagram> for SystemSocket {
    type Error = (io::Error, UnixDatagram);

    fn try_from(socket: UnixDatagram) -> Result<Self, Self::Error> {
        Self::adopt(socket, Fate::default())
    }
}
