//! What a call is refused with, by the state of its connection alone.
//!
//! All of it stands here and is asked before the system is, so a call answers the same on every
//! backend, and one that is refused has changed nothing. docs/handle-states.md is the whole of it as
//! a table, which a test of the contract walks.

use super::connection::{Connection, ConnectionState};
use super::operation::{Direction, Operation, Role};
use super::reuse::Origin;
use crate::sys::code;
use crate::sys::socket::Socket;
use std::io;

impl<O: Operation> Connection<O> {
    /// Whether an operation may be started at all.
    #[inline]
    pub(super) fn admits(&self, role: Role, direction: Direction) -> io::Result<()> {
        let is_shut = match direction {
            Direction::Receive => self.shut_receive,
            Direction::Send => self.shut_send,
        };
        // What is asked of most.
        let stands = self.state == ConnectionState::Connected && self.socket.is_some();
        if role == Role::Transfer && stands && !is_shut && self.lost().is_none() {
            return Ok(());
        }
        self.admits_in_any_state(role, direction)
    }

    #[inline(never)]
    fn admits_in_any_state(&self, role: Role, direction: Direction) -> io::Result<()> {
        use ConnectionState as State;
        self.open_socket()?;
        let is_shut = match direction {
            Direction::Receive => self.shut_receive,
            Direction::Send => self.shut_send,
        };
        let refusal = match (role, self.state) {
            (Role::Free, _) => None,
            (Role::Connect, state) => return may_connect(state, self.origin),
            (_, State::Unconnected | State::Connecting | State::Reserved) => {
                Some(code::NOT_CONNECTED)
            }
            (Role::Disconnect, State::Disconnecting) => Some(code::ALREADY),
            (Role::Transfer, State::Disconnecting) => Some(code::SHUT_DOWN),
            (Role::Transfer, _) if is_shut => Some(code::SHUT_DOWN),
            // An instance of a pipe is whole when its client has gone.
            (Role::Disconnect, _) if self.socket.as_ref().is_some_and(Socket::is_pipe) => None,
            (Role::Transfer | Role::Disconnect, _) => self.lost(),
        };
        refusal.map_or(Ok(()), |number| Err(code::error(number)))
    }

    /// Whether there is a connection with directions that can be ended.
    pub(super) fn admits_shutdown(&self) -> io::Result<()> {
        self.admits_connected()?;
        self.lost().map_or(Ok(()), |number| Err(code::error(number)))
    }

    /// Whether there is a connection, be it one that has ended or was lost since.
    pub(super) fn admits_connected(&self) -> io::Result<()> {
        self.open_socket()?;
        let stands = self.state.is_established();
        if stands { Ok(()) } else { Err(code::error(code::NOT_CONNECTED)) }
    }

    /// Whether an accept may be posted for this stream.
    pub(super) fn admits_accept_into(&self) -> io::Result<()> {
        use ConnectionState as State;
        self.open_socket()?;
        match (self.state, self.origin) {
            (State::Unconnected, Origin::Accepted | Origin::Unknown) => Ok(()),
            (State::Unconnected, Origin::Connected) => {
                invalid("the stream came from a connect: let it connect again")
            }
            (State::Unconnected, Origin::Fresh) => invalid(
                "the stream was never accepted: post an accept and associate what it yields",
            ),
            (State::Unconnected, Origin::Cancelled) => invalid(CONNECT_WAS_CANCELLED),
            (State::Reserved, _) => invalid("the stream waits in an accept already"),
            (State::Connecting, _) => invalid("the stream is connecting: it was never accepted"),
            (State::Connected | State::Silent, _) => {
                invalid("the stream is connected: disconnect it first")
            }
            (State::Disconnecting, _) => invalid("the stream's disconnect has not completed yet"),
            (State::Listening | State::Datagrams, _) => invalid("it is no stream"),
        }
    }
}

/// Why a stream may not connect.
fn may_connect(state: ConnectionState, origin: Origin) -> io::Result<()> {
    use ConnectionState as State;
    match (state, origin) {
        (State::Reserved, _) => invalid("the stream waits in an accept"),
        (State::Unconnected, Origin::Accepted) => {
            invalid("the stream came from an accept: give it to one with accept_into")
        }
        (State::Unconnected, Origin::Cancelled) => invalid(CONNECT_WAS_CANCELLED),
        (State::Unconnected, Origin::Fresh | Origin::Connected | Origin::Unknown) => Ok(()),
        (State::Connecting, _) => Err(code::error(code::ALREADY)),
        (State::Connected | State::Disconnecting | State::Silent, _) => {
            Err(code::error(code::IS_CONNECTED))
        }
        (State::Listening | State::Datagrams, _) => Err(code::error(code::INVALID)),
    }
}

const CONNECT_WAS_CANCELLED: &str =
    "the stream's connect was cancelled, and what became of it is unknown: close the stream";

fn invalid(why: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
