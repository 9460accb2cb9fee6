//! Receive a batch: as many datagrams as are there, into one piece of memory.

use super::packet::Packet;
use super::platform::MessageRoom;
use super::udp_socket::UdpSocket;
use super::{Kind, Op};
use crate::buffer::Datagrams;
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use std::io;

pub(super) struct ReceiveBatch {
    pub(super) datagrams: Datagrams,
    pub(super) result: io::Result<()>,
    /// Where a kernel writes what goes with a datagram.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) room: MessageRoom,
}

impl<P: Protocol> Kind<P> for ReceiveBatch {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let received = match self.datagrams.slots() {
            0 => Err(code::error(code::INVALID)),
            _ => with.socket.receive_batch(&mut self.datagrams),
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            outcome => {
                self.result = outcome;
                // That fewer came than there was room for may have another reason.
                Progress::Complete { drained: false }
            }
        }
    }

    fn has_begun(&self) -> bool {
        !self.datagrams.is_empty()
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let Self { datagrams, result, .. } = self;
        Packet::ReceivedBatch { socket: UdpSocket(handle), datagrams, operation, result }
    }
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to receive into `datagrams`, which is emptied first and must have
    /// [room](Datagrams::with_room).
    ///
    /// Completes with [`Packet::ReceivedBatch`] as soon as one datagram is there, with as many as are
    /// there and it has room for: at least one, at most 64 (with
    /// [coalescing](Self::set_coalescing): 64 runs of them). Each says who sent it, the address and
    /// the interface that it came to, and its bits of congestion notification, as far as the system
    /// tells. One that was larger than its room is [truncated](crate::Datagram::is_truncated), and
    /// says so; it is no error of the receive. It stands in one order with other receives of the
    /// socket.
    ///
    /// # Platform
    /// On Windows each receive yields one datagram, or one run: the system takes a datagram for a
    /// receive when it comes, so later receives may have been given theirs before this one could
    /// have a second. Start several.
    ///
    /// # Errors
    /// What fails at once gives everything back and queues no packet: no room (`InvalidInput`),
    /// closed, the port is closed, or the system is short of memory. On a
    /// [connected](Self::connect) socket also "connection refused".
    ///
    /// # Cancellation
    /// As for [`receive_from`](Self::receive_from): no datagram is lost by a cancelled receive.
    pub fn receive_batch(
        &self,
        mut datagrams: Datagrams,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Datagrams, P::Operation)>> {
        datagrams.clear();
        let receive =
            ReceiveBatch { datagrams, result: not_performed(), room: MessageRoom::default() };
        Op::start(
            &self.0,
            Direction::Receive,
            receive,
            operation,
            |receive, operation| (receive.datagrams, operation),
            |handle, (datagrams, operation), error| Packet::ReceivedBatch {
                socket: Self(handle),
                datagrams,
                operation,
                result: Err(error),
            },
        )
    }
}
