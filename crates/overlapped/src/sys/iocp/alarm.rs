//! The port's alarm: one timer of the system's thread pool, made when it is first set.

use super::Marker;
use crate::sync::Mutex;
use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null;
use std::sync::Arc;
use std::time::Instant;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::IO::PostQueuedCompletionStatus;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, PTP_CALLBACK_INSTANCE, PTP_TIMER,
    SetThreadpoolTimer, WaitForThreadpoolTimerCallbacks,
};

#[derive(Debug)]
pub(super) struct Alarm {
    /// The timer, or zero while there is none. Kept as a number, since it is only passed on.
    timer: Mutex<PTP_TIMER>,
    /// The port that is told. The alarm holds it open until its last callback has ended, in whatever
    /// order the alarm and the other owners go.
    port: Arc<OwnedHandle>,
}

impl Alarm {
    pub(super) fn new(port: Arc<OwnedHandle>) -> Self {
        Self { timer: Mutex::new(0), port }
    }

    /// Queues a marker on the port at the time given, in place of any time set before.
    pub(super) fn set(&self, at: Option<Instant>) {
        let mut timer = self.timer.lock();
        if *timer == 0 {
            if at.is_none() {
                return;
            }
            let port = self.port.as_raw_handle();
            // SAFETY: the context is a handle that is only passed on; `port` holds it open for
            // longer than the timer is there.
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
        let timer = *self.timer.lock();
        if timer == 0 {
            return;
        }
        // SAFETY: the timer is open, and stopped for good by this.
        unsafe { SetThreadpoolTimer(timer, null(), 0, 0) };
        // SAFETY: as above. Afterwards no callback runs, and only then is `port` let go.
        unsafe { WaitForThreadpoolTimerCallbacks(timer, 1) };
        // SAFETY: nobody else has the timer.
        unsafe { CloseThreadpoolTimer(timer) };
    }
}

unsafe extern "system" fn ring(_: PTP_CALLBACK_INSTANCE, port: *mut c_void, _: PTP_TIMER) {
    // SAFETY: the alarm holds the port open until this has returned. A post that fails for want of
    // memory is repeated by the next set.
    unsafe { PostQueuedCompletionStatus(port, 0, Marker::Alarm.key(), null()) };
}
