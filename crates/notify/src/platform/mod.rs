//! What the models are made of on each system: event objects and waits, operations, routines, sockets
//! that report, windows. What is done on both is in the files above; calls of the system are in `sys`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(windows)]
pub(crate) use windows::*;
