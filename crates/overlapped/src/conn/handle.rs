//! A share in one connection, as typed handles and operations in flight have it. It starts
//! operations.

use super::connection::error_of;
use super::connections::Connections;
use super::delivery::{By, Delivery};
use super::facts::Moment;
use super::in_place::{HandedOut, Started};
use super::locked::Locked;
use super::operation::{Direction, Key, Operation, Pending, Perform, Progress};
use super::platform::Begun;
use crate::error::{OperationId, aborted, port_closed};
use crate::sync::{new_number, shared};
use crate::sys::code;
use crate::sys::socket::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A share in a connection. The last one to go closes it.
pub(crate) struct Handle<O: Operation>(Arc<Share<O>>);

struct Share<O: Operation> {
    connections: Arc<Connections<O>>,
    token: u64,
    /// No other handle of the process has it, before or after.
    id: u64,
    handed_out: HandedOut,
    key: Key<O>,
}

impl<O: Operation> Handle<O> {
    pub(super) fn new(connections: Arc<Connections<O>>, token: u64, key: Key<O>) -> Self {
        let id = new_number();
        Self(Arc::new(Share { connections, token, id, handed_out: HandedOut::default(), key }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Whether nobody else has a share in the connection.
    pub(super) fn is_last(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some()
    }

    pub(crate) fn connections(&self) -> &Arc<Connections<O>> {
        &self.0.connections
    }

    pub(crate) fn token(&self) -> u64 {
        self.0.token
    }

    pub(crate) fn key(&self) -> &Key<O> {
        &self.0.key
    }

    /// The connection, with its lock held.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, O> {
        let locked = Locked::find(&self.0.connections, self.0.token);
        locked.expect("a connection is in the table while there is a handle of it")
    }

    pub(super) fn handed_out_counts(&self) -> &HandedOut {
        &self.0.handed_out
    }

    /// Step one: moves the operation in. It is attempted at once if nothing is before it. Refused,
    /// `refuse` makes of it what is given back, where no lock is held. It is no value of an error that
    /// the caller changes: that would be moved on the way of those that succeed, too.
    #[inline]
    pub(crate) fn start<S: Perform<O>, E>(
        &self,
        direction: Direction,
        operation: S,
        refuse: impl FnOnce(io::Error, S) -> E,
    ) -> Result<OperationId, E> {
        match self.begin::<S, E, false>(direction, operation, refuse)? {
            Some(Started::InFlight(id)) => Ok(id),
            Some(Started::Complete(_)) => unreachable!("its packet is queued"),
            None => unreachable!("it yields a packet"),
        }
    }

    /// The same for a quiet operation. `None` if it succeeded at once.
    #[inline]
    pub(crate) fn start_quiet<S: Perform<O>, E>(
        &self,
        direction: Direction,
        operation: S,
        refuse: impl FnOnce(io::Error, S) -> E,
    ) -> Result<Option<OperationId>, E> {
        match self.begin::<S, E, false>(direction, operation, refuse)? {
            Some(Started::InFlight(id)) => Ok(Some(id)),
            Some(Started::Complete(_)) => unreachable!("its packet is queued"),
            None => Ok(None),
        }
    }

    /// The same, and if it is complete at once its packet may be returned instead of queued.
    #[inline]
    pub(crate) fn start_in_place<S: Perform<O>, E>(
        &self,
        direction: Direction,
        operation: S,
        refuse: impl FnOnce(io::Error, S) -> E,
    ) -> Result<Started<O::Packet>, E> {
        match self.begin::<S, E, true>(direction, operation, refuse)? {
            Some(started) => Ok(started),
            None => unreachable!("it yields a packet"),
        }
    }

    /// `None` if it is quiet and succeeded at once.
    #[inline(always)]
    fn begin<S: Perform<O>, E, const IN_PLACE: bool>(
        &self,
        direction: Direction,
        mut operation: S,
        refuse: impl FnOnce(io::Error, S) -> E,
    ) -> Result<Option<Started<O::Packet>>, E> {
        let connections = &self.0.connections;
        let mut at = self.lock();
        if connections.is_closed() {
            drop(at);
            return Err(refuse(port_closed(), operation));
        }
        if let Err(error) = at.admits(operation.role(), direction) {
            drop(at);
            return Err(refuse(error, operation));
        }
        let id = at.starts.next_id(direction);
        if at.is_with_kernel() {
            return self
                .start_with_kernel::<S, IN_PLACE>(at, direction, id, operation)
                .map_err(|(error, operation)| refuse(error, operation));
        }
        if !at.may_attempt(direction) {
            at.starts.count(direction);
            at.push(direction, Pending { id, operation, holder: self.clone() });
            if at.limited {
                at.limit_started(direction, id);
            }
            return Ok(Some(Started::InFlight(OperationId(id))));
        }
        let progress = at.attempt(direction, &mut operation, &connections.pool);
        let Progress::Complete { .. } = progress else {
            at.starts.count(direction);
            self.wait(at, direction, Pending { id, operation, holder: self.clone() }, progress);
            return Ok(Some(Started::InFlight(OperationId(id))));
        };
        at.conclude(direction, &mut operation);
        if operation.error().is_some()
            && !operation.has_begun()
            && let Some(error) = error_of(&operation)
        {
            drop(at);
            return Err(refuse(error, operation));
        }
        if S::QUIET && operation.error().is_none() {
            // It was not counted as started, and its number is the next one's. The user's values are
            // dropped after the lock.
            drop(at);
            drop(operation);
            return Ok(None);
        }
        let mut delivery = Delivery::by(By::Starter);
        if IN_PLACE && self.may_complete_in_place(&mut at, direction) {
            let pending = Pending { id, operation, holder: self.clone() };
            let packet = S::complete(pending, &mut at, &mut delivery);
            drop(at);
            delivery.finish();
            return match packet {
                Some(packet) => Ok(Some(Started::Complete(packet))),
                None => Ok(Some(Started::InFlight(OperationId(id)))),
            };
        }
        at.starts.count(direction);
        let pending = Pending { id, operation, holder: self.clone() };
        if let Some(packet) = S::complete(pending, &mut at, &mut delivery) {
            delivery.queue_own(connections, packet);
        }
        drop(at);
        delivery.finish();
        Ok(Some(Started::InFlight(OperationId(id))))
    }

    /// Whether an operation that was complete at once may be given to the one who starts it. The lock
    /// has been held since before it was attempted.
    #[inline(always)]
    fn may_complete_in_place(&self, at: &mut Locked<'_, O>, direction: Direction) -> bool {
        let connections = &self.0.connections;
        if self.0.handed_out.is_behind(direction, at.starts) {
            return false;
        }
        let Some(thread) = connections.scheduler.allow_in_place() else { return false };
        connections.completed_in_place.count(thread);
        true
    }

    /// The operation could not go on: it waits in its queue.
    #[inline(never)]
    fn wait(
        &self,
        mut at: Locked<'_, O>,
        direction: Direction,
        pending: Pending<O, impl Perform<O>>,
        progress: Progress,
    ) {
        let id = pending.id;
        at.push(direction, pending);
        if at.limited {
            at.limit_started(direction, id);
        }
        let owes_retry = progress == Progress::Deferred && at.owes_retry();
        if progress == Progress::Yields {
            at.rearm();
        }
        drop(at);
        if owes_retry {
            self.0.connections.defer(self.0.token);
        }
    }

    /// The kernel carries the operation. One that it has done at once may be complete in place, as
    /// above; it is asked to leave out its packet only where none of its direction is owed, or where
    /// its success yields none. `None` if it did.
    fn start_with_kernel<S: Perform<O>, const IN_PLACE: bool>(
        &self,
        mut at: Locked<'_, O>,
        direction: Direction,
        id: u32,
        operation: S,
    ) -> Result<Option<Started<O::Packet>>, (io::Error, S)> {
        let connections = &self.0.connections;
        let pending = Pending { id, operation: operation.into_waiting(), holder: self.clone() };
        let may_be = S::QUIET || IN_PLACE && !self.0.handed_out.is_behind(direction, at.starts);
        let mut thread = None;
        let allowed = || {
            if !S::QUIET {
                thread = connections.scheduler.allow_in_place();
            }
            S::QUIET || thread.is_some()
        };
        let mut delivery = Delivery::by(By::Starter);
        let in_place = may_be.then_some(allowed);
        let (started, owes_retry) =
            match at.start_with_kernel(direction, pending, in_place, &mut delivery) {
                Ok(Begun::InFlight { owes_retry }) => {
                    at.starts.count(direction);
                    if at.limited {
                        at.limit_started(direction, id);
                    }
                    (Ok(Some(Started::InFlight(OperationId(id)))), owes_retry)
                }
                Ok(Begun::Complete(pending)) if S::QUIET => {
                    at.starts.count(direction);
                    let packet = O::complete(pending, &mut at, &mut delivery);
                    let started = packet.map(|packet| {
                        delivery.queue_own(connections, packet);
                        Started::InFlight(OperationId(id))
                    });
                    (Ok(started), false)
                }
                Ok(Begun::Complete(pending)) => {
                    if let Some(thread) = thread {
                        connections.completed_in_place.count(thread);
                    }
                    let packet = O::complete(pending, &mut at, &mut delivery);
                    let started = packet.map(Started::Complete);
                    (Ok(Some(started.unwrap_or(Started::InFlight(OperationId(id))))), false)
                }
                Err(refused) => (Err(refused), false),
            };
        drop(at);
        delivery.finish();
        if owes_retry {
            connections.defer(self.0.token);
        }
        started.map_err(|(error, pending)| (error, S::from_waiting(pending.operation)))
    }

    /// Queues the packet of an operation that was refused, as if that had been started and had failed
    /// at once. With leave to complete in place it may be returned instead.
    #[cold]
    pub(crate) fn start_refused(
        &self,
        direction: Direction,
        packet: O::Packet,
        in_place: bool,
    ) -> Started<O::Packet> {
        let mut at = self.lock();
        let id = OperationId(at.starts.next_id(direction));
        if in_place && self.may_complete_in_place(&mut at, direction) {
            return Started::Complete(packet);
        }
        at.starts.count(direction);
        let queued = self.0.connections.queue_own(packet);
        drop(at);
        // A closed port gives it back, and no lock is held here.
        self.0.connections.discard.take_refused(queued);
        Started::InFlight(id)
    }

    /// Queues the packet of an operation that failed at once.
    pub(super) fn report(&self, operation: O) {
        let packet = operation.into_packet(self.clone());
        self.0.connections.queue_or_discard(packet);
    }

    pub(crate) fn with_socket<R>(
        &self,
        call: impl FnOnce(&Socket) -> io::Result<R>,
    ) -> io::Result<R> {
        call(self.lock().open_socket()?)
    }

    /// The peer of the connection, also of one that has ended or was lost.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        let at = self.lock();
        at.admits_connected()?;
        at.peer().ok_or_else(|| code::error(code::NOT_CONNECTED))
    }

    pub(crate) fn connected_at(&self) -> Option<Moment> {
        let at = self.lock();
        at.connected_at.filter(|_| at.socket.is_some())
    }

    pub(crate) fn has_ended_sending(&self) -> bool {
        self.lock().shut_send
    }

    /// Fails when the handle or its port can start nothing any more.
    pub(crate) fn admits_starts(&self) -> io::Result<()> {
        if self.0.connections.is_closed() {
            return Err(port_closed());
        }
        self.with_socket(|_| Ok(()))
    }

    /// Whether nothing can be started any more: the handle or its port is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.admits_starts().is_err()
    }
}

/// The error of an operation that was taken out before its turn.
pub(super) fn abort<O: Operation>(pending: &mut Pending<O>, at: &mut Locked<'_, O>) {
    pending.operation.fail(aborted());
    at.conclude(Direction::of_id(pending.id), &mut pending.operation);
}

impl<O: Operation> Clone for Handle<O> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self(shared(&self.0))
    }
}

impl<O: Operation> Drop for Share<O> {
    fn drop(&mut self) {
        self.connections.remove(self.token);
    }
}
