//! What each system tells of processes, of itself and of its limits, and the numbers of its errors.
//!
//! One folder per system, with the same names in both: `process` (figures of one process), `machine`
//! (figures of the whole machine), `limits` (what a process may open), `errors` (which number means
//! what) and `source` (a socket with a source address of its own). The modules [`process_figures`],
//! [`kernel_figures`], [`limits`] and [`failure`], and the engine, call them and nobody else does;
//! what the figures mean is documented there.
//!
//! [`process_figures`]: crate::process_figures
//! [`kernel_figures`]: crate::kernel_figures
//! [`limits`]: crate::limits
//! [`failure`]: crate::failure

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{errors, limits, machine, process, source};
#[cfg(windows)]
pub(crate) use windows::{errors, limits, machine, process, source};
