//! The operations of a handle whose kernel carries them itself: started with the kernel, finished
//! by its packets.
//!
//! Operations of one direction are started in order. Several may be with the kernel at once, which
//! keeps their order (P150), unless one of them goes in steps: that one is there alone, and what
//! was started after it waits in its lane.

use super::accepting::{Silent, refill};
use super::core::Handle;
use super::delivery::Delivery;
use super::state::{Direction, Link, Pending, State, link_under_way};
use crate::driver::Backend;
use crate::driver::iocp::block::{Finished, InFlight, Overlapped};
use crate::driver::iocp::request::Request;
use crate::driver::iocp::{Iocp, connect_time, is_wine};
use crate::driver::socket::Socket;
use crate::driver::{code, system::SystemSocket};
use crate::error::Refused;
use crate::operation::{OperationId, Progress, Surroundings, Task, aborted};
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::sync::MutexGuard;
use std::io;
use std::os::windows::io::RawSocket;
use std::time::{Duration, Instant};

/// What the kernel holds for one handle.
pub(super) type Held<P> = InFlight<Label, Pending<P>>;

/// What is known of an operation while the kernel holds it.
#[derive(Debug)]
pub(super) struct Label {
    id: u32,
    direction: Direction,
    alone: bool,
    in_steps: bool,
    cancelled: bool,
    /// The fresh socket of an accept, and since when it is seen to be connected.
    accepting: Option<RawSocket>,
    connected_since: Option<Instant>,
    /// Counts it as silent from then on.
    silent: Option<Silent>,
    /// The stream that an accept is for, as the address of its handle.
    stream: Option<usize>,
}

impl<P: Protocol> Overlapped for Pending<P> {
    fn request(&mut self) -> Request<'_> {
        self.task.request()
    }
}

/// The system's port that `port` is.
fn iocp<P: Protocol>(port: &Inner<P>) -> Option<&Iocp> {
    match port.scheduler.backend() {
        Backend::Overlapped(iocp) => Some(iocp),
        Backend::Readiness(_) => None,
    }
}

impl<P: Protocol> State<P> {
    /// Whether the kernel carries the operations of this handle.
    pub(super) fn is_overlapped(&self) -> bool {
        matches!(self.socket, Some(Socket::System(_)))
    }

    fn system_socket(&self) -> Option<&SystemSocket> {
        match &self.socket {
            Some(Socket::System(socket)) => Some(socket),
            _ => None,
        }
    }

    pub(super) fn held(&self, direction: Direction) -> usize {
        self.in_flight.labels().filter(|label| label.direction == direction).count()
    }

    /// The sends that wait here for their turn, and those of which only a step is with the kernel. A
    /// disconnect is the end itself.
    pub(super) fn sends_not_with_kernel(&self) -> usize {
        let ends = self.next_waiting(Direction::Send).is_some_and(Task::is_disconnect);
        let in_steps = |label: &&Label| label.direction == Direction::Send && label.in_steps;
        self.send.len() - usize::from(ends) + self.in_flight.labels().filter(in_steps).count()
    }

    /// A disconnect waits until the packets of the sends before it are taken. The peer need not:
    /// it is told the end as soon as the kernel has all of the sends, and sees it behind them.
    pub(super) fn tell_end_of_disconnect(&mut self) {
        if self.sends_not_with_kernel() > 0 {
            return;
        }
        let Some(Task::Disconnect(disconnect)) =
            self.send.first_mut().map(|pending| &mut pending.task)
        else {
            return;
        };
        if let Some(socket) = &self.socket
            && !disconnect.has_ended
            && socket.end_sending().is_ok()
        {
            disconnect.note_end();
        }
    }

    /// Whether the next operation of this direction may go to the kernel now.
    fn admits_to_kernel(&self, direction: Direction, task: &Task) -> bool {
        self.in_flight
            .labels()
            .filter(|label| label.direction == direction)
            .all(|label| !label.alone && !goes_alone(task))
    }

