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
use super::table::{Held, Table};
use super::timers::{Due, Postponed, Timers};
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

/// How long a thread that performs events waits for a connection that another one has: longer than
/// anybody has it who is not held up himself.
const PATIENCE: Duration = Duration::from_micros(200);

/// How long after that it is tried again: so long, then twice as long each time, so many times.
const POSTPONED_FOR: Duration = Duration::from_millis(1);
const MOST_DOUBLINGS: u8 = 6;

/// Is called before a thread may be held up; false when that is of no use any more.
type Tell = Arc<dyn Fn() -> bool + Send + Sync>;

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
    before_blocking: Mutex<Vec<Tell>>,
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
            before_blocking: Mutex::new(Vec::new()),
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
        self.perform_again(event, 0, delivery);
    }

    /// The same for an event that was postponed so many times.
    #[inline(always)]
    fn perform_again(self: &Arc<Self>, event: Event, times: u8, delivery: &mut Delivery<O>) {
        let mut found = Locked::find_within(self, event.token, PATIENCE);
        if let Ok(Some(connection)) = &found
            && connection.may_block_in_send()
            && !self.scheduler.somebody_waits()
        {
            // No lock is held while others are told.
            drop(found);
            self.will_block();
            found = Locked::find_within(self, event.token, PATIENCE);
        }
        match found {
            Ok(Some(mut connection)) => {
                let owes_retry = connection.perform(event, delivery);
                drop(connection);
                if owes_retry {
                    self.defer(event.token);
                }
            }
            Ok(None) => {}
            Err(Held) => self.postpone(event, times),
        }
    }

    /// Another thread has the connection, and may have it for as long as a disk does not answer. A thread
    /// that takes packets does not wait for that: it would keep all others from theirs.
    #[cold]
    fn postpone(&self, event: Event, times: u8) {
        let Event { token, readable, writable, ended } = event;
        let again = Postponed { readable, writable, ended, times: times.saturating_add(1) };
        let after = POSTPONED_FOR * (1 << times.min(MOST_DOUBLINGS));
        // A port that is closed performs nothing any more.
        let _ = self.timers.start(&self.scheduler, after, Due::Event(token, again));
    }

    /// The connection that has this token, with its lock held. If another thread has it, `due` comes again
    /// after a while.
    pub(super) fn find_or_later(
        self: &Arc<Self>,
        token: u64,
        due: Due<<O::Protocol as Protocol>::Operation>,
    ) -> Option<Locked<'_, O>> {
        Locked::find_within(self, token, PATIENCE).unwrap_or_else(|Held| {
            // A port that is closed tries nothing again.
            let _ = self.timers.start(&self.scheduler, RETRY_AFTER, due);
            None
        })
    }

    /// Has `tell` called when the thread that is to take the next packets may be held up, until it says that
    /// it is of no use any more. No lock is held then.
    pub(crate) fn tell_before_blocking(&self, tell: impl Fn() -> bool + Send + Sync + 'static) {
        self.before_blocking.lock().push(Arc::new(tell));
    }

    #[cold]
    pub(crate) fn will_block(&self) {
        let all = self.before_blocking.lock().clone();
        for tell in all.into_iter().filter(|tell| !tell()) {
            self.before_blocking.lock().retain(|other| !Arc::ptr_eq(other, &tell));
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
            Due::Event(token, Postponed { readable, writable, ended, times }) => {
                let event = Event { token, readable, writable, ended };
                self.perform_again(event, times, delivery);
            }
            Due::Silence(token) => {
                contained(|| silent::end_silence(self, token));
            }
        }
        None
    }

    /// Tries again after the system was short of something, or a closure of the user's panicked.
    fn retry(self: &Arc<Self>, token: u64, delivery: &mut Delivery<O>) {
        let Some(mut connection) = self.find_or_later(token, Due::Retry(token)) else { return };
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
