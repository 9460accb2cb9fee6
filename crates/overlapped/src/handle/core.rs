//! The state of one associated handle, and the three steps of every operation on it.
//!
//! One lock guards it. Operations are attempted, completed and queued under that lock, so the
//! packets of one direction are queued in the order in which their operations were started (P150).
//! Values of the user's are never dropped under it. The order of locks is: listener, accepted
//! socket held for it, turnstile.

use super::accepting::Accepting;
use super::lane::{Advance, Lane};
use super::{Admission, Association, TcpSocket};
use crate::driver::Event;
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::operation::accept::Accepted;
use crate::operation::first_data::FirstData;
use crate::operation::{
    OperationId, Progress, Surroundings, Task, aborted, code, is_reset, os_error,
};
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::port::packet::Packet;
use crate::sync::{Mutex, MutexGuard};
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A share in an associated handle. The last one to go closes it.
pub(crate) struct Handle<P: Protocol>(Arc<Core<P>>);

pub(crate) type WeakHandle<P> = Weak<Core<P>>;

pub(crate) struct Core<P: Protocol> {
    port: Arc<Inner<P>>,
    /// None only for an accepted socket that is held for its first data.
    key: Option<P::Key>,
    token: u64,
    state: Mutex<State<P>>,
}

struct State<P: Protocol> {
    /// None once closed.
    socket: Option<Socket>,
    admission: Option<Admission>,
    link: Link,
    /// The peer has ended its direction or the connection failed: a short read proves nothing.
    ended: bool,
    /// The connection was reset; whatever is started from now on fails with it (P160).
    reset: bool,
    shut_receive: bool,
    shut_send: bool,
    /// The system is to be told that we have ended sending when nothing is left to be sent.
    end_when_sent: bool,
    /// The alarm is set to try again what met a shortage.
    retry_is_due: bool,
    next_id: u32,
    receive: Lane<Pending<P>>,
    /// Boxed, since sends rarely wait and most connections are idle.
    send: Lane<Box<Pending<P>>>,
    connected_at: Option<Instant>,
    accepting: Option<Box<Accepting<P>>>,
}

/// What the socket is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Listening,
    Unconnected,
    Connecting,
    Connected,
}

/// The direction in which an operation queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Receive,
    Send,
}

/// An operation in flight. It holds the handle that its packet will give back.
struct Pending<P: Protocol> {
    id: u32,
    task: Task,
    operation: P::Operation,
    holder: Handle<P>,
}

impl<P: Protocol> Pending<P> {
    fn into_packet(self) -> Packet<P> {
        self.task.into_packet(self.holder, self.operation)
    }

    fn aborted(mut self) -> Packet<P> {
        self.task.fail(aborted());
        self.into_packet()
    }
}

/// The packets that an event yields: the first for the thread that performs it, if it wants one,
/// the others queued at once. What must not be dropped under a lock is kept until the end.
pub(crate) struct Delivery<P: Protocol> {
    wants_first: bool,
    first: Option<Packet<P>>,
    /// Rarely there.
    later: Option<Box<Later<P>>>,
}

/// What is to be done when no lock is held any more.
struct Later<P: Protocol> {
    refused: Vec<Packet<P>>,
    finished_holds: Vec<(Handle<P>, u64)>,
    /// Connections that failed. With one its place under the listener's limit is given back,
    /// which takes the listener's lock.
    discarded: Vec<TcpSocket>,
}

impl<P: Protocol> Default for Later<P> {
    fn default() -> Self {
        Self { refused: Vec::new(), finished_holds: Vec::new(), discarded: Vec::new() }
    }
}

impl<P: Protocol> Delivery<P> {
    pub(crate) fn new(wants_first: bool) -> Self {
        Self { wants_first, first: None, later: None }
    }

    fn later(&mut self) -> &mut Later<P> {
        self.later.get_or_insert_default()
    }

    pub(crate) fn add(&mut self, port: &Inner<P>, packet: Packet<P>) {
        if self.wants_first && self.first.is_none() {
            self.first = Some(port.exchange(packet));
        } else if let Err(packet) = port.queue(packet) {
            self.later().refused.push(packet);
        }
    }

    /// To be called without any lock held.
    pub(crate) fn finish(self) -> Option<Packet<P>> {
        if let Some(later) = self.later {
            for (listener, token) in later.finished_holds {
                listener.forget_held(token);
            }
        }
        self.first
    }
}

