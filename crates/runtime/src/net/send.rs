//! The half of a stream that sends.
//!
//! A send always goes out whole, whatever becomes of its future. Writes that copy do not wait for
//! their packet; they wait only while much of what was copied has not gone out.

use super::at_once;
use super::stream::{Handle, State};
use crate::arrival::remember;
use crate::executor::Executor;
use crate::packets::Operation;
use overlapped::{Buffer, Buffers, Packet, Started};
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// A write waits while so many copied bytes have not gone out.
const COPIED_MAX: usize = 128 * 1024;

/// A write copies at most so much at once, as much as the buffers of a socket mostly take.
const COPY_MAX: usize = 64 * 1024;

/// The sends in flight, and who waits for them.
#[derive(Default)]
pub(crate) struct Sending {
    /// The number of the last send that somebody awaited.
    number: u64,
    awaited: Awaited,
    /// Copied bytes in flight.
    copied: usize,
    /// Of a send that nobody awaits.
    error: Option<io::Error>,
    waker: Option<Waker>,
}

/// The send that somebody awaits.
#[derive(Default)]
enum Awaited {
    #[default]
    Nothing,
    InFlight(u64),
    Done(Buffers, io::Result<()>),
}

impl Sending {
    /// Who is to be woken, and buffers that nobody wants.
    pub(super) fn sent(
        &mut self,
        operation: Operation,
        buffers: Buffers,
        result: io::Result<()>,
    ) -> (Option<Waker>, Option<Buffers>) {
        match (operation, &self.awaited) {
            (Operation::Send(number), Awaited::InFlight(awaited)) if number == *awaited => {
                self.awaited = Awaited::Done(buffers, result);
                return (self.waker.take(), None);
            }
            (Operation::Copied(bytes), _) => self.copied -= bytes,
            _ => {}
        }
        if let Err(error) = result {
            self.error = Some(error);
        }
        (self.waker.take(), Some(buffers))
    }
}

/// A send of [`TcpStream::send`](super::TcpStream::send), to be awaited: it begins when it is polled first.
///
/// It gives the buffers back. Dropping it takes nothing back: a send that has begun goes out whole.
///
/// # Panics
/// When it is polled after it has ended.
// A future by hand: one of an `async fn` would hold the buffers twice, and each waiting task holds it.
#[must_use = "nothing is sent before the future is polled"]
pub struct SendAll<'a> {
    stream: &'a Handle,
    step: Step,
}

enum Step {
    Start(Buffers),
    InFlight,
    Ended,
}

impl Future for SendAll<'_> {
    type Output = (io::Result<()>, Buffers);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stream = self.stream;
        let mut sending = State::of(stream).sending.lock();
        match mem::replace(&mut self.step, Step::Ended) {
            Step::Start(buffers) => {
                if let Some(error) = sending.error.take() {
                    return Poll::Ready((Err(error), buffers));
                }
                sending.number += 1;
                let number = sending.number;
                match stream.send_in_place(buffers, Operation::Send(number)) {
                    Ok(Started::Complete(Packet::Sent { buffers, result, .. })) => {
                        return Poll::Ready((result, buffers));
                    }
                    Ok(Started::Complete(_)) => unreachable!("a send was started"),
                    Ok(Started::InFlight(_)) => sending.awaited = Awaited::InFlight(number),
                    Err(refused) => {
                        return Poll::Ready((Err(refused.error), refused.returned.0));
                    }
                }
            }
            Step::InFlight => {}
            Step::Ended => panic!("a send was polled after it had ended"),
        }
        match mem::take(&mut sending.awaited) {
            Awaited::Done(buffers, result) => Poll::Ready((result, buffers)),
            in_flight => {
                sending.awaited = in_flight;
                remember(&mut sending.waker, context);
                self.step = Step::InFlight;
                Poll::Pending
            }
        }
    }
}

