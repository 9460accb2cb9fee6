//! A connection whose operations are overlapped: their ends are notified through events, through
//! routines, or through the connection itself.

use crate::operation::Operation;
use crate::{Completed, EventObject, Overlapped, Received, Refused, platform, sys};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// A connected TCP socket whose operations are overlapped, and which belongs to no port.
///
/// A clone is the same connection; it is closed when the last one is dropped and nothing is in
/// flight. Operations of one direction are performed in the order in which they were started.
///
/// # Cancellation
/// An operation is cancelled by its own `cancel`, by [`cancel_all`](Self::cancel_all), and when the
/// thread that started it ends. No byte is lost by a cancelled receive; a cancelled send may have
/// sent a part.
#[derive(Debug, Clone)]
pub struct Stream(pub(crate) platform::Handle);

impl Stream {
    /// Starts to receive into `buffer`; at the end `event` is set.
    ///
    /// What the buffer holds is overwritten, from its start and up to its capacity. The receive
    /// ends as soon as some data is there, at the end of the stream, or with an error; a buffer
    /// without capacity waits for data and takes none. The start resets `event`, and the end sets
    /// it, also when the operation ends at once. To tell several operations in flight apart, give
    /// each an event of its own.
    ///
    /// # Errors
    /// What fails at once gives the buffer back and sets no event: not connected, shut down for
    /// receiving, or reset before.
    ///
    /// # Platform
    /// On Linux the operation is attempted at once, and then whenever a thread waits for its event,
    /// or looks at the event or at the operation. As long as no thread does so, the operation does
    /// not proceed.
    pub fn receive(
        &self,
        buffer: Vec<u8>,
        event: &EventObject,
    ) -> Result<Overlapped<Vec<u8>, Received>, Refused<Vec<u8>>> {
        self.start_receive(buffer, Some(event))
    }

    /// Starts to send `data`; at the end `event` is set.
    ///
    /// It ends when the system has taken every byte, or with an error and the number of bytes that
    /// it had taken before. In all else it is like [`receive`](Self::receive).
    ///
    /// # Errors
    /// What fails at once gives the buffer back and sets no event: not connected, shut down for
    /// sending, or reset before.
    pub fn send(
        &self,
        data: Vec<u8>,
        event: &EventObject,
    ) -> Result<Overlapped<Vec<u8>, ()>, Refused<Vec<u8>>> {
        self.start_send(data, Some(event))
    }

    /// Starts to receive into `buffer`, and to run `routine` with the completion, on this thread,
    /// in its next alertable wait after the end, also when the operation ends at once.
    ///
    /// Routines of a thread run in the order in which their operations ended. One that has not run
    /// when its thread ends is dropped.
    ///
    /// # Errors
    /// What fails at once gives the buffer back and drops the routine without running it.
    pub fn receive_then(
        &self,
        buffer: Vec<u8>,
        routine: impl FnOnce(Completed<Vec<u8>, Received>) + 'static,
    ) -> Result<(), Refused<Vec<u8>>> {
        let routine = Box::new(move |ended: Operation| routine(ended.received()));
        let started = self.0.start_then(Operation::receive(buffer), routine);
        started.map_err(|(error, operation)| Refused::new(error, operation.received().buffer))
    }

    /// Starts to send `data`, and to run `routine` with the completion, as
    /// [`receive_then`](Self::receive_then) does.
    ///
    /// # Errors
    /// What fails at once gives the buffer back and drops the routine without running it.
    pub fn send_then(
        &self,
        data: Vec<u8>,
        routine: impl FnOnce(Completed<Vec<u8>, ()>) + 'static,
    ) -> Result<(), Refused<Vec<u8>>> {
        let routine = Box::new(move |ended: Operation| routine(ended.sent()));
        let started = self.0.start_then(Operation::send(data), routine);
        started.map_err(|(error, operation)| Refused::new(error, operation.sent().buffer))
    }

    /// Starts to receive without an event: at the end the connection itself is signaled, see
    /// [`wait`](Self::wait).
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn receive_unnotified(
        &self,
        buffer: Vec<u8>,
    ) -> Result<Overlapped<Vec<u8>, Received>, Refused<Vec<u8>>> {
        self.start_receive(buffer, None)
    }

    /// Starts to send without an event: at the end the connection itself is signaled, see
    /// [`wait`](Self::wait).
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_unnotified(
        &self,
        data: Vec<u8>,
    ) -> Result<Overlapped<Vec<u8>, ()>, Refused<Vec<u8>>> {
        self.start_send(data, None)
    }

    /// Waits until an operation that was started without an event has ended, or the time is over;
    /// false then.
    ///
    /// The start of such an operation makes the connection unsignaled, and the end of any of them
    /// signals it until the next start. It does not show which operation ended, so use it for one
    /// operation at a time.
    ///
    /// # Errors
    /// The system's, for want of descriptors or memory.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.0.wait(timeout)
    }

    /// Cancels everything in flight on this connection, whoever started it.
    pub fn cancel_all(&self) {
        self.0.cancel_all();
    }

    /// Ends one direction, or both. The peer sees the end of our sending after all that was sent
    /// before. When our receiving ends, a receive in flight stays, and takes what comes; further
    /// ones are refused.
    ///
    /// # Errors
    /// "Not connected" after the connection has broken.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// Cancels everything in flight, and makes the close a reset: what was not sent is lost. The
    /// close itself comes when the last clone is dropped.
    pub fn abort(&self) {
        // It can only fail on a socket that has no connection to reset.
        let _ = self.0.socket().set_linger(Some(Duration::ZERO));
        self.0.cancel_all();
    }

    /// Our address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket().local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// "Not connected" after the connection has broken.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket().peer_addr()
    }

    /// Whether small sends go out at once instead of waiting for acknowledgements of earlier ones.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.socket().set_nodelay(on)
    }

    fn start_receive(
        &self,
        buffer: Vec<u8>,
        event: Option<&EventObject>,
    ) -> Result<Overlapped<Vec<u8>, Received>, Refused<Vec<u8>>> {
        match self.0.start(Operation::receive(buffer), event) {
            Ok(pending) => Ok(Overlapped::new(pending, Operation::received)),
            Err((error, operation)) => Err(Refused::new(error, operation.received().buffer)),
        }
    }

    fn start_send(
        &self,
        data: Vec<u8>,
        event: Option<&EventObject>,
    ) -> Result<Overlapped<Vec<u8>, ()>, Refused<Vec<u8>>> {
        match self.0.start(Operation::send(data), event) {
            Ok(pending) => Ok(Overlapped::new(pending, Operation::sent)),
            Err((error, operation)) => Err(Refused::new(error, operation.sent().buffer)),
        }
    }
}

impl TryFrom<std::net::TcpStream> for Stream {
    type Error = io::Error;

    /// Takes a connected socket, and makes it non-blocking.
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self(platform::Handle::new(sys::Socket::try_from(stream)?)))
    }
}