    /// Gives an operation to the kernel, or back.
    fn issue(
        &mut self,
        direction: Direction,
        mut pending: Pending<P>,
        port: &Inner<P>,
    ) -> Result<(), (io::Error, Pending<P>)> {
        let Some(socket) = &self.socket else {
            return Err((aborted(), pending));
        };
        if let Err(error) = pending.task.prepare(Surroundings { socket, pool: &port.pool }) {
            return Err((error, pending));
        }
        let label = Label {
            id: pending.id,
            direction,
            alone: goes_alone(&pending.task),
            in_steps: pending.task.is_alone(),
            cancelled: false,
            accepting: pending.task.accepting_socket(),
            connected_since: None,
            silent: None,
            stream: pending.task.accepting_stream(),
        };
        let under_way = link_under_way(&pending.task);
        if under_way == Some(Link::Disconnecting) {
            // Their packets come before the one of the disconnect.
            self.settle_receives();
        }
        let (Some(Socket::System(system)), Some(iocp)) = (&self.socket, iocp(port)) else {
            return Err((aborted(), pending));
        };
        self.in_flight.start(iocp, Some(system), label, pending)?;
        if let Some(link) = under_way {
            self.link = link;
        }
        Ok(())
    }

    fn next_waiting(&self, direction: Direction) -> Option<&Task> {
        match direction {
            Direction::Receive => self.receive.first().map(|pending| &pending.task),
            Direction::Send => self.send.first().map(|pending| &pending.task),
        }
    }

    /// Asks the kernel to cancel one operation; false when its packet is on its way already.
    pub(super) fn cancel_held(&mut self, id: u32) -> bool {
        let Some(label) = self.in_flight.labels_mut().find(|label| label.id == id) else {
            return false;
        };
        label.cancelled = true;
        // An operation that goes in steps will go no further.
        let stops = label.in_steps;
        let Some(socket) = self.system_socket() else { return false };
        self.in_flight.cancel(socket, |label| label.id == id) || stops
    }

    /// Before the socket is closed: what was sent goes out and the peer sees an end. Closed with a
    /// receive in flight, it would see a reset (P143, F31).
    pub(super) fn end_overlapped(&mut self) {
        let Some(socket) = &self.socket else { return };
        if !self.link.is_established() {
            return;
        }
        if !self.resets {
            // It fails only for a connection that is over already.
            let _ = socket.end_sending();
        }
        self.settle_held();
    }

    /// Cancels what is in flight and waits a little until the kernel is done with it: Wine's client
    /// side goes on using the number of the socket until an operation has ended, and after the
    /// socket is closed the number may be a stranger's.
    pub(super) fn settle_held(&mut self) {
        self.settle(|_| true);
    }

    fn settle_receives(&mut self) {
        self.settle(|label| label.direction == Direction::Receive);
    }

    fn settle(&mut self, is_it: impl Fn(&Label) -> bool) {
        const PATIENCE: Duration = Duration::from_millis(100);
        let it = self.in_flight.labels().filter(|label| is_it(label));
        let ids: Vec<u32> = it.map(|label| label.id).collect();
        for id in &ids {
            self.cancel_held(*id);
        }
        let end = Instant::now() + PATIENCE;
        while self.in_flight.finished(&is_it) < ids.len() && Instant::now() < end {
            std::thread::yield_now();
        }
    }

    /// How many accepts have a connection whose first data the kernel waits for.
    pub(super) fn silent_accepts(&self) -> usize {
        self.in_flight.labels().filter(|label| label.silent.is_some()).count()
    }

    /// Asks the kernel to cancel the accept into this stream, if it holds it.
    pub(super) fn cancel_held_accept_into(&mut self, stream: usize) {
        let id = self.in_flight.labels().find(|label| label.stream == Some(stream));
        if let Some(id) = id.map(|label| label.id) {
            self.cancel_held(id);
        }
    }

    /// Asks the kernel to cancel everything; returns how many operations there were to cancel.
    pub(super) fn cancel_all_held(&mut self) -> usize {
        let ids: Vec<u32> = self.in_flight.labels().map(|label| label.id).collect();
        ids.into_iter().filter(|id| self.cancel_held(*id)).count()
    }
}