impl<P: Protocol> Handle<P> {
    /// Associates `socket` with the port under `key`.
    pub(crate) fn associate(
        port: &Arc<Inner<P>>,
        socket: TcpSocket,
        link: Link,
        key: Option<P::Key>,
    ) -> Association<Self, TcpSocket, Option<P::Key>> {
        if port.is_closed() {
            return Err(Refused::new(port_closed(), (socket, key)));
        }
        let token = port.registry.reserve();
        let TcpSocket { socket, admission, .. } = socket;
        let state = State {
            socket: Some(socket),
            admission,
            link,
            ended: false,
            reset: false,
            shut_receive: false,
            shut_send: false,
            end_when_sent: false,
            retry_is_due: false,
            next_id: 0,
            receive: Lane::new(),
            send: Lane::new(),
            connected_at: (link == Link::Connected).then(Instant::now),
            accepting: None,
        };
        let core = Core { port: Arc::clone(port), key, token, state: Mutex::new(state) };
        let handle = Self(Arc::new(core));
        port.registry.set(token, Arc::downgrade(&handle.0));
        let registered = {
            let state = handle.0.state.lock();
            port.driver.register(state.socket(), token)
        };
        match registered {
            Ok(()) => Ok(handle),
            Err(error) => Err(Refused::new(error, handle.undo())),
        }
    }

    /// Takes apart a handle that could not be registered.
    fn undo(self) -> (TcpSocket, Option<P::Key>) {
        let mut shared = self.0;
        shared.port.registry.free(shared.token);
        // A thread that closes the port may be looking at the handle; it is soon done.
        let mut core = loop {
            match Arc::try_unwrap(shared) {
                Ok(core) => break core,
                Err(still_shared) => shared = still_shared,
            }
            std::thread::yield_now();
        };
        let (socket, admission, link) = {
            let mut state = core.state.lock();
            (state.socket.take(), state.admission.take(), state.link)
        };
        let socket = socket.expect("only its user can close a handle, and nobody has it yet");
        let was_connected = link == Link::Connected;
        (TcpSocket { socket, admission, was_connected }, core.key.take())
    }

    /// Step one: moves the operation in. It is attempted at once if nothing is before it.
    pub(crate) fn start(
        &self,
        direction: Direction,
        mut task: Task,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Task, P::Operation)>> {
        let port = &self.0.port;
        let mut state = self.0.state.lock();
        if let Err(error) = state.admits(&task, port) {
            return Err(Refused::new(error, (task, operation)));
        }
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        if !state.lane_may_attempt(direction) {
            state.push(direction, Pending { id, task, operation, holder: self.clone() });
            return Ok(OperationId(id));
        }
        let progress = state.attempt(direction, &mut task, port);
        match progress {
            Progress::Complete { .. } if task.is_refused() => {
                let error = state.conclude(&mut task);
                Err(Refused::new(error.unwrap_or_else(aborted), (task, operation)))
            }
            Progress::Complete { .. } => {
                state.conclude(&mut task);
                let pending = Pending { id, task, operation, holder: self.clone() };
                let mut delivery = Delivery::new(false);
                self.complete(&mut state, pending, &mut delivery);
                drop(state);
                delivery.finish();
                Ok(OperationId(id))
            }
            Progress::Blocked | Progress::Deferred => {
                state.push(direction, Pending { id, task, operation, holder: self.clone() });
                let retry = progress == Progress::Deferred && state.owes_retry();
                drop(state);
                if retry {
                    port.defer(&self.0);
                }
                Ok(OperationId(id))
            }
        }
    }

    /// Step two, for an event of the driver: performs what may go on.
    pub(crate) fn perform(&self, event: Event, delivery: &mut Delivery<P>) {
        let mut state = self.0.state.lock();
        // A socket that was never connected hangs up, too, and that says nothing of a connection.
        state.ended |= event.ended && state.link != Link::Unconnected;
        if event.readable {
            state.receive.set_ready();
        }
        if event.writable {
            state.send.set_ready();
        }
        let retry = self.advance(&mut state, delivery) && state.owes_retry();
        drop(state);
        if retry {
            self.0.port.defer(&self.0);
        }
    }

    /// Goes on until nothing of the handle can; true when the system was short of something.
    fn advance(&self, state: &mut MutexGuard<'_, State<P>>, delivery: &mut Delivery<P>) -> bool {
        let mut deferred = false;
        for direction in [Direction::Receive, Direction::Send] {
            loop {
                match state.advance(direction, &self.0.port) {
                    Advance::Idle => break,
                    Advance::Deferred => {
                        deferred = true;
                        break;
                    }
                    Advance::Complete(mut pending) => {
                        state.conclude(&mut pending.task);
                        self.complete(state, pending, delivery);
                    }
                }
            }
        }
        state.end_if_sent();
        deferred
    }

