//! Signals of Windows: what the console, a logoff or a shutdown tells the process.
//!
//! The system calls the handler on a thread of its own, which may do anything: it counts, and calls
//! the ports that watch there and then.
#![allow(unsafe_code)]

use super::Arrived;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

type Arrival = Box<dyn Fn() + Send + Sync>;

/// Who watches. The handler is registered while there is anybody.
static WATCHES: Mutex<Vec<Arc<Counts>>> = Mutex::new(Vec::new());

#[derive(Debug)]
pub(crate) struct Watch(Arc<Counts>);

struct Counts {
    arrived: Arrival,
    interrupts: AtomicU32,
    terminations: AtomicU32,
}

impl Watch {
    /// Counts signals from now on, and calls `arrived` after each, on a thread of the system's.
    pub(crate) fn start(arrived: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let counts = Arc::new(Counts {
            arrived: Box::new(arrived),
            interrupts: AtomicU32::new(0),
            terminations: AtomicU32::new(0),
        });
        let mut watches = lock();
        if watches.is_empty() {
            // SAFETY: the handler is a function of this type, and stays where it is.
            let set = unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
            if set == 0 {
                return Err(io::Error::last_os_error());
            }
        }
        watches.push(Arc::clone(&counts));
        Ok(Self(counts))
    }

    /// What has arrived since the last call.
    pub(crate) fn take(&self) -> Arrived {
        Arrived {
            interrupts: self.0.interrupts.swap(0, Ordering::SeqCst),
            terminations: self.0.terminations.swap(0, Ordering::SeqCst),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = lock();
        watches.retain(|counts| !Arc::ptr_eq(counts, &self.0));
        if watches.is_empty() {
            // SAFETY: as above. From now on the system does what it did before.
            unsafe { SetConsoleCtrlHandler(Some(handle), 0) };
        }
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts")
            .field("interrupts", &self.interrupts)
            .field("terminations", &self.terminations)
            .finish_non_exhaustive()
    }
}

unsafe extern "system" fn handle(event: u32) -> BOOL {
    let is_interrupt = match event {
        CTRL_C_EVENT | CTRL_BREAK_EVENT => true,
        CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT => false,
        _ => return 0,
    };
    // Called without the lock: a port that is told may be closed, which takes its watch away.
    let watches = lock().clone();
    for counts in &watches {
        let number = if is_interrupt { &counts.interrupts } else { &counts.terminations };
        number.fetch_add(1, Ordering::SeqCst);
        (counts.arrived)();
    }
    if !is_interrupt && !cfg!(test) {
        // The system ends the process as soon as this returns. The program has until the system
        // loses patience, some seconds, to end by itself.
        loop {
            std::thread::park();
        }
    }
    1
}

fn lock() -> MutexGuard<'static, Vec<Arc<Counts>>> {
    WATCHES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watch_counts_each_signal_and_one_that_is_gone_counts_none() {
        let calls = Arc::new(AtomicU32::new(0));
        let arrived = || {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        let first = Watch::start(arrived()).expect("a handler can be set");
        let second = Watch::start(arrived()).expect("there is one already");
        // SAFETY: it may be called with any number, on any thread.
        let tell = |event| unsafe { handle(event) };
        assert_eq!(tell(CTRL_C_EVENT), 1);
        assert_eq!(tell(CTRL_CLOSE_EVENT), 1);
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        assert_eq!(first.take(), Arrived { interrupts: 1, terminations: 1 });
        assert_eq!(first.take(), Arrived::default(), "they were taken");
        drop(first);
        assert_eq!(tell(CTRL_BREAK_EVENT), 1);
        assert_eq!(second.take(), Arrived { interrupts: 2, terminations: 1 });
        assert_eq!(tell(77), 0, "it is nothing that is known");
    }
}
