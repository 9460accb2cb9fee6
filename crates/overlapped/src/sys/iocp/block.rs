//! What the kernel owns while an operation is in flight, and the record of it.

use super::message::told_as_refusal;
use super::request::Request;
use super::{Iocp, pipes, status};
use crate::sys::system::SystemSocket;
use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::{AsRawHandle, AsRawSocket};
use std::ptr::NonNull;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, STATUS_PENDING};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED, OVERLAPPED_ENTRY};

/// An operation with everything that it owns, as far as the kernel is concerned.
pub(crate) trait Overlapped {
    /// What the kernel is to do, with memory that the operation owns.
    fn request(&mut self) -> Request<'_>;
}

/// One operation in flight. It lies at one place until its packet has been taken. The kernel knows
/// it by the address of its first field.
#[repr(C)]
struct Block<B> {
    overlapped: UnsafeCell<OVERLAPPED>,
    body: UnsafeCell<B>,
}

/// What a packet says of an operation: where its block is, and how much was transferred.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Only compared until it is found in a record.
    pub(super) block: *mut OVERLAPPED,
    pub(super) transferred: u32,
}

// SAFETY: the pointer is an address to look for; whoever finds it owns what lies there.
unsafe impl Send for Finished {}

impl Finished {
    pub(super) fn new(entry: &OVERLAPPED_ENTRY) -> Self {
        Self { block: entry.lpOverlapped, transferred: entry.dwNumberOfBytesTransferred }
    }

    /// What the packet of an operation that is done would have said.
    fn left_out(block: NonNull<OVERLAPPED>) -> Self {
        let block = block.as_ptr();
        // SAFETY: the block is in a record whose lock is held, so it stays where it is.
        let count = unsafe { &raw const (*block).InternalHigh };
        // SAFETY: as above, and the kernel is done with it.
        let transferred = unsafe { std::ptr::read_volatile(count) };
        Self { block, transferred: transferred as u32 }
    }
}

/// How an operation ended, raw (P170).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(super) status: NTSTATUS,
    pub(super) transferred: u32,
}

impl Outcome {
    #[cfg(test)]
    pub(super) fn new(status: NTSTATUS, transferred: u32) -> Self {
        Self { status, transferred }
    }

    /// As an operation on a socket reports it.
    pub(crate) fn of_socket(self) -> Ended {
        self.ended(status::of_socket)
    }

    /// As an operation on a datagram reports it: that nobody is at the peer's address is a refusal.
    pub(crate) fn of_datagram(self) -> Ended {
        let ended = self.of_socket();
        Ended { result: ended.result.map_err(told_as_refusal), ..ended }
    }

    /// As a transmission of a file on a socket reports it.
    pub(crate) fn of_transmission(self) -> Ended {
        self.ended(status::of_transmission)
    }

    /// As an operation on a file reports it.
    pub(crate) fn of_file(self) -> Ended {
        self.ended(status::of_file)
    }

    fn ended(self, number: impl Fn(NTSTATUS) -> i32) -> Ended {
        let result = match self.status {
            // Success, and information, such as that a receive has only a part.
            0.. => Ok(()),
            _ => Err(io::Error::from_raw_os_error(number(self.status))),
        };
        Ended { transferred: self.transferred as usize, result }
    }
}

/// How an operation ended, for those who asked for it. Also one that failed may have transferred
/// something.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) transferred: usize,
    pub(crate) result: io::Result<()>,
}

impl Ended {
    /// What was transferred, if that was anything, also when it failed then: bytes that have left a
    /// stream must not be lost (P132).
    pub(crate) fn some(self) -> io::Result<usize> {
        match self.transferred {
            0 => self.all(),
            transferred => Ok(transferred),
        }
    }

    /// What was transferred, unless it failed.
    pub(crate) fn all(self) -> io::Result<usize> {
        self.result.map(|()| self.transferred)
    }
}

/// Makes the starting call; whether the operation is done and the kernel has no packet of it.
///
/// # Safety
/// As for [`Request::start`].
unsafe fn begin(
    request: Request<'_>,
    socket: Option<&SystemSocket>,
    overlapped: *mut OVERLAPPED,
) -> io::Result<bool> {
    if let Some(pipe) = socket.and_then(SystemSocket::pipe) {
        // SAFETY: the caller vouches for what this asks for.
        return unsafe { pipes::start(request, pipe, overlapped) };
    }
    // SAFETY: as above.
    let done = unsafe { request.start(socket, overlapped)? };
    Ok(done && socket.is_some_and(SystemSocket::skips_packets))
}

/// The operations of one handle that the kernel holds, each with a label of the handle's.
///
/// The lock of the handle guards it. It is empty when the handle is dropped, since every operation
/// holds the handle.
pub(crate) struct InFlight<L, B>(Vec<(L, NonNull<Block<B>>)>);

// SAFETY: the blocks belong to the record and to the kernel alone, and their bodies may be sent.
unsafe impl<L: Send, B: Send> Send for InFlight<L, B> {}

