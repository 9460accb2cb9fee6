//! One socket, of the system or of a simulated network, and the calls that operations make on it.

use super::code;
use super::family::{Family, Remote, UnixAddr};
use super::files::{Request, SystemFile};
use super::simulated::SimulatedSocket;
use super::system::SystemSocket;
use crate::buffer::Datagrams;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

/// How many buffers one send call takes at the most.
pub(crate) const SEND_BUFFERS_MAX: usize = 64;

/// How many buffers one receive call fills at the most.
pub(crate) const RECEIVE_BUFFERS_MAX: usize = 64;

/// How many datagrams, or runs of them, one call takes or sends at the most.
#[allow(dead_code, reason = "needed where the system has such calls, or none at all")]
pub(crate) const BATCH_MAX: usize = 64;

/// How much of a file is copied at a time where the system does not send it itself.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) enum Socket {
    System(SystemSocket),
    /// Boxed, so that a socket of the system, of which there are many, is small.
    Simulated(Box<SimulatedSocket>),
}

/// Makes the same call on the socket of either kind.
macro_rules! either {
    ($socket:expr, $it:ident => $call:expr) => {
        match $socket {
            Socket::System($it) => $call,
            Socket::Simulated($it) => $call,
        }
    };
}

impl Socket {
    /// A non-blocking stream socket, bound to nothing.
    pub(crate) fn stream(family: Family) -> io::Result<Self> {
        SystemSocket::stream(family).map(Self::System)
    }

    /// A non-blocking socket that listens on `address`.
    pub(crate) fn listener(address: SocketAddr, family: Family, backlog: u32) -> io::Result<Self> {
        family.check(address)?;
        SystemSocket::listener(address, family, backlog).map(Self::System)
    }

    /// A fresh stream socket of the same kind.
    pub(crate) fn fresh(&self) -> io::Result<Self> {
        Ok(match self {
            Self::System(socket) => Self::stream(socket.family())?,
            Self::Simulated(socket) => Self::Simulated(Box::new(socket.fresh()?)),
        })
    }

    /// A non-blocking datagram socket, bound to `address`.
    pub(crate) fn datagram(address: SocketAddr, family: Family) -> io::Result<Self> {
        let socket = Self::System(SystemSocket::datagram(family)?);
        socket.bind(address)?;
        Ok(socket)
    }

