//! Send to: the buffers as one datagram, which goes out whole or not at all.

use super::packet::Packet;
use super::platform::Joined;
use super::udp_socket::UdpSocket;
use super::{Kind, Op};
use crate::buffer::Buffers;
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::family::Remote;
use crate::sys::socket::{SEND_BUFFERS_MAX, Socket};
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// No datagram of the internet is longer, whatever the network.
const NONE_LONGER_BYTES: usize = u16::MAX as usize;

pub(super) struct SendTo {
    pub(super) buffers: Buffers,
    /// `None` goes to the peer of a connected socket.
    pub(super) to: Option<Remote>,
    /// The datagram in one piece, if one call of a kernel that carries it does not take it otherwise.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) joined: Joined,
    pub(super) result: io::Result<()>,
}

impl<P: Protocol> Kind<P> for SendTo {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        match send_whole(with.socket, &self.buffers, self.to.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.to {
                // The queue of the receiver is full, and the system will not tell of room in it.
                Some(Remote::Unix(_)) => Progress::Deferred,
                _ => Progress::Blocked,
            },
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    fn transferred(&self) -> u64 {
        self.result.as_ref().map_or(0, |()| self.buffers.byte_len() as u64)
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let transferred = if self.result.is_ok() { self.buffers.byte_len() } else { 0 };
        Packet::SentTo {
            socket: UdpSocket(handle),
            buffers: self.buffers,
            operation,
            transferred,
            result: self.result,
        }
    }
}

fn send_whole(socket: &Socket, buffers: &Buffers, to: Option<&Remote>) -> io::Result<()> {
    if let Some(one) = buffers.as_one() {
        return socket.send_to(&[IoSlice::new(one)], to);
    }
    if let Some(joined) = in_one_piece(socket, buffers, SEND_BUFFERS_MAX)? {
        return socket.send_to(&[IoSlice::new(&joined)], to);
    }
    let mut slices = [IoSlice::new(&[]); SEND_BUFFERS_MAX];
    let count = buffers.rest(0, &mut slices);
    socket.send_to(&slices[..count], to)
}

/// One call sends a datagram, so more buffers than a call takes are joined before. What is too long
/// for any datagram is not joined, nor given to the system. How long one of a Unix socket may be is for
/// the system to say.
pub(super) fn in_one_piece(
    socket: &Socket,
    buffers: &Buffers,
    most: usize,
) -> io::Result<Option<Vec<u8>>> {
    if buffers.byte_len() > NONE_LONGER_BYTES && socket.is_internet() {
        return Err(code::error(code::MESSAGE_TOO_LONG));
    }
    Ok((buffers.part_count() > most).then(|| buffers.joined()))
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to send the filled parts of `buffers`, in order, as one datagram to `address`.
    ///
    /// Completes with [`Packet::SentTo`] when the system has taken the datagram, whole or not at
    /// all, however many buffers it has. Whether it arrives is not known. Datagrams of one socket
    /// are handed to the system in the order in which their sends were started. Sending nothing
    /// sends an empty datagram.
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet: the datagram is
    /// too long ("message too long", `EMSGSIZE`, 10040 on Windows; more than 65,507 bytes over
    /// IPv4), the address is of the other family or cannot be reached, it is a broadcast address
    /// and [`set_broadcast`](Self::set_broadcast) is off, closed, or the port is closed. An
    /// operation that waited behind others reports the same by its packet.
    ///
    /// # Cancellation
    /// A cancelled send was not sent.
    pub fn send_to(
        &self,
        buffers: impl Into<Buffers>,
        address: SocketAddr,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.start_send(buffers.into(), Some(Remote::Internet(address)), operation)
    }

    /// Starts to send like [`send_to`](Self::send_to), to the peer of a
    /// [connected](Self::connect) socket.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to); "destination address required" (`EDESTADDRREQ`, 89; on
    /// Windows "not connected", 10057) when the socket is not connected; "connection refused" when
    /// an earlier datagram found nobody.
    pub fn send(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.start_send(buffers.into(), None, operation)
    }

    pub(super) fn start_send(
        &self,
        buffers: Buffers,
        to: Option<Remote>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        let send = SendTo { buffers, to, joined: Joined::default(), result: not_performed() };
        Op::start(
            &self.0,
            Direction::Send,
            send,
            operation,
            |send, operation| (send.buffers, operation),
            |handle, (buffers, operation), error| Packet::SentTo {
                socket: Self(handle),
                buffers,
                operation,
                transferred: 0,
                result: Err(error),
            },
        )
    }
}
