//! TCP: listeners and streams whose operations are those of the port.
//!
//! A [`TcpListener`] accepts [`TcpStream`]s. A stream has a [`ReadHalf`] and a [`WriteHalf`], which may go
//! to different tasks.

// What waits for a packet lies in the completion key of its handle: see the `State` of each.
mod connect;
pub(crate) mod listener;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod stream;

pub use listener::TcpListener;
pub use receive::ReadHalf;
pub use send::WriteHalf;
pub use stream::TcpStream;

use std::io;

/// Why nothing could be bound or connected: what the last address met, if there was one.
fn none_of_the_addresses(last: Option<io::Error>) -> io::Error {
    last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address was found"))
}
