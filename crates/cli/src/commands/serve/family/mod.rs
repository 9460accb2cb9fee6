//! The server in several processes that share one listening socket, where a system can do that.
//!
//! # Platform
//! Windows refuses: a socket that is associated with the completion port of one process takes no
//! other, and a process may hold more connections there than anybody has memory for.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
#[cfg(target_os = "linux")]
mod worker_slot;

#[cfg(target_os = "linux")]
pub use linux::{check, run, run_worker};
#[cfg(windows)]
pub use windows::{check, run, run_worker};

/// What the parent hears.
#[cfg(target_os = "linux")]
#[derive(Debug)]
enum Event {
    Interrupt,
    /// The worker of this place and generation has said something.
    Said {
        number: usize,
        generation: u64,
        said: crate::children::Said,
    },
}
