//! The starting call of each operation on a named pipe, and what the end of one says.
//!
//! A pipe is read and written as a file is, and has the operations of a stream. What is told as an error
//! by pipes and is none to a stream, the end of it for example, is made one of a stream's outcomes here.

use super::block::Outcome;
use super::request::{CALL_BYTES_MAX, Request};
use crate::sys::code;
use crate::sys::system::Pipe;
use std::io::{self, IoSliceMut};
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_PIPE_CONNECTED,
    ERROR_PIPE_NOT_CONNECTED, NTSTATUS, STATUS_CONNECTION_RESET, STATUS_PIPE_BROKEN,
    STATUS_PIPE_CLOSING, STATUS_PIPE_DISCONNECTED, STATUS_SUCCESS,
};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;

impl Request<'_> {
    /// Whether a pipe takes this in several calls: one writes one piece.
    pub(crate) fn takes_several_writes(&self) -> bool {
        match self {
            Self::Send(buffers, from) => {
                let mut pieces = buffers.parts_after(*from).filter(|part| !part.is_empty());
                let first = pieces.next().map_or(0, <[u8]>::len);
                first > CALL_BYTES_MAX || pieces.next().is_some()
            }
            _ => false,
        }
    }
}

/// Makes the starting call; whether the operation is done and the kernel has no packet of it.
///
/// # Safety
/// As for [`Request::start`].
pub(super) unsafe fn start(
    request: Request<'_>,
    pipe: &Pipe,
    overlapped: *mut OVERLAPPED,
) -> io::Result<bool> {
    let handle = pipe.as_raw_handle();
    let (started, without_packet) = match request {
        Request::Receive(room) => {
            // SAFETY: the caller vouches for the room and the block.
            unsafe { read(pipe, room, overlapped) }
        }
        // One call fills one room, which is the first.
        Request::ReceiveScattered(buffers) => {
            let mut rooms = [IoSliceMut::new(&mut [])];
            buffers.rooms(&mut rooms);
            // SAFETY: as above.
            unsafe { read(pipe, &mut rooms[0], overlapped) }
        }
        Request::ReceiveReady => return Err(needs_room()),
        Request::Send(buffers, from) => {
            let piece = buffers.parts_after(from).find(|part| !part.is_empty());
            let Some(piece) = piece else {
                // A peer that reads would take nothing for the end.
                // SAFETY: the kernel does not have the block.
                unsafe { end(overlapped, STATUS_SUCCESS) };
                return Ok(true);
            };
            let length = piece.len().min(CALL_BYTES_MAX) as u32;
            // SAFETY: the caller vouches for the piece, which is only read, and the block.
            let done = unsafe { WriteFile(handle, piece.as_ptr(), length, null_mut(), overlapped) };
            (done, None)
        }
        Request::ConnectPipe => {
            // SAFETY: the caller vouches for the block.
            let done = unsafe { ConnectNamedPipe(handle, overlapped) };
            // A client has come, and may have gone again: what it sent may be received.
            (done, Some(([ERROR_PIPE_CONNECTED, ERROR_NO_DATA], STATUS_SUCCESS)))
        }
        // All of it is done when it is finished, where another instance may take the place of this one.
        Request::Disconnect => {
            // SAFETY: the kernel does not have the block.
            unsafe { end(overlapped, STATUS_SUCCESS) };
            return Ok(true);
        }
        _ => {
            let why = "this is a named pipe, which has no such operation";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
    };
    if started != 0 {
        return Ok(false);
    }
    let error = io::Error::last_os_error();
    let number = error.raw_os_error().unwrap_or_default().cast_unsigned();
    match (number, without_packet) {
        (ERROR_IO_PENDING, _) => Ok(false),
        (number, Some((those, status))) if those.contains(&number) => {
            // SAFETY: a call that failed at once leaves nothing with the kernel (P33).
            unsafe { end(overlapped, status) };
            Ok(true)
        }
        (ERROR_BROKEN_PIPE | ERROR_NO_DATA | ERROR_PIPE_NOT_CONNECTED, _) => {
            Err(code::error(code::RESET))
        }
        _ => Err(error),
    }
}

/// What a start gave, and the errors that are an end with this status.
type Made = (i32, Option<([u32; 2], NTSTATUS)>);

/// # Safety
/// As for [`Request::start`].
unsafe fn read(pipe: &Pipe, room: &mut [u8], overlapped: *mut OVERLAPPED) -> Made {
    let length = room.len().min(CALL_BYTES_MAX) as u32;
    // SAFETY: the caller vouches for the room and the block.
    let done = unsafe {
        ReadFile(pipe.as_raw_handle(), room.as_mut_ptr(), length, null_mut(), overlapped)
    };
    (done, Some(([ERROR_BROKEN_PIPE; 2], STATUS_PIPE_BROKEN)))
}

/// Writes into the block how its operation has ended.
///
/// # Safety
/// The block must be the caller's alone.
unsafe fn end(overlapped: *mut OVERLAPPED, status: NTSTATUS) {
    // SAFETY: the caller owns the block.
    let overlapped = unsafe { &mut *overlapped };
    overlapped.Internal = status as u32 as usize;
    overlapped.InternalHigh = 0;
}

fn needs_room() -> io::Error {
    let why =
        "a named pipe does not tell of data before it gives it: receive into a buffer with room";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

impl Outcome {
    /// Whether a receive got nothing although the stream goes on: the peer has written nothing.
    pub(crate) fn is_of_an_empty_write(self) -> bool {
        self.status == STATUS_SUCCESS && self.transferred == 0
    }

    /// The same as one of a stream: a receive finds its end, or a reset; what is sent meets a reset.
    pub(crate) fn of_a_pipe(self, is_receive: bool) -> Self {
        let status = match self.status {
            STATUS_PIPE_BROKEN | STATUS_PIPE_CLOSING if is_receive => STATUS_SUCCESS,
            STATUS_PIPE_BROKEN | STATUS_PIPE_CLOSING | STATUS_PIPE_DISCONNECTED => {
                STATUS_CONNECTION_RESET
            }
            other => other,
        };
        Self { status, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Buffer, Buffers};

    #[test]
    fn a_pipe_that_ends_is_the_end_to_a_receive_and_a_reset_to_a_send() {
        for status in [STATUS_PIPE_BROKEN, STATUS_PIPE_CLOSING] {
            let of = |is_receive| Outcome::new(status, 0).of_a_pipe(is_receive).of_socket();
            assert_eq!(of(true).all().expect("the end is no error"), 0);
            let error = of(false).all().expect_err("nobody receives it");
            assert_eq!(error.raw_os_error(), Some(code::RESET));
        }
        assert!(Outcome::new(STATUS_SUCCESS, 0).is_of_an_empty_write());
        assert!(!Outcome::new(STATUS_PIPE_BROKEN, 0).is_of_an_empty_write(), "that is the end");
        let disconnected = Outcome::new(STATUS_PIPE_DISCONNECTED, 0).of_a_pipe(true).of_socket();
        let error = disconnected.all().expect_err("the server has thrown the client out");
        assert_eq!(error.raw_os_error(), Some(code::RESET));
    }

    #[test]
    fn several_pieces_are_several_writes() {
        let several = |buffers: &Buffers, from| Request::Send(buffers, from).takes_several_writes();
        let two = Buffers::from(vec![Buffer::from(vec![1, 2]), Buffer::from(vec![3])]);
        assert!(several(&two, 0) && several(&two, 1));
        assert!(!several(&two, 2), "only one is left");
        assert!(!several(&Buffers::from(vec![1]), 0));
    }
}
