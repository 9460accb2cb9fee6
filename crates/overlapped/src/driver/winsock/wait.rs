//! The waits of Windows for several events.
#![allow(unsafe_code)]

use crate::notify::{EventObject, WAIT_MAX, Waited};
use std::io;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_IO_COMPLETION, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjectsEx};

pub(crate) fn wait_any(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    wait(events, false, timeout, alertable)
}

pub(crate) fn wait_all(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    wait(events, true, timeout, alertable)
}

fn wait(
    events: &[&EventObject],
    all: bool,
    timeout: Option<Duration>,
    _alertable: bool,
) -> io::Result<Waited> {
    let mut handles = [std::ptr::null_mut(); WAIT_MAX];
    for (handle, event) in handles.iter_mut().zip(events) {
        *handle = event.0.handle();
    }
    let handles = &handles[..events.len()];
    let deadline = Deadline::after(timeout);
    loop {
        match once(handles, all, deadline.left_ms(), false)? {
            WAIT_TIMEOUT if deadline.is_over() => return Ok(Waited::TimedOut),
            WAIT_TIMEOUT | WAIT_IO_COMPLETION => {}
            _ if all => return Ok(Waited::Signaled(0)),
            index => return Ok(Waited::Signaled(index as usize)),
        }
    }
}

/// One call of the system's.
fn once(handles: &[HANDLE], all: bool, time_ms: u32, alertable: bool) -> io::Result<u32> {
    // SAFETY: the handles are those of events that the caller borrows, at most 64.
    let ended = unsafe {
        WaitForMultipleObjectsEx(
            handles.len() as u32,
            handles.as_ptr(),
            all.into(),
            time_ms,
            alertable.into(),
        )
    };
    match ended {
        WAIT_TIMEOUT | WAIT_IO_COMPLETION => Ok(ended),
        // The indexes begin at 0.
        index if (index as usize) < handles.len() => Ok(index),
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
