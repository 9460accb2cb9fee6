//! The completion driver of Windows: a completion port of the system's own.
//!
//! The kernel carries the operations, queues their packets and is the scheduler: it lets as many
//! threads run as the port's concurrency says, newest first, and lets another in when one of them
//! blocks. Only documented calls are made.
//!
//! - [`Iocp`] is the port: association, [markers](Marker), taking, and the port's alarm
//!   ([`alarm`]).
//! - [`block`] is what the kernel owns while an operation is in flight, and the record that each
//!   handle keeps of its own. A packet whose block is in no record (somebody else started an
//!   operation on a duplicate of the handle) is passed over (F9).
//! - [`request`] makes the one starting call of each operation. The block is complete before that
//!   call, and nobody touches it until its packet has been taken, which may be before the call
//!   returns (F10); the handle's lock is held meanwhile, so the record is complete as well.
//! - [`leaving`] ends the association of a socket.
//! - [`files`] says what a file asks for.
//! - [`extensions`] are the functions that are asked of each socket's provider (X1).
//! - [`skipping`] is the mode in which what is done at once has no packet of the kernel's.
//! - [`message`] is a datagram with what goes with it.
//! - [`pipes`] starts the operations of named pipes.
//! - [`status`] maps the raw status, for each kind of consumer (P103, P170).
//!
//! Called by `sched::platform::windows`, which queues by it, and by
//! [`crate::handle::overlapping`], which starts and finishes the operations of one handle.
#![allow(unsafe_code)]

mod alarm;
pub(crate) mod block;
mod extensions;
mod files;
mod leaving;
mod message;
mod pipes;
pub(crate) mod request;
pub(crate) mod skipping;
mod status;
#[cfg(test)]
mod tests;

use super::Event;
use super::directories::SystemDirectory;
use super::files::SystemFile;
use super::system::SystemSocket;
use crate::sync::Mutex;
use alarm::Alarm;
use block::Finished;
pub(crate) use extensions::{
    AcceptRoom, AddressRoom, Extensions, ReceiveMessage, TransmitRoom, complete_connect,
    connect_time, receive_message,
};
pub(crate) use leaving::release;
pub(crate) use message::MessageRoom;
pub(crate) use request::TransmitRequest;
use std::collections::VecDeque;
use std::io;
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{
    ERROR_HANDLE_EOF, HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("on Windows, Overlapped needs a 64-bit target: completion keys are 64 bits wide");

/// What an operation on a file reports that finds nothing, since the file ends before.
pub(crate) const END_OF_FILE: i32 = ERROR_HANDLE_EOF as i32;

/// What a packet without an operation says. Markers have keys that no handle has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// A posted value lies in the port's own queue of them.
    Posted,
    /// The time of the port's alarm has come.
    Alarm,
    /// The port was closed, or packets were put back: look for yourself.
    Look,
}

impl Marker {
    const fn key(self) -> usize {
        match self {
            Self::Posted => usize::MAX,
            Self::Alarm => usize::MAX - 1,
            Self::Look => usize::MAX - 2,
        }
    }

    fn of_key(key: usize) -> Option<Self> {
        [Self::Posted, Self::Alarm, Self::Look].into_iter().find(|marker| marker.key() == key)
    }
}

/// The key of all files: their operations are found by their blocks alone.
const FILES: usize = usize::MAX - 3;
/// The same for all directories.
const DIRECTORIES: usize = usize::MAX - 4;

/// What one packet of the kernel's queue is.
#[derive(Debug)]
pub(crate) enum Taken {
    Marker(Marker),
    /// An operation of the handle with this token has finished.
    Finished(u64, Finished),
    /// An operation on a file has finished.
    FileFinished(Finished),
    /// What waits for changes of a directory has finished.
    DirectoryFinished(Finished),
    /// What a wait with this token was for has come.
    Signalled(u64),
}

