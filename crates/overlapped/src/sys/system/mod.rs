//! One socket of the operating system, and the calls that are made on it: each is one attempt that
//! does not block. `WouldBlock` means "not now"; an interrupted call is made again at once.

#[cfg(target_os = "linux")]
mod fate;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_datagrams;
#[cfg(target_os = "linux")]
mod linux_unix;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_datagrams;
#[cfg(windows)]
mod windows_pipes;

#[cfg(target_os = "linux")]
pub(crate) use linux::SystemSocket;
#[cfg(windows)]
pub(crate) use windows::SystemSocket;
#[cfg(windows)]
pub(in crate::sys) use windows::set_option;
#[cfg(windows)]
pub(crate) use windows_pipes::Pipe;

use std::io;

/// The error of a receive that could not take a run of datagrams apart.
fn cannot_take_apart() -> io::Error {
    let why = "datagrams of this socket may come several as one: receive them as a batch";
    io::Error::new(io::ErrorKind::Unsupported, why)
}
