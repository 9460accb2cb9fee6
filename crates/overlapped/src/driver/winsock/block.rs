//! What the kernel owns while an operation is in flight.
#![allow(unsafe_code)]

use crate::buffer::pool::Pool;
use crate::driver::iocp::block::Outcome;
use crate::driver::socket::Socket;
use crate::driver::system::SystemSocket;
use crate::operation::{Progress, Surroundings, Task};
use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::AsRawSocket;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, STATUS_PENDING};
use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};

/// A socket that belongs to no port. Every operation in flight on it holds it open.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) socket: Socket,
}

impl Core {
    pub(super) fn system(&self) -> io::Result<&SystemSocket> {
        match &self.socket {
            Socket::System(socket) => Ok(socket),
            Socket::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a simulated socket works only with the port of its network: associate it there",
            )),
        }
    }

    pub(super) fn raw(&self) -> io::Result<HANDLE> {
        self.system().map(|socket| socket.as_raw_socket() as HANDLE)
    }
}

/// What operations are performed with that take a buffer of their own: there are none here.
static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new(0, 0));

/// One operation. It lies at one place while it is in flight; the kernel knows it by the address of
/// its first field, and writes there.
#[repr(C)]
struct Block<E> {
    overlapped: UnsafeCell<OVERLAPPED>,
    task: UnsafeCell<Task>,
    core: Arc<Core>,
    extra: E,
}

/// An operation that the kernel holds or has just given back, with what belongs to it (`E`).
///
/// Dropping it leaks the operation, since the kernel may still write to it: it must be
/// [finished](Self::finish) after its end.
pub(super) struct InFlight<E>(NonNull<Block<E>>);

// SAFETY: whoever has this has the block, apart from what the kernel writes; task and socket may be
// sent, and what belongs to it as well.
unsafe impl<E: Send> Send for InFlight<E> {}
// SAFETY: a shared one only reads the status, as an atomic, and asks the kernel to cancel.
unsafe impl<E: Send + Sync> Sync for InFlight<E> {}

/// How a step of an operation goes on.
pub(super) enum Step<E> {
    Ended(Task, E),
    /// It needed a further step, which is in flight.
    GoesOn(InFlight<E>),
}

impl<E> InFlight<E> {
    /// Starts an operation. What fails at once is given back.
    ///
    /// `event` is set at the end (null: the socket is signaled), unless there is a `routine`, which
    /// the system queues to this thread then.
    ///
    /// # Safety
    /// The event must be open now. The routine must take the block of this type at the address that
    /// it is given, once.
    pub(super) unsafe fn start(
        core: &Arc<Core>,
        task: Task,
        event: HANDLE,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
        extra: E,
    ) -> Result<Self, (io::Error, Task, E)> {
        let block = Box::new(Block {
            overlapped: UnsafeCell::new(OVERLAPPED::default()),
            task: UnsafeCell::new(task),
            core: Arc::clone(core),
            extra,
        });
        // SAFETY: the caller's promise.
        unsafe { Self::issue(block, event, routine) }
    }

    /// # Safety
    /// As for [`InFlight::start`].
    unsafe fn issue(
        mut block: Box<Block<E>>,
        event: HANDLE,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Result<Self, (io::Error, Task, E)> {
        let core = Arc::clone(&block.core);
        let with = Surroundings { socket: &core.socket, pool: &POOL };
        let socket = match core.system() {
            Ok(socket) => socket,
            Err(error) => return Err((error, block.task.into_inner(), block.extra)),
        };
        if let Err(error) = block.task.get_mut().prepare(with) {
            return Err((error, block.task.into_inner(), block.extra));
        }
        *block.overlapped.get_mut() = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        let block = NonNull::from(Box::leak(block));
        // SAFETY: the block is ours alone still.
        let task = unsafe { block.as_ref() }.task.get();
        // SAFETY: as above.
        let request = unsafe { &mut *task }.request();
        // SAFETY: what the request names belongs to the block, which stays where it is and is not
        // touched until its end was seen.
        let started = unsafe {
            request.start_with(Some(socket), block.cast::<OVERLAPPED>().as_ptr(), routine)
        };
        match started {
            Ok(()) => Ok(Self(block)),
            Err(error) => {
                // SAFETY: an operation that failed at once leaves nothing with the kernel.
                let block = unsafe { Box::from_raw(block.as_ptr()) };
                Err((error, block.task.into_inner(), block.extra))
            }
        }
    }

    /// The operation at this address.
    ///
    /// # Safety
    /// It must be the address of an operation of this type that was in flight and has ended, given
    /// by the kernel or by [`InFlight::address`], and nobody else takes it.
    pub(super) unsafe fn at(address: *mut OVERLAPPED) -> Self {
        // SAFETY: the caller's promise; no block lies at zero.
        Self(unsafe { NonNull::new_unchecked(address.cast()) })
    }

    pub(super) fn address(&self) -> *mut OVERLAPPED {
        self.0.cast().as_ptr()
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        // SAFETY: the kernel does not touch this field, and it is not changed in flight.
        unsafe { &(*self.0.as_ptr()).core }
    }

    pub(super) fn extra(&self) -> &E {
        // SAFETY: as above.
        unsafe { &(*self.0.as_ptr()).extra }
    }

    /// Whether the kernel has ended it, and holds nothing of it any more.
    pub(super) fn has_ended(&self) -> bool {
        has_ended(self.address())
    }

    /// Asks the kernel to end it.
    pub(super) fn cancel(&self) {
        if let Ok(socket) = self.core().raw() {
            // SAFETY: the block holds the socket open, and is in flight or not yet freed.
            unsafe { CancelIoEx(socket, self.address()) };
        }
    }

    /// Takes the operation that has ended. If it needs a further step, that is started with the same
    /// event or routine.
    ///
    /// # Safety
    /// As for [`InFlight::start`]; it must have ended, and without a routine that is still to come.
    pub(super) unsafe fn finish(self, routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE) -> Step<E> {
        // SAFETY: the block was leaked at its start, and the kernel has given it back.
        let mut block = unsafe { Box::from_raw(self.0.as_ptr()) };
        let overlapped = *block.overlapped.get_mut();
        let outcome = Outcome::new(overlapped.Internal as NTSTATUS, overlapped.InternalHigh as u32);
        let core = Arc::clone(&block.core);
        let with = Surroundings { socket: &core.socket, pool: &POOL };
        match block.task.get_mut().finish(outcome.of_socket(), Some(with)) {
            Progress::Complete { .. } => Step::Ended(block.task.into_inner(), block.extra),
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                // SAFETY: the caller's promise.
                match unsafe { Self::issue(block, overlapped.hEvent, routine) } {
                    Ok(further) => Step::GoesOn(further),
                    Err((error, mut task, extra)) => {
                        task.fail(error);
                        Step::Ended(task, extra)
                    }
                }
            }
        }
    }

    /// Frees the operation that has ended, whatever came of it.
    pub(super) fn discard(self) {
        // SAFETY: the block was leaked at its start, and the kernel has given it back.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Whether the operation at this address, which is not freed, has ended.
pub(super) fn has_ended(address: *mut OVERLAPPED) -> bool {
    // SAFETY: the status is the first field of a block that lives; the kernel writes it in one
    // piece, last.
    let status = unsafe { AtomicUsize::from_ptr(address.cast()) };
    status.load(Ordering::Acquire) as NTSTATUS != STATUS_PENDING
}
