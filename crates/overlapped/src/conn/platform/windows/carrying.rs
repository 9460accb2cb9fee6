//! How operations go to the kernel and come back from it.

use super::{Begun, Label, goes_alone, iocp, is_shortage};
use crate::conn::connection::error_of;
use crate::conn::connections::Connections;
use crate::conn::delivery::Delivery;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Operation, Pending, Progress, Role, Surroundings};
use crate::error::{aborted, is_aborted, timed_out};
use crate::sys::code;
use crate::sys::iocp::block::Finished;
use crate::sys::socket::Socket;
use std::io;
use std::sync::Arc;

impl<O: Operation> Locked<'_, O> {
    /// Gives an operation to the kernel, or back. It returns what was done at once and has no packet,
    /// which is in the kernel's record still.
    fn issue(
        &mut self,
        direction: Direction,
        mut pending: Pending<O>,
    ) -> Result<Option<Finished>, (io::Error, Pending<O>)> {
        let connections = self.connections;
        let Some(socket) = &self.socket else {
            return Err((aborted(), pending));
        };
        let receive_size = &self.receive_size;
        let with = Surroundings { socket, pool: &connections.pool, receive_size };
        if let Err(error) = pending.operation.prepare(with) {
            return Err((error, pending));
        }
        let of_pipe = socket.is_pipe();
        let several_writes = of_pipe && pending.operation.request().takes_several_writes();
        let operation = &pending.operation;
        let label = Label {
            id: pending.id,
            direction,
            // One of a pipe is alone in its direction: it may take another call.
            alone: of_pipe || goes_alone(operation),
            in_steps: several_writes || operation.goes_in_steps(),
            cancelled: false,
            timed_out: false,
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
        let done = connection.with_kernel.in_flight.start(iocp, Some(system), label, pending)?;
        connection.enter_state_of(role);
        Ok(done)
    }

    /// Queues the packet that the kernel has left out.
    fn queue_left_out(&self, done: Option<Finished>) {
        if let (Some(finished), Some(iocp)) = (done, iocp(self.connections)) {
            iocp.post_finished(self.token, finished);
        }
    }

    /// Has the kernel leave out the packets of what is done at once on this stream, if it can.
    fn leave_out_packets(&self) {
        if let Some(Socket::System(socket)) = &self.socket {
            socket.skip_packets();
        }
    }

    /// Step one: the operation goes to the kernel, or behind those that it must follow. If it is done at
    /// once, and `in_place` is there and says so, it is complete.
    pub(crate) fn start_with_kernel(
        &mut self,
        direction: Direction,
        pending: Pending<O>,
        in_place: Option<impl FnOnce() -> bool>,
        delivery: &mut Delivery<O>,
    ) -> Result<Begun<O>, (io::Error, Pending<O>)> {
        if self.next_waiting(direction).is_some()
            || !self.admits_to_kernel(direction, &pending.operation)
        {
            self.push(direction, pending);
            self.tell_end_of_disconnect();
            return Ok(Begun::IN_FLIGHT);
        }
        if in_place.is_some() {
            self.leave_out_packets();
        }
        match self.issue(direction, pending) {
            Ok(Some(finished)) if in_place.is_some_and(|may_be| may_be()) => {
                self.finish_in_place(&finished, delivery)
            }
            Ok(done) => {
                self.queue_left_out(done);
                Ok(Begun::IN_FLIGHT)
            }
            Err((error, pending)) if is_shortage(&error, &pending.operation) => {
                self.push(direction, pending);
                Ok(Begun::InFlight { owes_retry: self.owes_retry() })
            }
            Err((error, mut pending)) => {
                pending.operation.fail(error);
                self.conclude(direction, &mut pending.operation);
                Err(refused(pending))
            }
        }
    }

    /// Step two of an operation that was done at once. One that asks for another step goes on as others
    /// do.
    fn finish_in_place(
        &mut self,
        finished: &Finished,
        delivery: &mut Delivery<O>,
    ) -> Result<Begun<O>, (io::Error, Pending<O>)> {
        let Some((label, mut pending, progress)) = self.carried_out(finished) else {
            unreachable!("it was put into the record under this lock");
        };
        if !matches!(progress, Progress::Complete { .. }) {
            let deferred = self.issue_next(label.direction, pending, delivery);
            return Ok(Begun::InFlight { owes_retry: deferred && self.owes_retry() });
        }
        self.conclude(label.direction, &mut pending.operation);
        if pending.operation.error().is_some() && !pending.operation.has_begun() {
            return Err(refused(pending));
        }
        Ok(Begun::Complete(pending))
    }

    /// Takes an operation that the kernel has carried out, or a step of it, out of the record, and says
    /// how far it is. `None` when it is not ours (F9).
    fn carried_out(&mut self, finished: &Finished) -> Option<(Label, Pending<O>, Progress)> {
        let connections = self.connections;
        let iocp = iocp(connections)?;
        if self.limited {
            self.limit_stepped();
        }
        let connection = &mut **self;
        let found = connection.with_kernel.in_flight.finish(iocp, finished);
        let (mut label, mut pending, mut outcome) = found?;
        drop(label.silent.take());
        let socket = connection.socket.as_ref();
        let receive_size = &connection.receive_size;
        let with =
            socket.map(|socket| Surroundings { socket, pool: &connections.pool, receive_size });
        let is_over = with.is_none() || connections.is_closed();
        let mut is_empty = false;
        if socket.is_some_and(Socket::is_pipe) {
            let is_receive = label.direction == Direction::Receive;
            is_empty = is_receive && outcome.is_of_an_empty_write();
            outcome = outcome.of_a_pipe(is_receive);
        }
        let mut ended = pending.operation.ended(outcome);
        if (is_over || label.cancelled) && ended.result.is_err() {
            // However the kernel calls the end of an operation whose handle was closed (F30).
            ended.result = Err(aborted());
        }
        // A peer that writes nothing to a pipe has not ended: the receive is started again.
        let mut progress = match is_empty {
            true => Progress::Blocked,
            false => pending.operation.finish(ended, with),
        };
        if (is_over || label.cancelled) && !matches!(progress, Progress::Complete { .. }) {
            pending.operation.fail(aborted());
            progress = Progress::Complete { drained: false };
        }
        Some((label, pending, progress))
    }

    /// Steps two and three, for a packet of the kernel's. True when the alarm has to be set.
    fn finish(&mut self, finished: &Finished, delivery: &mut Delivery<O>) -> bool {
        let Some((label, pending, progress)) = self.carried_out(finished) else { return false };
        let mut deferred = false;
        match progress {
            Progress::Complete { .. } => self.complete_in_time(&label, pending, delivery),
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                deferred = self.issue_next(label.direction, pending, delivery);
            }
        }
        for direction in [Direction::Receive, Direction::Send] {
            deferred |= self.issue_waiting(direction, delivery);
        }
        self.end_if_sent();
        deferred && self.owes_retry()
    }

    fn complete(&mut self, mut pending: Pending<O>, delivery: &mut Delivery<O>) {
        self.conclude(Direction::of_id(pending.id), &mut pending.operation);
        self.deliver(pending, delivery);
    }

    /// The same for one that the kernel has carried out, and that may have been out of time.
    fn complete_in_time(
        &mut self,
        label: &Label,
        mut pending: Pending<O>,
        delivery: &mut Delivery<O>,
    ) {
        self.conclude(label.direction, &mut pending.operation);
        if label.timed_out && pending.operation.error().is_some_and(is_aborted) {
            // Only now: to the connection it was a cancel, and no loss.
            pending.operation.fail(timed_out());
        }
        self.deliver(pending, delivery);
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
            Ok(done) => {
                self.queue_left_out(done);
                false
            }
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
            if let Some(lost) = self.lost() {
                // The system reports a reset once; every operation in flight is told (P140).
                pending.operation.fail(code::error(lost));
                self.complete(pending, delivery);
            } else if self.issue_next(direction, pending, delivery) {
                return true;
            }
        }
        false
    }
}

/// An operation that failed at once, with its error.
fn refused<O: Operation>(pending: Pending<O>) -> (io::Error, Pending<O>) {
    (error_of(&pending.operation).unwrap_or_else(aborted), pending)
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
}
