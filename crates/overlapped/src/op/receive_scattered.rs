//! Receive into several buffers, which one call of the system fills in order.

use super::packet::Packet;
use super::receive::Received;
use super::tcp_stream::TcpStream;
use super::{Kind, Op};
use crate::buffer::Buffers;
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::socket::RECEIVE_BUFFERS_MAX;
use std::io::{self, IoSliceMut};

pub(super) struct ReceiveScattered {
    pub(super) buffers: Buffers,
    pub(super) result: io::Result<Received>,
}

impl ReceiveScattered {
    pub(super) fn attempt_once(&mut self, with: Surroundings<'_>) -> Progress {
        let (drained, result) = match self.receive(with) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
            Err(error) => (false, Err(error)),
            Ok((drained, received)) => (drained, Ok(received)),
        };
        self.result = result;
        Progress::Complete { drained }
    }

    /// What came, and whether there is nothing more.
    fn receive(&mut self, with: Surroundings<'_>) -> io::Result<(bool, Received)> {
        let mut rooms: [_; RECEIVE_BUFFERS_MAX] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let count = self.buffers.rooms(&mut rooms);
        if count == 0 {
            let is_data = with.socket.peek()?;
            return Ok((false, if is_data { Received::Readable } else { Received::End }));
        }
        let rooms = &mut rooms[..count];
        let asked = rooms.iter().map(|room| room.len()).sum::<usize>();
        let length = with.socket.receive_scattered(rooms)?;
        let is_short = 0 < length && length < asked;
        Ok((is_short && with.socket.is_internet(), self.filled(length)))
    }

    /// The next `length` bytes of the rooms hold data.
    pub(super) fn filled(&mut self, length: usize) -> Received {
        self.buffers.add_filled(length);
        if length == 0 { Received::End } else { Received::Data(length) }
    }
}

impl<P: Protocol> Kind<P> for ReceiveScattered {
    const ROLE: Role = Role::Transfer;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        self.attempt_once(with)
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let Self { buffers, result } = self;
        Packet::ReceivedScattered { stream: TcpStream(handle), buffers, operation, result }
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to receive into `buffers`, from the start of each: the next one is filled when the one
    /// before is full. For a head of known length, for example, and what follows it.
    ///
    /// Completes with [`Packet::ReceivedScattered`]; otherwise like [`receive`](Self::receive). One
    /// receive yields what is there, so buffers may be left empty, and fills no more than the first 64
    /// that have room. Buffers without any room wait for data and take none.
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet, as for
    /// [`receive`](Self::receive).
    ///
    /// # Cancellation
    /// As for [`receive`](Self::receive).
    pub fn receive_scattered(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        let buffers = buffers.into().cleared();
        let receive = ReceiveScattered { buffers, result: not_performed() };
        let take = |it: ReceiveScattered, operation| (it.buffers, operation);
        Op::start(&self.0, Direction::Receive, receive, operation, take, |handle, given, error| {
            let (buffers, operation) = given;
            let result = Err(error);
            Packet::ReceivedScattered { stream: Self(handle), buffers, operation, result }
        })
    }
}
