//! What an accept gives to the kernel.
#![allow(unsafe_code)]

use super::Socket;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::AsRawSocket;
use std::ptr::null_mut;
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, SIO_GET_EXTENSION_FUNCTION_POINTER, SO_UPDATE_ACCEPT_CONTEXT, SOCKADDR_IN6,
    SOCKET, SOL_SOCKET, WSAID_ACCEPTEX, WSAIoctl, setsockopt,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::GUID;

/// The least that an address takes in an accept's buffer: the largest there is, and 16 bytes (X12).
const ADDRESS_ROOM: usize = size_of::<SOCKADDR_IN6>() + 16;

/// A fresh socket that becomes the connection, and room for both addresses, which the kernel writes.
#[derive(Debug)]
pub(crate) struct AcceptRoom {
    socket: Socket,
    room: Box<[u8; 2 * ADDRESS_ROOM]>,
    accept: LPFN_ACCEPTEX,
}

impl AcceptRoom {
    pub(crate) fn new(listener: &Socket) -> io::Result<Self> {
        let socket = Socket::stream(listener.family())?;
        Ok(Self { socket, room: Box::new([0; 2 * ADDRESS_ROOM]), accept: accept_ex(listener)? })
    }

    /// The starting call; whether it was done, and how not, is the system's last error.
    ///
    /// # Safety
    /// The room and `overlapped` must stay where they are and be touched by nobody until the end of
    /// the operation was seen.
    pub(super) unsafe fn start(
        &mut self,
        listener: SOCKET,
        overlapped: *mut OVERLAPPED,
    ) -> io::Result<bool> {
        let accept = self.accept.ok_or(io::ErrorKind::Unsupported)?;
        let mut received = 0;
        // SAFETY: the room is as large as the lengths say; the caller vouches for it and the block.
        let done = unsafe {
            accept(
                listener,
                self.socket.as_raw_socket() as SOCKET,
                self.room.as_mut_ptr().cast(),
                0,
                ADDRESS_ROOM as u32,
                ADDRESS_ROOM as u32,
                &mut received,
                overlapped,
            )
        };
        Ok(done != 0)
    }

    /// Once the accept has ended well: gives the socket the properties of its listener, without which
    /// most calls on it may fail (X23, X24); then the connection, our address and the peer's.
    pub(crate) fn complete(
        self,
        listener: &Socket,
    ) -> io::Result<(Socket, SocketAddr, SocketAddr)> {
        let listener = listener.as_raw_socket() as SOCKET;
        // SAFETY: the value lives through the call and is as long as is said.
        let failed = unsafe {
            setsockopt(
                self.socket.as_raw_socket() as SOCKET,
                SOL_SOCKET,
                SO_UPDATE_ACCEPT_CONTEXT,
                (&raw const listener).cast(),
                size_of::<SOCKET>() as i32,
            )
        };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        let (local, remote) = (self.socket.local_addr()?, self.socket.peer_addr()?);
        Ok((self.socket, local, remote))
    }
}

/// The function that accepts, of this socket's provider (X1).
fn accept_ex(socket: &Socket) -> io::Result<LPFN_ACCEPTEX> {
    let mut function: LPFN_ACCEPTEX = None;
    let mut length = 0;
    // SAFETY: input and output are of the sizes named, and live through the call; the identifier
    // names a function of this type.
    let failed = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as SOCKET,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            std::ptr::from_ref(&WSAID_ACCEPTEX).cast(),
            size_of::<GUID>() as u32,
            (&raw mut function).cast(),
            size_of::<LPFN_ACCEPTEX>() as u32,
            &mut length,
            null_mut(),
            None,
        )
    };
    if failed == 0 { Ok(function) } else { Err(io::Error::last_os_error()) }
}
