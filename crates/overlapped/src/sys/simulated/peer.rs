//! The outside of a port: blocking ends of connections, for tests.
//!
//! They are neither in the script of faults nor disturbed by the seed.

use super::socket::SimulatedSocket;
use super::state::{Shared, SocketId, State};
use super::waiters::Waiters;
use crate::sync;
use crate::sys::family::Family;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// After this time a test that waits has failed.
const LIMIT: Duration = Duration::from_secs(10);
const BACKLOG: usize = 128;

/// The outside's end of a connection in a [`Network`](super::Network). Its calls block, at most
/// for ten seconds, and then fail with [`io::ErrorKind::TimedOut`].
///
/// Dropping it closes the connection as TCP does: with a reset if there is unread data, or else
/// with a FIN.
#[derive(Debug)]
pub struct Peer(Outside);

/// A listener of the outside in a [`Network`](super::Network), which a port's connects may reach.
#[derive(Debug)]
pub struct PeerListener(Outside);

#[derive(Debug)]
pub(super) struct Outside {
    pub(super) socket: SimulatedSocket,
    changed: Arc<Waiters>,
}

impl Outside {
    pub(super) fn new(socket: SimulatedSocket) -> io::Result<Self> {
        let changed = Arc::new(Waiters::default());
        let watcher = Some(Arc::clone(&changed));
        socket.shared().state.lock().endpoint(socket.id())?.watcher = watcher;
        Ok(Self { socket, changed })
    }

    /// Makes attempts until one does not say "not now".
    pub(super) fn wait_for<R>(
        &self,
        what: &str,
        mut attempt: impl FnMut(&mut State, SocketId) -> io::Result<R>,
    ) -> io::Result<R> {
        let end = sync::now() + LIMIT;
        let mut state = self.socket.shared().state.lock();
        loop {
            match attempt(&mut state, self.socket.id()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if sync::now() >= end {
                let seconds = LIMIT.as_secs();
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the simulated peer waited {seconds} s in vain for {what}"),
                ));
            }
            state = self.changed.wait(&self.socket.shared().state, state, Some(end));
        }
    }
}

impl Peer {
    pub(super) fn connect(
        shared: &Arc<Shared>,
        source: Option<SocketAddr>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let socket = SimulatedSocket::open(shared, Family::of(address));
        if let Some(source) = source {
            socket.bind(source)?;
        }
        let outside = Outside::new(socket)?;
        let started = shared.state.lock().connect(outside.socket.id(), address);
        match started {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => other?,
        }
        outside.wait_for("room in the listener's backlog", State::connected)?;
        Ok(Self(outside))
    }

    /// Sends all of `data`, and waits for room as often as it takes.
    ///
    /// # Errors
    /// As a TCP socket: `ConnectionReset`, `BrokenPipe`; `TimedOut` when there was no room for ten
    /// seconds, and then a part may have been sent.
    pub fn send(&self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            let sent = self.0.wait_for("room in the other end's inbox", |state, id| {
                state.send(id, &[IoSlice::new(rest)], rest.len())
            })?;
            rest = &rest[sent..];
        }
        Ok(())
    }

    /// Receives what is there, waiting for at least one byte; 0 at the end of the stream.
    ///
    /// # Errors
    /// `ConnectionReset`; `TimedOut` when nothing came for ten seconds.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.0.wait_for("data", |state, id| state.receive(id, buffer))
    }

    /// Receives until `buffer` is full.
    ///
    /// # Errors
    /// Those of [`Peer::receive`]; `UnexpectedEof` when the stream ends before.
    pub fn receive_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.receive(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                received => filled += received,
            }
        }
        Ok(())
    }

    /// Ends the sending direction with a FIN; receiving goes on.
    ///
    /// # Errors
    /// `NotConnected` when the connection is over.
    pub fn shutdown(&self) -> io::Result<()> {
        self.0.socket.end_sending()
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        // It can only fail for a socket that is closed already.
        let _ = self.0.socket.set_linger(Some(Duration::ZERO));
    }

    /// The address of this end.
    ///
    /// # Errors
    /// None in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// `NotConnected` when the connection is over.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.peer_addr()
    }
}

impl PeerListener {
    pub(super) fn bind(shared: &Arc<Shared>, address: SocketAddr) -> io::Result<Self> {
        let socket = SimulatedSocket::open(shared, Family::of(address));
        socket.bind(address)?;
        socket.listen(BACKLOG)?;
        Ok(Self(Outside::new(socket)?))
    }

    /// The next connection, waiting for it at most for ten seconds.
    ///
    /// # Errors
    /// `TimedOut` when nobody connected.
    pub fn accept(&self) -> io::Result<Peer> {
        let (id, _) = self.0.wait_for("a connection", State::accept)?;
        let listener = &self.0.socket;
        let socket = SimulatedSocket::adopt(listener.shared(), id, listener.family());
        Ok(Peer(Outside::new(socket)?))
    }

    /// The address that connects reach.
    ///
    /// # Errors
    /// None in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }
}
