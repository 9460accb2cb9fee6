//! Connect, with optional first data.

use super::packet::Packet;
use super::send::send_rest;
use super::tcp_stream::TcpStream;
use super::{Kind, Op};
use crate::buffer::Buffers;
use crate::conn::connection::{Connection, ConnectionState};
use crate::conn::facts::Moment;
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::conn::reuse::Origin;
use crate::error::{OperationId, Refused, is_aborted, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::family::Remote;
use std::io;
use std::net::SocketAddr;

pub(super) struct Connect {
    /// Boxed, since an address is large and a connect rare.
    pub(super) target: Box<Target>,
    pub(super) buffers: Buffers,
    pub(super) result: io::Result<()>,
}

pub(super) struct Target {
    pub(super) remote: Remote,
    pub(super) stage: Stage,
    pub(super) transferred: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    NotStarted,
    Connecting,
    Connected,
}

impl Connect {
    /// Goes on until all first data is sent (X51), an error, or `WouldBlock`.
    fn advance(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        let target = &mut *self.target;
        match target.stage {
            Stage::NotStarted => {
                target.stage = Stage::Connecting;
                match with.socket.connect(&target.remote) {
                    // After a refusal Linux answers the next attempt with this, and goes on with
                    // the one after it (X54).
                    Err(error) if error.raw_os_error() == Some(code::ABORTED) => {
                        with.socket.connect(&target.remote)?;
                    }
                    // A Unix listener's backlog is full, and the system will not tell of room in it.
                    Err(error) if error.raw_os_error() == Some(code::WOULD_BLOCK) => {
                        target.stage = Stage::NotStarted;
                        return Err(error);
                    }
                    other => other?,
                }
            }
            Stage::Connecting => with.socket.connected()?,
            Stage::Connected => {}
        }
        target.stage = Stage::Connected;
        send_rest(with.socket, &self.buffers, &mut target.transferred, false)
    }
}

impl<P: Protocol> Kind<P> for Connect {
    const ROLE: Role = Role::Connect;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        match self.advance(with) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.target.stage {
                Stage::NotStarted => Progress::Deferred,
                _ => Progress::Blocked,
            },
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    /// Whether the connection was established, also when sending the first data failed then.
    fn has_begun(&self) -> bool {
        self.target.stage == Stage::Connected
    }

    fn conclude(&mut self, connection: &mut Connection<Op<P>>) {
        if self.target.stage == Stage::Connected {
            connection.state = ConnectionState::Connected;
            connection.connected_at = Some(Moment::now());
            connection.origin = Origin::Connected;
            let peer = connection.socket.as_ref().and_then(|socket| socket.peer_addr().ok());
            connection.set_peer(Some(peer.unwrap_or(self.target.remote.internet())));
        } else {
            connection.state = ConnectionState::Unconnected;
            connection.ended = false;
            let was_aborted = self.result.as_ref().is_err_and(is_aborted);
            if was_aborted && self.target.remote.outlasts_cancel() {
                connection.origin = Origin::Cancelled;
            }
        }
        connection.set_ready();
    }

    fn transferred(&self) -> u64 {
        self.target.transferred as u64
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        Packet::Connected {
            stream: TcpStream(handle),
            buffers: self.buffers,
            operation,
            transferred: self.target.transferred,
            result: self.result,
        }
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to connect to `address` and, once connected, to send `first_data` (`()` for none).
    ///
    /// Completes with [`Packet::Connected`] when the connection stands and all first data is sent.
    /// After a refusal the same stream may connect again. There is no time-out: to give up, cancel
    /// the operation, or close the stream.
    ///
    /// # Errors
    /// What fails at once gives the buffers and the operation back and queues no packet: connected
    /// already, a connect in progress, closed, or the port is closed; "address family not
    /// supported" for an address of the other family, on every driver. The same happens if the
    /// system reports a refusal at once.
    ///
    /// # Cancellation
    /// A cancelled connect leaves the socket in an unknown state: close the stream. Nothing else can
    /// be started on it; a further connect is refused as `InvalidInput`.
    pub fn connect(
        &self,
        address: SocketAddr,
        first_data: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        self.connect_to(Remote::Internet(address), first_data.into(), operation)
    }

    pub(super) fn connect_to(
        &self,
        remote: Remote,
        first_data: Buffers,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        let target = Target { remote, stage: Stage::NotStarted, transferred: 0 };
        let connect =
            Connect { target: Box::new(target), buffers: first_data, result: not_performed() };
        Op::start(
            &self.0,
            Direction::Send,
            connect,
            operation,
            |connect, operation| (connect.buffers, operation),
            |handle, (buffers, operation), error| Packet::Connected {
                stream: Self(handle),
                buffers,
                operation,
                transferred: 0,
                result: Err(error),
            },
        )
    }
}