    /// Step three begins: the packet is built and delivered.
    fn complete(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        mut pending: Pending<P>,
        delivery: &mut Delivery<P>,
    ) {
        let port = &self.0.port;
        match &mut pending.task {
            Task::Accept(accept) if accept.with_first_data && accept.result.is_ok() => {
                return self.hold(state, pending, delivery);
            }
            Task::Accept(accept) => {
                if let (Ok(accepted), Some(accepting)) = (&mut accept.result, &state.accepting) {
                    accepted.socket.admission = accepting.admit();
                }
            }
            Task::FirstData(first_data) => {
                if let Some(socket) = state.socket.take() {
                    port.driver.deregister(&socket);
                    let socket = TcpSocket::connection(socket, state.admission.take());
                    if first_data.result.is_ok() {
                        first_data.socket = Some(socket);
                    } else {
                        delivery.later().discarded.push(socket);
                    }
                }
                delivery.later().finished_holds.push((pending.holder.clone(), self.0.token));
            }
            Task::Connect(_) | Task::Receive(_) | Task::Send(_) => {}
        }
        delivery.add(port, pending.into_packet());
    }

    /// A posted accept has its connection and waits for the first data of it.
    fn hold(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        pending: Pending<P>,
        delivery: &mut Delivery<P>,
    ) {
        let Pending { id, mut task, operation, holder } = pending;
        let Task::Accept(accept) = &mut task else { unreachable!("only an accept is held") };
        let Ok(accepted) = std::mem::replace(&mut accept.result, Err(aborted())) else {
            unreachable!("only an accept with a connection is held")
        };
        let Accepted { mut socket, local, remote, .. } = *accepted;
        let Some(accepting) = &mut state.accepting else {
            unreachable!("first data is an option of the window")
        };
        socket.admission = accepting.admit();
        let port = &self.0.port;
        match Handle::associate(port, socket, Link::Connected, None) {
            Err(refused) => {
                // The error takes the connection's place in the packet.
                let Refused { error, returned } = refused;
                delivery.later().discarded.push(returned.0);
                task.fail(error);
                delivery.add(port, Pending { id, task, operation, holder }.into_packet());
            }
            Ok(held) => {
                accepting.hold(held.0.token, held.clone());
                port.watch_silence(&held.0, accepting.silence_limit());
                let mut held_state = held.0.state.lock();
                let task = Task::FirstData(Box::new(FirstData::new(local, remote)));
                held_state.push(Direction::Receive, Pending { id, task, operation, holder });
                held.advance(&mut held_state, delivery);
            }
        }
    }

