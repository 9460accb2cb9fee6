//! What one lock guards of a connection: the socket, its two operation queues, and what is known of
//! the peer. Here are the steps that need nothing else.

use super::accept_window::Admission;
use super::facts::{Moment, Peer};
use super::in_place::StartCounts;
use super::operation::{Direction, Operation, Pending, Perform, Progress, Role, Surroundings};
use super::platform::WithKernel;
use super::queue::{OperationQueue, Ready};
use super::rare::Rare;
use super::reuse::Origin;
use super::sockets::TcpSocket;
use crate::buffer::pool::Pool;
use crate::buffer::sizes::ReceiveSize;
use crate::sys::code;
use crate::sys::socket::Socket;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroI32;
use std::sync::Arc;

/// One socket of a port, connected or not.
pub(crate) struct Connection<O: Operation> {
    /// None once closed.
    pub(crate) socket: Option<Socket>,
    pub(crate) rare: Rare<O>,
    /// The place that it takes under its listener's limit.
    pub(super) admission: Option<Admission>,
    pub(crate) state: ConnectionState,
    pub(crate) origin: Origin,
    /// Whom it is connected to. Some systems forget it when the connection ends.
    peer: Peer,
    /// The peer has ended its direction or the connection failed: a short read proves nothing.
    pub(crate) ended: bool,
    /// The error that ended the connection, once an operation has met it: whatever is started from
    /// then on fails with it, too (P160).
    lost: Option<NonZeroI32>,
    pub(super) shut_receive: bool,
    pub(crate) shut_send: bool,
    /// The system is to be told that we have ended sending when nothing is left to be sent.
    pub(super) end_when_sent: bool,
    /// The alarm is set to try again what met a shortage.
    pub(super) retry_is_due: bool,
    /// It has limits of time, in [`Rare`].
    pub(super) limited: bool,
    pub(super) starts: StartCounts,
    /// What size of buffer the next pooled receive takes.
    pub(super) receive_size: Cell<ReceiveSize>,
    pub(super) receive_ready: Ready,
    pub(super) send_ready: Ready,
    pub(super) receive: OperationQueue<Pending<O>>,
    /// There while a send waits, which is rare; most connections are idle.
    pub(super) send: Option<Box<OperationQueue<Pending<O>>>>,
    pub(crate) connected_at: Option<Moment>,
    /// What the kernel carries.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) with_kernel: WithKernel<O>,
}

/// What the socket is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Listening,
    Unconnected,
    Connecting,
    Connected,
    /// A disconnect waits for the sends before it.
    Disconnecting,
    /// Disconnected, and kept for an accept.
    Reserved,
    /// Accepted, and its first data is awaited. Nobody has a handle of it.
    Silent,
    /// A socket for datagrams, which is connected to nobody.
    Datagrams,
}

impl ConnectionState {
    pub(super) fn is_established(self) -> bool {
        matches!(self, Self::Connected | Self::Disconnecting)
    }

    /// Whether what the system says of an end is that of a connection.
    pub(super) fn is_of_a_connection(self) -> bool {
        self.is_established() || matches!(self, Self::Connecting | Self::Silent)
    }
}

impl<O: Operation> Connection<O> {
    pub(super) fn new(socket: TcpSocket, state: ConnectionState) -> Self {
        let TcpSocket { socket, admission, peer, origin } = socket;
        let mut new = Self {
            socket: Some(socket),
            rare: Rare::new(),
            admission,
            state,
            origin,
            peer: Peer::None,
            ended: false,
            lost: None,
            shut_receive: false,
            shut_send: false,
            end_when_sent: false,
            retry_is_due: false,
            limited: false,
            starts: StartCounts::default(),
            receive_size: Cell::default(),
            receive_ready: Ready(true),
            send_ready: Ready(true),
            receive: OperationQueue::new(),
            send: None,
            connected_at: (state == ConnectionState::Connected).then(Moment::now),
            with_kernel: WithKernel::new(),
        };
        new.set_peer(peer);
        new
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self.peer {
            Peer::None => None,
            Peer::V4(address, port) => Some((address, u16::from_ne_bytes(port)).into()),
            Peer::Elsewhere => self.rare.peer().map(SocketAddr::V6),
        }
    }

