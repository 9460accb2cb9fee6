//! The ways of notification that are older than the completion port: event objects, completion
//! routines, and waits for both.
//!
//! - [`EventObject`] is a flag that threads wait for: [`wait_any`] and [`wait_all`], up to
//!   [`WAIT_MAX`] of them.
//! - [`Stream`] and [`Listener`] are handles that belong to no port. Each operation on them is
//!   notified in one of three ways: it sets an event, it makes a routine due, or it signals its
//!   handle. The first and the last give an [`Overlapped`], which yields the [`Completed`]
//!   operation; a routine is given that.
//! - [`sleep_alertable`] and the waits that are alertable run the routines that are due on this
//!   thread; [`RoutineThread`] queues further ones to it.
//!
//! ```
//! use overlapped::Buffer;
//! use overlapped::notify::{EventObject, Stream, Waited, wait_any};
//! use std::io::Write;
//!
//! # fn main() -> std::io::Result<()> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
//! let stream = Stream::try_from(listener.accept()?.0)?;
//! let event = EventObject::manual_reset()?;
//! let receive = stream.receive(Buffer::with_capacity(64), &event)?;
//! peer.write_all(b"ping")?;
//! assert_eq!(wait_any(&[&event], None, false)?, Waited::Signaled(0));
//! assert_eq!(&receive.result().buffer[..], b"ping");
//! # Ok(())
//! # }
//! ```
//!
//! # Platform
//! On Windows all of this is the system's own. On Linux it is made of one wake-up descriptor for
//! each thread that waits, and one readiness set for each thread that uses routines; there are no
//! hidden threads. What is notified through an event proceeds while somebody waits for that event or
//! looks at it.

mod event;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
mod listener;
mod overlapped;
pub(crate) mod routine;
mod stream;

pub use event::{EventObject, WAIT_MAX, Waited, wait_all, wait_any};
#[cfg(target_os = "linux")]
pub(crate) use linux::event::Source;
pub use listener::Listener;
pub use overlapped::{Completed, Overlapped};
pub use routine::{RoutineThread, sleep_alertable};
pub use stream::Stream;

/// What events and waits are made of on this system.
#[cfg(windows)]
use crate::driver::winsock as system;
#[cfg(target_os = "linux")]
use linux as system;
