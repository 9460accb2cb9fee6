//! What carries files on each system: a `Backend` is made with the first file of a port, keeps what it was
//! made with, and does what [the room](super) says of backends.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(super) use linux::{Backend, PLAN};
#[cfg(windows)]
pub(super) use windows::{Backend, PLAN};
