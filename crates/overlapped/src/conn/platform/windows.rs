//! The operations of a connection whose kernel carries them itself: started with the kernel, finished
//! by its packets.
//!
//! Operations of one direction are started in order. Several may be with the kernel at once, which
//! keeps their order (P150), unless one of them goes in steps: that one is there alone, and what
//! was started after it waits in its queue.

use crate::conn::accept_window::refill;
use crate::conn::connection::Connection;
use crate::conn::connections::Connections;
use crate::conn::delivery::Delivery;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Operation, Pending, Progress, Role, Surroundings};
use crate::conn::queue::OperationQueue;
use crate::conn::silent::Silent;
use crate::conn::timers::Due;
use crate::driver::iocp::block::{Ended, Finished, InFlight, Outcome, Overlapped};
use crate::driver::iocp::request::Request;
use crate::driver::iocp::{Iocp, connect_time, is_wine};
use crate::driver::socket::Socket;
use crate::driver::system::SystemSocket;
use crate::driver::{Backend, code};
use crate::error::aborted;
use std::io;
use std::os::windows::io::RawSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an operation must be able to do besides, for the kernel's sake.
///
/// It is *prepared*, says its *request*, whose memory it owns, and is *finished* with the outcome. It
/// may then ask for another step (`Blocked`): its next request goes to the kernel.
pub(crate) trait InKernel {
    /// Makes what the request needs.
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()>;

    fn request(&mut self) -> Request<'_>;

    /// How it ended, of what the kernel's packet says.
    fn ended(&self, outcome: Outcome) -> Ended;

    /// Updates it by a step's outcome. Without surroundings the handle is closed, and nothing can
    /// be done but to keep what was transferred.
    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress;

    /// Whether it goes in steps, so that no other operation of its direction may be with the kernel.
    fn goes_in_steps(&self) -> bool;

    /// Whether it waits for a shortage to end: only accepts do, since nobody else could take their
    /// connection.
    fn outlasts_shortage(&self) -> bool;

    /// The fresh socket that a connection is accepted on together with its first data.
    fn accepts_on(&self) -> Option<RawSocket>;

    /// A disconnect is told that the peer was told the end before its turn came. False when it has
    /// told it, or for any other operation.
    fn may_tell_end(&self) -> bool;

    fn note_end_was_told(&mut self);
}

/// What the kernel has of one connection.
pub(crate) struct WithKernel<O: Operation> {
    in_flight: InFlight<Label, Pending<O>>,
    /// Closing is to reset the connection.
    resets: bool,
}

impl<O: Operation> WithKernel<O> {
    pub(crate) fn new() -> Self {
        Self { in_flight: InFlight::new(), resets: false }
    }
}

/// What is known of an operation while the kernel holds it.
#[derive(Debug)]
struct Label {
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
    /// The stream that an accept is for, by its token.
    stream: Option<u64>,
}

/// The system's port that carries the operations of these connections, unless they are simulated.
fn iocp<O: Operation>(connections: &Connections<O>) -> Option<&Iocp> {
    match connections.scheduler.backend() {
        Backend::Overlapped(iocp) => Some(iocp),
        Backend::Readiness(_) => None,
    }
}

impl<O: Operation> Overlapped for Pending<O> {
    fn request(&mut self) -> Request<'_> {
        self.operation.request()
    }
}

impl<T> OperationQueue<T> {
    /// Puts back what was taken out by [`OperationQueue::pop`], so that it is next again.
    fn push_first(&mut self, operation: T) {
        if let Some(second) = self.first.replace(operation) {
            self.rest.get_or_insert_default().push_front(second);
        }
    }
}

impl<O: Operation> Connection<O> {
    /// Whether the kernel carries the operations of this connection.
    pub(crate) fn is_with_kernel(&self) -> bool {
        matches!(self.socket, Some(Socket::System(_)))
    }

    fn system_socket(&self) -> Option<&SystemSocket> {
        match &self.socket {
            Some(Socket::System(socket)) => Some(socket),
            _ => None,
        }
    }

    fn labels_of(&self, direction: Direction) -> impl Iterator<Item = &Label> {
        self.with_kernel.in_flight.labels().filter(move |label| label.direction == direction)
    }

    /// How many sends the end of the stream has to wait for: those that wait here for their turn, and
    /// those of which only a step is with the kernel. What it has as a whole goes out before the end,
    /// whether the packets were taken or not. A disconnect is the end itself.
    pub(crate) fn sends_to_come(&self) -> usize {
        let next = self.next_waiting(Direction::Send);
        let ends = next.is_some_and(|operation| operation.role() == Role::Disconnect);
        let in_steps = self.labels_of(Direction::Send).filter(|label| label.in_steps);
        self.send.len() - usize::from(ends) + in_steps.count()
    }

