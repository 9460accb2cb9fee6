//! What the kernel owns while an operation is in flight.
#![allow(unsafe_code)]

use super::{AcceptRoom, Event, Socket};
use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::AsRawSocket;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE, NTSTATUS, STATUS_PENDING};
use windows_sys::Win32::Networking::WinSock::{
    LPWSAOVERLAPPED_COMPLETION_ROUTINE, SOCKET, WSABUF, WSAGetOverlappedResult, WSARecv, WSASend,
};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};

/// What the kernel is to do, with the memory that it does it with.
#[derive(Debug)]
pub(crate) enum Call {
    /// Receive into the vector, from its start; one without capacity waits for data and takes none.
    Receive(Vec<u8>),
    /// Send what is left after so many bytes, or as much of it as one call takes.
    Send(Vec<u8>, usize),
    /// Accept a connection on the fresh socket.
    Accept(AcceptRoom),
}

/// The most that one call moves: lengths have 32 bits.
const CALL_BYTES_MAX: usize = 1 << 30;

impl Call {
    /// Makes the starting call. Afterwards, unless it failed, the kernel has the memory, also when
    /// it is done already.
    ///
    /// # Safety
    /// The memory and `overlapped` must stay where they are and be touched by nobody until the end
    /// of the operation was seen. The routine must be right for the block; an accept has none.
    unsafe fn start(
        &mut self,
        socket: &Socket,
        overlapped: *mut OVERLAPPED,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> io::Result<()> {
        let raw = socket.as_raw_socket() as SOCKET;
        let is_done = match self {
            Self::Receive(buffer) => {
                let room = buffer.capacity().min(CALL_BYTES_MAX);
                let slice = WSABUF { len: room as u32, buf: buffer.as_mut_ptr() };
                let mut flags = 0;
                // SAFETY: the list of one is read during the call (P153); the caller vouches for the
                // rest.
                let failed =
                    unsafe { WSARecv(raw, &slice, 1, null_mut(), &mut flags, overlapped, routine) };
                failed == 0
            }
            Self::Send(data, from) => {
                let rest = &data[*from..];
                let length = rest.len().min(CALL_BYTES_MAX);
                // The kernel reads only.
                let slice = WSABUF { len: length as u32, buf: rest.as_ptr().cast_mut() };
                // SAFETY: as above.
                let failed = unsafe { WSASend(raw, &slice, 1, null_mut(), 0, overlapped, routine) };
                failed == 0
            }
            // SAFETY: as above.
            Self::Accept(room) => unsafe { room.start(raw, overlapped)? },
        };
        if is_done {
            return Ok(());
        }
        // The functions of both families leave their error in the same place.
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(ERROR_IO_PENDING as i32) { Ok(()) } else { Err(error) }
    }
}

/// One operation. It lies at one place while it is in flight; the kernel knows it by the address of
/// its first field, and writes there.
#[repr(C)]
struct Block<E> {
    overlapped: UnsafeCell<OVERLAPPED>,
    call: Call,
    /// Every operation in flight holds its socket open.
    socket: Arc<Socket>,
    routine: Option<fn(InFlight<E>)>,
    extra: E,
}

/// An operation that the kernel has or has just given back, with what belongs to it (`E`).
///
/// Dropping it leaks the operation, since the kernel may still write to it: it must be
/// [finished](Self::finish) after its end.
pub(crate) struct InFlight<E>(NonNull<Block<E>>);

// SAFETY: whoever has this has the block, apart from what the kernel writes; memory and socket may be
// sent, and what belongs to it as well.
unsafe impl<E: Send> Send for InFlight<E> {}
// SAFETY: a shared one only reads the status, as an atomic, and asks the kernel to cancel.
unsafe impl<E: Send + Sync> Sync for InFlight<E> {}

/// How an operation ended. Also one that failed may have moved something.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) transferred: usize,
    pub(crate) result: io::Result<()>,
}

/// Everything that belonged to an operation which has ended.
pub(crate) struct Finished<E> {
    pub(crate) call: Call,
    pub(crate) ended: Ended,
    pub(crate) socket: Arc<Socket>,
    pub(crate) extra: E,
}

impl<E> InFlight<E> {
    /// Starts an operation, at whose end `event` is set, or else the socket is signaled. What fails at
    /// once is given back.
    pub(crate) fn start(
        socket: &Arc<Socket>,
        call: Call,
        event: Option<&Event>,
        extra: E,
    ) -> Result<Self, (io::Error, Call, E)> {
        let event = event.map_or(null_mut(), Event::handle);
        Self::issue(socket, call, event, None, extra).map(Self)
    }

    /// Starts a receive or a send at whose end the system queues a call of `routine` to this thread;
    /// it comes in an alertable wait. What fails at once is given back.
    pub(crate) fn start_with_routine(
        socket: &Arc<Socket>,
        call: Call,
        routine: fn(Self),
        extra: E,
    ) -> Result<Ticket, (io::Error, Call, E)> {
        if matches!(call, Call::Accept(_)) {
            return Err((io::ErrorKind::Unsupported.into(), call, extra));
        }
        let block = Self::issue(socket, call, null_mut(), Some(routine), extra)?;
        Ok(Ticket { address: block.addr().get(), socket: Arc::clone(socket) })
    }

