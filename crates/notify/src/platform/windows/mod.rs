//! The models on Windows, which are the system's own. Calls of the system are in `sys`.
//!
//! - [`step`]: how an operation meets the kernel, which performs it.
//! - [`handle`]: one socket whose operations are overlapped, and what is in flight on it.
//! - [`routine`]: the operations with routines that a thread has in flight.
//! - [`wait`]: waits for several events, and for the routines of a thread.
//! - [`socket`]: a socket that reports; [`window`]: the names of sockets in messages.
//! - [`select`]: what is ready of several sets.

mod handle;
mod routine;
mod select;
mod socket;
mod step;
mod wait;
mod window;

pub(crate) use crate::sys::{Event, Waker};
pub(crate) use handle::{Handle, Pending};
pub(crate) use select::select;
pub(crate) use socket::Socket;
pub(crate) use wait::{look, sleep_alertable, wait_all, wait_any};
pub(crate) use window::Window;