    /// Completes the operation as aborted, if it has not completed before (P130-P133).
    pub(crate) fn cancel(&self, id: OperationId) -> io::Result<()> {
        let mut state = self.0.state.lock();
        let pending = state
            .receive
            .remove(|pending| pending.id == id.0)
            .or_else(|| state.send.remove(|pending| pending.id == id.0).map(|boxed| *boxed));
        let Some(mut pending) = pending else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such operation is in flight: it completed before it could be cancelled",
            ));
        };
        pending.task.fail(aborted());
        state.conclude(&mut pending.task);
        state.end_if_sent();
        let mut delivery = Delivery::new(false);
        delivery.add(&self.0.port, pending.into_packet());
        drop(state);
        delivery.finish();
        Ok(())
    }

    /// Completes every operation in flight as aborted; returns how many there were.
    pub(crate) fn cancel_all(&self) -> usize {
        let mut delivery = Delivery::new(false);
        let mut state = self.0.state.lock();
        let count = self.abort_all(&mut state, &mut delivery);
        drop(state);
        delivery.finish();
        count
    }

    fn abort_all(&self, state: &mut MutexGuard<'_, State<P>>, delivery: &mut Delivery<P>) -> usize {
        let mut count = 0;
        while let Some(pending) =
            state.receive.pop().or_else(|| state.send.pop().map(|boxed| *boxed))
        {
            if matches!(pending.task, Task::FirstData(_)) {
                delivery.later().finished_holds.push((pending.holder.clone(), self.0.token));
            }
            delivery.add(&self.0.port, pending.aborted());
            count += 1;
        }
        if state.link == Link::Connecting {
            state.link = Link::Unconnected;
        }
        state.end_if_sent();
        count
    }

    /// Closes the socket now; what is in flight completes as aborted (P140). The packets may be
    /// taken long after this has returned (P141).
    pub(crate) fn close(&self) {
        let mut delivery = Delivery::new(false);
        let mut state = self.0.state.lock();
        let socket = state.socket.take();
        if let Some(socket) = &socket {
            // Before the packets: whoever takes one sees the connection gone.
            self.0.port.driver.deregister(socket);
        }
        let admission = state.admission.take();
        let accepting = state.accepting.take();
        drop(socket);
        self.abort_all(&mut state, &mut delivery);
        drop(state);
        self.0.port.registry.free(self.0.token);
        if let Some(accepting) = accepting {
            for held in accepting.into_held() {
                held.close();
            }
        }
        drop(admission);
        delivery.finish();
    }

    /// The port is closed: what is in flight is dropped, with its buffers, and reported to nobody.
    pub(crate) fn discard(&self) {
        let mut dropped = Vec::new();
        let accepting = {
            let mut state = self.0.state.lock();
            while let Some(pending) = state.receive.pop() {
                dropped.push(pending);
            }
            while let Some(pending) = state.send.pop() {
                dropped.push(*pending);
            }
            state.accepting.take()
        };
        drop((dropped, accepting));
    }

    /// Tries again after the system was short of something.
    pub(crate) fn retry(&self, delivery: &mut Delivery<P>) {
        self.0.state.lock().retry_is_due = false;
        let event = Event { token: self.0.token, readable: true, writable: false, ended: false };
        self.perform(event, delivery);
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.0.state.lock();
        // What was sent before goes out first, so the end waits for the sends in flight.
        let waits =
            how != Shutdown::Read && state.link == Link::Connected && !state.send.is_empty();
        let socket = state.open_socket()?;
        match how {
            Shutdown::Write if waits => {}
            Shutdown::Both if waits => socket.shutdown(Shutdown::Read)?,
            _ => socket.shutdown(how)?,
        }
        state.end_when_sent |= waits;
        state.shut_receive |= how != Shutdown::Write;
        state.shut_send |= how != Shutdown::Read;
        Ok(())
    }

    pub(crate) fn with_socket<R>(
        &self,
        call: impl FnOnce(&Socket) -> io::Result<R>,
    ) -> io::Result<R> {
        call(self.0.state.lock().open_socket()?)
    }

    pub(crate) fn connected_at(&self) -> Option<Instant> {
        self.0.state.lock().connected_at
    }

    pub(crate) fn key(&self) -> &P::Key {
        self.0.key.as_ref().expect("a handle that a user holds was associated under a key")
    }

    pub(crate) fn downgrade(&self) -> WeakHandle<P> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &WeakHandle<P>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    // ------------------------------------------------- what only listeners have; see accepting.rs

    /// Fails when neither the handle nor its port can start anything any more.
    pub(crate) fn admits_window(&self) -> io::Result<()> {
        if self.0.port.is_closed() {
            return Err(port_closed());
        }
        self.with_socket(|_| Ok(()))
    }

    pub(crate) fn keeps_window(&self) -> bool {
        self.0.state.lock().accepting.is_some()
    }

    /// Calls `change` with the accept window, if one is kept, and the number of posted accepts.
    pub(crate) fn with_accepting<R>(
        &self,
        change: impl FnOnce(&mut Option<Box<Accepting<P>>>, usize) -> R,
    ) -> R {
        let mut state = self.0.state.lock();
        let posted = state.receive.len();
        change(&mut state.accepting, posted)
    }

    /// Queues the packet of an operation that failed at once.
    pub(crate) fn report(&self, task: Task, operation: P::Operation) {
        let packet = task.into_packet(self.clone(), operation);
        // A refused packet has nobody to go to; it is dropped here, where no lock is held.
        drop(self.0.port.queue(packet));
    }

    /// Whether nothing can be started any more: the handle or its port is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.port.is_closed() || self.0.state.lock().socket.is_none()
    }

    fn forget_held(&self, token: u64) {
        let held = self.with_accepting(|accepting, _| accepting.as_mut()?.forget_held(token));
        drop(held);
    }
}

impl<P: Protocol> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> Drop for Core<P> {
    fn drop(&mut self) {
        let (socket, admission) = {
            let mut state = self.state.lock();
            (state.socket.take(), state.admission.take())
        };
        if let Some(socket) = &socket {
            // The descriptor leaves the driver before it is closed: its number may be used again
            // at once, while another thread still holds an event of it.
            self.port.driver.deregister(socket);
        }
        self.port.registry.free(self.token);
        drop((socket, admission));
    }
}

