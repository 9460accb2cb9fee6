//! Sockets: unassociated ones, and the typed handles that association makes of them.
//!
//! - [`TcpSocket`] and [`ListenSocket`] belong to no port. Association
//!   consumes one and gives its handle, so a second association cannot be written (P8, P9).
//! - [`TcpStream`] and [`TcpListener`] are the handles: cheap to clone, shared by threads. The
//!   operations on them are in [`crate::operation`], one file each.
//! - [`core`] is one handle and the three steps of its operations; [`state`] what its lock guards;
//!   [`lane`] one direction of that; [`delivery`] where packets go; [`ending`] cancel and close;
//!   [`accepting`] the window of posted accepts; `overlapping` (Windows) what differs when the kernel
//!   carries the operations.
//!
//! An operation in flight holds its handle and gives it back with its packet. When the last handle
//! is dropped, nothing can be in flight, and the socket is closed.

mod accepting;
pub(crate) mod core;
pub(crate) mod delivery;
mod ending;
pub(crate) mod lane;
#[cfg(all(test, loom))]
mod models;
#[cfg(windows)]
mod overlapping;
mod sockets;
pub(crate) mod state;
mod tcp_listener;
mod tcp_stream;

pub use accepting::AcceptWindow;
pub(crate) use accepting::{Admission, taken};
pub(crate) use sockets::sealed;
pub use sockets::{Associable, Association, ListenSocket, TcpSocket};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