    /// How many accepts wait for a connection.
    pub(crate) fn posted(&self) -> usize {
        let is_silent = |label: &&Label| label.silent.is_some();
        let in_kernel = self.labels_of(Direction::Receive).filter(|label| !is_silent(label));
        self.receive.len() + in_kernel.count()
    }

    /// How many operations have finished without their packets being taken. One that goes in steps
    /// is not among them: it is performed by whoever takes it, as on a readiness backend.
    pub(crate) fn finished_in_kernel(&self) -> usize {
        self.with_kernel.in_flight.finished(|label| !label.in_steps)
    }

    /// A disconnect waits until the packets of the sends before it are taken. The peer need not:
    /// it is told the end as soon as the kernel has all of the sends, and sees it behind them.
    pub(crate) fn tell_end_of_disconnect(&mut self) {
        if self.sends_to_come() > 0 {
            return;
        }
        let Some(next) = &mut self.send.first else { return };
        if let Some(socket) = &self.socket
            && next.operation.may_tell_end()
            && socket.end_sending().is_ok()
        {
            next.operation.note_end_was_told();
        }
    }

    /// Whether the next operation of this direction may go to the kernel now.
    fn admits_to_kernel(&self, direction: Direction, operation: &O) -> bool {
        self.labels_of(direction).all(|label| !label.alone && !goes_alone(operation))
    }

    fn next_waiting(&self, direction: Direction) -> Option<&O> {
        match direction {
            Direction::Receive => self.receive.first.as_ref().map(|pending| &pending.operation),
            Direction::Send => self.send.first.as_ref().map(|pending| &pending.operation),
        }
    }

    /// Puts an operation back that is next in its direction.
    fn push_first(&mut self, direction: Direction, pending: Pending<O>) {
        self.enter_state_of(pending.operation.role());
        match direction {
            Direction::Receive => self.receive.push_first(pending),
            Direction::Send => self.send.push_first(Box::new(pending)),
        }
    }

    /// Asks the kernel to cancel one operation; false when its packet is on its way already.
    pub(crate) fn cancel_one_in_kernel(&mut self, id: u32) -> bool {
        let mut labels = self.with_kernel.in_flight.labels_mut();
        let Some(label) = labels.find(|label| label.id == id) else { return false };
        label.cancelled = true;
        // An operation that goes in steps will go no further.
        let stops = label.in_steps;
        drop(labels);
        let Some(socket) = self.system_socket() else { return false };
        self.with_kernel.in_flight.cancel(socket, |label| label.id == id) || stops
    }

    /// Closing is to reset the connection.
    pub(crate) fn reset_with_kernel(&mut self) {
        self.with_kernel.resets = true;
    }

    /// Before the socket is closed: what was sent goes out and the peer sees an end. Closed with a
    /// receive in flight, it would see a reset (P143, F31).
    pub(crate) fn end_with_kernel(&mut self) {
        let Some(socket) = &self.socket else { return };
        if !self.state.is_established() {
            return;
        }
        if !self.with_kernel.resets {
            // It fails only for a connection that is over already.
            let _ = socket.end_sending();
        }
        self.settle_in_kernel();
    }

    /// Cancels what is in flight and waits a little until the kernel is done with it: Wine's client
    /// side goes on using the number of the socket until an operation has ended, and after the
    /// socket is closed the number may be a stranger's.
    pub(crate) fn settle_in_kernel(&mut self) {
        self.settle(|_| true);
    }

    fn settle(&mut self, is_it: impl Fn(&Label) -> bool) {
        const PATIENCE: Duration = Duration::from_millis(100);
        let it = self.with_kernel.in_flight.labels().filter(|label| is_it(label));
        let ids: Vec<u32> = it.map(|label| label.id).collect();
        for id in &ids {
            self.cancel_one_in_kernel(*id);
        }
        let end = Instant::now() + PATIENCE;
        while self.with_kernel.in_flight.finished(&is_it) < ids.len() && Instant::now() < end {
            std::thread::yield_now();
        }
    }

    /// Asks the kernel to cancel the accept into this stream, if it holds it.
    pub(crate) fn cancel_accept_in_kernel(&mut self, stream: u64) {
        let mut labels = self.with_kernel.in_flight.labels();
        let id = labels.find(|label| label.stream == Some(stream)).map(|label| label.id);
        drop(labels);
        if let Some(id) = id {
            self.cancel_one_in_kernel(id);
        }
    }

