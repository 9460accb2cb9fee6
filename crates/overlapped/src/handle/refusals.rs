//! What a call is refused with, by the state of its handle alone.
//!
//! All of it stands here and is asked before the system is, so a call answers the same on every
//! driver, and one that is refused has changed nothing. docs/handle-states.md is the whole of it as
//! a table, which a test of the contract walks.

use super::reuse::Origin;
use super::state::{Link, State};
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::operation::Task;
use crate::port::Protocol;
use crate::port::inner::Inner;
use std::io;

impl<P: Protocol> State<P> {
    /// Whether an operation may be started at all.
    pub(super) fn admits(&self, task: &Task, port: &Inner<P>) -> io::Result<()> {
        if port.is_closed() {
            return Err(port_closed());
        }
        self.open_socket()?;
        let refusal = match (task, self.link) {
            (Task::Connect(_), link) => return may_connect(link, self.origin),
            (
                Task::Receive(_) | Task::Send(_) | Task::TransmitFile(_) | Task::Disconnect(_),
                Link::Unconnected | Link::Connecting | Link::Reserved,
            ) => Some(code::NOT_CONNECTED),
            (Task::Disconnect(_), Link::Disconnecting) => Some(code::ALREADY),
            (Task::Receive(_) | Task::Send(_) | Task::TransmitFile(_), Link::Disconnecting) => {
                Some(code::SHUT_DOWN)
            }
            (Task::Receive(_), _) if self.shut_receive => Some(code::SHUT_DOWN),
            (Task::Send(_) | Task::TransmitFile(_), _) if self.shut_send => Some(code::SHUT_DOWN),
            (Task::Receive(_) | Task::Send(_) | Task::TransmitFile(_) | Task::Disconnect(_), _) => {
                self.lost
            }
            _ => None,
        };
        refusal.map_or(Ok(()), |code| Err(code::error(code)))
    }

    /// Whether there is a connection with directions that can be ended.
    pub(super) fn admits_shutdown(&self) -> io::Result<()> {
        self.admits_connected()?;
        self.lost.map_or(Ok(()), |code| Err(code::error(code)))
    }

    /// Whether there is a connection, be it one that has ended or was lost since.
    pub(super) fn admits_connected(&self) -> io::Result<()> {
        self.open_socket()?;
        let stands = self.link.is_established();
        if stands { Ok(()) } else { Err(code::error(code::NOT_CONNECTED)) }
    }

    pub(super) fn open_socket(&self) -> io::Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| code::error(code::CLOSED))
    }

    /// Whether an accept may be posted for this stream.
    pub(super) fn admits_accept_into(&self) -> io::Result<()> {
        self.open_socket()?;
        match (self.link, self.origin) {
            (Link::Unconnected, Origin::Accepted | Origin::Unknown) => Ok(()),
            (Link::Unconnected, Origin::Connected) => {
                invalid("the stream came from a connect: let it connect again")
            }
            (Link::Unconnected, Origin::Fresh) => invalid(
                "the stream was never accepted: post an accept and associate what it yields",
            ),
            (Link::Unconnected, Origin::Cancelled) => invalid(CONNECT_WAS_CANCELLED),
            (Link::Reserved, _) => invalid("the stream waits in an accept already"),
            (Link::Connecting, _) => invalid("the stream is connecting: it was never accepted"),
            (Link::Connected, _) => invalid("the stream is connected: disconnect it first"),
            (Link::Disconnecting, _) => invalid("the stream's disconnect has not completed yet"),
            (Link::Listening | Link::Datagrams, _) => invalid("it is no stream"),
        }
    }
}

/// Why a stream may not connect.
fn may_connect(link: Link, origin: Origin) -> io::Result<()> {
    match (link, origin) {
        (Link::Reserved, _) => invalid("the stream waits in an accept"),
        (Link::Unconnected, Origin::Accepted) => {
            invalid("the stream came from an accept: give it to one with accept_into")
        }
        (Link::Unconnected, Origin::Cancelled) => invalid(CONNECT_WAS_CANCELLED),
        (Link::Unconnected, Origin::Fresh | Origin::Connected | Origin::Unknown) => Ok(()),
        (Link::Connecting, _) => Err(code::error(code::ALREADY)),
        (Link::Connected | Link::Disconnecting, _) => Err(code::error(code::IS_CONNECTED)),
        (Link::Listening | Link::Datagrams, _) => Err(code::error(code::INVALID)),
    }
}

const CONNECT_WAS_CANCELLED: &str =
    "the stream's connect was cancelled, and what became of it is unknown: close the stream";

fn invalid(why: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

pub(crate) fn port_closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the completion port is closed")
}
