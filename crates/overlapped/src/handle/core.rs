//! The state of one associated handle, and the three steps of every operation on it.
//!
//! One lock guards it. Operations are attempted, completed and queued under that lock, so the
//! packets of one direction are queued in the order in which their operations were started (P150).
//! Values of the user's are never dropped under it. The order of locks is: listener, a
//! stream or socket that it accepts for, scheduler.

use super::accepting::{self, Accepting, Admission, Held};
use super::delivery::{By, Delivery};
use super::lane::{Advance, Lane};
use super::refusals::port_closed;
use super::state::{Direction, Link, Pending, State};
use super::{Association, TcpSocket};
use crate::driver::Event;
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::operation::accept::Accepted;
use crate::operation::first_data::FirstData;
use crate::operation::{OperationId, Progress, Task, aborted};
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::sync::{Mutex, MutexGuard};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A share in an associated handle. The last one to go closes it.
pub(crate) struct Handle<P: Protocol>(pub(super) Arc<Core<P>>);

pub(crate) type WeakHandle<P> = Weak<Core<P>>;

pub(crate) struct Core<P: Protocol> {
    pub(super) port: Arc<Inner<P>>,
    /// None only for an accepted socket that is held for its first data.
    pub(super) key: Option<P::Key>,
    pub(super) token: u64,
    pub(super) state: Mutex<State<P>>,
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
        let TcpSocket { socket, admission, peer, origin } = socket;
        let state = State {
            socket: Some(socket),
            admission,
            link,
            origin,
            peer,
            ended: false,
            lost: None,
            shut_receive: false,
            shut_send: false,
            end_when_sent: false,
            retry_is_due: false,
            next_id: 0,
            receive: Lane::new(),
            send: Lane::new(),
            connected_at: (link == Link::Connected).then(Instant::now),
            accepting: None,
            #[cfg(windows)]
            in_flight: super::overlapping::Held::new(),
            #[cfg(windows)]
            resets: false,
        };
        let core = Core { port: Arc::clone(port), key, token, state: Mutex::new(state) };
        let handle = Self(Arc::new(core));
        port.registry.set(token, Arc::downgrade(&handle.0));
        let registered = {
            let state = handle.0.state.lock();
            port.scheduler.backend().register(state.socket(), token)
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
        let (socket, admission, peer, origin) = {
            let mut state = core.state.lock();
            (state.socket.take(), state.admission.take(), state.peer, state.origin)
        };
        let socket = socket.expect("only its user can close a handle, and nobody has it yet");
        (TcpSocket { socket, admission, peer, origin }, core.key.take())
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
        #[cfg(windows)]
        if state.is_overlapped() {
            let pending = Pending { id, task, operation, holder: self.clone() };
            return self.start_overlapped(state, direction, pending);
        }
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
                let mut delivery = Delivery::by(By::Starter);
                self.complete(&mut state, pending, &mut delivery);
                drop(state);
                delivery.finish();
                Ok(OperationId(id))
            }
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                state.push(direction, Pending { id, task, operation, holder: self.clone() });
                let retry = progress == Progress::Deferred && state.owes_retry();
                if progress == Progress::Yields {
                    port.scheduler.backend().rearm(state.socket(), self.0.token);
                }
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
        state.ended |= event.ended && state.link.is_of_a_connection();
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
    pub(super) fn advance(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        delivery: &mut Delivery<P>,
    ) -> bool {
        let mut deferred = false;
        for direction in [Direction::Receive, Direction::Send] {
            #[cfg(windows)]
            if state.is_overlapped() {
                deferred |= self.issue_waiting(state, direction, delivery);
                continue;
            }
            loop {
                match state.advance(direction, &self.0.port) {
                    Advance::Idle => break,
                    Advance::Deferred => {
                        deferred = true;
                        break;
                    }
                    Advance::Yields => {
                        self.0.port.scheduler.backend().rearm(state.socket(), self.0.token);
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
    pub(super) fn complete(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        mut pending: Pending<P>,
        delivery: &mut Delivery<P>,
    ) {
        let port = &self.0.port;
        match &mut pending.task {
            Task::Accept(accept) if accept.waits_for_first_data() => {
                return self.hold(state, pending, delivery);
            }
            Task::Accept(accept) => {
                if let (Ok(accepted), Some(accepting)) = (&mut accept.result, &mut state.accepting)
                {
                    if accepting.is_full() {
                        return accepting.wait_for_place(pending);
                    }
                    accepted.socket.admission = accepting.admit();
                }
            }
            Task::FirstData(first_data) => {
                if let Some(socket) = state.socket.take() {
                    port.scheduler.backend().deregister(&socket);
                    let admission = state.admission.take();
                    let socket = TcpSocket::connection(socket, first_data.remote, admission);
                    if first_data.result.is_ok() {
                        first_data.socket = Some(socket);
                    } else {
                        delivery.later().discarded.push(socket);
                    }
                }
                let number = first_data.silent.number;
                delivery.later().finished_holds.push((pending.holder.clone(), number));
            }
            Task::AcceptInto(into) if into.result.is_ok() => self.hand_over(into),
            Task::Disconnect(disconnect) if disconnect.result.is_ok() => {
                self.disconnected(state, disconnect, delivery);
            }
            Task::TransmitFile(transmit) if transmit.ends_stream() => {
                state.shut_send = true;
                state.end_when_sent = true;
                state.end_if_sent();
            }
            Task::AcceptInto(_)
            | Task::Connect(_)
            | Task::Disconnect(_)
            | Task::Receive(_)
            | Task::ReceiveFrom(_)
            | Task::Send(_)
            | Task::SendTo(_)
            | Task::TransmitFile(_) => {}
        }
        delivery.add(port, pending.into_packet());
    }

    /// A posted accept has its connection and waits for the first data of it. It is not posted any
    /// more, so the window is filled again.
    fn hold(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        pending: Pending<P>,
        delivery: &mut Delivery<P>,
    ) {
        let Some(accepting) = &mut state.accepting else {
            unreachable!("first data is an option of the window")
        };
        let Some(admission) = self.place_for_silent(accepting, delivery) else {
            return accepting.wait_for_place(pending);
        };
        let Pending { id, mut task, operation, holder } = pending;
        let Task::Accept(accept) = &mut task else { unreachable!("only an accept is held") };
        let Ok(accepted) = std::mem::replace(&mut accept.result, Err(aborted())) else {
            unreachable!("only an accept with a connection is held")
        };
        let Accepted { mut socket, local, remote, .. } = *accepted;
        socket.admission = admission;
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
                let silence = port.watch_silence(&held.0, accepting.silence_limit());
                let silent = accepting.count_silent();
                accepting.hold(&silent, Held { handle: held.clone(), silence });
                let mut held_state = held.0.state.lock();
                let task = Task::FirstData(Box::new(FirstData::new(local, remote, silent)));
                held_state.push(Direction::Receive, Pending { id, task, operation, holder });
                held.advance(&mut held_state, delivery);
                delivery.later().refills.push(self.clone());
            }
        }
    }

    /// A place for one more silent connection, if need be that of the one that has been silent
    /// longest. `None` when the limit on connections is reached by others.
    fn place_for_silent(
        &self,
        accepting: &mut Accepting<P>,
        delivery: &mut Delivery<P>,
    ) -> Option<Option<Admission>> {
        while !accepting.has_room_for_silent() {
            let Held { handle, silence } = accepting.pop_oldest_held()?;
            if let Some(silence) = silence {
                drop(self.0.port.timers.cancel(silence));
            }
            let given_up = handle.give_up_silent(delivery);
            // Not here, where the listener's lock is held.
            delivery.later().given_up.push(handle);
            if let Some(admission) = given_up {
                return Some(admission);
            }
        }
        Some(accepting.admit())
    }

    /// Ends this connection, whose first data has not come, and gives its place; `None` when its
    /// packet is on its way already.
    fn give_up_silent(&self, delivery: &mut Delivery<P>) -> Option<Option<Admission>> {
        let port = &self.0.port;
        let mut state = self.0.state.lock();
        let mut pending = state.pop(Direction::Receive)?;
        let admission = state.admission.take();
        if let Some(socket) = state.socket.take() {
            port.scheduler.backend().deregister(&socket);
            delivery.later().discarded.push(TcpSocket::from_parts(socket));
        }
        drop(state);
        port.registry.retire(self.0.token);
        pending.task.fail(aborted());
        delivery.add(port, pending.into_packet());
        Some(admission)
    }

    /// Goes on with connections that came over the limit, as far as there are places now.
    pub(super) fn go_on_with_waiting(&self) {
        let mut delivery = Delivery::by(By::Other);
        let mut state = self.0.state.lock();
        while let Some(pending) =
            state.accepting.as_mut().and_then(|accepting| accepting.next_with_place())
        {
            self.complete(&mut state, pending, &mut delivery);
        }
        drop(state);
        delivery.finish();
    }

    /// The time for which a client may be silent is over for an accepted socket that waits for its
    /// first data; on a completion driver, for those of a listener, which have to be looked for.
    pub(crate) fn end_silence(&self) {
        #[cfg(windows)]
        if self.watch_silent_accepts() {
            return;
        }
        self.close();
    }

    /// Tries again after the system was short of something, or a closure of the user's panicked.
    pub(crate) fn retry(&self, delivery: &mut Delivery<P>) {
        let keeps_window = {
            let mut state = self.0.state.lock();
            state.retry_is_due = false;
            state.accepting.is_some()
        };
        let event = Event { token: self.0.token, readable: true, writable: true, ended: false };
        self.perform(event, delivery);
        if keeps_window {
            accepting::refill(self);
        }
    }

    /// Has [`Handle::retry`] called after a while.
    pub(super) fn retry_later(&self) {
        let retry = self.0.state.lock().owes_retry();
        if retry {
            self.0.port.defer(&self.0);
        }
    }

    pub(super) fn port(&self) -> &Arc<Inner<P>> {
        &self.0.port
    }

    pub(crate) fn with_socket<R>(
        &self,
        call: impl FnOnce(&Socket) -> io::Result<R>,
    ) -> io::Result<R> {
        call(self.0.state.lock().open_socket()?)
    }

    /// The peer of the connection, also of one that has ended or was lost.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        let state = self.0.state.lock();
        state.admits_connected()?;
        state.peer.ok_or_else(|| code::error(code::NOT_CONNECTED))
    }

    pub(crate) fn connected_at(&self) -> Option<Instant> {
        let state = self.0.state.lock();
        state.connected_at.filter(|_| state.socket.is_some())
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

    /// Fails when the handle or its port can start nothing any more.
    pub(crate) fn admits_starts(&self) -> io::Result<()> {
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
        let posted = state.posted();
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

    pub(super) fn forget_held(&self, number: u64) {
        let held = self.with_accepting(|accepting, _| accepting.as_mut()?.forget_held(number));
        if let Some(silence) = held.and_then(|held| held.silence) {
            drop(self.0.port.timers.cancel(silence));
        }
    }
}

impl<P: Protocol> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
