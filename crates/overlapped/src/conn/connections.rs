//! The connections of one port, and what they share.

use super::connection::{Connection, ConnectionState};
use super::delivery::Delivery;
use super::discard::Discard;
use super::facts::Moment;
use super::handle::Handle;
use super::in_place::Tally;
use super::locked::Locked;
use super::operation::{Key, Operation, Pending};
use super::sockets::TcpSocket;
use super::table::Table;
use super::timers::{Due, Timers};
use super::{accept_window, limits, silent};
use crate::buffer::pool::Pool;
use crate::error::{Refused, port_closed};
use crate::panics::{Panics, contained};
use crate::protocol::Protocol;
use crate::sched::Scheduler;
use crate::sync::Mutex;
use crate::sync::unmodelled::{AtomicBool, AtomicU64};
use crate::sys::Event;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long an accept that met a shortage of descriptors or memory waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The connections of one port.
pub(crate) struct Connections<O: Operation> {
    /// Takes their packets, and says what may go on.
    pub(crate) scheduler: Arc<Scheduler<O::Packet>>,
    pub(crate) table: Table<Connection<O>>,
    pub(crate) timers: Timers<<O::Protocol as Protocol>::Operation>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) discard: Discard<O::Packet>,
    /// For each stream that waits in an accept, the listener; both by their tokens.
    pub(super) reservations: Mutex<HashMap<u64, u64>>,
    closed: AtomicBool,
    /// Accept windows post nothing.
    pub(super) accepts_paused: AtomicU8,
    deferrals: AtomicU64,
    pub(super) completed_in_place: Tally,
}

