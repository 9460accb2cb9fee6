//! The overlapped operations, one file each: what it owns, what it yields, how it is performed.
//!
//! The same three steps for every one of them:
//!
//! 1. *start*: a method of the handle (in the operation's own file) moves buffers and the user's
//!    per-operation data in. What fails at once is given back and queues nothing (P33).
//! 2. *complete*: on a readiness driver [`Task::perform`] is called, under the handle's lock, when
//!    the operation is first in its direction and the driver says that it may go on; on a completion
//!    driver (`overlapped`, Windows) the kernel performs it and the operation is told the outcome.
//!    Either way it keeps its result.
//! 3. *take*: [`Task::into_packet`] moves everything out, with the handle, into the packet.
//!
//! For files, step two is the driver's: see [`file_task`].
//!
//! To add an operation, add its file and its line in [`Task`] or, for files, in
//! [`FileTask`](file_task::FileTask). Handles call this folder; it calls
//! the socket of the driver and builds the port's packets.

pub(crate) mod accept;
pub(crate) mod accept_into;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod file_task;
pub(crate) mod first_data;
pub(crate) mod flush;
#[cfg(windows)]
mod overlapped;
pub(crate) mod read_at;
pub(crate) mod receive;
pub(crate) mod receive_from;
pub(crate) mod send;
pub(crate) mod send_to;
pub(crate) mod timer;
pub(crate) mod transmit_file;
pub(crate) mod write_at;

use crate::buffer::pool::Pool;
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::handle::core::Handle;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;
use std::sync::Arc;

/// Names one operation of one handle, for [`cancel`](crate::TcpStream::cancel).
///
/// Numbers of a handle are used again only after four thousand million operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId(pub(crate) u32);

/// What came of one attempt to perform an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It cannot go on until the driver says so.
    Blocked,
    /// It cannot go on for want of descriptors or memory, and no event will say when it can.
    Deferred,
    /// It could go on at once, but others should have their turn first. Only readiness drivers see
    /// this.
    Yields,
    /// It is complete and holds its result. When `drained` is set, the socket has nothing more
    /// in this direction until the driver says so.
    Complete { drained: bool },
}

/// What an operation is performed with.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) pool: &'a Arc<Pool>,
}

/// One operation with everything that it owns but the user's per-operation data.
#[derive(Debug)]
pub(crate) enum Task {
    Accept(accept::Accept),
    AcceptInto(Box<accept_into::AcceptInto>),
    Connect(connect::Connect),
    Disconnect(disconnect::Disconnect),
    FirstData(Box<first_data::FirstData>),
    Receive(receive::Receive),
    ReceiveFrom(receive_from::ReceiveFrom),
    Send(send::Send),
    SendTo(send_to::SendTo),
    TransmitFile(Box<transmit_file::TransmitFile>),
}

impl Task {
    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        match self {
            Self::Accept(accept) => accept.perform(with),
            Self::AcceptInto(accept) => accept.perform(with),
            Self::Connect(connect) => connect.perform(with),
            Self::Disconnect(disconnect) => disconnect.perform(with),
            Self::FirstData(first_data) => first_data.perform(with),
            Self::Receive(receive) => receive.perform(with),
            Self::ReceiveFrom(receive) => receive.perform(with),
            Self::Send(send) => send.perform(with),
            Self::SendTo(send) => send.perform(with),
            Self::TransmitFile(transmit) => transmit.perform(with),
        }
    }

    /// The error that it ended with, if it did.
    pub(crate) fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Accept(accept) => accept.result.as_ref().err(),
            Self::AcceptInto(accept) => accept.result.as_ref().err(),
            Self::Connect(connect) => connect.result.as_ref().err(),
            Self::Disconnect(disconnect) => disconnect.result.as_ref().err(),
            Self::FirstData(first_data) => first_data.result.as_ref().err(),
            Self::Receive(receive) => receive.result.as_ref().err(),
            Self::ReceiveFrom(receive) => receive.result.as_ref().err(),
            Self::Send(send) => send.result.as_ref().err(),
            Self::SendTo(send) => send.result.as_ref().err(),
            Self::TransmitFile(transmit) => transmit.result.as_ref().err(),
        }
    }

    /// Whether it has failed without having done anything, so that it can be given back.
    pub(crate) fn is_refused(&self) -> bool {
        let has_begun = match self {
            Self::Connect(connect) => connect.is_established(),
            Self::Disconnect(disconnect) => disconnect.has_ended,
            Self::ReceiveFrom(receive) => receive.has_taken,
            Self::Send(send) => send.has_begun(),
            Self::TransmitFile(transmit) => transmit.has_begun(),
            Self::Accept(_)
            | Self::AcceptInto(_)
            | Self::FirstData(_)
            | Self::Receive(_)
            | Self::SendTo(_) => false,
        };
        self.error().is_some() && !has_begun
    }

    /// Ends it with `error`.
    pub(crate) fn fail(&mut self, error: io::Error) {
        match self {
            Self::Accept(accept) => accept.result = Err(error),
            Self::AcceptInto(accept) => accept.result = Err(error),
            Self::Connect(connect) => connect.result = Err(error),
            Self::Disconnect(disconnect) => disconnect.result = Err(error),
            Self::FirstData(first_data) => first_data.result = Err(error),
            Self::Receive(receive) => receive.result = Err(error),
            Self::ReceiveFrom(receive) => receive.result = Err(error),
            Self::Send(send) => send.result = Err(error),
            Self::SendTo(send) => send.result = Err(error),
            Self::TransmitFile(transmit) => transmit.result = Err(error),
        }
    }

    /// The packet of the complete operation, which gives everything back.
    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        match self {
            Self::Accept(accept) => accept.into_packet(handle, operation),
            Self::AcceptInto(accept) => accept.into_packet(handle, operation),
            Self::Connect(connect) => connect.into_packet(handle, operation),
            Self::Disconnect(disconnect) => disconnect.into_packet(handle, operation),
            Self::FirstData(first_data) => first_data.into_packet(handle, operation),
            Self::Receive(receive) => receive.into_packet(handle, operation),
            Self::ReceiveFrom(receive) => receive.into_packet(handle, operation),
            Self::Send(send) => send.into_packet(handle, operation),
            Self::SendTo(send) => send.into_packet(handle, operation),
            Self::TransmitFile(transmit) => transmit.into_packet(handle, operation),
        }
    }
}

/// The result of an operation that was never performed.
pub(crate) fn not_performed<T>() -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::WouldBlock))
}

/// The error of an operation that was cancelled, or whose handle was closed (P132, P140).
pub(crate) fn aborted() -> io::Error {
    code::error(code::CANCELED)
}

/// How the connection was lost, if this error of an operation says that it was.
pub(crate) fn loss(error: &io::Error) -> Option<i32> {
    code::loss(error.raw_os_error()?)
}
