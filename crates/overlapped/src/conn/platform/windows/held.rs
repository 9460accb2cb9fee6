//! What the kernel has of one connection: what is counted of it, cancelled, and waited for.

use super::{Label, goes_alone};
use crate::conn::connection::Connection;
use crate::conn::operation::{Direction, Operation, Pending, Role};
use crate::sys::socket::Socket;
use crate::sys::system::SystemSocket;
use std::time::{Duration, Instant};

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
        self.send.as_ref().map_or(0, |sends| sends.len()) - usize::from(ends) + in_steps.count()
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
        let Some(next) = self.send.as_mut().and_then(|sends| sends.first.as_mut()) else { return };
        if let Some(socket) = &self.socket
            && next.operation.may_tell_end()
            && socket.end_sending().is_ok()
        {
            next.operation.note_end_was_told();
        }
    }

    /// Whether the next operation of this direction may go to the kernel now.
    pub(super) fn admits_to_kernel(&self, direction: Direction, operation: &O) -> bool {
        self.labels_of(direction).all(|label| !label.alone && !goes_alone(operation))
    }

    pub(super) fn next_waiting(&self, direction: Direction) -> Option<&O> {
        let queue = match direction {
            Direction::Receive => &self.receive,
            Direction::Send => self.send.as_deref()?,
        };
        queue.first.as_ref().map(|pending| &pending.operation)
    }

    /// Puts an operation back that is next in its direction.
    pub(super) fn push_first(&mut self, direction: Direction, pending: Pending<O>) {
        self.enter_state_of(pending.operation.role());
        self.waiting_mut(direction).push_first(pending);
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

    /// What the kernel has of a direction, by the numbers of the operations, in the order of their starts.
    pub(crate) fn ids_in_kernel(&self, direction: Direction) -> impl Iterator<Item = u32> {
        self.labels_of(direction).map(|label| label.id)
    }

    /// Asks the kernel to cancel an operation whose time is over. If it completes nevertheless, it
    /// keeps its result.
    pub(crate) fn time_out_in_kernel(&mut self, id: u32) {
        let mut labels = self.with_kernel.in_flight.labels_mut();
        let Some(label) = labels.find(|label| label.id == id) else { return };
        label.timed_out = true;
        drop(labels);
        self.cancel_one_in_kernel(id);
    }

    /// Whether closing is to reset the connection.
    pub(crate) fn reset_with_kernel(&mut self, on: bool) {
        self.with_kernel.resets = on;
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

    pub(super) fn settle(&mut self, is_it: impl Fn(&Label) -> bool) {
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
