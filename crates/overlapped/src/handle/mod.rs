//! Sockets and files: unassociated ones, and the typed handles that association makes of them.
//!
//! - [`TcpSocket`], [`ListenSocket`] and [`DatagramSocket`] belong to no port. Association consumes
//!   one and gives its handle, so a second association cannot be written (P8, P9).
//! - [`TcpStream`], [`TcpListener`] and [`UdpSocket`] are the handles: cheap to clone, shared by threads. The
//!   operations on them are in [`crate::operation`], one file each.
//! - [`core`] is one handle and the three steps of its operations; [`state`] what its lock guards;
//!   [`refusals`] which call is refused in which state; [`lane`] one direction of that; [`delivery`] where packets go; [`ending`] cancel and close;
//!   [`reuse`] one handle for several connections; [`accepting`] the window of posted accepts;
//!   `overlapping` (Windows) what differs when the kernel carries the operations.
//! - [`OpenFile`] and its handle [`File`] are the same for files; [`file_core`] is the state of one
//!   and the three steps, which are simpler there, since operations on a file do not queue.
//!
//! An operation in flight holds its handle and gives it back with its packet. When the last handle
//! is dropped, nothing can be in flight, and the socket or file is closed.

mod accepting;
pub(crate) mod core;
pub(crate) mod delivery;
mod ending;
mod file;
pub(crate) mod file_core;
#[cfg(all(test, not(loom)))]
mod inherited;
pub(crate) mod lane;
#[cfg(all(test, loom))]
mod models;
mod open_file;
#[cfg(windows)]
mod overlapping;
pub(crate) mod refusals;
mod reuse;
mod sockets;
pub(crate) mod state;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use accepting::AcceptWindow;
pub(crate) use accepting::{Admission, Silent, taken};
pub use file::File;
pub use open_file::OpenFile;
pub(crate) use sockets::sealed;
pub use sockets::{Associable, Association, DatagramSocket, ListenSocket, TcpSocket};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
