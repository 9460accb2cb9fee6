//! Signals of the process, for the ports that watch them: Ctrl-C and termination.
//!
//! A [`Watch`] counts the signals that arrive while it lives, and wakes somebody for each. On Linux
//! it writes to an `eventfd`: in an epoll set this brings a thread of the port back; for a driver
//! without such a set a thread of the library's waits (`Watch::wakeup`). On Windows the system has a
//! thread for it, which calls the port. Any number of watches count each signal. When the last one
//! is dropped, signals do what they did before the first.
//!
//! The port calls this; it calls only the system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::Watch;
#[cfg(windows)]
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

/// How often each signal has arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) interrupts: u32,
    pub(crate) terminations: u32,
}

impl Arrived {
    /// One by one.
    pub(crate) fn signals(self) -> impl Iterator<Item = Signal> {
        let interrupts = (0..self.interrupts).map(|_| Signal::Interrupt);
        interrupts.chain((0..self.terminations).map(|_| Signal::Terminate))
    }
}
