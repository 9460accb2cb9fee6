//! What the kernel holds for sockets, the stand-in for the non-paged pool of the classic tables, and
//! what the whole machine spends.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platform::machine as system;

/// Socket figures of the network namespace this process is in, of all its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketFigures {
    /// TCP sockets in use.
    pub tcp_in_use: u64,
    /// TCP sockets in TIME_WAIT.
    pub tcp_time_wait: u64,
    /// Memory of TCP socket buffers, in KiB.
    pub tcp_memory_kib: u64,
}

impl SocketFigures {
    /// Reads the figures of this moment.
    ///
    /// # Errors
    /// They cannot be read.
    ///
    /// # Platform
    /// `Unsupported` on Windows.
    pub fn read() -> io::Result<Self> {
        system::sockets()
    }
}

/// Memory of the machine at one moment, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// All of it.
    pub total_kib: u64,
    /// What could be had without driving others out.
    pub available_kib: u64,
    /// What the kernel holds for its own objects and cannot give back, sockets and stacks of threads
    /// among them. None where the system does not tell it, as on Windows.
    pub kernel_kib: Option<u64>,
    /// The same together with objects that it could give back if nobody used them, as those of open sockets,
    /// and with the data in sockets. None where the system does not tell it, as on Windows.
    pub all_kernel_kib: Option<u64>,
}

impl MemoryFigures {
    /// Reads the figures of this moment.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read() -> io::Result<Self> {
        system::memory()
    }
}

/// Whether programs for Windows run on Wine here, which counts less than Windows does.
///
/// # Platform
/// Never on Linux.
pub fn is_wine() -> bool {
    system::is_wine()
}

/// Processor time that all processes of this machine have used in user and kernel mode, without
/// interrupts. Against it one sees whether a measurement had the machine to itself.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// On Windows interrupts are part of it.
pub fn machine_processor_time() -> io::Result<Duration> {
    system::processor_time()
}

/// Time for which the processors of this machine have had nothing to do, summed over them.
///
/// # Errors
/// It cannot be read.
pub fn machine_idle_time() -> io::Result<Duration> {
    system::idle_time()
}

/// Time for which this machine's processors had something to do while the host ran something else,
/// summed over them.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// `Unsupported` on Windows.
pub fn machine_stolen_time() -> io::Result<Duration> {
    system::stolen_time()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process_figures::own_processor_time;

    #[test]
    fn the_machine_spends_what_its_processes_spend() {
        let (before, start) = (machine_processor_time().expect("it is told"), own_processor_time());
        let mut value = 1_u64;
        while own_processor_time() - start < Duration::from_millis(100) {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
        let spent = machine_processor_time().expect("it is told") - before;
        assert!(spent >= Duration::from_millis(50), "{spent:?}");
    }
}
