//! What a process has spent and holds: processor time, resident memory, threads, context switches.
//!
//! All of it is asked of the system, so that it works for any process of the same user, and nothing
//! needs to be built into the server that is measured.

use std::io;
use std::time::Duration;

use crate::platform::process as system;

/// Figures of one process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// User and system time of all its threads, also of those that have ended; exact on Linux, to 16 ms
    /// on Windows. None where the system does not tell it, as Wine of another process.
    pub processor_time: Option<Duration>,
    /// Resident memory in KiB. On Windows that is the working set.
    pub resident_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Voluntary and involuntary context switches of the threads that live; None where the system
    /// does not tell them, as on Windows.
    pub context_switches: Option<u64>,
}

impl ProcessFigures {
    /// Reads the figures of process `process_id`.
    ///
    /// # Errors
    /// `NotFound` when it has ended, and what the system says when it may not be looked at.
    pub fn read(process_id: u32) -> io::Result<Self> {
        system::figures(process_id)
    }
}

/// Processor time by where it was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    /// In the program and its libraries.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub kernel: Duration,
}

impl ProcessorTime {
    /// Both together.
    pub fn total(self) -> Duration {
        self.user + self.kernel
    }
}

/// The processor time of process `process_id` alone, which is cheap to read however many threads
/// the process has.
///
/// # Errors
/// As those of [`ProcessFigures::read`], and `Unsupported` on Wine for another process.
///
/// # Platform
/// On Linux the sum is exact, and how it is divided is what the kernel's ticks say.
pub fn processor_time(process_id: u32) -> io::Result<ProcessorTime> {
    system::processor_time(process_id)
}

/// Anonymous memory of process `process_id` in KiB: what it has made for itself, and shares with nobody.
///
/// # Errors
/// As those of [`ProcessFigures::read`].
///
/// # Platform
/// On Windows the working set.
pub fn anonymous_kib(process_id: u32) -> io::Result<u64> {
    system::anonymous_kib(process_id)
}

/// Process `process_id` and those that it has started.
///
/// # Errors
/// `NotFound` when it has ended.
///
/// # Platform
/// On Windows it alone.
pub fn processes_of(process_id: u32) -> io::Result<Vec<u32>> {
    system::processes_of(process_id)
}

/// The processor time of this process.
///
/// # Platform
/// Exact on Linux, to 16 ms on Windows.
pub fn own_processor_time() -> Duration {
    system::own_processor_time()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a system may be behind by.
    const TICK: Duration = Duration::from_millis(16);

    #[test]
    fn work_shows_in_the_figures_of_this_process() {
        let before = ProcessFigures::read(std::process::id()).expect("this process lives");
        let start = own_processor_time();
        let mut value = 1_u64;
        while own_processor_time() - start < TICK * 5 {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
        let after = ProcessFigures::read(std::process::id()).expect("this process lives");
        let spent =
            after.processor_time.expect("its own") - before.processor_time.expect("its own");
        assert!(spent >= TICK * 3, "{spent:?}");
        assert!(after.resident_kib > 0 && after.threads > 0);
        // It waited for the others at least once, if only for a moment.
        assert_eq!(
            after.context_switches.is_some_and(|count| count > 0),
            cfg!(target_os = "linux")
        );
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        // No system gives this number: too large for one, no multiple of four for the other.
        let error = ProcessFigures::read(u32::MAX).expect_err("no such process");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
