//! The ways of notification that are older than the completion port: event objects, and waits for
//! them.
//!
//! - [`EventObject`] is a flag that threads wait for.
//! - [`wait_any`] and [`wait_all`] wait for up to [`WAIT_MAX`] of them.
//!
//! # Platform
//! On Windows these are the system's own. On Linux they are made of one wake-up descriptor for each
//! thread that waits, and what is notified through an event proceeds while somebody waits for that
//! event or looks at it.

mod event;
#[cfg(target_os = "linux")]
pub(crate) mod linux;

pub use event::{EventObject, WAIT_MAX, Waited, wait_all, wait_any};
#[cfg(target_os = "linux")]
#[allow(unused_imports, reason = "the operations with events are to be its first user")]
pub(crate) use linux::event::Source;

#[cfg(windows)]
use crate::driver::winsock as system;
/// What events and waits are made of on this system.
#[cfg(target_os = "linux")]
use linux as system;