impl Drop for SendAll<'_> {
    fn drop(&mut self) {
        if !matches!(self.step, Step::InFlight) {
            return;
        }
        // Nobody awaits the send any more.
        let mut sending = State::of(self.stream).sending.lock();
        let awaited = mem::take(&mut sending.awaited);
        sending.waker = None;
        if let Awaited::Done(buffers, result) = awaited {
            sending.error = result.err();
            drop(sending);
            drop(buffers);
        }
    }
}

impl fmt::Debug for SendAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAll").finish_non_exhaustive()
    }
}

/// The half of a [`TcpStream`](super::TcpStream) that sends.
///
/// Dropping it ends sending, behind everything that was sent before, if the stream was
/// [split for good](super::TcpStream::into_split).
pub struct WriteHalf {
    stream: Handle,
    executor: Arc<Executor>,
    pub(super) ends_sending_when_dropped: bool,
}

impl WriteHalf {
    pub(super) fn new(stream: Handle, executor: Arc<Executor>) -> Self {
        Self { stream, executor, ends_sending_when_dropped: false }
    }

    pub(super) fn stream(&self) -> &Handle {
        &self.stream
    }

    /// Sends all of `buffers`; see [`TcpStream::send`](super::TcpStream::send).
    ///
    /// # Errors
    /// The connection was lost, or sending was ended.
    pub fn send(&mut self, buffers: impl Into<Buffers>) -> SendAll<'_> {
        SendAll { stream: &self.stream, step: Step::Start(buffers.into()) }
    }

    /// Ends sending; see [`TcpStream::end_sending`](super::TcpStream::end_sending).
    ///
    /// # Errors
    /// The connection was lost.
    pub fn end_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Sends a copy of what there is room for; see [`TcpStream::try_write`](super::TcpStream::try_write).
    ///
    /// # Errors
    /// `WouldBlock` when there is none; the connection was lost, or sending was ended.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        at_once(|context| self.poll_copy(context, &[IoSlice::new(bytes)]))
    }

    /// Copies what fits, and sends it without waiting for the end of that; how many bytes that were.
    pub(crate) fn poll_copy(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut sending = State::of(&self.stream).sending.lock();
        if let Some(error) = sending.error.take() {
            return Poll::Ready(Err(error));
        }
        if sending.copied >= COPIED_MAX {
            remember(&mut sending.waker, context);
            return Poll::Pending;
        }
        let buffer = self.copy(slices);
        let count = buffer.len();
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        // Its packet waits for the lock, should another thread take it at once.
        match self.stream.send_in_place(buffer, Operation::Copied(count)) {
            Ok(Started::Complete(Packet::Sent { result, .. })) => result?,
            Ok(Started::Complete(_)) => unreachable!("a send was started"),
            Ok(Started::InFlight(_)) => sending.copied += count,
            Err(refused) => return Poll::Ready(Err(refused.error)),
        }
        Poll::Ready(Ok(count))
    }

    fn copy(&self, slices: &[IoSlice<'_>]) -> Buffer {
        let wanted = slices.iter().map(|slice| slice.len()).sum::<usize>().min(COPY_MAX);
        let mut buffer = self.executor.port.buffer();
        if buffer.capacity() < wanted {
            buffer = Buffer::with_capacity(wanted);
        }
        for slice in slices {
            let count = slice.len().min(buffer.spare_len());
            buffer.extend_from_slice(&slice[..count]);
        }
        buffer
    }

    /// Until everything that was copied has gone out. An error of it is given here, if it was given
    /// nowhere else.
    fn poll_copied(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = State::of(&self.stream).sending.lock();
        if let Some(error) = sending.error.take() {
            return Poll::Ready(Err(error));
        }
        if sending.copied > 0 {
            remember(&mut sending.waker, context);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// The same, and then sending is ended.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_copied(context))?;
        Poll::Ready(self.end_sending())
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        if self.ends_sending_when_dropped {
            // It may be lost, or ended before.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf")
            .field("peer", &self.stream.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