    #[inline]
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.receive(buffer))
    }

    /// Fills the rooms in order with what is there. At least one of them has room.
    pub(crate) fn receive_scattered(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.receive_scattered(rooms))
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`); takes nothing.
    pub(crate) fn peek(&self) -> io::Result<bool> {
        either!(self, socket => socket.peek())
    }

    /// Sends what it can of the buffers. With `more`, something follows at once, and the system may
    /// wait for it to fill a packet.
    #[inline]
    pub(crate) fn send(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        match self {
            Self::System(socket) => socket.send(buffers, more),
            Self::Simulated(socket) => socket.send(buffers),
        }
    }

    /// Sends what it can of `length` bytes of a file; 0 is the end of the file.
    pub(crate) fn send_file(
        &self,
        file: &SystemFile,
        offset: u64,
        length: usize,
    ) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(socket) => match socket.send_file(file, offset, length) {
                // Some files, such as those of /proc, are not made for it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.copy_file(file, offset, length)
                }
                outcome => outcome,
            },
            _ => self.copy_file(file, offset, length),
        }
    }

    /// The same through memory of ours.
    fn copy_file(&self, file: &SystemFile, offset: u64, length: usize) -> io::Result<usize> {
        let mut piece = vec![0; length.min(PIECE_BYTES)];
        let read = file.perform(Request::Read { room: &mut piece, offset })?;
        if read == 0 {
            return Ok(0);
        }
        self.send(&[IoSlice::new(&piece[..read])], false)
    }

    /// Takes one datagram: how many bytes of it fitted, and who sent it, or "message too long" when
    /// more did not fit and are lost.
    pub(crate) fn receive_from(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<SocketAddr>)> {
        either!(self, socket => socket.receive_from(buffer))
    }

    /// The same for a Unix socket, whose senders have names.
    pub(crate) fn receive_from_unix(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<Box<UnixAddr>>)> {
        match self {
            #[cfg(target_os = "linux")]
            Self::System(socket) => socket.receive_from_unix(buffer),
            _ => {
                let _ = buffer;
                let why = "this is no Unix socket: receive by `receive_from`";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
        }
    }

    /// Sends the buffers, at most [`SEND_BUFFERS_MAX`] of them, as one datagram; without a
    /// destination, to the peer of a connected socket.
    pub(crate) fn send_to(&self, buffers: &[IoSlice<'_>], to: Option<&Remote>) -> io::Result<()> {
        let address = match (self, to) {
            (_, None) => None,
            (_, Some(Remote::Internet(address))) => Some(*address),
            #[cfg(target_os = "linux")]
            (Self::System(socket), Some(Remote::Unix(name))) => {
                return socket.send_to_unix(buffers, name);
            }
            _ => return Err(code::error(code::FAMILY_NOT_SUPPORTED)),
        };
        either!(self, socket => socket.send_to(buffers, address))
    }

    /// Receives what is there into the slots of the datagrams, which are empty.
    #[allow(dead_code, reason = "needed where the kernel carries no operations")]
    pub(crate) fn receive_batch(&self, datagrams: &mut Datagrams) -> io::Result<()> {
        self.has_udp_option("a batch")?;
        either!(self, socket => socket.receive_batch(datagrams))
    }

    /// Sends the datagrams after the first `skip` ones, as many as one call takes; gives how many
    /// that were, at least one.
    pub(crate) fn send_batch(&self, datagrams: &Datagrams, skip: usize) -> io::Result<usize> {
        self.has_udp_option("a batch")?;
        either!(self, socket => socket.send_batch(datagrams, skip))
    }

    /// Whom a datagram socket exchanges datagrams with from now on.
    pub(crate) fn connect_datagrams(&self, address: SocketAddr) -> io::Result<()> {
        either!(self, socket => socket.connect_datagrams(address))
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        Ok(match self {
            Self::System(socket) => {
                let (accepted, address) = socket.accept()?;
                (Self::System(accepted), address)
            }
            Self::Simulated(socket) => {
                let (accepted, address) = socket.accept()?;
                (Self::Simulated(Box::new(accepted)), address)
            }
        })
    }

    /// Starts to connect; `Ok` when it is done at once, `WouldBlock` when it goes on.
    pub(crate) fn connect(&self, remote: &Remote) -> io::Result<()> {
        match (self, remote) {
            (Self::System(socket), Remote::Internet(address)) => socket.connect(*address),
            (Self::Simulated(socket), Remote::Internet(address)) => socket.connect(*address),
            #[cfg(target_os = "linux")]
            (Self::System(socket), Remote::Unix(address)) => socket.connect_unix(address),
            (_, Remote::Unix(_)) => Err(code::error(code::FAMILY_NOT_SUPPORTED)),
            #[cfg(windows)]
            (_, Remote::PipeClient) => Err(code::error(code::FAMILY_NOT_SUPPORTED)),
        }
    }

    /// Whether it has addresses of the internet. A Unix socket has others, no options of TCP, and a
    /// short receive does not show that it is empty: what came with descriptors ends one, and more
    /// may lie behind it.
    #[inline]
    pub(crate) fn is_internet(&self) -> bool {
        match self {
            Self::System(socket) => socket.family().is_internet(),
            Self::Simulated(_) => true,
        }
    }

    /// Whether it is an end of a named pipe, of which there are some on Windows alone.
    pub(crate) fn is_pipe(&self) -> bool {
        match self {
            Self::System(socket) => socket.family().is_pipe(),
            Self::Simulated(_) => false,
        }
    }

    /// What it is, for errors, if it is none of the internet.
    pub(crate) fn local_kind(&self) -> &'static str {
        if self.is_pipe() { "named pipe" } else { "Unix socket" }
    }

    /// What can be made of it instead of a socket of `std::net`, if it is none of the internet.
    pub(crate) fn local_home(&self) -> &'static str {
        match self.is_pipe() {
            true => "this is a named pipe, which is no socket: associate it with another port",
            false => "this is a Unix socket: make one of `std::os::unix::net` of it",
        }
    }

    /// Fails for a Unix socket and for a named pipe, in the name of what only TCP has.
    pub(crate) fn has_tcp_option(&self, option: &str) -> io::Result<()> {
        self.has_internet_option(option, "TCP")
    }

    /// Fails for a Unix socket, in the name of what only UDP has.
    pub(crate) fn has_udp_option(&self, option: &str) -> io::Result<()> {
        self.has_internet_option(option, "UDP")
    }

    fn has_internet_option(&self, option: &str, protocol: &str) -> io::Result<()> {
        if self.is_internet() {
            return Ok(());
        }
        let kind = self.local_kind();
        let why =
            format!("{option} is of {protocol}, and this is a {kind}, which has no such thing");
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    /// Fails for a named pipe, in the name of what only sockets have.
    pub(crate) fn has_socket_option(&self, option: &str) -> io::Result<()> {
        if !self.is_pipe() {
            return Ok(());
        }
        let why =
            format!("{option} is of sockets, and this is a named pipe, which has no such thing");
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(crate) fn connected(&self) -> io::Result<()> {
        either!(self, socket => socket.connected())
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        either!(self, socket => socket.bind(address))
    }

    /// Ends our sending, after what was sent. (That nothing is received any more is decided above:
    /// a receive in flight stays, P162, and the peer learns nothing of it.)
    pub(crate) fn end_sending(&self) -> io::Result<()> {
        either!(self, socket => socket.end_sending())
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        either!(self, socket => socket.local_addr())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        either!(self, socket => socket.peer_addr())
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.has_tcp_option("TCP_NODELAY")?;
        match self {
            Self::System(socket) => socket.set_nodelay(on),
            Self::Simulated(_) => Ok(()),
        }
    }

    /// What closing does with unsent data: `None` sends it in the background, zero discards it and
    /// resets the connection (P144).
    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        either!(self, socket => socket.set_linger(linger))
    }
}
