//! The starting call of each operation.

use super::extensions::{ADDRESS_ROOM, AcceptRoom};
use crate::buffer::Buffers;
use crate::driver::system::SystemSocket;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::AsRawSocket;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::ERROR_IO_PENDING;
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSABUF, WSARecv, WSASend};
use windows_sys::Win32::System::IO::OVERLAPPED;

/// What the kernel is to do.
pub(crate) enum Request<'a> {
    /// Receive into this room.
    Receive(&'a mut [u8]),
    /// Say when a receive would find something, and take nothing: the zero-byte receive (P164).
    ReceiveReady,
    /// Send what is left of the buffers after so many bytes.
    Send(&'a Buffers, usize),
    /// Accept a connection on the fresh socket.
    Accept(&'a mut AcceptRoom),
    /// Connect.
    Connect(SocketAddr),
}

/// The most that one slice of a call can be: lengths have 32 bits.
const SLICE_MAX: usize = 1 << 30;

impl Request<'_> {
    /// Makes the starting call. Afterwards, unless it failed, the kernel holds the operation, also
    /// when it is done already (P31).
    ///
    /// # Safety
    /// Whatever the request borrows, and `overlapped`, must stay where they are and be touched by
    /// nobody until the packet of the operation has been taken.
    pub(super) unsafe fn start(
        self,
        socket: &SystemSocket,
        overlapped: *mut OVERLAPPED,
    ) -> io::Result<()> {
        let raw = socket.as_raw_socket() as SOCKET;
        match self {
            Self::Receive(room) => {
                let slice =
                    WSABUF { len: room.len().min(SLICE_MAX) as u32, buf: room.as_mut_ptr() };
                // SAFETY: the caller vouches for the room and the block.
                unsafe { receive(raw, &slice, overlapped) }
            }
            Self::ReceiveReady => {
                let nothing = WSABUF { len: 0, buf: null_mut() };
                // SAFETY: nothing is written; the caller vouches for the block.
                unsafe { receive(raw, &nothing, overlapped) }
            }
            Self::Send(buffers, from) => {
                let slices = slices(buffers, from);
                // SAFETY: the list is read during the call (P153); the caller vouches for what it
                // names and for the block.
                let failed = unsafe {
                    WSASend(
                        raw,
                        slices.as_ptr(),
                        slices.len() as u32,
                        null_mut(),
                        0,
                        overlapped,
                        None,
                    )
                };
                started(failed == 0)
            }
            Self::Accept(room) => {
                let accept = socket.extensions()?.accept_ex.ok_or(io::ErrorKind::Unsupported)?;
                let mut received = 0;
                // SAFETY: the room is as large as the lengths say; the caller vouches for it and
                // for the block.
                let done = unsafe {
                    accept(
                        raw,
                        room.socket.as_raw_socket() as SOCKET,
                        room.room.as_mut_ptr().cast(),
                        room.data_length(),
                        ADDRESS_ROOM as u32,
                        ADDRESS_ROOM as u32,
                        &mut received,
                        overlapped,
                    )
                };
                started(done != 0)
            }
            Self::Connect(address) => {
                let connect = socket.extensions()?.connect_ex.ok_or(io::ErrorKind::Unsupported)?;
                let address = socket2::SockAddr::from(address);
                // SAFETY: the address is read during the call; the caller vouches for the block.
                let done = unsafe {
                    connect(
                        raw,
                        address.as_ptr().cast(),
                        address.len(),
                        null(),
                        0,
                        null_mut(),
                        overlapped,
                    )
                };
                started(done != 0)
            }
        }
    }
}

/// # Safety
/// As for [`Request::start`], for what `slice` names and the block.
unsafe fn receive(socket: SOCKET, slice: &WSABUF, overlapped: *mut OVERLAPPED) -> io::Result<()> {
    let mut flags = 0;
    // SAFETY: the list of one is read during the call (P153); the caller vouches for the rest.
    let failed = unsafe { WSARecv(socket, slice, 1, null_mut(), &mut flags, overlapped, None) };
    started(failed == 0)
}

/// What is left of the buffers after `from` bytes; one empty slice when nothing is, since a send
/// of no slices is no send.
fn slices(buffers: &Buffers, mut from: usize) -> Vec<WSABUF> {
    let mut slices = Vec::with_capacity(1);
    for buffer in buffers {
        let skipped = from.min(buffer.len());
        from -= skipped;
        slices.extend(buffer[skipped..].chunks(SLICE_MAX).map(|part| WSABUF {
            len: part.len() as u32,
            // The kernel reads only.
            buf: part.as_ptr().cast_mut(),
        }));
    }
    if slices.is_empty() {
        slices.push(WSABUF { len: 0, buf: null_mut() });
    }
    slices
}

/// Whether a call that returned so has started its operation; both ways of success queue a packet
/// (P31, P32).
fn started(done: bool) -> io::Result<()> {
    if done {
        return Ok(());
    }
    // The functions of both families leave their error in the same place.
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(ERROR_IO_PENDING as i32) { Ok(()) } else { Err(error) }
}