    pub(crate) fn set_peer(&mut self, peer: Option<SocketAddr>) {
        self.peer = match peer {
            None => Peer::None,
            Some(SocketAddr::V4(address)) => Peer::v4(address),
            Some(SocketAddr::V6(address)) => {
                self.rare.set_peer(address);
                Peer::Elsewhere
            }
        };
    }

    /// The error that ended the connection, once an operation has met it.
    #[inline]
    pub(super) fn lost(&self) -> Option<i32> {
        self.lost.map(NonZeroI32::get)
    }

    pub(super) fn forget_loss(&mut self) {
        self.lost = None;
    }

    /// The operations of a direction that wait, to add to them.
    #[inline]
    pub(super) fn waiting_mut(&mut self, direction: Direction) -> &mut OperationQueue<Pending<O>> {
        match direction {
            Direction::Receive => &mut self.receive,
            Direction::Send => self.send.get_or_insert_with(|| Box::new(OperationQueue::new())),
        }
    }

    /// The operations of a direction that wait.
    pub(super) fn waiting(&self, direction: Direction) -> Option<&OperationQueue<Pending<O>>> {
        match direction {
            Direction::Receive => Some(&self.receive),
            Direction::Send => self.send.as_deref(),
        }
    }

    #[inline]
    fn ready(&mut self, direction: Direction) -> &mut Ready {
        match direction {
            Direction::Receive => &mut self.receive_ready,
            Direction::Send => &mut self.send_ready,
        }
    }

