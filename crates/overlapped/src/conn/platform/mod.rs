//! What differs where the kernel carries the operations itself.
//!
//! On Windows the operations of the system's sockets go to the kernel, several of a direction at once,
//! and it queues their packets. On Linux, and for simulated sockets everywhere, they stay with the
//! connection, and everything here is empty.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{InKernel, WithKernel};
#[cfg(windows)]
pub(crate) use windows::{InKernel, WithKernel};