impl<L, B: Overlapped> InFlight<L, B> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Starts an operation. When that fails, no packet will come, and it is given back (P33). It
    /// returns what the kernel has no packet for, since it was done at once where such packets are left
    /// out: [`InFlight::finish`] takes it, now or when its packet, which
    /// [`Iocp::post_finished`] queues, is taken.
    pub(crate) fn start(
        &mut self,
        port: &Iocp,
        socket: Option<&SystemSocket>,
        label: L,
        body: B,
    ) -> Result<Option<Finished>, (io::Error, B)> {
        let overlapped = UnsafeCell::new(OVERLAPPED::default());
        let block = Box::new(Block { overlapped, body: UnsafeCell::new(body) });
        let block = NonNull::from(Box::leak(block));
        port.in_flight.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        // SAFETY: the block is new, and nobody else knows it yet.
        let body = unsafe { block.as_ref() }.body.get();
        // SAFETY: as above.
        let request = unsafe { &mut *body }.request();
        // SAFETY: what the request names belongs to the block, which stays where it is, untouched,
        // until `finish` finds its packet or this call has failed.
        let started = unsafe { begin(request, socket, block.cast::<OVERLAPPED>().as_ptr()) };
        match started {
            Ok(is_left_out) => {
                self.0.push((label, block));
                Ok(is_left_out.then(|| Finished::left_out(block.cast())))
            }
            Err(error) => {
                port.in_flight.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
                // SAFETY: an operation that failed at once leaves nothing with the kernel.
                let block = unsafe { Box::from_raw(block.as_ptr()) };
                Err((error, block.body.into_inner()))
            }
        }
    }

    /// Takes the finished operation out of the record; `None` when it is not of this handle (F9).
    pub(crate) fn finish(&mut self, port: &Iocp, finished: &Finished) -> Option<(L, B, Outcome)> {
        let is_it = |(_, block): &(L, NonNull<Block<B>>)| {
            block.cast::<OVERLAPPED>().as_ptr() == finished.block
        };
        let position = self.0.iter().position(is_it)?;
        let (label, block) = self.0.remove(position);
        port.in_flight.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
        // SAFETY: it is a block of ours, and the kernel gave it back with its packet.
        let block = unsafe { Box::from_raw(block.as_ptr()) };
        let status = block.overlapped.into_inner().Internal as NTSTATUS;
        Some((
            label,
            block.body.into_inner(),
            Outcome { status, transferred: finished.transferred },
        ))
    }

    /// Asks the kernel to cancel what has this label; false when there is nothing, or it is
    /// finished already (P131). The packet comes either way (P133).
    pub(crate) fn cancel(&self, socket: &SystemSocket, is_it: impl Fn(&L) -> bool) -> bool {
        self.cancel_on(socket.as_raw_socket() as HANDLE, is_it)
    }

    /// The same for an operation on a file or directory.
    pub(crate) fn cancel_of_file(
        &self,
        file: &impl AsRawHandle,
        is_it: impl Fn(&L) -> bool,
    ) -> bool {
        self.cancel_on(file.as_raw_handle(), is_it)
    }

    /// The handle's owner is borrowed by the callers.
    fn cancel_on(&self, handle: HANDLE, is_it: impl Fn(&L) -> bool) -> bool {
        let Some((_, block)) = self.0.iter().find(|(label, _)| is_it(label)) else {
            return false;
        };
        // SAFETY: the handle is open, and the block is in flight or its packet not taken.
        unsafe { CancelIoEx(handle, block.cast::<OVERLAPPED>().as_ptr()) != 0 }
    }

    /// The same for each operation on a file or directory that is given for its label; returns how many.
    pub(crate) fn cancel_each<F: AsRawHandle>(
        &mut self,
        mut file_of: impl FnMut(&mut L) -> Option<&F>,
    ) -> usize {
        let mut count = 0;
        for (label, block) in &mut self.0 {
            if let Some(file) = file_of(label) {
                // SAFETY: as above.
                unsafe { CancelIoEx(file.as_raw_handle(), block.cast::<OVERLAPPED>().as_ptr()) };
                count += 1;
            }
        }
        count
    }

    /// How many of the operations with such labels have finished, though their packets were not
    /// taken.
    pub(crate) fn finished(&self, counts: impl Fn(&L) -> bool) -> usize {
        let is_finished = |(label, block): &&(L, NonNull<Block<B>>)| {
            // The status is the first field of the first field.
            let status = block.cast::<usize>().as_ptr();
            // SAFETY: the block is ours; the kernel writes this field, in one piece.
            let status = unsafe { std::ptr::read_volatile(status) };
            counts(label) && status as NTSTATUS != STATUS_PENDING
        };
        self.0.iter().filter(is_finished).count()
    }

    /// The labels of what is in flight, in the order of the starts.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &L> {
        self.0.iter().map(|(label, _)| label)
    }

    pub(crate) fn labels_mut(&mut self) -> impl Iterator<Item = &mut L> {
        self.0.iter_mut().map(|(label, _)| label)
    }
}
