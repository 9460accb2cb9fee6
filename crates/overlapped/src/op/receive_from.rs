//! Receive from: one datagram, into a buffer of the user's or a pooled one.

use super::packet::Packet;
use super::platform::SenderRoom;
use super::udp_socket::UdpSocket;
use super::{Kind, Op};
use crate::buffer::{Buffer, MaybeBuffer};
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::family::Remote;
use crate::sys::socket::Socket;
use std::io;

pub(super) struct ReceiveFrom {
    /// None for a pooled receive that has not met a datagram yet.
    pub(super) buffer: MaybeBuffer,
    /// Its packet has the name of a Unix socket.
    pub(super) of_unix: bool,
    /// A datagram was taken, even if it was too large.
    pub(super) has_taken: bool,
    /// Boxed, since an address is large and every connection has room for one operation.
    pub(super) result: io::Result<Box<Remote>>,
    /// Where a kernel writes the sender's address.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) from: SenderRoom,
}

impl ReceiveFrom {
    fn new(buffer: Option<Buffer>, of_unix: bool) -> Self {
        Self {
            buffer: buffer.map(Buffer::cleared).into(),
            of_unix,
            has_taken: false,
            result: not_performed(),
            from: SenderRoom::default(),
        }
    }

    fn receive(
        &self,
        socket: &Socket,
        room: &mut [u8],
    ) -> io::Result<(usize, io::Result<Box<Remote>>)> {
        Ok(match self.of_unix {
            false => {
                let (filled, sender) = socket.receive_from(room)?;
                (filled, sender.map(|sender| Box::new(Remote::Internet(sender))))
            }
            true => {
                let (filled, sender) = socket.receive_from_unix(room)?;
                (filled, sender.map(|sender| Box::new(Remote::Unix(sender))))
            }
        })
    }
}

impl<P: Protocol> Kind<P> for ReceiveFrom {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let own = self.buffer.take();
        let pooled = own.is_none();
        let mut buffer = own.unwrap_or_else(|| with.pool.get());
        match self.receive(with.socket, buffer.room_mut()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !pooled {
                    self.buffer.put(buffer);
                }
                return Progress::Blocked;
            }
            Err(error) => {
                buffer.clear();
                self.result = Err(error);
            }
            Ok((filled, sender)) => {
                buffer.set_filled(filled);
                self.has_taken = true;
                self.result = sender;
            }
        }
        self.buffer.put(buffer);
        // Each attempt takes one datagram, so none shows that there is no other.
        Progress::Complete { drained: false }
    }

    fn has_begun(&self) -> bool {
        self.has_taken
    }

    fn transferred(&self) -> u64 {
        u64::from(self.has_taken)
    }

    fn into_packet(mut self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let buffer = self.buffer.take().unwrap_or_else(Buffer::empty);
        packet(handle, buffer, operation, self.of_unix, self.result)
    }
}

/// The packet of a receive that has completed or was refused; `of_unix` says of which kind.
fn packet<P: Protocol>(
    handle: Handle<Op<P>>,
    buffer: Buffer,
    operation: P::Operation,
    of_unix: bool,
    result: io::Result<Box<Remote>>,
) -> Packet<P> {
    let socket = UdpSocket(handle);
    if of_unix {
        let result = result.and_then(|sender| {
            sender.into_unix().ok_or_else(|| code::error(code::FAMILY_NOT_SUPPORTED))
        });
        Packet::ReceivedFromUnix { socket, buffer, operation, result }
    } else {
        let result = result.map(|sender| sender.internet());
        Packet::ReceivedFrom { socket, buffer, operation, result }
    }
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to receive one datagram into `buffer`, from its start.
    ///
    /// Completes with [`Packet::ReceivedFrom`] and the sender's address; the filled part of the
    /// buffer is the datagram. An empty one is a datagram like any other. One that is larger than
    /// the buffer completes as "message too long" (`EMSGSIZE`, 10040 on Windows): the buffer holds
    /// its beginning, the rest is lost, and the next receive has the next datagram. Receives of one
    /// socket are filled in the order in which they were started.
    ///
    /// If a datagram was sent to an address where no socket is open, a later receive does not
    /// report that as an error.
    ///
    /// # Errors
    /// What fails at once gives buffer and operation back and queues no packet: closed, the port is
    /// closed, or the system is short of memory.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) or [`close`](Self::close) completes it as aborted at once; no
    /// datagram is lost by a cancelled receive.
    pub fn receive_from(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        self.start_receive(buffer, false, operation)
    }

    /// Starts to receive one datagram into a buffer of the port's pool, which is taken when the
    /// datagram is there.
    ///
    /// # Platform
    /// On Windows the buffer is taken at once, since the system cannot say that a datagram is there
    /// without taking it.
    ///
    /// Otherwise like [`receive_from`](Self::receive_from). Dropping the buffer of the packet
    /// returns it to the pool. Datagrams longer than 8 KiB, or than
    /// [`PortBuilder::buffer_size`](crate::PortBuilder::buffer_size) if that is set, do not fit.
    ///
    /// # Errors
    /// As for [`receive_from`](Self::receive_from); the operation is given back.
    pub fn receive_from_pooled(
        &self,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.start_receive_pooled(false, operation)
    }

    pub(super) fn start_receive(
        &self,
        buffer: Buffer,
        of_unix: bool,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        Op::start(
            &self.0,
            Direction::Receive,
            ReceiveFrom::new(Some(buffer), of_unix),
            operation,
            |mut receive, operation| {
                (receive.buffer.take().unwrap_or_else(Buffer::empty), operation)
            },
            move |handle, (buffer, operation), error| {
                packet(handle, buffer, operation, of_unix, Err(error))
            },
        )
    }

    pub(super) fn start_receive_pooled(
        &self,
        of_unix: bool,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        Op::start(
            &self.0,
            Direction::Receive,
            ReceiveFrom::new(None, of_unix),
            operation,
            |_, operation| operation,
            move |handle, operation, error| {
                packet(handle, Buffer::empty(), operation, of_unix, Err(error))
            },
        )
    }
}
