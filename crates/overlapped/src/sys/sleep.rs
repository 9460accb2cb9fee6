//! Sees whether another thread of this process sleeps in the kernel.
//!
//! The wait channel of a thread (`/proc/self/task/ID/wchan`) is `0` while the thread runs or could
//! run. Where it cannot be read, the thread's CPU clock serves: a clock that has not moved since
//! the last look belongs to a thread that sleeps or has not got a processor, so it is the coarser
//! of the two.

use std::io;

#[cfg(all(target_os = "linux", not(feature = "_simulation")))]
use linux::Probe;
#[cfg(feature = "_simulation")]
use simulated::Probe;
#[cfg(not(any(target_os = "linux", feature = "_simulation")))]
use unseen::Probe;

/// A view of one thread, made by that thread.
#[derive(Debug)]
pub(crate) struct SleepProbe(Probe);

impl SleepProbe {
    /// A view of the calling thread.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        Probe::of_this_thread().map(Self)
    }

    /// Whether the thread slept at the moment of the call, as far as can be seen.
    pub(crate) fn asleep(&self) -> Option<bool> {
        self.0.asleep()
    }

    /// By what means this view sees.
    pub(crate) fn means(&self) -> &'static str {
        self.0.means()
    }
}

/// Lets the waits of the calling thread end when their time is over, and not some 50 microseconds later,
/// by which the kernel gathers the wake-ups of threads. Where that cannot be had they end later.
pub(crate) fn be_woken_in_time() {
    // Miri does not know this call.
    #[cfg(all(target_os = "linux", not(miri)))]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(all(target_os = "linux", not(feature = "_simulation")))]
mod linux {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::thread::gettid;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug)]
    pub(super) enum Probe {
        WaitChannel(OwnedFd),
        CpuClock { schedstat: OwnedFd, last_ns: AtomicU64 },
    }

    impl Probe {
        pub(super) fn of_this_thread() -> io::Result<Self> {
            let task = format!("/proc/self/task/{}", gettid().as_raw_nonzero());
            if let Ok(descriptor) = open_for_reading(&format!("{task}/wchan"))
                && read_start(&descriptor).is_some()
            {
                return Ok(Self::WaitChannel(descriptor));
            }
            let schedstat = open_for_reading(&format!("{task}/schedstat"))?;
            Ok(Self::CpuClock { schedstat, last_ns: AtomicU64::new(u64::MAX) })
        }

        pub(super) fn asleep(&self) -> Option<bool> {
            match self {
                Self::WaitChannel(descriptor) => read_start(descriptor).map(|text| text[0] != b'0'),
                Self::CpuClock { schedstat, last_ns } => {
                    let text = read_start(schedstat)?;
                    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
                    let now_ns = digits.fold(0, |ns: u64, digit| {
                        ns.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
                    });
                    Some(last_ns.swap(now_ns, Ordering::Relaxed) == now_ns)
                }
            }
        }

        pub(super) fn means(&self) -> &'static str {
            match self {
                Self::WaitChannel(_) => "wait channel",
                Self::CpuClock { .. } => "CPU clock",
            }
        }
    }

    fn open_for_reading(path: &str) -> io::Result<OwnedFd> {
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn read_start(descriptor: &OwnedFd) -> Option<[u8; 32]> {
        let mut text = [0; 32];
        match rustix::io::pread(descriptor, &mut text, 0) {
            Ok(length) if length > 0 => Some(text),
            _ => None,
        }
    }
}

/// In a simulation a thread says itself that it sleeps.
#[cfg(feature = "_simulation")]
mod simulated {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Debug)]
    pub(super) struct Probe(Arc<AtomicBool>);

    impl Probe {
        pub(super) fn of_this_thread() -> io::Result<Self> {
            Ok(Self(crate::sync::simulation::sleep_of_this_thread()))
        }

        pub(super) fn asleep(&self) -> Option<bool> {
            Some(self.0.load(Ordering::Relaxed))
        }

        pub(super) fn means(&self) -> &'static str {
            "simulated sleep"
        }
    }
}

/// Elsewhere a thread's sleep cannot be seen.
#[cfg(not(any(target_os = "linux", feature = "_simulation")))]
mod unseen {
    use std::io;

    #[derive(Debug)]
    pub(super) struct Probe;

    impl Probe {
        pub(super) fn of_this_thread() -> io::Result<Self> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }

        pub(super) fn asleep(&self) -> Option<bool> {
            None
        }

        pub(super) fn means(&self) -> &'static str {
            "nothing"
        }
    }
}
