//! Sockets: unassociated ones, and the typed handles that association makes of them.
//!
//! - [`TcpSocket`] and [`ListenSocket`] belong to no port. Association
//!   consumes one and gives its handle, so a second association cannot be written (P8, P9).
//! - [`TcpStream`] and [`TcpListener`] are the handles: cheap to clone, shared by threads. The
//!   operations on them are in [`crate::operation`], one file each.
//! - [`core`] is the state of one handle; [`lane`] one direction of it; [`accepting`] the window
//!   of posted accepts.
//!
//! An operation in flight holds its handle and gives it back with its packet. When the last handle
//! is dropped, nothing can be in flight, and the socket is closed.

mod accepting;
pub(crate) mod core;
pub(crate) mod lane;
#[cfg(all(test, loom))]
mod models;
mod sockets;
mod tcp_listener;
mod tcp_stream;

pub use accepting::AcceptWindow;
pub(crate) use accepting::{Admission, taken};
pub(crate) use sockets::sealed;
pub use sockets::{Associable, Association, ListenSocket, TcpSocket};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
