//! What an operation ended with, and what one that fails at once gives back.

use crate::Stream;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// An operation that has ended, and everything that was moved into it.
#[derive(Debug)]
pub struct Completed<B, T> {
    /// The buffer of the operation; `()` for an accept.
    pub buffer: B,
    /// How many bytes were received or sent, also by an operation that failed then.
    pub transferred: usize,
    /// What it yielded, or why it failed. A cancelled operation has the system's code for that,
    /// `ECANCELED` (125) on Linux, 995 on Windows.
    pub result: io::Result<T>,
}

/// What a receive yielded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one, which the buffer holds now.
    Data(usize),
    /// Data is there; a receive into a buffer without room waits for it and takes none.
    Readable,
    /// The peer has ended its direction, after everything that it sent. Not an error.
    End,
}

/// What an accept yielded.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// The address at which the connection arrived.
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
}

/// An error together with everything that was moved into the failed call.
///
/// The operation was not started, and nobody is notified of it. `?` turns this into the
/// [`io::Error`] and drops the rest.
pub struct Refused<T> {
    /// What was wrong, with the code of the operating system where it has one.
    pub error: io::Error,
    /// What the call was given.
    pub returned: T,
}

impl<T> Refused<T> {
    pub(crate) fn new(error: io::Error, returned: T) -> Self {
        Self { error, returned }
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Refused<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
