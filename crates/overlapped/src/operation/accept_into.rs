//! Accept into: a posted accept whose connection goes to a stream that was disconnected.
//!
//! The operation is the listener's (P136). It holds the stream, of which it knows only that it is
//! a handle of the same port: the type of the user's data is not part of a task.

use super::accept::{Connection, next_connection};
#[cfg(windows)]
use super::overlapped::Room;
use super::{Progress, Surroundings, Task, not_performed};
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::handle::core::{Core, Handle};
use crate::handle::state::Direction;
use crate::handle::{TcpListener, TcpStream};
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct AcceptInto {
    stream: Arc<dyn Any + Send + Sync>,
    /// The connection, until it lies behind the stream's handle.
    pub(crate) socket: Option<Socket>,
    /// The local and the remote address.
    pub(crate) result: io::Result<Box<(SocketAddr, SocketAddr)>>,
    /// What the kernel accepts into.
    #[cfg(windows)]
    pub(super) room: Room,
}

impl AcceptInto {
    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        match next_connection(with.socket) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken),
        }
    }

    #[cfg(windows)]
    pub(super) fn finish(
        &mut self,
        outcome: io::Result<usize>,
        with: Option<Surroundings<'_>>,
    ) -> Progress {
        match self.room.finish(outcome, with) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken.map(|(connection, _)| connection)),
        }
    }

    fn keep(&mut self, taken: io::Result<Connection>) -> Progress {
        self.result = taken.map(|(socket, local, remote)| {
            self.socket = Some(socket);
            Box::new((local, remote))
        });
        Progress::Complete { drained: false }
    }

    /// Where the stream's handle lies.
    #[cfg(windows)]
    pub(super) fn stream_address(&self) -> usize {
        Arc::as_ptr(&self.stream).addr()
    }

    /// The stream that the connection is for.
    pub(crate) fn stream<P: Protocol>(&self) -> Handle<P> {
        match Arc::clone(&self.stream).downcast::<Core<P>>() {
            Ok(core) => Handle::of(core),
            Err(_) => unreachable!("listener and stream are handles of one port"),
        }
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        listener: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        let stream = self.stream();
        if self.result.is_err() {
            stream.release();
        }
        Packet::AcceptedInto {
            listener: TcpListener(listener),
            stream: TcpStream(stream),
            operation,
            result: self.result,
        }
    }
}

impl<P: Protocol> TcpListener<P> {
    /// Posts one accept whose connection goes to `stream`, which came from an accept and was
    /// [disconnected](TcpStream::disconnect) (X34).
    ///
    /// Completes with [`Packet::AcceptedInto`], in the order posted among the accepts of this
    /// listener (X21). The stream is connected then, under the key and the association that it had
    /// (X65). Otherwise it is like [`accept`](Self::accept). While the accept waits, nobody else
    /// may use the stream (X19).
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: the stream is connected,
    /// came from a connect, was never used, waits in another accept already or belongs to another
    /// port (X19, X64); a window is kept on this listener; the listener, the stream or the port is
    /// closed.
    ///
    /// # Cancellation
    /// It is an operation of the listener's: [`cancel`](Self::cancel) or [`close`](Self::close)
    /// here completes it as aborted, and the stream may be given to an accept again. Cancelling on
    /// the stream does nothing; closing the stream completes it as aborted (P136).
    pub fn accept_into(
        &self,
        stream: &TcpStream<P>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        let admitted = self.0.admits_starts().and_then(|()| self.admits_single());
        if let Err(error) = admitted.and_then(|()| stream.0.reserve_for(&self.0)) {
            return Err(Refused::new(error, operation));
        }
        let into = AcceptInto {
            stream: Arc::clone(stream.0.core()) as Arc<dyn Any + Send + Sync>,
            socket: None,
            result: not_performed(),
            #[cfg(windows)]
            room: Room::default(),
        };
        let started = self.0.start(Direction::Receive, Task::AcceptInto(Box::new(into)), operation);
        match started {
            Ok(id) => {
                // Who closed the stream before the accept was posted could not end it.
                if stream.0.is_closed() {
                    self.0.cancel_accept_into(&stream.0);
                }
                Ok(id)
            }
            Err(refused) => {
                stream.0.release();
                Err(refused.map(|(_, operation)| operation))
            }
        }
    }
}
