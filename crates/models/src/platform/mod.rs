//! Where the models differ between systems: how a blocked thread is reached, and what an accepted
//! connection inherits.
//!
//! One file per system, with the same names in each. The blocking model calls `prepare_listener`,
//! `accept` and `wake` at its door, and has a `Line` for each connection and an `Alarm` for all of
//! them; the completion port calls `prepare`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{Alarm, Line, accept, prepare, prepare_listener, wake};
#[cfg(windows)]
pub(crate) use windows::{Alarm, Line, accept, prepare, prepare_listener, wake};
