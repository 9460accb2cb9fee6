//! The second half of an accept with first data: the connection stands, its first bytes do not.
//!
//! It is performed on the silent connection. The operation is still the listener's: the silent-client
//! limit or closing the listener ends it, and the packet is the listener's (X27, X29).

use super::accept::Accepted;
use super::packet::Packet;
use super::tcp_listener::TcpListener;
use super::{Kind, Next, Op};
use crate::buffer::Buffer;
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Progress, Role, Surroundings};
use crate::conn::silent::Silent;
use crate::error::{aborted, not_performed};
use crate::protocol::Protocol;
use std::io;
use std::net::SocketAddr;

pub(super) struct FirstData {
    /// The local and the remote one. Boxed, since every connection has room for one operation.
    addresses: Box<(SocketAddr, SocketAddr)>,
    buffer: Option<Buffer>,
    /// It is silent until its packet is made.
    silent: Silent,
    /// What is in the packet: `None` until then.
    accepted: Option<Box<Accepted>>,
    pub(super) result: io::Result<()>,
}

impl FirstData {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr, silent: Silent) -> Self {
        Self {
            addresses: Box::new((local, remote)),
            buffer: None,
            silent,
            accepted: None,
            result: not_performed(),
        }
    }

    /// The connection's number among the silent ones of its listener.
    pub(super) fn number(&self) -> u64 {
        self.silent.number()
    }
}

impl<P: Protocol> Kind<P> for FirstData {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let mut buffer = with.pool.get();
        match with.socket.receive(buffer.room_mut()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
            outcome => {
                self.result = outcome.map(|length| buffer.set_filled(length));
                self.buffer = Some(buffer);
            }
        }
        Progress::Complete { drained: false }
    }

    /// The connection is silent no longer, and leaves the table.
    fn complete(
        &mut self,
        at: &mut Locked<'_, Op<P>>,
        holder: &Handle<Op<P>>,
        delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        let socket = at.take_silent(holder.token(), &self.silent, delivery);
        match socket {
            Some(socket) if self.result.is_ok() => {
                let (local, remote) = *self.addresses;
                let first_data = self.buffer.take();
                self.accepted = Some(Box::new(Accepted { socket, local, remote, first_data }));
            }
            // Not dropped here: with it goes its place, which takes the listener's lock.
            failed => delivery.later().discarded.extend(failed),
        }
        Next::Packet
    }

    fn into_packet(self, listener: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let result = self.result.and_then(|()| self.accepted.ok_or_else(aborted));
        Packet::Accepted { listener: TcpListener(listener), operation, result }
    }
}
