//! Connect, with optional first data.

use super::send::send_rest;
use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffers;
use crate::driver::code;
#[cfg(windows)]
use crate::driver::iocp::{block::Ended, complete_connect, request::Request};
#[cfg(windows)]
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::handle::TcpStream;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct Connect {
    /// Boxed, since an address is large and a connect rare.
    target: Box<Target>,
    buffers: Buffers,
    pub(crate) result: io::Result<()>,
}

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    stage: Stage,
    transferred: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotStarted,
    Connecting,
    Connected,
}

impl Connect {
    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        match self.advance(with) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    /// Goes on until all first data is sent (X51), an error, or `WouldBlock`.
    fn advance(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        let target = &mut *self.target;
        match target.stage {
            Stage::NotStarted => {
                target.stage = Stage::Connecting;
                match with.socket.connect(target.address) {
                    // After a refusal Linux answers the next attempt with this, and goes on with
                    // the one after it (X54).
                    Err(error) if error.raw_os_error() == Some(code::ABORTED) => {
                        with.socket.connect(target.address)?;
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

    #[cfg(windows)]
    pub(crate) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        match with.socket {
            Socket::System(socket) => {
                socket.family().check(self.target.address)?;
                socket.bind_if_unbound()
            }
            Socket::Simulated(_) => Ok(()),
        }
    }

    #[cfg(windows)]
    pub(crate) fn request(&mut self) -> Request<'_> {
        match self.target.stage {
            Stage::Connected => Request::Send(&self.buffers, self.target.transferred),
            Stage::NotStarted | Stage::Connecting => Request::Connect(self.target.address),
        }
    }

    #[cfg(windows)]
    pub(crate) fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        let target = &mut *self.target;
        self.result = match (ended.result, with) {
            (result, _) if target.stage == Stage::Connected => {
                target.transferred += ended.transferred;
                result
            }
            (Err(error), _) => Err(error),
            (Ok(()), Some(Surroundings { socket: Socket::System(socket), .. })) => {
                target.stage = Stage::Connected;
                complete_connect(socket)
            }
            (Ok(()), _) => Err(super::aborted()),
        };
        if self.result.is_ok() && target.transferred < self.buffers.byte_len() {
            return Progress::Blocked;
        }
        Progress::Complete { drained: false }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.target.address
    }

    /// Whether the connection was established, also when sending the first data failed then.
    pub(crate) fn is_established(&self) -> bool {
        self.target.stage == Stage::Connected
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
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
    /// Completes with [`Packet::Connected`] when the connection stands and all first data is sent
    /// (X51). After a refusal the same stream may connect again (X54). There is no time-out for
    /// one call (X57): cancel the operation, or close the stream.
    ///
    /// # Errors
    /// What fails at once gives the buffers and the operation back and queues no packet: connected
    /// already, a connect in progress (X52), closed, or the port is closed; "address family not
    /// supported" for an address of the other family, on every driver. So does a refusal
    /// that the system reports at once.
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
        let target = Target { address, stage: Stage::NotStarted, transferred: 0 };
        let connect = Connect {
            target: Box::new(target),
            buffers: first_data.into(),
            result: not_performed(),
        };
        self.0.start(Direction::Send, Task::Connect(connect), operation).map_err(|refused| {
            refused.map(|(task, operation)| match task {
                Task::Connect(connect) => (connect.buffers, operation),
                _ => (().into(), operation),
            })
        })
    }
}
