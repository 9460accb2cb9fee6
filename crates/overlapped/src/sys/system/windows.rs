//! A socket of Windows: opened for overlapped operations, which the `iocp` driver starts, and
//! non-blocking for the calls that are made here.
#![allow(unsafe_code)]

use super::windows_datagrams::ask_for_information;
use super::windows_pipes::Pipe;
use crate::sys::code;
use crate::sys::family::{Family, NO_ADDRESS};
use crate::sys::iocp::{Extensions, ReceiveMessage, skipping};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::windows::io::{AsRawHandle, AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;
use windows_sys::Win32::Networking::WinSock::{
    SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, setsockopt,
};

#[derive(Debug)]
pub(crate) struct SystemSocket {
    carrier: Carrier,
    pub(super) family: Family,
    /// What the provider was asked for; in a box, since most sockets need none of it.
    asked: OnceLock<Box<Asked>>,
    /// Whether the kernel leaves out the packets of what is done at once: one of the three below.
    skips: AtomicU8,
    /// Datagrams of it may come several as one.
    pub(super) coalesces: AtomicBool,
}

/// What carries the bytes.
#[derive(Debug)]
enum Carrier {
    Socket(Socket),
    /// One end of a named pipe. It has the operations of streams and none of the calls below, which
    /// are made on sockets. Boxed, since most are sockets and are to be small.
    Pipe(Box<Pipe>),
}

/// Whether packets of success are left out was not asked for yet; it was, and they are queued; or they
/// are left out.
const NOT_ASKED: u8 = 0;
const QUEUED: u8 = 1;
const LEFT_OUT: u8 = 2;

/// What the provider of a socket was asked for, each once (X1).
#[derive(Debug, Default)]
pub(super) struct Asked {
    extensions: OnceLock<Extensions>,
    /// Only sockets of datagrams need it.
    pub(super) receive_message: OnceLock<ReceiveMessage>,
}

impl SystemSocket {
    /// A non-blocking stream socket, bound to nothing.
    pub(crate) fn stream(family: Family) -> io::Result<Self> {
        Self::non_blocking(Self::open(family, Type::STREAM)?, family)
    }

    /// A non-blocking datagram socket, bound to nothing, whose address will be its own.
    pub(crate) fn datagram(family: Family) -> io::Result<Self> {
        let socket = Self::open(family, Type::DGRAM)?;
        keep_address(&socket)?;
        ask_for_information(&socket, family)?;
        Self::non_blocking(socket, family)
    }

    /// A non-blocking socket that listens on `address`, alone.
    pub(crate) fn listener(address: SocketAddr, family: Family, backlog: u32) -> io::Result<Self> {
        let socket = Self::open(family, Type::STREAM)?;
        keep_address(&socket)?;
        socket.bind(&address.into())?;
        // A positive number is cut down to 200; a negative one asks for its size, within bounds.
        let backlog = backlog.min(65_535).cast_signed();
        socket.listen(if backlog > 200 { -backlog } else { backlog })?;
        Self::non_blocking(socket, family)
    }

    /// The socket as one of the standard library's.
    pub(crate) fn into_std<T: From<Socket>>(self) -> T {
        match self.carrier {
            Carrier::Socket(socket) => socket.into(),
            Carrier::Pipe(_) => unreachable!("none is made of a named pipe, which is asked before"),
        }
    }

    /// One end of a named pipe.
    pub(crate) fn of_pipe(pipe: Pipe) -> Self {
        Self::of(Carrier::Pipe(Box::new(pipe)), Family::Pipe)
    }

    /// The named pipe that it is an end of, if it is.
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        match &self.carrier {
            Carrier::Pipe(pipe) => Some(pipe),
            Carrier::Socket(_) => None,
        }
    }

    /// The socket, for a call that named pipes do not have.
    pub(super) fn socket(&self) -> io::Result<&Socket> {
        match &self.carrier {
            Carrier::Socket(socket) => Ok(socket),
            Carrier::Pipe(_) => Err(no_socket()),
        }
    }

    fn open(family: Family, kind: Type) -> io::Result<Socket> {
        let domain = if family.is_v6() { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, kind, None)?;
        if family.is_v6() {
            // The default is another one on other systems.
            socket.set_only_v6(family == Family::V6)?;
        }
        Ok(socket)
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    fn non_blocking(socket: Socket, family: Family) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::of(Carrier::Socket(socket), family))
    }

    fn of(carrier: Carrier, family: Family) -> Self {
        Self {
            carrier,
            family,
            asked: OnceLock::new(),
            skips: AtomicU8::new(NOT_ASKED),
            coalesces: AtomicBool::new(false),
        }
    }

    /// The extension functions of this socket's provider, which is asked once (X1).
    pub(crate) fn extensions(&self) -> io::Result<&Extensions> {
        let known = &self.asked().extensions;
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let extensions = Extensions::of(self)?;
        Ok(known.get_or_init(|| extensions))
    }

    pub(super) fn asked(&self) -> &Asked {
        self.asked.get_or_init(Box::default)
    }

    /// Asks the kernel to leave out the packets of operations on this stream that are done at once;
    /// whether it does so from now on. No operation may be started meanwhile.
    pub(crate) fn skip_packets(&self) -> bool {
        if self.skips.load(Ordering::Relaxed) == NOT_ASKED {
            let skips = self.pipe().is_none() && skipping::set(self);
            self.skips.store(if skips { LEFT_OUT } else { QUEUED }, Ordering::Relaxed);
        }
        self.skips_packets()
    }

    /// Whether the kernel leaves out such packets.
    pub(crate) fn skips_packets(&self) -> bool {
        self.skips.load(Ordering::Relaxed) == LEFT_OUT
    }

    /// Binds the socket to an address that the system chooses, unless it is bound: an overlapped
    /// connect asks for that (X50).
    pub(crate) fn bind_if_unbound(&self) -> io::Result<()> {
        if self.local_addr().is_ok() {
            return Ok(());
        }
        self.bind(if self.family.is_v6() {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        })
    }

    /// A fresh socket that can accept a connection of this listener.
    pub(crate) fn for_accept(&self) -> io::Result<Self> {
        Self::stream(self.family)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket()?.read(buffer)
    }

    /// Fills the first of the rooms with what is there. The kernel, which carries receives, fills all.
    pub(crate) fn receive_scattered(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.socket()?.read_vectored(rooms)
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`); takes nothing.
    pub(crate) fn peek(&self) -> io::Result<bool> {
        let mut byte = [MaybeUninit::uninit()];
        Ok(self.socket()?.peek(&mut byte)? > 0)
    }

    pub(crate) fn send(&self, buffers: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        self.socket()?.send_vectored(buffers)
    }

    /// Takes one datagram: how many bytes of it fitted, and who sent it, or "message too long" when
    /// more did not fit and are lost.
    pub(crate) fn receive_from(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<SocketAddr>)> {
        let room = buffer.len();
        // SAFETY: bytes that are initialised may be seen as bytes that need not be, and the call
        // writes only initialised ones.
        let room_of_bytes = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        match self.socket()?.recv_from(room_of_bytes) {
            Ok((length, from)) => {
                let from = from.as_socket().ok_or(io::ErrorKind::AddrNotAvailable);
                Ok((length, from.map_err(io::Error::from)))
            }
            Err(error) if error.raw_os_error() == Some(code::MESSAGE_TOO_LONG) => {
                Ok((room, Err(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the buffers as one datagram; without an address, to the peer of a connected socket.
    pub(crate) fn send_to(
        &self,
        buffers: &[IoSlice<'_>],
        address: Option<SocketAddr>,
    ) -> io::Result<()> {
        let Some(address) = address else {
            return self.socket()?.send_vectored(buffers).map(|_| ());
        };
        self.family.check(address)?;
        self.socket()?.send_to_vectored(buffers, &address.into()).map(|_| ())
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, address) = self.socket()?.accept()?;
        let address = address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((Self::non_blocking(socket, self.family)?, address))
    }

    /// Starts to connect; `Ok` when it is done at once, `WouldBlock` when it goes on.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.socket()?.connect(&address.into())
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match (self.socket()?.take_error()?, self.socket()?.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(_)) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.socket()?.bind(&address.into())
    }

    /// Ends our sending.
    pub(crate) fn end_sending(&self) -> io::Result<()> {
        self.socket()?.shutdown(Shutdown::Write)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        if self.family.is_pipe() {
            return Ok(NO_ADDRESS);
        }
        self.socket()?
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        if let Some(pipe) = self.pipe() {
            // A server's end has no peer before it was waited for, and its handle knows since when.
            let is_connected = pipe.is_client();
            return if is_connected {
                Ok(NO_ADDRESS)
            } else {
                Err(code::error(code::NOT_CONNECTED))
            };
        }
        self.socket()?.peer_addr()?.as_socket().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        self.socket()?.set_nonblocking(!on)
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket()?.set_tcp_nodelay(on)
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        if let Some(pipe) = self.pipe() {
            pipe.set_discards(linger.is_some());
            return Ok(());
        }
        self.socket()?.set_linger(linger)
    }
}

fn no_socket() -> io::Error {
    let why = "this is a named pipe, which has no such operation";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Sets an option that is a number of 32 bits.
pub(in crate::sys) fn set_option(
    socket: &impl AsRawSocket,
    level: i32,
    name: i32,
    value: u32,
) -> io::Result<()> {
    // SAFETY: the socket is open for the whole call, and the value as long as is said.
    let failed = unsafe {
        setsockopt(
            socket.as_raw_socket() as SOCKET,
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as i32,
        )
    };
    if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Nobody else is to bind the address, nor a more special one with the same port, which would take
/// what is meant for this socket. By default that is allowed to whoever asks for it.
fn keep_address(socket: &Socket) -> io::Result<()> {
    set_option(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)
}

impl AsSocket for SystemSocket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match &self.carrier {
            Carrier::Socket(socket) => socket.as_socket(),
            Carrier::Pipe(_) => unreachable!("options of sockets are refused for a named pipe"),
        }
    }
}

impl AsRawSocket for SystemSocket {
    /// As the handle that it is: that of a named pipe is none of the socket functions.
    fn as_raw_socket(&self) -> RawSocket {
        match &self.carrier {
            Carrier::Socket(socket) => socket.as_raw_socket(),
            Carrier::Pipe(pipe) => pipe.as_raw_handle() as RawSocket,
        }
    }
}

impl SystemSocket {
    /// Takes over a socket that was made elsewhere and was prepared, or gives it back.
    fn adopt<T: Into<Socket>>(
        socket: T,
        prepared: io::Result<Family>,
    ) -> Result<Self, (io::Error, T)> {
        match prepared {
            Ok(family) => Ok(Self::of(Carrier::Socket(socket.into()), family)),
            Err(error) => Err((error, socket)),
        }
    }
}

/// Makes a socket non-blocking, and finds out its family.
fn prepare(socket: &SockRef<'_>) -> io::Result<Family> {
    let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let family = match Family::of(address) {
        Family::V6 if !socket.only_v6()? => Family::Both,
        family => family,
    };
    socket.set_nonblocking(true)?;
    Ok(family)
}

impl TryFrom<TcpStream> for SystemSocket {
    type Error = (io::Error, TcpStream);

    fn try_from(stream: TcpStream) -> Result<Self, Self::Error> {
        let prepared = prepare(&SockRef::from(&stream));
        Self::adopt(stream, prepared)
    }
}

impl TryFrom<TcpListener> for SystemSocket {
    type Error = (io::Error, TcpListener);

    fn try_from(listener: TcpListener) -> Result<Self, Self::Error> {
        let prepared = prepare(&SockRef::from(&listener));
        Self::adopt(listener, prepared)
    }
}

impl TryFrom<UdpSocket> for SystemSocket {
    type Error = (io::Error, UdpSocket);

    fn try_from(socket: UdpSocket) -> Result<Self, Self::Error> {
        let raw = SockRef::from(&socket);
        let prepared = prepare(&raw).and_then(|family| {
            ask_for_information(&raw, family)?;
            Ok(family)
        });
        Self::adopt(socket, prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Networking::WinSock::getsockopt;

    fn keeps_address(socket: &SystemSocket) -> bool {
        let (mut on, mut length) = (0_i32, size_of::<i32>() as i32);
        // SAFETY: the socket is open for the whole call, and the value as long as is said.
        let failed = unsafe {
            getsockopt(
                socket.as_raw_socket() as SOCKET,
                SOL_SOCKET,
                SO_EXCLUSIVEADDRUSE,
                (&raw mut on).cast(),
                &mut length,
            )
        };
        assert_eq!(failed, 0, "{}", io::Error::last_os_error());
        on != 0
    }

    #[test]
    fn what_others_send_to_keeps_its_address_for_itself() {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = SystemSocket::listener(any, Family::V4, 300).expect("a free port");
        assert!(keeps_address(&listener));
        assert!(keeps_address(&SystemSocket::datagram(Family::V4).expect("a socket")));
        assert!(!keeps_address(&SystemSocket::stream(Family::V4).expect("a socket")), "a client's");
    }
}