    /// Asks the kernel to cancel everything; returns how many operations there were to cancel.
    pub(crate) fn cancel_in_kernel(&mut self) -> usize {
        let ids: Vec<u32> = self.with_kernel.in_flight.labels().map(|label| label.id).collect();
        ids.into_iter().filter(|id| self.cancel_one_in_kernel(*id)).count()
    }
}

impl<O: Operation> Locked<'_, O> {
    /// Gives an operation to the kernel, or back.
    fn issue(
        &mut self,
        direction: Direction,
        mut pending: Pending<O>,
    ) -> Result<(), (io::Error, Pending<O>)> {
        let connections = self.connections;
        let Some(socket) = &self.socket else {
            return Err((aborted(), pending));
        };
        if let Err(error) =
            pending.operation.prepare(Surroundings { socket, pool: &connections.pool })
        {
            return Err((error, pending));
        }
        let operation = &pending.operation;
        let label = Label {
            id: pending.id,
            direction,
            alone: goes_alone(operation),
            in_steps: operation.goes_in_steps(),
            cancelled: false,
            accepting: operation.accepts_on(),
            connected_since: None,
            silent: None,
            stream: operation.accepts_into(),
        };
        let role = operation.role();
        if role == Role::Disconnect {
            // Their packets come before the one of the disconnect.
            self.settle(|label| label.direction == Direction::Receive);
        }
        let connection = &mut **self;
        let (Some(Socket::System(system)), Some(iocp)) = (&connection.socket, iocp(connections))
        else {
            return Err((aborted(), pending));
        };
        connection.with_kernel.in_flight.start(iocp, Some(system), label, pending)?;
        connection.enter_state_of(role);
        Ok(())
    }

    /// Step one: the operation goes to the kernel, or behind those that it must follow. True when the
    /// system was short of something, and the alarm has to be set for it.
    pub(crate) fn start_with_kernel(
        &mut self,
        direction: Direction,
        pending: Pending<O>,
    ) -> Result<bool, (io::Error, Pending<O>)> {
        if self.next_waiting(direction).is_some()
            || !self.admits_to_kernel(direction, &pending.operation)
        {
            self.push(direction, pending);
            self.tell_end_of_disconnect();
            return Ok(false);
        }
        match self.issue(direction, pending) {
            Ok(()) => Ok(false),
            Err((error, pending)) if is_shortage(&error, &pending.operation) => {
                self.push(direction, pending);
                Ok(self.owes_retry())
            }
            Err((error, mut pending)) => {
                pending.operation.fail(error);
                self.conclude(&mut pending.operation);
                let error = crate::conn::connection::error_of(&pending.operation);
                Err((error.unwrap_or_else(aborted), pending))
            }
        }
    }

    /// Steps two and three, for a packet of the kernel's. True when the alarm has to be set.
    fn finish(&mut self, finished: &Finished, delivery: &mut Delivery<O>) -> bool {
        let connections = self.connections;
        let Some(iocp) = iocp(connections) else { return false };
        let connection = &mut **self;
        let found = connection.with_kernel.in_flight.finish(iocp, finished);
        let Some((mut label, mut pending, outcome)) = found else { return false };
        drop(label.silent.take());
        let socket = connection.socket.as_ref();
        let with = socket.map(|socket| Surroundings { socket, pool: &connections.pool });
        let is_over = with.is_none() || connections.is_closed();
        let mut ended = pending.operation.ended(outcome);
        if (is_over || label.cancelled) && ended.result.is_err() {
            // However the kernel calls the end of an operation whose handle was closed (F30).
            ended.result = Err(aborted());
        }
        let mut deferred = false;
        match pending.operation.finish(ended, with) {
            Progress::Complete { .. } => self.complete(pending, delivery),
            Progress::Blocked | Progress::Deferred | Progress::Yields
                if is_over || label.cancelled =>
            {
                pending.operation.fail(aborted());
                self.complete(pending, delivery);
            }
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                deferred = self.issue_next(label.direction, pending, delivery);
            }
        }
        for direction in Direction::BOTH {
            deferred |= self.issue_waiting(direction, delivery);
        }
        self.end_if_sent();
        deferred && self.owes_retry()
    }

    fn complete(&mut self, mut pending: Pending<O>, delivery: &mut Delivery<O>) {
        self.conclude(&mut pending.operation);
        O::complete(pending, self, delivery);
    }

    /// Gives the next operation of its direction to the kernel. True when the system was short of
    /// something: then it is next again, and what was started after it waits for it.
    fn issue_next(
        &mut self,
        direction: Direction,
        pending: Pending<O>,
        delivery: &mut Delivery<O>,
    ) -> bool {
        match self.issue(direction, pending) {
            Ok(()) => false,
            Err((error, pending)) if is_shortage(&error, &pending.operation) => {
                self.push_first(direction, pending);
                true
            }
            Err((error, mut pending)) => {
                pending.operation.fail(error);
                self.complete(pending, delivery);
                false
            }
        }
    }

    /// Gives to the kernel what waits in its queue and may go; true when the system was short of
    /// something.
    pub(crate) fn issue_waiting(
        &mut self,
        direction: Direction,
        delivery: &mut Delivery<O>,
    ) -> bool {
        while self.is_with_kernel()
            && self
                .next_waiting(direction)
                .is_some_and(|operation| self.admits_to_kernel(direction, operation))
        {
            let Some(mut pending) = self.pop(direction) else { break };
            if let Some(lost) = self.lost {
                // The system reports a reset once; every operation in flight is told (P140).
                pending.operation.fail(code::error(lost));
                self.complete(pending, delivery);
            } else if self.issue_next(direction, pending, delivery) {
                return true;
            }
        }
        false
    }

    /// On a listener: counts the accepts that have a connection as silent; whether there was a new
    /// one. Cancels those whose client has been silent for `limit`, and the oldest ones beyond the
    /// limit on silent connections (X27).
    fn look_for_silent_accepts(&mut self, limit: Duration) -> bool {
        let now = Instant::now();
        let mut is_new = false;
        let mut silent = Vec::new();
        let Connection { with_kernel, accepting: Some(accepting), .. } = &mut **self else {
            return false;
        };
        for label in with_kernel.in_flight.labels_mut().filter(|label| !label.cancelled) {
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
        let in_excess = silent.len().saturating_sub(accepting.window.silent_limit());
        silent.sort_unstable();
        for (position, (since, id)) in silent.into_iter().enumerate() {
            if position < in_excess || now.duration_since(since) >= limit {
                self.cancel_one_in_kernel(id);
            }
        }
        is_new
    }
}

