//! What one lock guards of a handle: the socket, its two lanes, and what is known of the connection.
//!
//! Only [`super::core`] and [`super::ending`] hold that lock; here are the steps that need nothing
//! else.

use super::Admission;
use super::accepting::Accepting;
use super::core::Handle;
use super::lane::{Advance, Lane};
use super::reuse::Origin;
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::operation::{Progress, Surroundings, Task, aborted, loss};
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::port::packet::Packet;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// The state of one handle.
pub(super) struct State<P: Protocol> {
    /// None once closed.
    pub(super) socket: Option<Socket>,
    pub(super) admission: Option<Admission>,
    pub(super) link: Link,
    pub(super) origin: Origin,
    /// Whom it is connected to. Some systems forget it when the connection ends.
    pub(super) peer: Option<SocketAddr>,
    /// The peer has ended its direction or the connection failed: a short read proves nothing.
    pub(super) ended: bool,
    /// The error that ended the connection, once an operation has met it: whatever is started from
    /// then on fails with it, too (P160).
    pub(super) lost: Option<i32>,
    pub(super) shut_receive: bool,
    pub(super) shut_send: bool,
    /// The system is to be told that we have ended sending when nothing is left to be sent.
    pub(super) end_when_sent: bool,
    /// The alarm is set to try again what met a shortage.
    pub(super) retry_is_due: bool,
    pub(super) next_id: u32,
    pub(super) receive: Lane<Pending<P>>,
    /// Boxed, since sends rarely wait and most connections are idle.
    pub(super) send: Lane<Box<Pending<P>>>,
    pub(super) connected_at: Option<Instant>,
    pub(super) accepting: Option<Box<Accepting<P>>>,
    /// What the kernel carries.
    #[cfg(windows)]
    pub(super) in_flight: super::overlapping::Held<P>,
    /// Closing is to reset the connection.
    #[cfg(windows)]
    pub(super) resets: bool,
}

/// What the socket is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Listening,
    Unconnected,
    Connecting,
    Connected,
    /// A disconnect waits for the sends before it.
    Disconnecting,
    /// Disconnected, and kept for an accept.
    Reserved,
    /// A socket for datagrams, which is connected to nobody.
    Datagrams,
}

impl Link {
    pub(super) fn is_established(self) -> bool {
        matches!(self, Self::Connected | Self::Disconnecting)
    }

    /// Whether what the driver says of an end is that of a connection.
    pub(super) fn is_of_a_connection(self) -> bool {
        self.is_established() || self == Self::Connecting
    }
}

/// The direction in which an operation queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Receive,
    Send,
}

/// An operation in flight. It holds the handle that its packet will give back.
pub(super) struct Pending<P: Protocol> {
    pub(super) id: u32,
    pub(super) task: Task,
    pub(super) operation: P::Operation,
    pub(super) holder: Handle<P>,
}

impl<P: Protocol> Pending<P> {
    pub(super) fn into_packet(self) -> Packet<P> {
        self.task.into_packet(self.holder, self.operation)
    }

    pub(super) fn aborted(mut self) -> Packet<P> {
        self.task.fail(aborted());
        self.into_packet()
    }
}

