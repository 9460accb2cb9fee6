//! What the tool does differently on each system: how it starts and ends copies of itself, how it
//! opens a listening socket, what it says of the machine, and the remedies that it names.
//!
//! One file per system, with the same names in each. What a whole command does differently has its
//! files beside that command: `serve/family` and `doctor/probes`.

#[cfg(target_os = "linux")]
mod inherited;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use inherited::inherited;
#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(windows)]
pub use windows::*;

/// The machine, as documents name it. What the system does not tell is None.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Name and version of the system.
    pub kernel: String,
    /// The processor as its maker calls it.
    pub processor: Option<String>,
    /// Memory in KiB.
    pub memory_kib: Option<u64>,
    /// How TCP decides how much to send.
    pub congestion_control: Option<String>,
}
