//! Send to: the buffers as one datagram, which goes out whole or not at all.

use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffers;
use crate::driver::code;
#[cfg(windows)]
use crate::driver::iocp::{
    block::Ended,
    request::{CALL_BUFFERS_MAX, Request},
};
use crate::driver::socket::{SEND_BUFFERS_MAX, Socket};
use crate::error::Refused;
use crate::handle::UdpSocket;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// No datagram is longer, whatever the network.
const NONE_LONGER_BYTES: usize = u16::MAX as usize;

#[derive(Debug)]
pub(crate) struct SendTo {
    pub(crate) buffers: Buffers,
    /// Boxed, since an address is large and every handle has room for one task.
    pub(crate) address: Box<SocketAddr>,
    /// The datagram in one piece, if one call does not take it otherwise.
    #[cfg(windows)]
    joined: Option<Box<Buffers>>,
    pub(crate) result: io::Result<()>,
}

impl SendTo {
    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        match send_whole(with.socket, &self.buffers, *self.address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    #[cfg(windows)]
    pub(super) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if let Socket::System(socket) = with.socket {
            socket.family().check(*self.address)?;
        }
        let joined = in_one_piece(&self.buffers, CALL_BUFFERS_MAX)?;
        self.joined = joined.map(|joined| Box::new(joined.into()));
        Ok(())
    }

    #[cfg(windows)]
    pub(super) fn request(&mut self) -> Request<'_> {
        Request::SendTo(self.joined.as_deref().unwrap_or(&self.buffers), *self.address)
    }

    #[cfg(windows)]
    pub(super) fn finish(&mut self, ended: Ended) {
        self.joined = None;
        self.result = ended.result;
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
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

fn send_whole(socket: &Socket, buffers: &Buffers, address: SocketAddr) -> io::Result<()> {
    if let Some(one) = buffers.as_one() {
        return socket.send_to(&[IoSlice::new(one)], address);
    }
    if let Some(joined) = in_one_piece(buffers, SEND_BUFFERS_MAX)? {
        return socket.send_to(&[IoSlice::new(&joined)], address);
    }
    let mut slices = [IoSlice::new(&[]); SEND_BUFFERS_MAX];
    let count = buffers.rest(0, &mut slices);
    socket.send_to(&slices[..count], address)
}

/// One call sends a datagram, so more buffers than a call takes are joined before. What is too long
/// for any datagram is not joined, nor given to the system.
fn in_one_piece(buffers: &Buffers, most: usize) -> io::Result<Option<Vec<u8>>> {
    if buffers.byte_len() > NONE_LONGER_BYTES {
        return Err(code::error(code::MESSAGE_TOO_LONG));
    }
    Ok((buffers.part_count() > most).then(|| buffers.joined()))
}

impl<P: Protocol> UdpSocket<P> {
    /// Starts to send the filled parts of `buffers`, in order, as one datagram to `address`.
    ///
    /// Completes with [`Packet::SentTo`] when the system has taken the datagram, whole or not at
    /// all, however many buffers it has (P153). Whether it arrives is not known. Datagrams of one socket are handed to the system in
    /// the order in which their sends were started (P150). Sending nothing sends an empty datagram.
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet (P33): the datagram
    /// is too long ("message too long", `EMSGSIZE`, 10040 on Windows; more than 65,507 bytes over
    /// IPv4), the address is of the other family or cannot be reached, it is everybody's and
    /// [`set_broadcast`](Self::set_broadcast) is off, closed, or the port is closed. An operation
    /// that waited behind others reports the same by its packet.
    ///
    /// # Cancellation
    /// A cancelled send was not sent.
    pub fn send_to(
        &self,
        buffers: impl Into<Buffers>,
        address: SocketAddr,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        let address = Box::new(address);
        let send = SendTo {
            buffers: buffers.into(),
            address,
            #[cfg(windows)]
            joined: None,
            result: not_performed(),
        };
        self.0.start(Direction::Send, Task::SendTo(send), operation).map_err(|refused| {
            refused.map(|(task, operation)| match task {
                Task::SendTo(send) => (send.buffers, operation),
                _ => (().into(), operation),
            })
        })
    }
}