/// The most packets that one call takes.
pub(crate) const TAKE_MAX: usize = 64;

/// A completion port of the system.
#[derive(Debug)]
pub(crate) struct Iocp {
    /// Shared with the alarm, whose callbacks use it.
    port: Arc<OwnedHandle>,
    alarm: Alarm,
    /// Operations that the kernel holds.
    in_flight: AtomicUsize,
    /// Packets of operations that were done at once, for which the system had no memory.
    unposted: Mutex<VecDeque<(u64, Finished)>>,
    /// How many these are, to be looked at without the lock.
    unposted_count: AtomicUsize,
}

impl Iocp {
    pub(crate) fn new(concurrency: usize) -> io::Result<Self> {
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
        // SAFETY: no handle is associated, so no argument is looked at but the last one.
        let port =
            unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, concurrency) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made this handle, and nobody else has it.
        let port = Arc::new(unsafe { OwnedHandle::from_raw_handle(port) });
        Ok(Self {
            alarm: Alarm::new(Arc::clone(&port)),
            port,
            in_flight: AtomicUsize::new(0),
            unposted: Mutex::default(),
            unposted_count: AtomicUsize::new(0),
        })
    }

    /// The port's handle, to be held for as long as something outside may queue on it.
    pub(in crate::sys) fn handle(&self) -> &Arc<OwnedHandle> {
        &self.port
    }

    fn raw(&self) -> HANDLE {
        self.port.as_raw_handle()
    }

    /// Associates the socket for life, under the token of its handle (P8, P10).
    pub(crate) fn associate(&self, socket: &SystemSocket, token: u64) -> io::Result<()> {
        self.associate_raw(socket.as_raw_socket() as HANDLE, token)
    }

    /// Associates the file for life (P8).
    pub(crate) fn associate_file(&self, file: &SystemFile) -> io::Result<()> {
        self.associate_raw(file.as_raw_handle(), FILES as u64)
    }

    /// Associates the directory for life (P8).
    pub(crate) fn associate_directory(&self, directory: &SystemDirectory) -> io::Result<()> {
        self.associate_raw(directory.as_raw_handle(), DIRECTORIES as u64)
    }

    fn associate_raw(&self, handle: HANDLE, token: u64) -> io::Result<()> {
        // SAFETY: both handles are open, since their owners are borrowed by the callers.
        let port = unsafe { CreateIoCompletionPort(handle, self.raw(), token as usize, 0) };
        if port.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Queues a marker; false when the system is short of memory for it (P25).
    pub(crate) fn post(&self, marker: Marker) -> bool {
        // SAFETY: the port is open; the pointer is carried and never looked at (P22).
        unsafe { PostQueuedCompletionStatus(self.raw(), 0, marker.key(), null()) != 0 }
    }

    /// Queues the packet of an operation of the handle with this token, which was done at once and
    /// has none of the kernel's. To be called under the lock of the handle, so that packets are in the
    /// order of their operations. Without memory for it, a later call queues it, this one or a take.
    pub(crate) fn post_finished(&self, token: u64, finished: Finished) {
        if self.unposted_count.load(Ordering::SeqCst) == 0 && self.queue(token, &finished) {
            return;
        }
        self.post_left(Some((token, finished)));
    }

    /// Queues what could not be queued before, and then `last`, as far as that is possible now.
    fn post_left(&self, last: Option<(u64, Finished)>) {
        let mut unposted = self.unposted.lock();
        unposted.extend(last);
        while let Some((token, finished)) = unposted.front()
            && self.queue(*token, finished)
        {
            unposted.pop_front();
        }
        self.unposted_count.store(unposted.len(), Ordering::SeqCst);
    }

    fn queue(&self, token: u64, Finished { block, transferred }: &Finished) -> bool {
        // SAFETY: the port is open; the pointer is carried and never looked at (P22).
        unsafe { PostQueuedCompletionStatus(self.raw(), *transferred, token as usize, *block) != 0 }
    }

    /// Takes up to `max` packets in order, waiting for the first one only; true when there was one,
    /// false when none came in time.
    pub(crate) fn take(
        &self,
        taken: &mut Vec<Taken>,
        max: usize,
        timeout: Option<Duration>,
    ) -> bool {
        let timeout_ms = timeout.map_or(INFINITE, |timeout| {
            // Rounded up, so that a short wait is not a poll.
            let ms = timeout.as_nanos().div_ceil(1_000_000);
            u32::try_from(ms).unwrap_or(INFINITE).min(INFINITE - 1)
        });
        if self.unposted_count.load(Ordering::SeqCst) > 0 {
            self.post_left(None);
        }
        let mut entries = [OVERLAPPED_ENTRY::default(); TAKE_MAX];
        let mut count = 0;
        let room = max.min(TAKE_MAX) as u32;
        // SAFETY: the port is open, and there is room for so many entries.
        let found = unsafe {
            GetQueuedCompletionStatusEx(
                self.raw(),
                entries.as_mut_ptr(),
                room,
                &mut count,
                timeout_ms,
                0,
            )
        };
        if found == 0 {
            let error = io::Error::last_os_error();
            let timed_out = error.raw_os_error() == Some(WAIT_TIMEOUT as i32);
            debug_assert!(timed_out, "the port is open and the call well-formed: {error}");
            return false;
        }
        taken.extend(entries[..count as usize].iter().map(|entry| {
            match (entry.lpCompletionKey, Marker::of_key(entry.lpCompletionKey)) {
                (_, Some(marker)) => Taken::Marker(marker),
                (FILES, _) => Taken::FileFinished(Finished::new(entry)),
                (DIRECTORIES, _) => Taken::DirectoryFinished(Finished::new(entry)),
                (key, _) if key as u64 >= Event::WAITS => Taken::Signalled(key as u64),
                (key, _) => Taken::Finished(key as u64, Finished::new(entry)),
            }
        }));
        true
    }

    /// Sets, moves or (with `None`) stops the alarm, which queues [`Marker::Alarm`].
    pub(crate) fn arm(&self, at: Option<Instant>) {
        self.alarm.set(at);
    }

    /// How many operations the kernel holds, or has finished without their packets being taken.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }
}