    pub(crate) fn open_socket(&self) -> io::Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| code::error(code::CLOSED))
    }

    /// Whether the alarm must be set to try again; it is, from now on.
    pub(super) fn owes_retry(&mut self) -> bool {
        !std::mem::replace(&mut self.retry_is_due, true)
    }

    /// Ends the sending direction if that waited for the last send.
    pub(super) fn end_if_sent(&mut self) {
        if self.end_when_sent && self.sends_to_come() == 0 {
            self.end_when_sent = false;
            if let Some(socket) = &self.socket {
                // It fails only for a connection that is over already.
                let _ = socket.end_sending();
            }
        }
        self.tell_end_of_disconnect();
    }

    /// Ends the sending direction behind the sends in flight.
    pub(crate) fn end_sending_behind(&mut self) {
        self.shut_send = true;
        self.end_when_sent = true;
        self.end_if_sent();
    }

    /// Whether an operation started now may be attempted at once: nothing is before it (L1, F41).
    #[inline]
    pub(super) fn may_attempt(&self, direction: Direction) -> bool {
        match direction {
            Direction::Receive => self.receive_ready.0 && self.receive.is_empty(),
            Direction::Send => self.send_ready.0 && self.send.is_none(),
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, direction: Direction, pending: Pending<O, impl Perform<O>>) {
        self.enter_state_of(pending.operation.role());
        self.waiting_mut(direction).push(pending.into_waiting());
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self, direction: Direction) -> Option<Pending<O>> {
        match direction {
            Direction::Receive => self.receive.pop(),
            Direction::Send => self.take_out_of_sends(|sends| sends.pop()),
        }
    }

    #[inline(never)]
    fn take_out_of_sends(
        &mut self,
        take: impl FnOnce(&mut OperationQueue<Pending<O>>) -> Option<Pending<O>>,
    ) -> Option<Pending<O>> {
        let sends = self.send.as_mut()?;
        let taken = take(sends);
        if sends.is_empty() {
            self.send = None;
        }
        taken
    }

    /// The next operation of either direction.
    pub(super) fn pop_any(&mut self) -> Option<Pending<O>> {
        self.pop(Direction::Receive).or_else(|| self.pop(Direction::Send))
    }

    /// Takes out the operation with this number, if it waits here.
    pub(super) fn remove(&mut self, id: u32) -> Option<Pending<O>> {
        let is_it = |pending: &Pending<O>| pending.id == id;
        let received = self.receive.remove(is_it);
        received.or_else(|| self.take_out_of_sends(|sends| sends.remove(is_it)))
    }

    /// The state that there is while an operation of this role is in flight.
    #[inline]
    pub(super) fn enter_state_of(&mut self, role: Role) {
        match role {
            Role::Connect => self.state = ConnectionState::Connecting,
            Role::Disconnect => self.state = ConnectionState::Disconnecting,
            Role::Free | Role::Transfer => {}
        }
    }

    /// The socket may be able to go on in both directions.
    pub(crate) fn set_ready(&mut self) {
        self.receive_ready = Ready(true);
        self.send_ready = Ready(true);
    }

    /// The first attempt, of an operation that is not in a queue.
    #[inline(always)]
    pub(super) fn attempt(
        &mut self,
        direction: Direction,
        operation: &mut impl Perform<O>,
        pool: &Arc<Pool>,
    ) -> Progress {
        let progress = match &self.socket {
            Some(socket) => {
                let receive_size = &self.receive_size;
                operation.attempt(Surroundings { socket, pool, receive_size })
            }
            None => Progress::Blocked,
        };
        let ended = self.ended;
        self.ready(direction).update(progress, ended);
        progress
    }

    /// Whether the send that is next may hold the thread up that attempts it.
    #[inline]
    pub(super) fn may_block_in_send(&self) -> bool {
        self.send.as_ref().is_some_and(|sends| {
            sends.first.as_ref().is_some_and(|first| first.operation.may_block())
        })
    }

    /// Whether a direction has an operation whose attempt is worth a call.
    #[inline]
    pub(super) fn has_next(&self, direction: Direction) -> bool {
        match direction {
            Direction::Receive => self.receive_ready.0 && !self.receive.is_empty(),
            Direction::Send => self.send_ready.0 && self.send.is_some(),
        }
    }

    /// Attempts the operation that is next in a direction, where it lies, if its socket may be ready.
    #[inline(always)]
    pub(super) fn attempt_next(
        &mut self,
        direction: Direction,
        pool: &Arc<Pool>,
    ) -> Option<Progress> {
        let Self { socket: Some(socket), ended, lost, receive_size, .. } = self else {
            return None;
        };
        let with = Surroundings { socket, pool, receive_size };
        let attempt = |pending: &mut Pending<O>| match *lost {
            None => pending.operation.attempt(with),
            Some(lost) => {
                // The system reports a reset once; every operation in flight is told (P140).
                pending.operation.fail(code::error(lost.get()));
                Progress::Complete { drained: false }
            }
        };
        match direction {
            Direction::Receive => self.receive.attempt(&mut self.receive_ready, *ended, attempt),
            Direction::Send => self.send.as_mut()?.attempt(&mut self.send_ready, *ended, attempt),
        }
    }

    /// Updates the state by what a complete operation says about the connection.
    #[inline(always)]
    pub(super) fn conclude_state(&mut self, operation: &mut impl Perform<O>) {
        operation.conclude(self);
        if operation.error().is_some() {
            self.conclude_failed(operation);
        }
    }

    #[inline(never)]
    fn conclude_failed(&mut self, operation: &mut impl Perform<O>) {
        if let Some(loss) = operation.loss()
            && self.state.is_established()
        {
            self.lost = self.lost.or(NonZeroI32::new(loss));
            let lost = self.lost().unwrap_or(loss);
            self.set_ready();
            operation.fail(code::error(lost));
        }
    }

    /// Its socket, with what belongs to it. The connection is closed from now on.
    pub(super) fn take_socket(&mut self) -> Option<TcpSocket> {
        let socket = self.socket.take()?;
        let admission = self.admission.take();
        Some(TcpSocket { socket, admission, peer: self.peer(), origin: self.origin })
    }
}

/// The error of an operation that is given back, made anew.
pub(super) fn error_of<O: Operation>(operation: &impl Perform<O>) -> Option<io::Error> {
    operation.error().map(|error| match error.raw_os_error() {
        Some(number) => code::error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    })
}
