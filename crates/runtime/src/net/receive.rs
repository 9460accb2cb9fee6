//! The half of a stream that receives.
//!
//! One pooled receive is in flight at a time, and it stays in flight when its future is dropped: what
//! it brings is kept for the next call.

use super::at_once;
use super::stream::{Handle, State};
use crate::arrival::Arrival;
use crate::packets::Operation;
use overlapped::{Buffer, OperationId, Packet, Received, Started};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};

/// The receive that is in flight, what it brought, and who waits for it.
#[derive(Default)]
pub(crate) struct Receiving {
    in_flight: Option<OperationId>,
    arrival: Arrival<(Buffer, io::Result<Received>)>,
}

impl Receiving {
    pub(super) fn arrived(
        &mut self,
        buffer: Buffer,
        result: io::Result<Received>,
    ) -> Option<Waker> {
        self.in_flight = None;
        self.arrival.arrive((buffer, result))
    }
}

/// The half of a [`TcpStream`](super::TcpStream) that receives.
///
/// Dropping it drops what has come and was not received.
pub struct ReadHalf {
    stream: Handle,
    /// What came and was copied in part, and how much of it.
    rest: Option<(Buffer, usize)>,
}

impl ReadHalf {
    pub(super) fn new(stream: Handle) -> Self {
        Self { stream, rest: None }
    }

    /// What comes next; see [`TcpStream::receive`](super::TcpStream::receive).
    ///
    /// # Errors
    /// The connection was lost.
    pub fn receive(&mut self) -> impl Future<Output = io::Result<Option<Buffer>>> + '_ {
        poll_fn(|context| self.poll_receive(context))
    }

    /// The same, to be polled.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Buffer>>> {
        if let Some((buffer, taken)) = self.rest.take() {
            return Poll::Ready(Ok(Some(Buffer::copy_of(&buffer[taken..]))));
        }
        let mut receiving = State::of(&self.stream).receiving.lock();
        if let Some((buffer, result)) = receiving.arrival.take() {
            return Poll::Ready(received(buffer, result));
        }
        if receiving.in_flight.is_none() {
            // Its packet waits for the lock, should another thread take it at once.
            match self.stream.receive_pooled_in_place(Operation::Plain) {
                Ok(Started::Complete(Packet::Received { buffer, result, .. })) => {
                    return Poll::Ready(received(buffer, result));
                }
                Ok(Started::Complete(_)) => unreachable!("a receive was started"),
                Ok(Started::InFlight(id)) => receiving.in_flight = Some(id),
                Err(refused) => return Poll::Ready(Err(refused.error)),
            }
        }
        receiving.arrival.poll(context).map(|(buffer, result)| received(buffer, result))
    }

    /// What has come; see [`TcpStream::try_receive`](super::TcpStream::try_receive).
    ///
    /// # Errors
    /// `WouldBlock` when nothing has; the connection was lost.
    pub fn try_receive(&mut self) -> io::Result<Option<Buffer>> {
        at_once(|context| self.poll_receive(context))
    }

    /// Copies what has come; see [`TcpStream::try_read`](super::TcpStream::try_read).
    ///
    /// # Errors
    /// `WouldBlock` when nothing has; the connection was lost.
    pub fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = room.len();
        let copy = |bytes: &[u8]| room[..bytes.len()].copy_from_slice(bytes);
        at_once(|context| self.poll_copy(context, count, copy))
    }

    /// Copies what comes next, up to `room` bytes of it, and says how many; 0 at the end of the stream.
    pub(crate) fn poll_copy(
        &mut self,
        context: &mut Context<'_>,
        room: usize,
        copy: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let (buffer, taken) = match self.rest.take() {
            Some(rest) => rest,
            None => match ready!(self.poll_receive(context))? {
                None => return Poll::Ready(Ok(0)),
                Some(buffer) => (buffer, 0),
            },
        };
        let end = buffer.len().min(taken + room);
        copy(&buffer[taken..end]);
        if end < buffer.len() {
            self.rest = Some((buffer, end));
        }
        Poll::Ready(Ok(end - taken))
    }
}

fn received(buffer: Buffer, result: io::Result<Received>) -> io::Result<Option<Buffer>> {
    Ok(match result? {
        Received::End => None,
        Received::Data(_) | Received::Readable => Some(buffer),
    })
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        // The receive in flight holds a handle of the connection, which would not end before it.
        let (in_flight, unwanted) = {
            let mut receiving = State::of(&self.stream).receiving.lock();
            (receiving.in_flight, std::mem::take(&mut receiving.arrival))
        };
        drop(unwanted);
        if let Some(id) = in_flight {
            // It may be complete already: then its packet comes, and ends with that.
            let _ = self.stream.cancel(id);
        }
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf")
            .field("peer", &self.stream.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
