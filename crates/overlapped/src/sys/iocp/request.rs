//! The starting call of each operation.

use super::extensions::{ADDRESS_ROOM, AcceptRoom, AddressRoom, TransmitRoom};
use super::is_wine;
use super::message::{MessageRoom, told_as_refusal};
use crate::buffer::{Buffers, DatagramInfo};
use crate::sys::files::SystemFile;
use crate::sys::socket::RECEIVE_BUFFERS_MAX;
use crate::sys::system::SystemSocket;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::windows::io::{AsRawHandle, AsRawSocket};
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Networking::WinSock::{
    SOCKET, WSABUF, WSAEMSGSIZE, WSARecv, WSARecvFrom, WSASend, WSASendTo,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE, FILE_NOTIFY_CHANGE_SIZE, ReadDirectoryChangesW, ReadFile,
    WriteFile,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0_0};

/// What the kernel is to do.
pub(crate) enum Request<'a> {
    /// Receive into this room.
    Receive(&'a mut [u8]),
    /// Receive into the rooms of the buffers, in order.
    ReceiveScattered(&'a mut Buffers),
    /// Say when a receive would find something, and take nothing: the zero-byte receive (P164).
    ReceiveReady,
    /// Send what is left of the buffers after so many bytes, or as much of it as one call takes.
    Send(&'a Buffers, usize),
    /// Accept a connection on the fresh socket.
    Accept(&'a mut AcceptRoom),
    /// Connect.
    Connect(SocketAddr),
    /// Wait for a client of a named pipe.
    ConnectPipe,
    /// End the connection in order.
    Disconnect,
    /// Receive one datagram, and its sender's address.
    ReceiveFrom(&'a mut [u8], &'a mut AddressRoom),
    /// Send the buffers, of which one call takes all, as one datagram. Without an address it goes to
    /// the peer of a connected socket.
    SendTo(&'a Buffers, Option<SocketAddr>),
    /// Receive one datagram, or a run of them, and what goes with it.
    ReceiveMessage(&'a mut [u8], &'a mut MessageRoom),
    /// Send one datagram, or a run of them, with what goes with it.
    SendMessage(&'a [u8], DatagramInfo, &'a mut MessageRoom),
    /// Send a part of a file.
    TransmitFile(TransmitRequest<'a>),
    /// Read from this place of a file.
    ReadAt(HANDLE, &'a mut [u8], u64),
    /// Write to this place of a file.
    WriteAt(HANDLE, &'a [u8], u64),
    /// Tell the changes of a directory, and of all below it if this is true.
    DirectoryChanges(HANDLE, &'a mut [u32], bool),
}

/// A part of a file, and what goes out before it.
pub(crate) struct TransmitRequest<'a> {
    pub(crate) file: &'a SystemFile,
    pub(crate) offset: u64,
    /// Not 0, which would mean all of the file (X72).
    pub(crate) length: u32,
    /// At most 1 GiB.
    pub(crate) head: &'a [u8],
    pub(crate) room: &'a mut TransmitRoom,
}

/// The most that one call moves: lengths, and the count of a packet, have 32 bits.
pub(super) const CALL_BYTES_MAX: usize = 1 << 30;

/// The most buffers that one call takes. The system names no limit of its own; what it locks for a
/// call grows with them, and with more than this some systems refuse a call as too long.
pub(crate) const CALL_BUFFERS_MAX: usize = 1_024;

/// What is told of a directory.
const CHANGES: u32 = FILE_NOTIFY_CHANGE_FILE_NAME
    | FILE_NOTIFY_CHANGE_DIR_NAME
    | FILE_NOTIFY_CHANGE_ATTRIBUTES
    | FILE_NOTIFY_CHANGE_SIZE
    | FILE_NOTIFY_CHANGE_LAST_WRITE;

/// Whether one call of a stream takes all of the buffers. If not, it takes several.
pub(crate) fn fit_one_call(buffers: &Buffers) -> bool {
    buffers.part_count() <= CALL_BUFFERS_MAX && buffers.byte_len() <= CALL_BYTES_MAX
}

impl Request<'_> {
    /// Makes the starting call; whether the operation was done at once. Afterwards, unless it failed,
    /// the kernel holds the operation, also when it is done already (P31), except on a socket whose
    /// packets of success are [left out](super::skipping).
    ///
    /// # Safety
    /// Whatever the request borrows, and `overlapped`, must stay where they are and be touched by
    /// nobody until the packet of the operation has been taken. A file must be open so long.
    pub(super) unsafe fn start(
        self,
        socket: Option<&SystemSocket>,
        overlapped: *mut OVERLAPPED,
    ) -> io::Result<bool> {
        match self {
            Self::ReadAt(file, room, offset) => {
                // SAFETY: the kernel does not have the block yet.
                unsafe { set_offset(overlapped, offset) };
                let length = room.len().min(CALL_BYTES_MAX) as u32;
                // SAFETY: the caller vouches for the file, the room and the block.
                let done =
                    unsafe { ReadFile(file, room.as_mut_ptr(), length, null_mut(), overlapped) };
                return started(done != 0);
            }
            Self::WriteAt(file, bytes, offset) => {
                // SAFETY: the kernel does not have the block yet.
                unsafe { set_offset(overlapped, offset) };
                let length = bytes.len().min(CALL_BYTES_MAX) as u32;
                // SAFETY: as above; the bytes are only read.
                let done =
                    unsafe { WriteFile(file, bytes.as_ptr(), length, null_mut(), overlapped) };
                return started(done != 0);
            }
            Self::DirectoryChanges(directory, room, recursive) => {
                // SAFETY: the caller vouches for the directory, the room and the block.
                let started_it = unsafe {
                    ReadDirectoryChangesW(
                        directory,
                        room.as_mut_ptr().cast(),
                        size_of_val(room) as u32,
                        recursive.into(),
                        CHANGES,
                        null_mut(),
                        overlapped,
                        None,
                    )
                };
                // Also what is there already comes with its packet.
                return started(started_it != 0);
            }
            _ => {}
        }
        let socket = socket.ok_or(io::ErrorKind::Unsupported)?;
        let raw = socket.as_raw_socket() as SOCKET;
        match self {
            Self::ReadAt(..)
            | Self::WriteAt(..)
            | Self::ConnectPipe
            | Self::DirectoryChanges(..) => Err(io::ErrorKind::Unsupported.into()),
            Self::Receive(room) => {
                let slice =
                    WSABUF { len: room.len().min(CALL_BYTES_MAX) as u32, buf: room.as_mut_ptr() };
                // SAFETY: the caller vouches for the room and the block.
                unsafe { receive(raw, &[slice], overlapped) }
            }
            Self::ReceiveScattered(buffers) => {
                let rooms = rooms(buffers);
                // SAFETY: the caller vouches for the rooms and the block.
                unsafe { receive(raw, &rooms, overlapped) }
            }
            Self::ReceiveReady => {
                let nothing = WSABUF { len: 0, buf: null_mut() };
                // SAFETY: nothing is written; the caller vouches for the block.
                unsafe { receive(raw, &[nothing], overlapped) }
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
            Self::Disconnect => {
                let disconnect = socket.extensions()?.disconnect_ex;
                let disconnect = disconnect.ok_or(io::ErrorKind::Unsupported)?;
                // SAFETY: the caller vouches for the block.
                let done = unsafe { disconnect(raw, overlapped, 0, 0) };
                // Wine does it at once, and says that it has only started it.
                started(done != 0).map(|done| done || is_wine())
            }
            Self::TransmitFile(TransmitRequest { file, offset, length, head, room }) => {
                let transmit = socket.extensions()?.transmit_file;
                let transmit = transmit.ok_or(io::ErrorKind::Unsupported)?;
                room.0.Head = head.as_ptr().cast_mut().cast();
                room.0.HeadLength = head.len() as u32;
                // SAFETY: the kernel does not have the block yet.
                unsafe { set_offset(overlapped, offset) };
                // SAFETY: the caller vouches for the file, for the room and the head that it names,
                // which is only read, and for the block.
                let done = unsafe {
                    transmit(raw, file.as_raw_handle(), length, 0, overlapped, &room.0, 0)
                };
                started(done != 0)
            }
            Self::ReceiveFrom(room, from) => {
                let slice =
                    WSABUF { len: room.len().min(CALL_BYTES_MAX) as u32, buf: room.as_mut_ptr() };
                let mut flags = 0;
                // SAFETY: the list of one is read during the call (P153); the caller vouches for the
                // room, the place of the address and the block.
                let failed = unsafe {
                    WSARecvFrom(
                        raw,
                        &slice,
                        1,
                        null_mut(),
                        &mut flags,
                        std::ptr::from_mut(&mut from.storage).cast(),
                        &mut from.length,
                        overlapped,
                        None,
                    )
                };
                started_receive(failed == 0).map_err(told_as_refusal)
            }
            Self::SendTo(buffers, address) => {
                let slices = slices(buffers, 0);
                let address = address.map(socket2::SockAddr::from);
                let (name, length) =
                    address.as_ref().map_or((null(), 0), |name| (name.as_ptr(), name.len()));
                // SAFETY: list and address are read during the call; the caller vouches for what the
                // list names and for the block.
                let failed = unsafe {
                    WSASendTo(
                        raw,
                        slices.as_ptr(),
                        slices.len() as u32,
                        null_mut(),
                        0,
                        name.cast(),
                        length,
                        overlapped,
                        None,
                    )
                };
                started(failed == 0).map_err(told_as_refusal)
            }
            Self::ReceiveMessage(bytes, room) => {
                // SAFETY: the caller vouches for bytes, room and block.
                let done = unsafe { room.receive(socket, bytes, overlapped)? };
                started_receive(done).map_err(told_as_refusal)
            }
            Self::SendMessage(bytes, info, room) => {
                // SAFETY: as above.
                let done = unsafe { room.send(socket, bytes, &info, overlapped)? };
                started(done).map_err(told_as_refusal)
            }
        }
    }
}

/// # Safety
/// The block must be the caller's alone.
unsafe fn set_offset(overlapped: *mut OVERLAPPED, offset: u64) {
    // SAFETY: the caller owns the block.
    let overlapped = unsafe { &mut *overlapped };
    overlapped.Anonymous.Anonymous =
        OVERLAPPED_0_0 { Offset: offset as u32, OffsetHigh: (offset >> 32) as u32 };
}

/// # Safety
/// As for [`Request::start`], for what `slices` name and the block.
unsafe fn receive(
    socket: SOCKET,
    slices: &[WSABUF],
    overlapped: *mut OVERLAPPED,
) -> io::Result<bool> {
    let (list, count, mut flags) = (slices.as_ptr(), slices.len() as u32, 0);
    // SAFETY: the list is read during the call (P153); the caller vouches for the rest.
    let failed = unsafe { WSARecv(socket, list, count, null_mut(), &mut flags, overlapped, None) };
    started_receive(failed == 0)
}

/// A datagram that is too large for its buffer is a warning, not an error: the call says that it
/// failed, and the packet comes nevertheless (P34).
fn started_receive(done: bool) -> io::Result<bool> {
    started(done).or_else(|error| match error.raw_os_error() {
        Some(WSAEMSGSIZE) => Ok(true),
        _ => Err(error),
    })
}

/// The rooms of the buffers, as much of them as one receive fills.
fn rooms(buffers: &mut Buffers) -> Vec<WSABUF> {
    let mut rooms: [_; RECEIVE_BUFFERS_MAX] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
    let count = buffers.rooms(&mut rooms);
    let mut left = CALL_BYTES_MAX;
    let mut slices = Vec::with_capacity(count);
    for room in &mut rooms[..count] {
        let length = room.len().min(left);
        slices.push(WSABUF { len: length as u32, buf: room.as_mut_ptr() });
        left -= length;
        if length < room.len() {
            break;
        }
    }
    slices
}

/// What is left of the buffers after `from` bytes, as much of it as one call takes; one empty slice
/// when nothing is left, since a send of no slices is no send.
fn slices(buffers: &Buffers, from: usize) -> Vec<WSABUF> {
    let mut slices = Vec::with_capacity(1);
    let mut room = CALL_BYTES_MAX;
    for part in buffers.parts_after(from).take(CALL_BUFFERS_MAX) {
        let length = part.len().min(room);
        if length == 0 {
            break;
        }
        // The kernel reads only.
        slices.push(WSABUF { len: length as u32, buf: part.as_ptr().cast_mut() });
        room -= length;
    }
    if slices.is_empty() {
        slices.push(WSABUF { len: 0, buf: null_mut() });
    }
    slices
}

/// Whether a call that returned so has done its operation at once; if it has only started it, the
/// packet comes later (P31, P32).
fn started(done: bool) -> io::Result<bool> {
    if done {
        return Ok(true);
    }
    // The functions of both families leave their error in the same place.
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(ERROR_IO_PENDING as i32) { Ok(false) } else { Err(error) }
}