impl<O: Operation> Connections<O> {
    /// The kernel has carried out an operation of the connection with this token, or a step of it. An
    /// operation that is not ours is passed over (F9).
    pub(crate) fn finish(
        self: &Arc<Self>,
        token: u64,
        finished: &Finished,
        delivery: &mut Delivery<O>,
    ) {
        let Some(mut at) = self.find(token) else { return };
        let owes_retry = at.finish(finished, delivery);
        drop(at);
        if owes_retry {
            self.defer(token);
        }
    }

    /// Looks from time to time at the accepts of a window that wait for first data, and posts one more
    /// for each that has a connection. True when the kernel carries them; otherwise each connection
    /// has a timer of its own.
    pub(crate) fn watch_silent_accepts(self: &Arc<Self>, listener: u64) -> bool {
        let window = |at: &Locked<'_, O>| {
            let accepting = at.accepting.as_ref().filter(|_| at.is_with_kernel())?;
            Some((accepting.window.first_data, accepting.listener()))
        };
        let Some((limit, handle)) = self.find(listener).as_ref().and_then(window) else {
            return false;
        };
        let Some(limit) = limit else { return true };
        let mut rounds = 0;
        // What is posted may be taken at once by clients that wait in the backlog.
        while rounds < ROUNDS_OF_A_LOOK && handle.lock().look_for_silent_accepts(limit) {
            refill(&handle);
            rounds += 1;
        }
        let usual = (limit / 4).clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        let next = if rounds > 0 { SHORTEST_PERIOD } else { usual };
        // A port that is closed looks no more.
        let _ = self.timers.start(&self.scheduler, next, Due::Silence(listener));
        true
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
fn goes_alone(operation: &impl Operation) -> bool {
    operation.goes_in_steps() || (operation.role() == Role::Transfer && is_wine())
}

fn is_shortage(error: &io::Error, operation: &impl Operation) -> bool {
    operation.outlasts_shortage()
        && error.raw_os_error().is_some_and(|number| code::SHORT_OF.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p150_what_is_put_back_for_want_of_something_keeps_its_turn() {
        let mut queue = OperationQueue::new();
        for number in 1..=3 {
            queue.push(number);
        }
        let first = queue.pop().expect("there are three");
        queue.push_first(first);
        assert_eq!(queue.len(), 3);
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop(), queue.pop()],
            [Some(1), Some(2), Some(3), None]
        );
        queue.push_first(4);
        assert_eq!((queue.pop(), queue.is_empty()), (Some(4), true));
    }
}
