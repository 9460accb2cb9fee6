//! Sockets whose operations are those of the port.
//!
//! A [`TcpListener`] accepts [`TcpStream`]s. A stream has a [`ReadHalf`] and a [`WriteHalf`], which may go
//! to different tasks. A [`UdpSocket`] exchanges datagrams.
//! `UnixListener` and `UnixStream` are the same for Unix sockets, on Linux.

// What waits for a packet lies in the completion key of its handle: see the `State` of each.
mod connect;
mod family;
pub(crate) mod listener;
mod lookup;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod stream;
pub(crate) mod udp;
#[cfg(target_os = "linux")]
mod unix;

pub use family::{Family, Tcp};
pub use listener::{Listener, TcpListener};
pub use lookup::{ToAddresses, lookup_host};
pub use receive::ReadHalf;
pub use send::{SendAll, WriteHalf};
pub use stream::{Stream, TcpStream};
pub use udp::{UdpSender, UdpSocket};
#[cfg(target_os = "linux")]
pub use unix::{Unix, UnixListener, UnixStream};

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll, Waker};

/// Does something with the first address with which it can be done. A name is looked up here, while
/// another thread is let in.
fn first_that_works<T>(
    addresses: impl ToSocketAddrs,
    act: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in overlapped::blocking(|| addresses.to_socket_addrs())? {
        match act(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(none_of_the_addresses(last))
}

/// Why nothing could be bound or connected: what the last address met, if there was one.
fn none_of_the_addresses(last: Option<io::Error>) -> io::Error {
    last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address was found"))
}

/// What is there without waiting.
fn at_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
