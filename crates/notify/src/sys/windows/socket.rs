//! A socket of Windows, opened for overlapped operations, and the calls on it that do not block.
#![allow(unsafe_code)]

use crate::sys::Family;
use socket2::{Domain, SockRef, Type};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::windows::io::{AsRawSocket, RawSocket};
use std::time::Duration;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{
    SIO_UDP_CONNRESET, SO_CONNECT_TIME, SOCKET, SOL_SOCKET, WSAIoctl, getsockopt,
};
use windows_sys::Win32::System::IO::CancelIoEx;

#[derive(Debug)]
pub(crate) struct Socket {
    socket: socket2::Socket,
    family: Family,
}

impl Socket {
    /// A non-blocking stream socket, bound to nothing.
    pub(crate) fn stream(family: Family) -> io::Result<Self> {
        let is_v6 = family != Family::V4;
        let domain = if is_v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = socket2::Socket::new(domain, Type::STREAM, None)?;
        if is_v6 {
            // The default is another one on other systems.
            socket.set_only_v6(family == Family::V6)?;
        }
        Self::non_blocking(socket, family)
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// A port that nobody holds at the other end is no error of a later receive (L14).
    fn deaf_to_unreachable(socket: socket2::Socket, family: Family) -> io::Result<Self> {
        let off = 0_u32;
        let mut returned = 0;
        // SAFETY: the socket is open for the whole call, the input is the four bytes of `off`, there
        // is no output, and without an overlapped structure nothing is kept after the call.
        let failed = unsafe {
            WSAIoctl(
                socket.as_raw_socket() as usize,
                SIO_UDP_CONNRESET,
                (&raw const off).cast(),
                size_of_val(&off) as u32,
                std::ptr::null_mut(),
                0,
                &mut returned,
                std::ptr::null_mut(),
                None,
            )
        };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        Self::non_blocking(socket, family)
    }

    fn non_blocking(socket: socket2::Socket, family: Family) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, family })
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(buffer)
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`); takes nothing.
    pub(crate) fn peek(&self) -> io::Result<bool> {
        let mut byte = [MaybeUninit::uninit()];
        Ok(self.socket.peek(&mut byte)? > 0)
    }

    pub(crate) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.socket.send(data)
    }

    pub(crate) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: bytes that are initialised may be seen as bytes that need not be, and the call
        // writes only initialised ones.
        let room_of_bytes = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        self.socket.recv_out_of_band(room_of_bytes)
    }

    pub(crate) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.socket.send_out_of_band(data)
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, address) = self.socket.accept()?;
        let address = address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((Self::non_blocking(socket, self.family)?, address))
    }

    /// Starts to connect; `Ok` when it is done at once, `WouldBlock` when it goes on.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.socket.connect(&address.into())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// Asks the kernel to end everything in flight.
    pub(crate) fn cancel_all(&self) {
        // SAFETY: the socket is open; without an address it is everything in flight on it.
        unsafe { CancelIoEx(self.as_raw_socket() as HANDLE, std::ptr::null()) };
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()?.as_socket().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether a connect has succeeded (X26).
    pub(crate) fn has_connected(&self) -> bool {
        let mut seconds = u32::MAX;
        let mut length = size_of::<u32>() as i32;
        // SAFETY: the socket is open, and the value is as long as `length` says.
        let failed = unsafe {
            getsockopt(
                self.as_raw_socket() as SOCKET,
                SOL_SOCKET,
                SO_CONNECT_TIME,
                (&raw mut seconds).cast(),
                &mut length,
            )
        };
        failed == 0 && seconds != u32::MAX
    }

    /// The error of the socket, which is taken by this.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(!on)
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(on)
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }
}

impl AsRawSocket for Socket {
    fn as_raw_socket(&self) -> RawSocket {
        self.socket.as_raw_socket()
    }
}

/// The family of a socket that was made elsewhere.
fn family_of(address: SocketAddr, socket: &SockRef<'_>) -> io::Result<Family> {
    Ok(match address {
        SocketAddr::V4(_) => Family::V4,
        SocketAddr::V6(_) if socket.only_v6()? => Family::V6,
        SocketAddr::V6(_) => Family::Both,
    })
}

impl TryFrom<TcpStream> for Socket {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        let family = family_of(stream.local_addr()?, &SockRef::from(&stream))?;
        Self::non_blocking(stream.into(), family)
    }
}

impl TryFrom<TcpListener> for Socket {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        let family = family_of(listener.local_addr()?, &SockRef::from(&listener))?;
        Self::non_blocking(listener.into(), family)
    }
}

impl TryFrom<UdpSocket> for Socket {
    type Error = io::Error;

    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        let family = family_of(socket.local_addr()?, &SockRef::from(&socket))?;
        Self::deaf_to_unreachable(socket.into(), family)
    }
}
