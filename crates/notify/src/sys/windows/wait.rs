//! The system's wait for several objects.
#![allow(unsafe_code)]

use super::{Event, Socket};
use std::io;
use std::marker::PhantomData;
use std::os::windows::io::AsRawSocket;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_IO_COMPLETION, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjectsEx};

/// Something that is signaled or not, and open meanwhile.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Waitable<'a> {
    handle: HANDLE,
    _open: PhantomData<&'a ()>,
}

impl<'a> From<&'a Event> for Waitable<'a> {
    fn from(event: &'a Event) -> Self {
        Self { handle: event.handle(), _open: PhantomData }
    }
}

impl<'a> From<&'a Socket> for Waitable<'a> {
    /// It is signaled by the end of an operation that sets no event.
    fn from(socket: &'a Socket) -> Self {
        Self { handle: socket.as_raw_socket() as HANDLE, _open: PhantomData }
    }
}

/// How one wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// This one was signaled, or, when all were waited for, any number.
    Signaled(usize),
    TimedOut,
    /// Routines of the system's ran.
    RoutinesRan,
}

/// Waits until one of the objects, of which there are at most 64, or all of them are signaled.
pub(crate) fn wait(
    objects: &[Waitable<'_>],
    all: bool,
    time_ms: u32,
    alertable: bool,
) -> io::Result<WaitEnd> {
    let count = objects.len() as u32;
    // SAFETY: the borrows keep the handles open during the call, and each object is laid out as one.
    let ended = unsafe {
        WaitForMultipleObjectsEx(
            count,
            objects.as_ptr().cast(),
            all.into(),
            time_ms,
            alertable.into(),
        )
    };
    match ended {
        WAIT_TIMEOUT => Ok(WaitEnd::TimedOut),
        WAIT_IO_COMPLETION => Ok(WaitEnd::RoutinesRan),
        // The indexes begin at 0.
        index if index < count => Ok(WaitEnd::Signaled(index as usize)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The end of a wait; none is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A time that lies beyond what can be told is for ever.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What is left, rounded up, as the system's calls want it. A long time is waited in parts.
    pub(crate) fn left_ms(self) -> u32 {
        self.0.map_or(INFINITE, |end| {
            let left = end.saturating_duration_since(Instant::now());
            u32::try_from(left.as_nanos().div_ceil(1_000_000))
                .unwrap_or(INFINITE - 1)
                .min(INFINITE - 1)
        })
    }

    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|end| end <= Instant::now())
    }
}
