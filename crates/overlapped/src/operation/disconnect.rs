//! Disconnect: ends a connection in order and keeps its handle for the next one.

use super::{Progress, Surroundings, Task, loss, not_performed};
use crate::driver::code;
#[cfg(windows)]
use crate::driver::iocp::block::Ended;
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::handle::TcpStream;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;

/// A peer that never stops sending would keep the thread here.
const DISCARDED_AT_MOST_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Disconnect {
    /// Sending was ended before, so the connection may be over already.
    was_ended: bool,
    /// The peer has been told that we have ended sending.
    pub(crate) has_ended: bool,
    /// What takes the socket's place behind the handle, where a system cannot use it again.
    pub(crate) fresh: Option<Socket>,
    pub(crate) result: io::Result<()>,
}

impl Disconnect {
    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        if !self.has_ended {
            match with.socket.end_sending() {
                Err(error) if !self.was_ended => {
                    self.result = Err(error);
                    return Progress::Complete { drained: false };
                }
                _ => self.has_ended = true,
            }
        }
        // What was sent has gone out, and the end behind it; a reset that comes now is no loss.
        let _ = discard_unread(with);
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

    /// The peer was told the end before the turn of the disconnect came.
    #[cfg(windows)]
    pub(crate) fn note_end(&mut self) {
        self.has_ended = true;
        self.was_ended = true;
    }

    /// Fails when the connection was lost before, which the call to end it might not say.
    #[cfg(windows)]
    pub(super) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if self.was_ended { Ok(()) } else { discard_unread(with) }
    }

    #[cfg(windows)]
    pub(super) fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) {
        self.result = match (ended.result, with) {
            (Err(error), _) if !self.was_ended => Err(error),
            (_, None) => Err(super::aborted()),
            (_, Some(with)) => {
                self.has_ended = true;
                let _ = discard_unread(with);
                with.socket.fresh().map(|fresh| self.fresh = Some(fresh))
            }
        };
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::Disconnected { stream: TcpStream(handle), operation, result: self.result }
    }
}

/// A system that closes a socket with unread data resets its connection, and the peer may lose what
/// it has not received yet (F31).
fn discard_unread(with: Surroundings<'_>) -> io::Result<()> {
    let mut buffer = with.pool.get();
    let mut left = DISCARDED_AT_MOST_BYTES;
    while left > 0 {
        match with.socket.receive(buffer.room_mut()) {
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
    /// It queues behind the sends in flight (X63) and completes with [`Packet::Disconnected`] when
    /// the system has taken all that was sent, and our end behind it. It does not wait for the
    /// peer to receive that, nor to end its own direction. From its start on, sends and receives
    /// are refused as shut down; receives in flight complete as aborted when it is performed,
    /// before its own packet. What the peer sent and nobody received is discarded.
    ///
    /// Afterwards the stream has the key and the association that it had (X65), and is connected
    /// to nobody. One that came from a connect may [`connect`](Self::connect) again; one that came
    /// from an accept may be given to
    /// [`TcpListener::accept_into`](crate::TcpListener::accept_into) (X64); one made of a socket of
    /// the standard library, either. Its place under the limit of an accept window is given back.
    /// Options have to be set again.
    ///
    /// # Platform
    /// On Linux there is no true reuse: the socket is closed and a fresh one, bound to nothing, put
    /// behind the handle. The peer gets all data and a clean end; if it goes on sending after that,
    /// it is answered with a reset, as after [`close`](Self::close) (P143). When descriptors run
    /// short, the peer is told the end at once and the packet waits until there is one.
    /// On Windows the system ends the connection (`DisconnectEx`), and a fresh socket takes its place
    /// as well: used again itself, it would be bound to its old address and wait for the peer.
    /// The packets of receives in flight may come after the one of the disconnect.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet (P33): not connected (X61),
    /// reset before, a disconnect in flight, closed, or the port is closed. A connection that
    /// breaks before its end could be told is the packet's error. The stream is of no use then but
    /// to be closed.
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
        self.0
            .start(Direction::Send, Task::Disconnect(disconnect), operation)
            .map_err(|refused| refused.map(|(_, operation)| operation))
    }
}
