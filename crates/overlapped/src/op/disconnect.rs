//! Disconnect: ends a connection in order and keeps its handle for the next one.

use super::packet::Packet;
use super::tcp_stream::TcpStream;
use super::{Kind, Next, Op};
use crate::buffer::pool::Pool;
use crate::conn::connection::{Connection, ConnectionState};
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, loss, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::socket::Socket;
use std::io;
use std::sync::Arc;

/// A peer that never stops sending would keep the thread here.
const DISCARDED_AT_MOST_BYTES: usize = 16 << 20;

pub(super) struct Disconnect {
    /// Sending was ended before, so the connection may be over already.
    pub(super) was_ended: bool,
    /// The peer has been told that we have ended sending.
    pub(super) has_ended: bool,
    /// What takes the socket's place behind the handle, where a system cannot use it again.
    pub(super) fresh: Option<Socket>,
    pub(super) result: io::Result<()>,
}

impl<P: Protocol> Kind<P> for Disconnect {
    const ROLE: Role = Role::Disconnect;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        if !self.has_ended {
            match with.socket.end_sending() {
                Err(error) if !self.was_ended => {
                    self.result = Err(error);
                    return Progress::Complete { drained: false };
                }
                _ => self.has_ended = true,
            }
        }
        match with.socket.fresh() {
            Err(error)
                if error.raw_os_error().is_some_and(|code| code::SHORT_OF.contains(&code)) =>
            {
                return Progress::Deferred;
            }
            Err(error) => self.result = Err(error),
            Ok(fresh) => {
                self.fresh = Some(fresh);
                self.result = Ok(());
            }
        }
        Progress::Complete { drained: false }
    }

    fn has_begun(&self) -> bool {
        self.has_ended
    }

    fn loss(error: &io::Error) -> Option<i32> {
        loss_of_connected(error)
    }

    fn conclude(&mut self, connection: &mut Connection<Op<P>>) {
        if self.result.is_err() {
            // Failed or cancelled: the connection is what it was before.
            connection.state = ConnectionState::Connected;
            connection.shut_send |= self.has_ended;
        }
    }

    fn complete(
        &mut self,
        at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        if self.result.is_ok() {
            let pool = Arc::clone(&at.connections.pool);
            // Not before it is sure that nobody goes on receiving from it. What was sent has gone out, and the
            // end behind it; a reset that comes now is no loss.
            let last = |old: &Socket| drop(discard_unread(old, &pool));
            self.result = at.disconnected(self.fresh.take(), last, delivery);
        }
        Next::Packet
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        Packet::Disconnected { stream: TcpStream(handle), operation, result: self.result }
    }
}

/// How a connection was lost that was there, and that we had not ended: the system may say only that
/// it is not there.
pub(super) fn loss_of_connected(error: &io::Error) -> Option<i32> {
    match error.raw_os_error() {
        Some(code::NOT_CONNECTED) => Some(code::RESET),
        _ => loss(error),
    }
}

/// A system that closes a socket with unread data resets its connection, and the peer may lose what
/// it has not received yet (F31).
pub(super) fn discard_unread(socket: &Socket, pool: &Arc<Pool>) -> io::Result<()> {
    let mut buffer = pool.get();
    let mut left = DISCARDED_AT_MOST_BYTES;
    while left > 0 {
        match socket.receive(buffer.room_mut()) {
            Ok(length @ 1..) => left = left.saturating_sub(length),
            Err(error) if loss(&error).is_some() => return Err(error),
            Ok(_) | Err(_) => break,
        }
    }
    Ok(())
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to end the connection in order, so that this stream can be used for another one.
    ///
    /// It queues behind the sends in flight and completes with [`Packet::Disconnected`] when the
    /// system has taken all that was sent, and the end of the stream after it. It does not wait
    /// until the peer has received that, or has ended its own direction. From its start on, sends
    /// and receives are refused as shut down; receives in flight complete as aborted when it is
    /// performed, before its own packet. Data from the peer that was not received is discarded.
    ///
    /// Afterwards the stream still has its key and its association, and is not connected. One that
    /// came from a connect may [`connect`](Self::connect) again; one that came from an accept may
    /// be given to [`TcpListener::accept_into`](crate::TcpListener::accept_into); one made of a
    /// socket of the standard library, either. Its place under the limit of an accept window is
    /// given back. Options have to be set again.
    ///
    /// # Platform
    /// Linux cannot use a socket again: it is closed, and the handle gets a new one, which is bound
    /// to no address. The peer gets all data and a clean end; if it goes on sending after that, it
    /// is answered with a reset, as after [`close`](Self::close). When descriptors run short, the
    /// peer is told the end at once and the packet waits until there is one. On Windows the system
    /// ends the connection (`DisconnectEx`), and a new socket takes its place as well: the old one
    /// would stay bound to its address, and the system would wait for the peer. The packets of
    /// receives in flight may come after the one of the disconnect.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: not connected, reset
    /// before, a disconnect in flight, closed, or the port is closed. If the connection breaks
    /// before the peer could be told its end, the packet has the error. The stream can only be
    /// closed then.
    ///
    /// # Cancellation
    /// A cancelled disconnect leaves the connection as it is; sends are still refused if the peer
    /// was told the end before.
    pub fn disconnect(
        &self,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        let disconnect = Disconnect {
            was_ended: self.0.has_ended_sending(),
            has_ended: false,
            fresh: None,
            result: not_performed(),
        };
        Op::start(
            &self.0,
            Direction::Send,
            disconnect,
            operation,
            |_, operation| operation,
            |handle, operation, error| Packet::Disconnected {
                stream: Self(handle),
                operation,
                result: Err(error),
            },
        )
    }
}
