//! Linux: ending a direction of a socket wakes whoever blocks in it, and accepted connections
//! inherit the options of their listener.

use overlapped::Protocol;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// What wakes threads that wait for a connection elsewhere; here ending its input does.
#[derive(Clone)]
pub(crate) struct Alarm;

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn ring(&self) {}
}

/// A connection of the blocking model. Its thread calls it, and the thread that stops the server.
pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) fn new(stream: TcpStream, _alarm: &Alarm) -> Self {
        Self(stream)
    }

    /// The client's address, as long as the system knows it.
    pub(crate) fn client(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()
    }

    /// Receives as one blocking call; 0 is the end.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Sends all of `bytes`.
    pub(crate) fn send_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    /// Sets how long [`Line::receive`] may wait; the system takes no limit of zero.
    pub(crate) fn set_receive_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(limit)
    }

    /// Sets how long [`Line::send_all`] may go without progress.
    pub(crate) fn set_send_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(limit)
    }

    /// From now on receives yield what has come, and then the end.
    pub(crate) fn end_input(&self) {
        // One that is gone already cannot be shut down.
        let _ = self.0.shutdown(Shutdown::Read);
    }

    /// Ends a connection that ran out of time. What a client that does not read was still to get is
    /// lost, and it shall know; one that has read everything sees a graceful end first.
    pub(crate) fn give_up(&self) {
        self.reset();
    }

    /// Ends the connection at once, whatever its thread is doing; unsent data is lost.
    pub(crate) fn reset(&self) {
        let socket = socket2::SockRef::from(&self.0);
        // One that is gone already takes neither.
        let _ = socket.set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// Makes `listener` fit for [`accept`].
pub(crate) fn prepare_listener(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(false)
}

/// Waits for a client; elsewhere none may come.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    listener.accept().map(|(stream, _)| Some(stream))
}

/// Wakes the thread that blocks in [`accept`].
pub(crate) fn wake(listener: &TcpListener) {
    // The listener is there as long as it is borrowed, so it cannot refuse.
    let _ = socket2::SockRef::from(listener).shutdown(Shutdown::Both);
}

/// Sets the options of an accepted connection, which inherits them.
pub(crate) fn prepare<P: Protocol>(_stream: &overlapped::TcpStream<P>) {}
