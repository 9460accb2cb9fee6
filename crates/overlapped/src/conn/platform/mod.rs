//! What differs where the kernel carries the operations itself.
//!
//! On Windows the operations of the system's sockets go to the kernel, several of a direction at once,
//! and it queues their packets. On Linux, and for simulated sockets everywhere, they stay with the
//! connection, and everything here is empty.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_unix;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_pipes;

#[cfg(target_os = "linux")]
pub(crate) use linux::{InKernel, WithKernel};
#[cfg(windows)]
pub(crate) use windows::{InKernel, WithKernel};

use crate::conn::operation::{Operation, Pending};

/// What became of an operation that was to go to the kernel.
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "the kernel carries none there"))]
pub(crate) enum Begun<O: Operation> {
    /// It is there, or waits for its turn. The alarm may have to be set for it.
    InFlight { owes_retry: bool },
    /// It is complete and concluded, and the kernel has no packet of it.
    Complete(Pending<O>),
}