impl<P: Protocol> State<P> {
    fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("the caller knows that the handle is open")
    }

    fn open_socket(&self) -> io::Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| os_error(code::CLOSED))
    }

    /// Whether an operation may be started at all.
    fn admits(&self, task: &Task, port: &Inner<P>) -> io::Result<()> {
        if port.is_closed() {
            return Err(port_closed());
        }
        self.open_socket()?;
        let refusal = match (task, self.link) {
            (Task::Connect(_), Link::Unconnected) => None,
            (Task::Connect(_), Link::Connecting) => Some(code::ALREADY),
            (Task::Connect(_), Link::Connected) => Some(code::IS_CONNECTED),
            (Task::Connect(_), Link::Listening) => Some(code::INVALID),
            (Task::Receive(_) | Task::Send(_), Link::Unconnected | Link::Connecting) => {
                Some(code::NOT_CONNECTED)
            }
            (Task::Receive(_), _) if self.shut_receive => Some(code::SHUT_DOWN),
            (Task::Send(_), _) if self.shut_send => Some(code::SHUT_DOWN),
            (Task::Receive(_) | Task::Send(_), _) if self.reset => Some(code::RESET),
            _ => None,
        };
        refusal.map_or(Ok(()), |code| Err(os_error(code)))
    }

    /// Whether the alarm must be set to try again; it is, from now on.
    fn owes_retry(&mut self) -> bool {
        !std::mem::replace(&mut self.retry_is_due, true)
    }

    /// Ends the sending direction if that waited for the last send.
    fn end_if_sent(&mut self) {
        if self.end_when_sent && self.send.is_empty() {
            self.end_when_sent = false;
            if let Some(socket) = &self.socket {
                // It fails only for a connection that is over already.
                let _ = socket.shutdown(Shutdown::Write);
            }
        }
    }

    fn lane_may_attempt(&self, direction: Direction) -> bool {
        match direction {
            Direction::Receive => self.receive.may_attempt(),
            Direction::Send => self.send.may_attempt(),
        }
    }

    fn push(&mut self, direction: Direction, pending: Pending<P>) {
        if matches!(pending.task, Task::Connect(_)) {
            self.link = Link::Connecting;
        }
        match direction {
            Direction::Receive => self.receive.push(pending),
            Direction::Send => self.send.push(Box::new(pending)),
        }
    }

    /// The first attempt, of an operation that is not in a lane.
    fn attempt(&mut self, direction: Direction, task: &mut Task, port: &Inner<P>) -> Progress {
        let progress = match &self.socket {
            Some(socket) => task.perform(Surroundings { socket, pool: &port.pool }),
            None => Progress::Blocked,
        };
        match direction {
            Direction::Receive => self.receive.note(progress, self.ended),
            Direction::Send => self.send.note(progress, self.ended),
        }
        progress
    }

    fn advance(&mut self, direction: Direction, port: &Inner<P>) -> Advance<Pending<P>> {
        let Self { socket: Some(socket), receive, send, ended, reset, .. } = self else {
            return Advance::Idle;
        };
        let with = Surroundings { socket, pool: &port.pool };
        let reset = *reset;
        let attempt = |task: &mut Task| {
            if reset {
                // The system reports a reset once; every operation in flight is told (P140).
                task.fail(os_error(code::RESET));
                return Progress::Complete { drained: false };
            }
            task.perform(with)
        };
        match direction {
            Direction::Receive => receive.advance(*ended, |pending| attempt(&mut pending.task)),
            Direction::Send => match send.advance(*ended, |pending| attempt(&mut pending.task)) {
                Advance::Complete(pending) => Advance::Complete(*pending),
                Advance::Deferred => Advance::Deferred,
                Advance::Idle => Advance::Idle,
            },
        }
    }

    /// Takes note of what a complete operation says about the connection; returns its error anew.
    fn conclude(&mut self, task: &mut Task) -> Option<io::Error> {
        if let Task::Connect(connect) = task {
            self.link = if connect.is_established() { Link::Connected } else { Link::Unconnected };
            if self.link == Link::Connected {
                self.connected_at = Some(Instant::now());
                self.receive.set_ready();
            } else {
                self.ended = false;
                self.send.set_ready();
            }
        }
        let error = task.error()?;
        if is_reset(error) && self.link == Link::Connected {
            self.reset = true;
            self.receive.set_ready();
            self.send.set_ready();
            task.fail(os_error(code::RESET));
        }
        task.error().map(|error| match error.raw_os_error() {
            Some(code) => os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })
    }
}

fn port_closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the completion port is closed")
}