/// The version of Wine, when this is not Windows: its ports ignore their concurrency.
pub(crate) fn wine_version() -> Option<String> {
    use std::ffi::{CStr, c_char};
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
    type GetVersion = unsafe extern "C" fn() -> *const c_char;

    // SAFETY: the name ends with a zero; the library is loaded in every process.
    let library = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
    // SAFETY: the library stays loaded, and the name ends with a zero.
    let function = unsafe { GetProcAddress(library, c"wine_get_version".as_ptr().cast()) }?;
    // SAFETY: only Wine has a function of this name, and it has this type.
    let get_version: GetVersion = unsafe { std::mem::transmute(function) };
    // SAFETY: as above.
    let version = unsafe { get_version() };
    // SAFETY: it is a string that ends with a zero and lives as long as the process.
    Some(unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned())
}

/// Whether this is Wine.
pub(crate) fn is_wine() -> bool {
    use std::sync::OnceLock;
    static IS_WINE: OnceLock<bool> = OnceLock::new();
    *IS_WINE.get_or_init(|| wine_version().is_some())
}

/// Frees the calling thread from the port that it took its last packet from, whose slot is then
/// free: a thread belongs to the port that it asked last (P76, T11), so it asks one that nobody
/// else uses.
pub(crate) fn leave() {
    use std::sync::OnceLock;
    static NOBODYS: OnceLock<Option<Iocp>> = OnceLock::new();
    if let Some(port) = NOBODYS.get_or_init(|| Iocp::new(usize::MAX).ok()) {
        port.take(&mut Vec::new(), 1, Some(Duration::ZERO));
    }
}
