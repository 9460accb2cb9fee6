//! Send: one or several buffers, finished by the operation however short the system's sends are.

use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffers;
#[cfg(windows)]
use crate::driver::iocp::{
    block::Ended,
    request::{Request, fit_one_call},
};
use crate::driver::socket::{SEND_BUFFERS_MAX, Socket};
use crate::error::Refused;
use crate::handle::TcpStream;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io::{self, IoSlice};

#[derive(Debug)]
pub(crate) struct Send {
    buffers: Buffers,
    transferred: usize,
    pub(crate) result: io::Result<()>,
}

impl Send {
    pub(crate) fn task(buffers: impl Into<Buffers>) -> Task {
        Task::Send(Self { buffers: buffers.into(), transferred: 0, result: not_performed() })
    }

    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        let outcome = if self.buffers.byte_len() == 0 {
            // It succeeds unless the connection is lost, which only the system knows.
            with.socket.send(&[IoSlice::new(&[])], false).map(|_| ())
        } else {
            send_rest(with.socket, &self.buffers, &mut self.transferred, false)
        };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    #[cfg(windows)]
    pub(crate) fn request(&mut self) -> Request<'_> {
        Request::Send(&self.buffers, self.transferred)
    }

    /// The kernel takes a call's part as a whole or fails it. With more than one call takes, it goes
    /// on.
    #[cfg(windows)]
    pub(crate) fn finish(&mut self, ended: Ended) -> Progress {
        self.transferred += ended.transferred;
        self.result = ended.result;
        if self.result.is_ok() && self.transferred < self.buffers.byte_len() {
            return Progress::Blocked;
        }
        Progress::Complete { drained: false }
    }

    /// Whether it takes more than one call.
    #[cfg(windows)]
    pub(crate) fn goes_in_steps(&self) -> bool {
        !fit_one_call(&self.buffers)
    }

    /// Whether bytes went out.
    pub(crate) fn has_begun(&self) -> bool {
        self.transferred > 0
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::Sent {
            stream: TcpStream(handle),
            buffers: self.buffers,
            operation,
            transferred: self.transferred,
            result: self.result,
        }
    }
}

/// Sends what is left of `buffers` after `transferred` bytes, until all is sent or it would block.
/// With `more`, something follows at once, and the system may wait for it to fill a packet.
pub(super) fn send_rest(
    socket: &Socket,
    buffers: &Buffers,
    transferred: &mut usize,
    more: bool,
) -> io::Result<()> {
    if let Some(one) = buffers.as_one() {
        while *transferred < one.len() {
            *transferred += socket.send(&[IoSlice::new(&one[*transferred..])], more)?;
        }
        return Ok(());
    }
    send_rest_of_several(socket, buffers, transferred, more)
}

/// Kept apart, since most sends have one buffer and preparing for many costs more than sending it.
#[inline(never)]
fn send_rest_of_several(
    socket: &Socket,
    buffers: &Buffers,
    transferred: &mut usize,
    more: bool,
) -> io::Result<()> {
    loop {
        let mut slices = [IoSlice::new(&[]); SEND_BUFFERS_MAX];
        let count = buffers.rest(*transferred, &mut slices);
        if count == 0 {
            return Ok(());
        }
        *transferred += socket.send(&slices[..count], more)?;
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to send the filled parts of `buffers`, in order.
    ///
    /// Completes with [`Packet::Sent`] when the system has taken every byte, or with an error and
    /// the number of bytes taken before it. That the buffers are free again does not mean that the
    /// peer has the data (P155). Sends of one stream go out in the order in which they were
    /// started, each as a whole (P150), however many buffers it has: of what the system does not
    /// take in one call, the rest follows in further calls (P153). Sending nothing completes with
    /// success (P45).
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet (P33): not
    /// connected, shut down for sending, reset before, closed, or the port is closed.
    ///
    /// # Cancellation
    /// A cancelled send reports the bytes that went out; the rest never will.
    pub fn send(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.0.start(Direction::Send, Send::task(buffers), operation).map_err(|refused| {
            refused.map(|(task, operation)| match task {
                Task::Send(send) => (send.buffers, operation),
                _ => (().into(), operation),
            })
        })
    }
}