impl<O: Operation> Connections<O> {
    pub(crate) fn new(
        scheduler: Arc<Scheduler<O::Packet>>,
        pool: Arc<Pool>,
        discard: Discard<O::Packet>,
    ) -> Arc<Self> {
        Arc::new(Self {
            scheduler,
            table: Table::new(),
            timers: Timers::new(),
            pool,
            discard,
            reservations: Mutex::new(HashMap::new()),
            closed: AtomicBool::new(false),
            accepts_paused: AtomicU8::new(0),
            deferrals: AtomicU64::new(0),
            completed_in_place: Tally::default(),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The port is closed from now on; true when it was before.
    pub(crate) fn set_closed(&self) -> bool {
        self.closed.swap(true, Ordering::AcqRel)
    }

    /// How often an operation had to wait for a shortage to end.
    pub(crate) fn deferrals(&self) -> u64 {
        self.deferrals.load(Ordering::Relaxed)
    }

    /// How many operations gave their packet to the one who started them.
    pub(crate) fn completed_in_place(&self) -> u64 {
        self.completed_in_place.sum()
    }

    /// What time it is for timers and limits.
    pub(super) fn now(&self) -> Moment {
        Moment::of(self.scheduler.backend().now())
    }

    /// Associates `socket` with the port under `key`.
    pub(crate) fn associate(
        self: &Arc<Self>,
        socket: TcpSocket,
        state: ConnectionState,
        key: Key<O>,
    ) -> Result<Handle<O>, Refused<(TcpSocket, Key<O>)>> {
        match self.insert(socket, state) {
            Ok(token) => Ok(Handle::new(Arc::clone(self), token, key)),
            Err(refused) => Err(refused.map(|socket| (socket, key))),
        }
    }

    /// Puts a socket into the table and ties it to the scheduler.
    pub(super) fn insert(
        &self,
        socket: TcpSocket,
        state: ConnectionState,
    ) -> Result<u64, Refused<TcpSocket>> {
        if self.is_closed() {
            return Err(Refused::new(port_closed(), socket));
        }
        let (token, mut connection) = self.table.insert(Connection::new(socket, state));
        let registered = match &connection.socket {
            Some(socket) => self.scheduler.backend().register(socket, token),
            None => Err(port_closed()),
        };
        let Err(error) = registered else { return Ok(token) };
        let socket = connection.take_socket();
        drop(connection);
        drop(self.table.remove(token));
        let socket = socket.expect("its lock was held since it came");
        Err(Refused::new(error, socket))
    }

    /// The connection that has this token, with its lock held.
    pub(crate) fn find(self: &Arc<Self>, token: u64) -> Option<Locked<'_, O>> {
        Locked::find(self, token)
    }

    /// Queues a packet, or gives it back when the port is closed. To be called where no lock is held:
    /// it wakes who is to take the packet.
    pub(crate) fn queue(&self, packet: O::Packet) -> Result<(), O::Packet> {
        self.scheduler.queue(packet).map(drop)
    }

    /// The same for the packet of an operation that completed while the calling thread started it.
    pub(crate) fn queue_own(&self, packet: O::Packet) -> Result<(), O::Packet> {
        self.scheduler.queue_own(packet).map(drop)
    }

    /// Queues a packet that has nobody else to go to: a closed port discards it. No lock is held.
    pub(crate) fn queue_or_discard(&self, packet: O::Packet) {
        self.discard.take_refused(self.queue(packet));
    }

    /// The same for the packet of an operation that completed while the calling thread started it.
    pub(crate) fn queue_own_or_discard(&self, packet: O::Packet) {
        self.discard.take_refused(self.queue_own(packet));
    }

    /// Performs what an event of the system's allows.
    #[inline(always)]
    pub(crate) fn perform(self: &Arc<Self>, event: Event, delivery: &mut Delivery<O>) {
        let Some(mut connection) = Locked::find(self, event.token) else { return };
        let owes_retry = connection.perform(event, delivery);
        drop(connection);
        if owes_retry {
            self.defer(event.token);
        }
    }

    /// The time of something of a connection's has come.
    pub(crate) fn ring(
        self: &Arc<Self>,
        due: Due<<O::Protocol as Protocol>::Operation>,
        delivery: &mut Delivery<O>,
    ) -> Option<<O::Protocol as Protocol>::Operation> {
        match due {
            Due::Timer(operation) => return Some(operation),
            Due::Retry(token) => self.retry(token, delivery),
            Due::Limits(token) => limits::watch::ring(self, token, delivery),
            Due::Silence(token) => {
                contained(|| silent::end_silence(self, token));
            }
        }
        None
    }

    /// Tries again after the system was short of something, or a closure of the user's panicked.
    fn retry(self: &Arc<Self>, token: u64, delivery: &mut Delivery<O>) {
        let Some(mut connection) = self.find(token) else { return };
        connection.retry_is_due = false;
        let listener = connection.rare.accepting().map(|accepting| accepting.listener());
        drop(connection);
        self.perform(Event { token, readable: true, writable: true, ended: false }, delivery);
        if let Some(listener) = listener {
            accept_window::refill(&listener);
            contained(|| drop(listener));
        }
    }

    /// An operation met a shortage that no event will end; it is tried again after a while.
    pub(super) fn defer(&self, token: u64) {
        self.deferrals.fetch_add(1, Ordering::Relaxed);
        // A port that is closed tries nothing again.
        let _ = self.timers.start(&self.scheduler, RETRY_AFTER, Due::Retry(token));
    }

    /// Ends what is in flight, since the port is closed: nobody takes its packets.
    pub(crate) fn discard_all(self: &Arc<Self>, panics: &mut Panics) {
        for token in self.table.tokens() {
            panics.run(|| self.discard_one(token));
        }
    }

    fn discard_one(self: &Arc<Self>, token: u64) {
        let Some(mut connection) = self.find(token) else { return };
        let mut in_flight = Vec::new();
        while let Some(pending) = connection.pop_any() {
            in_flight.push(pending);
        }
        connection.cancel_in_kernel();
        let is_silent = connection.state == ConnectionState::Silent;
        let mut accepting = connection.rare.take_accepting();
        drop(connection);
        let mut panics = Panics::default();
        self.discard_each(&mut panics, in_flight);
        if is_silent {
            panics.run(|| self.remove(token));
        }
        if let Some(accepting) = &mut accepting {
            self.discard_each(&mut panics, accepting.take_waiting());
            // Those that have come since the tokens were listed are among them.
            for silent in accepting.silent_tokens() {
                panics.run(|| self.discard_one(silent));
            }
        }
        panics.run(|| drop(accepting));
        panics.resume();
    }

    fn discard_each(&self, panics: &mut Panics, in_flight: impl IntoIterator<Item = Pending<O>>) {
        self.discard.take_each(panics, in_flight.into_iter().map(Pending::aborted));
    }

    /// Takes a connection out of the table, whose last handle is gone or that never had one.
    pub(super) fn remove(&self, token: u64) {
        let Some(mut connection) = self.table.find(token) else { return };
        self.forget_limits(&mut connection);
        if let Some(socket) = &connection.socket {
            // The descriptor leaves the system's set before it is closed: its number may be used again
            // at once, while another thread still holds an event of it.
            self.scheduler.backend().deregister(socket);
        }
        drop(connection);
        drop(self.table.remove(token));
    }
}
