//! The operations of a connection whose kernel carries them itself: started with the kernel, finished
//! by its packets.
//!
//! Operations of one direction are started in order. Several may be with the kernel at once, which
//! keeps their order (P150), unless one of them goes in steps: that one is there alone, and what
//! was started after it waits in its queue.

//!
//! - [`held`] is what the kernel has of one connection; [`carrying`] how operations go to it and come
//!   back; [`silence`] how accepts that wait for first data are watched.

mod carrying;
mod held;
mod silence;

use super::Begun;
use crate::conn::connections::Connections;
use crate::conn::operation::{Direction, Operation, Pending, Progress, Role, Surroundings};
use crate::conn::queue::OperationQueue;
use crate::conn::silent::Silent;
use crate::sys::iocp::block::{Ended, InFlight, Outcome, Overlapped};
use crate::sys::iocp::request::Request;
use crate::sys::iocp::{Iocp, is_wine};
use crate::sys::{Backend, code};
use std::io;
use std::os::windows::io::RawSocket;
use std::time::Instant;

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

impl<O: Operation> Begun<O> {
    const IN_FLIGHT: Self = Self::InFlight { owes_retry: false };
}

/// What is known of an operation while the kernel holds it.
#[derive(Debug)]
struct Label {
    id: u32,
    direction: Direction,
    alone: bool,
    in_steps: bool,
    cancelled: bool,
    /// It was cancelled since its time is over.
    timed_out: bool,
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
