//! Receive from: one datagram, into a buffer of the user's or a pooled one.

use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffer;
#[cfg(windows)]
use crate::driver::{
    code,
    iocp::{AddressRoom, block::Ended, request::Request},
};
use crate::error::Refused;
use crate::handle::UdpSocket;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct ReceiveFrom {
    /// None for a pooled receive that has not met a datagram yet.
    pub(crate) buffer: Option<Buffer>,
    /// A datagram was taken, even if it was too large.
    pub(crate) has_taken: bool,
    /// Boxed, since an address is large and every handle has room for one task.
    pub(crate) result: io::Result<Box<SocketAddr>>,
    /// Where the kernel writes the sender's address.
    #[cfg(windows)]
    from: Option<Box<AddressRoom>>,
}

impl ReceiveFrom {
    fn task(buffer: Option<Buffer>) -> Task {
        Task::ReceiveFrom(Self {
            buffer,
            has_taken: false,
            result: not_performed(),
            #[cfg(windows)]
            from: None,
        })
    }

    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        let pooled = self.buffer.is_none();
        let mut buffer = self.buffer.take().unwrap_or_else(|| with.pool.get());
        match with.socket.receive_from(buffer.room_mut()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.buffer = (!pooled).then_some(buffer);
                return Progress::Blocked;
            }
            Err(error) => {
                buffer.clear();
                self.result = Err(error);
            }
            Ok((filled, sender)) => {
                buffer.set_filled(filled);
                self.has_taken = true;
                self.result = sender.map(Box::new);
            }
        }
        self.buffer = Some(buffer);
        // Each attempt takes one datagram, so none shows that there is no other.
        Progress::Complete { drained: false }
    }

    /// Also a pooled receive has its buffer from the start: the kernel has no way to say that a
    /// datagram is there without taking it.
    #[cfg(windows)]
    pub(super) fn prepare(&mut self, with: Surroundings<'_>) {
        self.buffer.get_or_insert_with(|| with.pool.get());
        self.from = Some(AddressRoom::new());
    }

    #[cfg(windows)]
    pub(super) fn request(&mut self) -> Request<'_> {
        match (&mut self.buffer, &mut self.from) {
            (Some(buffer), Some(from)) => Request::ReceiveFrom(buffer.room_mut(), from),
            _ => unreachable!("it is prepared before it is started"),
        }
    }

    #[cfg(windows)]
    pub(super) fn finish(&mut self, ended: Ended) {
        let too_long = ended
            .result
            .as_ref()
            .is_err_and(|error| error.raw_os_error() == Some(code::MESSAGE_TOO_LONG));
        self.has_taken = ended.result.is_ok() || too_long;
        if let Some(buffer) = &mut self.buffer {
            let filled = if too_long { buffer.capacity() } else { ended.transferred };
            buffer.set_filled(if self.has_taken { filled } else { 0 });
        }
        self.result = ended.result.and_then(|()| match &self.from {
            Some(from) => from.decode().map(Box::new),
            None => Err(super::aborted()),
        });
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::ReceivedFrom {
            socket: UdpSocket(handle),
            buffer: self.buffer.unwrap_or_else(Buffer::empty),
            operation,
            result: self.result.map(|sender| *sender),
        }
    }
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to receive one datagram into `buffer`, from its start.
    ///
    /// Completes with [`Packet::ReceivedFrom`] and the sender's address; the filled part of the
    /// buffer is the datagram. An empty one is a datagram like any other (F34). One that is larger
    /// than the buffer completes as "message too long" (`EMSGSIZE`, 10040 on Windows): the buffer
    /// holds its beginning, the rest is lost, and the next receive has the next datagram. Receives
    /// of one socket are filled in the order in which they were started (P150).
    ///
    /// That something sent before found nobody at its address is no error of a receive (L14).
    ///
    /// # Errors
    /// What fails at once gives buffer and operation back and queues no packet (P33): closed, the
    /// port is closed, or the system is short of memory.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) or [`close`](Self::close) completes it as aborted at once; no
    /// datagram is lost by a cancelled receive.
    pub fn receive_from(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        self.0.start(Direction::Receive, ReceiveFrom::task(Some(buffer)), operation).map_err(
            |refused| {
                refused.map(|(task, operation)| match task {
                    Task::ReceiveFrom(ReceiveFrom { buffer: Some(mut buffer), .. }) => {
                        buffer.clear();
                        (buffer, operation)
                    }
                    _ => (Buffer::empty(), operation),
                })
            },
        )
    }

    /// Starts to receive one datagram into a buffer of the port's pool, which is taken when the
    /// datagram is there.
    ///
    /// # Platform
    /// On Windows the buffer is taken at once, since the system cannot say that a datagram is there
    /// without taking it.
    ///
    /// Otherwise like [`receive_from`](Self::receive_from). Dropping the buffer of the packet
    /// returns it to the pool. Datagrams longer than
    /// [`PortBuilder::buffer_size`](crate::PortBuilder::buffer_size) do not fit.
    ///
    /// # Errors
    /// As for [`receive_from`](Self::receive_from); the operation is given back.
    pub fn receive_from_pooled(
        &self,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.0
            .start(Direction::Receive, ReceiveFrom::task(None), operation)
            .map_err(|refused| refused.map(|(_, operation)| operation))
    }
}
