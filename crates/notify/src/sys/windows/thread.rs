//! The alertable sleep of a thread, and what ends it.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows_sys::Win32::Foundation::WAIT_IO_COMPLETION;
use windows_sys::Win32::System::Threading::{
    GetCurrentThreadId, OpenThread, QueueUserAPC, SleepEx, THREAD_SET_CONTEXT,
};

/// Sleeps until the system's routines of this thread were due and have run, or the time is over; true
/// when they ran.
pub(crate) fn sleep_alertable(time_ms: u32) -> bool {
    // SAFETY: it takes any time.
    unsafe { SleepEx(time_ms, 1) == WAIT_IO_COMPLETION }
}

/// Wakes one thread from its alertable waits.
pub(crate) struct Waker {
    thread: OwnedHandle,
    id: u32,
}

impl Waker {
    /// Of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes nothing.
        let id = unsafe { GetCurrentThreadId() };
        // SAFETY: it takes any number.
        let thread = unsafe { OpenThread(THREAD_SET_CONTEXT, 0, id) };
        if thread.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        Ok(Self { thread: unsafe { OwnedHandle::from_raw_handle(thread) }, id })
    }

    /// The thread itself is awake, or in a routine of the system's, which ends its wait.
    pub(crate) fn wake(&self) {
        // SAFETY: it takes nothing.
        if self.id != unsafe { GetCurrentThreadId() } {
            // SAFETY: the handle is open, and the routine takes any number. It fails for a thread
            // that is ending, which runs nothing more anyway.
            unsafe { QueueUserAPC(Some(nothing), self.thread.as_raw_handle(), 0) };
        }
    }
}

/// Its only effect is that the wait of the thread ends.
unsafe extern "system" fn nothing(_: usize) {}