impl<P: Protocol> Handle<P> {
    /// Step one: the operation goes to the kernel, or behind those that it must follow.
    pub(super) fn start_overlapped(
        &self,
        mut state: MutexGuard<'_, State<P>>,
        direction: Direction,
        pending: Pending<P>,
    ) -> Result<OperationId, Refused<(Task, P::Operation)>> {
        let port = &self.0.port;
        let id = OperationId(pending.id);
        if state.next_waiting(direction).is_some()
            || !state.admits_to_kernel(direction, &pending.task)
        {
            state.push(direction, pending);
            state.tell_end_of_disconnect();
            return Ok(id);
        }
        match state.issue(direction, pending, port) {
            Ok(()) => Ok(id),
            Err((error, pending)) if is_shortage(&error, &pending.task) => {
                state.push(direction, pending);
                let retry = state.owes_retry();
                drop(state);
                if retry {
                    port.defer(&self.0);
                }
                Ok(id)
            }
            Err((error, Pending { mut task, operation, holder, .. })) => {
                task.fail(error);
                let error = state.conclude(&mut task).unwrap_or_else(aborted);
                drop(state);
                drop(holder);
                Err(Refused::new(error, (task, operation)))
            }
        }
    }

    /// Steps two and three, for a packet of the kernel's.
    pub(crate) fn finish(&self, finished: &Finished, delivery: &mut Delivery<P>) {
        let port = &self.0.port;
        let Some(iocp) = iocp(port) else { return };
        let mut state = self.0.state.lock();
        let Some((mut label, mut pending, outcome)) = state.in_flight.finish(iocp, finished) else {
            return;
        };
        drop(label.silent.take());
        let with = state.socket.as_ref().map(|socket| Surroundings { socket, pool: &port.pool });
        let is_over = with.is_none() || port.is_closed();
        let mut ended = match &pending.task {
            Task::TransmitFile(_) => outcome.of_transmission(),
            _ => outcome.of_socket(),
        };
        if (is_over || label.cancelled) && ended.result.is_err() {
            // However the kernel calls the end of an operation whose handle was closed (F30).
            ended.result = Err(aborted());
        }
        let mut retry = false;
        match pending.task.finish(ended, with) {
            Progress::Complete { .. } => self.conclude_and_complete(&mut state, pending, delivery),
            Progress::Blocked | Progress::Deferred | Progress::Yields
                if is_over || label.cancelled =>
            {
                pending.task.fail(aborted());
                self.conclude_and_complete(&mut state, pending, delivery);
            }
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                match state.issue(label.direction, pending, port) {
                    Ok(()) => {}
                    Err((error, pending)) if is_shortage(&error, &pending.task) => {
                        // What was started after it waits for it.
                        state.push_first(label.direction, pending);
                        retry = true;
                    }
                    Err((error, mut pending)) => {
                        pending.task.fail(error);
                        self.conclude_and_complete(&mut state, pending, delivery);
                    }
                }
            }
        }
        for direction in [Direction::Receive, Direction::Send] {
            retry |= self.issue_waiting(&mut state, direction, delivery);
        }
        state.end_if_sent();
        let retry = retry && state.owes_retry();
        drop(state);
        if retry {
            port.defer(&self.0);
        }
    }

    fn conclude_and_complete(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        mut pending: Pending<P>,
        delivery: &mut Delivery<P>,
    ) {
        state.conclude(&mut pending.task);
        self.complete(state, pending, delivery);
    }

    /// Gives to the kernel what waits in its lane and may go; true when the system was short of
    /// something.
    pub(super) fn issue_waiting(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        direction: Direction,
        delivery: &mut Delivery<P>,
    ) -> bool {
        let port = &self.0.port;
        while state.is_overlapped()
            && state
                .next_waiting(direction)
                .is_some_and(|task| state.admits_to_kernel(direction, task))
        {
            let Some(mut pending) = state.pop(direction) else { break };
            if let Some(lost) = state.lost {
                // The system reports a reset once; every operation in flight is told (P140).
                pending.task.fail(code::error(lost));
                self.conclude_and_complete(state, pending, delivery);
                continue;
            }
            match state.issue(direction, pending, port) {
                Ok(()) => {}
                Err((error, pending)) if is_shortage(&error, &pending.task) => {
                    state.push_first(direction, pending);
                    return true;
                }
                Err((error, mut pending)) => {
                    pending.task.fail(error);
                    self.conclude_and_complete(state, pending, delivery);
                }
            }
        }
        false
    }

    /// Looks from time to time at the accepts of a window that wait for first data, and posts one more
    /// for each that has a connection. True when the kernel carries them; otherwise each connection
    /// has a timer of its own.
    pub(super) fn watch_silent_accepts(&self) -> bool {
        let limit = {
            let state = self.0.state.lock();
            match &state.accepting {
                Some(accepting) if state.is_overlapped() => accepting.first_data_limit(),
                _ => return false,
            }
        };
        let Some(limit) = limit else { return true };
        let mut rounds = 0;
        // What is posted may be taken at once by clients that wait in the backlog.
        while rounds < ROUNDS_OF_A_LOOK && self.look_for_silent_accepts(limit) {
            refill(self);
            rounds += 1;
        }
        let usual = (limit / 4).clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        let next = if rounds > 0 { SHORTEST_PERIOD } else { usual };
        self.0.port.watch_silence(&self.0, next);
        true
    }

    /// Counts the accepts that have a connection as silent; whether there was a new one. Cancels
    /// those whose client has been silent for `limit`, and the oldest ones beyond the limit on
    /// silent connections (X27).
    fn look_for_silent_accepts(&self, limit: Duration) -> bool {
        let mut state = self.0.state.lock();
        let now = Instant::now();
        let mut is_new = false;
        let mut silent = Vec::new();
        let State { in_flight, accepting: Some(accepting), .. } = &mut *state else { return false };
        for label in in_flight.labels_mut().filter(|label| !label.cancelled) {
            let Some(socket) = label.accepting else { continue };
            // The operation keeps the socket open while it is in flight.
            let Some(connected_for) = connect_time(socket) else { continue };
            let since = *label
                .connected_since
                .get_or_insert_with(|| now.checked_sub(connected_for).unwrap_or(now));
            is_new |= label.silent.is_none();
            label.silent.get_or_insert_with(|| accepting.count_silent());
            silent.push((since, label.id));
        }
        let in_excess = silent.len().saturating_sub(accepting.silent_limit());
        silent.sort_unstable();
        for (position, (since, id)) in silent.into_iter().enumerate() {
            if position < in_excess || now.duration_since(since) >= limit {
                state.cancel_held(id);
            }
        }
        is_new
    }

    /// How many operations have finished without their packets being taken. One that goes in steps
    /// is not among them: it is performed by whoever takes it, as on a readiness driver.
    pub(crate) fn finished(&self) -> usize {
        self.0.state.lock().in_flight.finished(|label| !label.in_steps)
    }
}

/// The system tells for how long a socket has been connected, but not when one connects: somebody
/// has to look, four times within the limit and ten times a second at least, and more often while
/// there are new ones.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
const LONGEST_PERIOD: Duration = Duration::from_millis(100);

/// How often one look goes on while clients come. What is left is seen by the next one.
const ROUNDS_OF_A_LOOK: usize = 16;

/// Whether no other operation of its direction may be with the kernel. Under Wine that is so for
/// every transfer of a stream: one that is started while the one before is being completed may
/// overtake it there.
fn goes_alone(task: &Task) -> bool {
    task.is_alone() || (matches!(task, Task::Receive(_) | Task::Send(_)) && is_wine())
}

/// Only accepts wait for a shortage to end: nobody else could take their connection.
fn is_shortage(error: &io::Error, task: &Task) -> bool {
    matches!(task, Task::Accept(_) | Task::AcceptInto(_))
        && error.raw_os_error().is_some_and(|number| code::SHORT_OF.contains(&number))
}
