//! Send a batch: many datagrams, in as few calls as the system needs.

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

pub(super) struct SendBatch {
    pub(super) datagrams: Datagrams,
    /// How many went out.
    pub(super) sent: usize,
    pub(super) result: io::Result<()>,
    /// How many datagrams the call is for that a kernel carries.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) step: usize,
    /// Whether a kernel that carries the operation cuts runs.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) in_segments: bool,
    /// Where a kernel is told what goes with a datagram.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) room: MessageRoom,
}

impl<P: Protocol> Kind<P> for SendBatch {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let count = self.datagrams.len();
        if count == 0 {
            self.result = Err(code::error(code::INVALID));
            return Progress::Complete { drained: false };
        }
        while self.sent < count {
            match with.socket.send_batch(&self.datagrams, self.sent) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Blocked;
                }
                Err(error) => {
                    self.result = Err(error);
                    return Progress::Complete { drained: false };
                }
            }
        }
        self.result = Ok(());
        Progress::Complete { drained: false }
    }

    fn has_begun(&self) -> bool {
        self.sent > 0
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let Self { datagrams, sent, result, .. } = self;
        Packet::SentBatch { socket: UdpSocket(handle), datagrams, operation, sent, result }
    }
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to send all `datagrams`, in order.
    ///
    /// Completes with [`Packet::SentBatch`] when the system has taken all of them, or refused one:
    /// then it says how many went out before, and
    /// [`remove_first`](Datagrams::remove_first) leaves the rest, which the refused one is the first
    /// of. Each datagram has its own destination, our address, interface and bits of congestion
    /// notification. Where the system cuts a run of datagrams itself (GSO, on Windows USO), one with
    /// a [segment size](crate::DatagramInfo::segment_size) goes to it in one piece; elsewhere, or if
    /// it refuses, each goes alone. Those with the same address of ours, interface and bits go out
    /// together in one call, so sort them by that if order does not matter.
    ///
    /// # Errors
    /// What fails before the first was sent, and at once, gives everything back and queues no
    /// packet: the errors of [`send_to`](Self::send_to), a batch of none (`InvalidInput`), and "address not available" or "invalid"
    /// for an address or an interface that is not ours.
    ///
    /// # Cancellation
    /// A cancelled send may have sent some of them. Its packet says how many.
    pub fn send_batch(
        &self,
        datagrams: Datagrams,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Datagrams, P::Operation)>> {
        let send = SendBatch {
            datagrams,
            sent: 0,
            result: not_performed(),
            step: 0,
            in_segments: false,
            room: MessageRoom::default(),
        };
        Op::start(
            &self.0,
            Direction::Send,
            send,
            operation,
            |send, operation| (send.datagrams, operation),
            |handle, (datagrams, operation), error| Packet::SentBatch {
                socket: Self(handle),
                datagrams,
                operation,
                sent: 0,
                result: Err(error),
            },
        )
    }
}
