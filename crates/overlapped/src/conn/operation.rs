//! What an operation has to be able to do, whatever it is, and how it is held while it is in flight.

use super::connection::Connection;
use super::delivery::Delivery;
use super::handle::Handle;
use super::locked::Locked;
use super::platform::InKernel;
use crate::buffer::pool::Pool;
use crate::buffer::sizes::ReceiveSize;
use crate::error::aborted;
use crate::protocol::Protocol;
use crate::sys::socket::Socket;
use std::cell::Cell;
use std::io;
use std::sync::Arc;

/// Any operation, as it waits: what a connection has in its queues.
pub(crate) trait Operation: Perform<Self> + InKernel + Send + 'static {
    /// The user's types.
    type Protocol: Protocol;
    /// What is queued for it when it is complete.
    type Packet: Send + 'static;

    /// The token of the stream that an accept is for, if it is for one.
    fn accepts_into(&self) -> Option<u64>;

    /// Takes the next operation of a direction out of its queue, which is complete, concludes it, and
    /// gives its packet as [`Perform::complete`] does.
    fn end_next(
        at: &mut Locked<'_, Self>,
        direction: Direction,
        delivery: &mut Delivery<Self>,
    ) -> Option<Self::Packet>;
}

/// An operation with everything that it owns. Connections start, attempt and end it, and know
/// nothing else of it.
///
/// Two kinds of types do this: [`Operation`] itself, which may be any operation, and each operation as
/// it is made, so that one that is complete at once never becomes anything else.
pub(crate) trait Perform<O: Operation>: Sized {
    /// Whether its success yields no packet. Only who starts it needs to know.
    const QUIET: bool = false;

    /// In which states of a connection it may be started.
    fn role(&self) -> Role;

    /// Goes on as far as it can without waiting. Complete, it keeps its result.
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress;

    /// The error that it ended with, if it did.
    fn error(&self) -> Option<&io::Error>;

    /// Ends it with `error`.
    fn fail(&mut self, error: io::Error);

    /// Whether it has done something that the peer or the system knows of. One that failed before
    /// is given back to the one who started it.
    fn has_begun(&self) -> bool;

    /// How many bytes of a connection it has transferred so far.
    fn transferred(&self) -> u64 {
        0
    }

    /// Whether its next attempt may hold the thread up: for a disk.
    fn may_block(&self) -> bool {
        false
    }

    /// How the connection was lost, if its error says that it was.
    fn loss(&self) -> Option<i32>;

    /// Updates the connection's state when it is complete, before its error is looked at.
    fn conclude(&mut self, connection: &mut Connection<O>);

    /// Its packet, when it is complete and concluded. `None` when something comes before that, and
    /// somebody else has the operation now.
    fn complete(
        pending: Pending<O, Self>,
        at: &mut Locked<'_, O>,
        delivery: &mut Delivery<O>,
    ) -> Option<O::Packet>;

    /// The packet of the complete operation, which gives everything back.
    fn into_packet(self, handle: Handle<O>) -> O::Packet;

    /// The same operation, as it waits.
    fn into_waiting(self) -> O;

    /// The reverse: `waiting` was made by [`Perform::into_waiting`].
    fn from_waiting(waiting: O) -> Self;
}

/// The completion key of an operation's handle.
pub(crate) type Key<O> = <<O as Operation>::Protocol as Protocol>::Key;

/// In which states of a connection an operation may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// In any, unless the handle is closed: an accept, or a datagram.
    Free,
    /// While there is no connection.
    Connect,
    /// While there is one, and its direction is not shut down.
    Transfer,
    /// While there is one. It is the last operation of it.
    Disconnect,
}

/// The direction in which an operation queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Receive,
    Send,
}

impl Direction {
    /// That of the operation with this number: the lowest bit tells the directions apart.
    pub(crate) fn of_id(id: u32) -> Self {
        match id & 1 {
            0 => Self::Receive,
            _ => Self::Send,
        }
    }
}

/// What came of one attempt to perform an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It cannot go on until the system says so.
    Blocked,
    /// It cannot go on for want of descriptors or memory, and no event will say when it can.
    Deferred,
    /// It could go on at once, but others should have their turn first. Only readiness backends see
    /// this.
    Yields,
    /// It is complete and holds its result. `drained` says that the socket has nothing more in this
    /// direction until the system says so: only what took less than it had room for knows that. Said
    /// wrongly, the next operation would wait although there is data.
    Complete { drained: bool },
}

/// What an operation is performed with.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) pool: &'a Arc<Pool>,
    /// What size of buffer a pooled receive takes.
    pub(crate) receive_size: &'a Cell<ReceiveSize>,
}

/// An operation in flight. It holds the handle that its packet will give back.
pub(crate) struct Pending<O: Operation, S = O> {
    pub(crate) id: u32,
    pub(crate) operation: S,
    pub(crate) holder: Handle<O>,
}

impl<O: Operation, S: Perform<O>> Pending<O, S> {
    #[inline]
    pub(crate) fn into_packet(self) -> O::Packet {
        self.operation.into_packet(self.holder)
    }

    #[inline]
    pub(crate) fn into_waiting(self) -> Pending<O> {
        let Self { id, operation, holder } = self;
        Pending { id, operation: operation.into_waiting(), holder }
    }
}

impl<O: Operation> Pending<O> {
    pub(super) fn aborted(mut self) -> O::Packet {
        self.operation.fail(aborted());
        self.into_packet()
    }
}
