//! Accept into: a posted accept whose connection goes to a stream that was disconnected.
//!
//! The operation is the listener's (P136). It holds the stream, which is reserved meanwhile.

use super::accept::{Connection, next_connection};
use super::packet::Packet;
use super::platform::AcceptRoom;
use super::start::{Pack, refused};
use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::{Kind, Next, Op};
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::socket::Socket;
use std::io;
use std::net::SocketAddr;

pub(super) struct AcceptInto<P: Protocol> {
    stream: Handle<Op<P>>,
    /// The connection, until it lies behind the stream's handle.
    socket: Option<Socket>,
    /// The local and the remote address.
    pub(super) result: io::Result<Box<(SocketAddr, SocketAddr)>>,
    /// What a kernel accepts into.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) room: AcceptRoom,
}

impl<P: Protocol> AcceptInto<P> {
    /// The stream that the connection is for.
    pub(super) fn stream(&self) -> &Handle<Op<P>> {
        &self.stream
    }

    pub(super) fn keep(&mut self, taken: io::Result<Connection>) -> Progress {
        self.result = taken.map(|(socket, local, remote)| {
            self.socket = Some(socket);
            Box::new((local, remote))
        });
        Progress::Complete { drained: false }
    }
}

impl<P: Protocol> Kind<P> for AcceptInto<P> {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        match next_connection(with.socket) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken),
        }
    }

    fn complete(
        &mut self,
        _at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        _delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        if let Ok(addresses) = &self.result
            && let Err(error) = self.stream.adopt(self.socket.take(), addresses.1)
        {
            self.result = Err(error);
        }
        Next::Packet
    }

    fn into_packet(self, listener: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        if self.result.is_err() {
            self.stream.release();
        }
        Packet::AcceptedInto {
            listener: TcpListener(listener),
            stream: TcpStream(self.stream),
            operation,
            result: self.result,
        }
    }
}

/// Makes the packet of one that was refused. It leaves the stream as it is: that may be reserved for
/// another accept.
fn pack<P: Protocol>(stream: &TcpStream<P>) -> impl Pack<P, P::Operation> + use<P> {
    let stream = stream.clone();
    |listener, operation, error| Packet::AcceptedInto {
        listener: TcpListener(listener),
        stream,
        operation,
        result: Err(error),
    }
}

impl<P: Protocol> TcpListener<P> {
    /// Posts one accept whose connection goes to `stream`, which came from an accept and was
    /// [disconnected](TcpStream::disconnect).
    ///
    /// Completes with [`Packet::AcceptedInto`], in the order posted among the accepts of this
    /// listener. The stream is connected then, under the key and the association that it had.
    /// Otherwise it is like [`accept`](Self::accept). While the accept waits, nothing else can be
    /// started on the stream.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: the stream is connected,
    /// came from a connect, was never used, waits in another accept already or belongs to another
    /// port; a window is kept on this listener; the listener, the stream or the port is closed.
    ///
    /// # Cancellation
    /// It is an operation of the listener's: [`cancel`](Self::cancel) or [`close`](Self::close)
    /// here completes it as aborted, and the stream may be given to an accept again. Cancelling on
    /// the stream does nothing; closing the stream completes it as aborted.
    pub fn accept_into(
        &self,
        stream: &TcpStream<P>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        let admitted = self.0.admits_starts().and_then(|()| self.admits_single());
        if let Err(error) = admitted.and_then(|()| stream.0.reserve_for(&self.0)) {
            return Err(refused(error, operation, &self.0, Direction::Receive, pack(stream)));
        }
        let into = AcceptInto {
            stream: stream.0.clone(),
            socket: None,
            result: not_performed(),
            room: AcceptRoom::default(),
        };
        let started = Op::start(
            &self.0,
            Direction::Receive,
            into,
            operation,
            |_, operation| operation,
            pack(stream),
        );
        match &started {
            // Who closed the stream before the accept was posted could not end it.
            Ok(_) if stream.0.is_closed() => {
                self.0.connections().cancel_accept_into(self.0.token(), stream.0.token());
            }
            Ok(_) => {}
            Err(_) => stream.0.release(),
        }
        started
    }
}
