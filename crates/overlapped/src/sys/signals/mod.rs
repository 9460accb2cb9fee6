//! Signals of the process, for the ports that watch them: Ctrl-C and termination.
//!
//! A [`Watch`] counts the signals that arrive while it lives, and wakes somebody for each. On Linux
//! it writes to an `eventfd`: in an epoll set this brings a thread of the port back; for a driver
//! without such a set a thread of the library's waits (`Watch::wakeup`). On Windows the system has a
//! thread for it, which calls the port. Any number of watches count each signal. When the last one
//! is dropped, signals do what they did before the first.
//!
//! The port calls this; it calls only the system. Without the feature `signals` there is nothing of it
//! but the name of what a packet would tell.

#[cfg(feature = "signals")]
mod arrived;
#[cfg(all(target_os = "linux", feature = "signals"))]
mod linux;
#[cfg(all(windows, feature = "signals"))]
mod windows;

#[cfg(feature = "signals")]
use arrived::Arrived;
#[cfg(all(target_os = "linux", feature = "signals"))]
pub(crate) use linux::Watch;
#[cfg(all(windows, feature = "signals"))]
pub(crate) use windows::Watch;

/// What the process was told from outside.
///
/// # Platform
/// On Linux these are `SIGINT`, and `SIGTERM` or `SIGHUP`; on Windows Ctrl-C or Ctrl-Break, and the
/// closing of the console, logoff or shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Somebody pressed Ctrl-C.
    Interrupt,
    /// The process is to end.
    Terminate,
}