impl<P: Protocol> State<P> {
    pub(super) fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("the caller knows that the handle is open")
    }

    /// Whether the alarm must be set to try again; it is, from now on.
    pub(super) fn owes_retry(&mut self) -> bool {
        !std::mem::replace(&mut self.retry_is_due, true)
    }

    /// How many operations of this direction are in flight.
    pub(super) fn in_flight(&self, direction: Direction) -> usize {
        let waiting = match direction {
            Direction::Receive => self.receive.len(),
            Direction::Send => self.send.len(),
        };
        #[cfg(windows)]
        return waiting + self.held(direction);
        #[cfg(not(windows))]
        waiting
    }

    /// How many sends the end of the stream has to wait for: those that the system was not given as
    /// a whole. What a kernel has of them goes out before the end, whether their packets were taken
    /// or not.
    pub(super) fn sends_to_come(&self) -> usize {
        #[cfg(windows)]
        return self.sends_not_with_kernel();
        #[cfg(not(windows))]
        self.send.len()
    }

    /// How many accepts wait for a connection.
    pub(super) fn posted(&self) -> usize {
        #[cfg(windows)]
        return self.in_flight(Direction::Receive) - self.silent_accepts();
        #[cfg(not(windows))]
        self.in_flight(Direction::Receive)
    }

    /// Ends the sending direction if that waited for the last send.
    pub(super) fn end_if_sent(&mut self) {
        if self.end_when_sent && self.sends_to_come() == 0 {
            self.end_when_sent = false;
            if let Some(socket) = &self.socket {
                // It fails only for a connection that is over already.
                let _ = socket.end_sending();
            }
        }
        #[cfg(windows)]
        self.tell_end_of_disconnect();
    }

    pub(super) fn lane_may_attempt(&self, direction: Direction) -> bool {
        match direction {
            Direction::Receive => self.receive.may_attempt(),
            Direction::Send => self.send.may_attempt(),
        }
    }

    pub(super) fn push(&mut self, direction: Direction, pending: Pending<P>) {
        if let Some(link) = link_under_way(&pending.task) {
            self.link = link;
        }
        match direction {
            Direction::Receive => self.receive.push(pending),
            Direction::Send => self.send.push(Box::new(pending)),
        }
    }

    /// Puts an operation back that is next in its direction.
    #[cfg(windows)]
    pub(super) fn push_first(&mut self, direction: Direction, pending: Pending<P>) {
        if let Some(link) = link_under_way(&pending.task) {
            self.link = link;
        }
        match direction {
            Direction::Receive => self.receive.push_first(pending),
            Direction::Send => self.send.push_first(Box::new(pending)),
        }
    }

    pub(super) fn pop(&mut self, direction: Direction) -> Option<Pending<P>> {
        match direction {
            Direction::Receive => self.receive.pop(),
            Direction::Send => self.send.pop().map(|pending| *pending),
        }
    }

    /// The first attempt, of an operation that is not in a lane.
    pub(super) fn attempt(
        &mut self,
        direction: Direction,
        task: &mut Task,
        port: &Inner<P>,
    ) -> Progress {
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

    pub(super) fn advance(&mut self, direction: Direction, port: &Inner<P>) -> Advance<Pending<P>> {
        let Self { socket: Some(socket), receive, send, ended, lost, .. } = self else {
            return Advance::Idle;
        };
        let with = Surroundings { socket, pool: &port.pool };
        let lost = *lost;
        let attempt = |task: &mut Task| {
            if let Some(lost) = lost {
                // The system reports a reset once; every operation in flight is told (P140).
                task.fail(code::error(lost));
                return Progress::Complete { drained: false };
            }
            task.perform(with)
        };
        match direction {
            Direction::Receive => receive.advance(*ended, |pending| attempt(&mut pending.task)),
            Direction::Send => match send.advance(*ended, |pending| attempt(&mut pending.task)) {
                Advance::Complete(pending) => Advance::Complete(*pending),
                Advance::Deferred => Advance::Deferred,
                Advance::Yields => Advance::Yields,
                Advance::Idle => Advance::Idle,
            },
        }
    }

    /// Takes note of what a complete operation says about the connection; returns its error anew.
    pub(super) fn conclude(&mut self, task: &mut Task) -> Option<io::Error> {
        if let Task::Connect(connect) = task {
            self.link = if connect.is_established() { Link::Connected } else { Link::Unconnected };
            if self.link == Link::Connected {
                self.connected_at = Some(Instant::now());
                self.origin = Origin::Connected;
                let peer = self.socket.as_ref().and_then(|socket| socket.peer_addr().ok());
                self.peer = Some(peer.unwrap_or(connect.address()));
                self.receive.set_ready();
            } else {
                self.ended = false;
                self.send.set_ready();
            }
        }
        let error = task.error()?;
        if matches!(task, Task::Connect(_)) && is_cancelled(error) && self.link == Link::Unconnected
        {
            // The system may go on with it.
            self.origin = Origin::Cancelled;
        }
        if let Task::Disconnect(disconnect) = &*task {
            // Failed or cancelled: the connection is what it was before.
            self.link = Link::Connected;
            self.shut_send |= disconnect.has_ended;
        }
        let loss = match &*task {
            // It was connected, and we have not ended it: the system has lost it.
            Task::Disconnect(_) | Task::TransmitFile(_)
                if error.raw_os_error() == Some(code::NOT_CONNECTED) =>
            {
                Some(code::RESET)
            }
            _ => loss(error),
        };
        if let Some(loss) = loss
            && self.link.is_established()
        {
            let lost = *self.lost.get_or_insert(loss);
            self.receive.set_ready();
            self.send.set_ready();
            task.fail(code::error(lost));
        }
        task.error().map(|error| match error.raw_os_error() {
            Some(code) => code::error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })
    }
}

fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::CANCELED)
}

/// What the link is while this operation is in flight, if that changes it.
pub(super) fn link_under_way(task: &Task) -> Option<Link> {
    match task {
        Task::Connect(_) => Some(Link::Connecting),
        Task::Disconnect(_) => Some(Link::Disconnecting),
        _ => None,
    }
}