    fn issue(
        socket: &Arc<Socket>,
        call: Call,
        event: HANDLE,
        routine: Option<fn(Self)>,
        extra: E,
    ) -> Result<NonNull<Block<E>>, (io::Error, Call, E)> {
        let overlapped = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        let block = Box::new(Block {
            overlapped: UnsafeCell::new(overlapped),
            call,
            socket: Arc::clone(socket),
            routine,
            extra,
        });
        let block = NonNull::from(Box::leak(block));
        let of_system: LPWSAOVERLAPPED_COMPLETION_ROUTINE = match routine {
            Some(_) => Some(ended::<E>),
            None => None,
        };
        // SAFETY: the block is ours alone still.
        let call = unsafe { &mut (*block.as_ptr()).call };
        // SAFETY: the memory belongs to the block, which stays where it is, untouched but for its
        // status, until its end was seen. The routine takes a block of this type, once.
        let started = unsafe { call.start(socket, block.cast().as_ptr(), of_system) };
        started.map(|()| block).map_err(|error| {
            // SAFETY: an operation that failed at once leaves nothing with the kernel.
            let block = unsafe { Box::from_raw(block.as_ptr()) };
            (error, block.call, block.extra)
        })
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        // SAFETY: the kernel does not touch this field, and it is not changed in flight.
        unsafe { &(*self.0.as_ptr()).socket }
    }

    pub(crate) fn extra(&self) -> &E {
        // SAFETY: as above.
        unsafe { &(*self.0.as_ptr()).extra }
    }

    /// What names it, as long as it is there.
    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// Whether the kernel has ended it, and has nothing of it any more.
    pub(crate) fn has_ended(&self) -> bool {
        // SAFETY: the status is the first field of a block that lives; the kernel writes it in one
        // piece, last.
        let status = unsafe { AtomicUsize::from_ptr(self.0.cast().as_ptr()) };
        status.load(Ordering::Acquire) as NTSTATUS != STATUS_PENDING
    }

    /// Asks the kernel to end it.
    pub(crate) fn cancel(&self) {
        let socket = self.socket().as_raw_socket() as HANDLE;
        // SAFETY: the block holds the socket open, and is in flight or not yet freed.
        unsafe { CancelIoEx(socket, self.0.cast().as_ptr()) };
    }

    /// Takes the operation, which must have ended; one that has not is leaked, with a panic.
    pub(crate) fn finish(self) -> Finished<E> {
        assert!(self.has_ended(), "the kernel still has the operation");
        // SAFETY: the block was leaked at its start, and the kernel has given it back.
        let block = unsafe { Box::from_raw(self.0.as_ptr()) };
        let Block { overlapped, mut call, socket, extra, .. } = *block;
        let overlapped = overlapped.into_inner();
        let transferred = overlapped.InternalHigh;
        let (mut length, mut flags) = (0, 0);
        let raw = socket.as_raw_socket() as SOCKET;
        // SAFETY: the socket is open, everything else lives through the call, and nothing waits.
        let is_success =
            unsafe { WSAGetOverlappedResult(raw, &overlapped, &mut length, 0, &mut flags) };
        let result = if is_success != 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        if let Call::Receive(buffer) = &mut call {
            let length = transferred.min(buffer.capacity());
            // SAFETY: the kernel has written so many bytes from the start of the vector's memory, and
            // never more than it was given.
            unsafe { buffer.set_len(length) };
        }
        Finished { call, ended: Ended { transferred, result }, socket, extra }
    }
}

/// Names an operation with a routine until that is called.
pub(crate) struct Ticket {
    address: usize,
    socket: Arc<Socket>,
}

impl Ticket {
    /// The address of its operation.
    pub(crate) fn address(&self) -> usize {
        self.address
    }

    /// Asks the kernel to end the operation.
    pub(crate) fn cancel(&self) {
        let socket = self.socket.as_raw_socket() as HANDLE;
        let address = std::ptr::without_provenance_mut::<OVERLAPPED>(self.address);
        // SAFETY: the socket is open, and the address is only compared with those of what is in
        // flight on it.
        unsafe { CancelIoEx(socket, address) };
    }
}

/// Runs on the thread that started the operation, in an alertable wait.
unsafe extern "system" fn ended<E>(
    _error: u32,
    _transferred: u32,
    address: *mut OVERLAPPED,
    _flags: u32,
) {
    let Some(block) = NonNull::new(address.cast::<Block<E>>()) else { return };
    let in_flight = InFlight(block);
    // SAFETY: the kernel gives the address of a block of this type, once; it has ended.
    let routine = unsafe { (*block.as_ptr()).routine };
    if let Some(routine) = routine {
        routine(in_flight);
    }
}
