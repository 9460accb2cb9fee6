//! The second half of an accept with first data: the connection stands, its first bytes do not.
//!
//! It is performed on the accepted socket, which the library holds until then and which belongs to
//! no user. The operation is still the listener's: the silent-client limit or closing the listener
//! ends it, and the packet is the listener's (X27, X29).

use super::{Progress, Surroundings, not_performed};
use crate::buffer::Buffer;
use crate::handle::core::Handle;
use crate::handle::{Silent, TcpListener, TcpSocket};
use crate::operation::accept::Accepted;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct FirstData {
    local: SocketAddr,
    pub(crate) remote: SocketAddr,
    buffer: Option<Buffer>,
    /// It is silent until its packet is made.
    pub(crate) silent: Silent,
    /// The accepted socket, once it is no longer waited on.
    pub(crate) socket: Option<TcpSocket>,
    pub(crate) result: io::Result<()>,
}

impl FirstData {
    pub(crate) fn new(local: SocketAddr, remote: SocketAddr, silent: Silent) -> Self {
        Self { local, remote, buffer: None, silent, socket: None, result: not_performed() }
    }

    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
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

    pub(crate) fn into_packet<P: Protocol>(
        self,
        listener: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        let result = match (self.result, self.socket) {
            (Ok(()), Some(socket)) => Ok(Box::new(Accepted {
                socket,
                local: self.local,
                remote: self.remote,
                first_data: self.buffer,
            })),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(super::aborted()),
        };
        Packet::Accepted { listener: TcpListener(listener), operation, result }
    }
}
