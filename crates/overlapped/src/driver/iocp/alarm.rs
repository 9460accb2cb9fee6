//! The port's alarm: one timer of the system's thread pool, made when it is first set.

use super::Marker;
use crate::sync::Mutex;
use std::ffi::c_void;
use std::ptr::null;
use std::time::Instant;
use windows_sys::Win32::Foundation::{FILETIME, HANDLE};
use windows_sys::Win32::System::IO::PostQueuedCompletionStatus;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, PTP_CALLBACK_INSTANCE, PTP_TIMER,
    SetThreadpoolTimer, WaitForThreadpoolTimerCallbacks,
};

/// The timer, or zero while there is none. Kept as a number, since it is only passed on.
#[derive(Debug)]
pub(super) struct Alarm(Mutex<PTP_TIMER>);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Mutex::new(0))
    }

    /// Queues a marker on `port` at the time given, in place of any time set before. The port must
    /// stay open until the alarm is dropped.
    pub(super) fn set(&self, port: HANDLE, at: Option<Instant>) {
        let mut timer = self.0.lock();
        if *timer == 0 {
            if at.is_none() {
                return;
            }
            // SAFETY: the context is a handle that is only passed on, and outlives the timer.
            *timer = unsafe { CreateThreadpoolTimer(Some(ring), port, null()) };
            if *timer == 0 {
                // Without memory for a timer there is none for its packet either; the next set
                // tries again.
                return;
            }
        }
        let due = at.map(|at| {
            // Negative: relative to now, in units of 100 ns, rounded up.
            let after = at.saturating_duration_since(Instant::now()).as_nanos().div_ceil(100);
            let ticks = i64::try_from(after).unwrap_or(i64::MAX).max(1).wrapping_neg() as u64;
            FILETIME { dwLowDateTime: ticks as u32, dwHighDateTime: (ticks >> 32) as u32 }
        });
        let due = due.as_ref().map_or(null(), std::ptr::from_ref);
        // SAFETY: the timer is open while its lock is held, and the time is read during the call.
        unsafe { SetThreadpoolTimer(*timer, due, 0, 0) };
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let timer = *self.0.lock();
        if timer == 0 {
            return;
        }
        // SAFETY: the timer is open, and stopped for good by this.
        unsafe { SetThreadpoolTimer(timer, null(), 0, 0) };
        // SAFETY: as above. Afterwards no callback runs, so the port may be closed.
        unsafe { WaitForThreadpoolTimerCallbacks(timer, 1) };
        // SAFETY: nobody else has the timer.
        unsafe { CloseThreadpoolTimer(timer) };
    }
}

unsafe extern "system" fn ring(_: PTP_CALLBACK_INSTANCE, port: *mut c_void, _: PTP_TIMER) {
    // SAFETY: the owner of the alarm keeps the port open until the alarm is dropped. A post that
    // fails for want of memory is repeated by the next set.
    unsafe { PostQueuedCompletionStatus(port, 0, Marker::Alarm.key(), null()) };
}
