//! The waits of Windows for several events.
#![allow(unsafe_code)]

use super::routine::{accepts_event, collect_accepts};
use crate::notify::routine::{self, Queue};
use crate::notify::{EventObject, WAIT_MAX, Waited};
use std::io;
use std::ptr::null_mut;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_IO_COMPLETION, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{INFINITE, SleepEx, WaitForMultipleObjectsEx};

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

/// For so long a wait sleeps at a time when it cannot wait for the accepts of its thread as well.
const PART_MS: u32 = 10;

fn wait(
    events: &[&EventObject],
    all: bool,
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let mut handles = [null_mut(); WAIT_MAX];
    for (handle, event) in handles.iter_mut().zip(events) {
        *handle = event.0.handle();
    }
    let deadline = Deadline::after(timeout);
    // Only this thread makes its queue, so one that is not there will not be.
    let Some(queue) = routine::queue_if_used().filter(|_| alertable) else {
        loop {
            match once(&handles[..events.len()], all, deadline.left_ms(), alertable)? {
                WAIT_TIMEOUT if deadline.is_over() => return Ok(Waited::TimedOut),
                // A routine of somebody else's is none of ours.
                WAIT_TIMEOUT | WAIT_IO_COMPLETION => {}
                index => return Ok(signaled(index, all)),
            }
        }
    };
    loop {
        // An event that is set wins over routines that are due (M123).
        match once(&handles[..events.len()], all, 0, false)? {
            WAIT_TIMEOUT => {}
            index => return Ok(signaled(index, all)),
        }
        look();
        if !queue.is_empty() {
            run(&queue);
            return Ok(Waited::RoutinesRan);
        }
        if deadline.is_over() {
            return Ok(Waited::TimedOut);
        }
        let (mut count, mut left_ms) = (events.len(), deadline.left_ms());
        match accepts_event() {
            Some(accepts) if !all && count < WAIT_MAX => {
                handles[count] = accepts;
                count += 1;
            }
            Some(_) => left_ms = left_ms.min(PART_MS),
            None => {}
        }
        match once(&handles[..count], all, left_ms, true)? {
            WAIT_TIMEOUT | WAIT_IO_COMPLETION => {}
            index if all || (index as usize) < events.len() => return Ok(signaled(index, all)),
            // An accept has ended.
            _ => {}
        }
    }
}

fn signaled(index: u32, all: bool) -> Waited {
    Waited::Signaled(if all { 0 } else { index as usize })
}

/// Runs what is due, until no routine of the system's makes more so (M122).
fn run(queue: &Queue) {
    while !queue.is_empty() {
        routine::run_all(queue);
        look();
    }
}

/// Lets the system's routines run that are due, and looks at the accepts of this thread.
pub(crate) fn look() {
    // SAFETY: it takes any time.
    while unsafe { SleepEx(0, 1) } == WAIT_IO_COMPLETION {}
    collect_accepts();
}

pub(crate) fn sleep_alertable(timeout: Option<Duration>) -> bool {
    let deadline = Deadline::after(timeout);
    let queue = routine::queue().ok();
    loop {
        look();
        if let Some(queue) = queue.as_deref().filter(|queue| !queue.is_empty()) {
            run(queue);
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        match accepts_event() {
            Some(accepts) => {
                if once(&[accepts], false, deadline.left_ms(), true).is_err() {
                    // SAFETY: it takes any time.
                    unsafe { SleepEx(PART_MS, 1) };
                }
            }
            None => {
                // SAFETY: it takes any time.
                unsafe { SleepEx(deadline.left_ms(), 1) };
            }
        }
    }
}

/// Waits for one handle that the caller keeps open; false when the time is over.
pub(super) fn wait_for_handle(handle: HANDLE, deadline: Deadline) -> io::Result<bool> {
    loop {
        match once(&[handle], false, deadline.left_ms(), false)? {
            WAIT_TIMEOUT if deadline.is_over() => return Ok(false),
            WAIT_TIMEOUT | WAIT_IO_COMPLETION => {}
            _ => return Ok(true),
        }
    }
}

/// One call of the system's.
fn once(handles: &[HANDLE], all: bool, time_ms: u32, alertable: bool) -> io::Result<u32> {
    // SAFETY: the handles are at most 64, and the caller keeps them open.
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
