//! Accept: one posted accept, or one of a window that refills itself.

#[cfg(windows)]
use super::overlapped::Room;
use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffer;
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::error::Refused;
use crate::handle::core::Handle;
use crate::handle::state::Direction;
use crate::handle::{TcpListener, TcpSocket};
use crate::operation::OperationId;
use crate::port::Protocol;
use crate::port::packet::Packet;
use std::io;
use std::net::SocketAddr;

/// What an accept yielded.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, associated with no port yet (P18).
    pub socket: TcpSocket,
    /// The address at which the connection arrived.
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
    /// What the peer sent first, where the accept waits for it. Empty when the peer ended its
    /// direction without sending (X15).
    pub first_data: Option<Buffer>,
}

#[derive(Debug)]
pub(crate) struct Accept {
    /// Complete only with first data (X14).
    pub(crate) with_first_data: bool,
    /// Its first attempt is left out, so that other events have their turn.
    yields: bool,
    pub(crate) result: io::Result<Box<Accepted>>,
    /// What the kernel accepts into.
    #[cfg(windows)]
    pub(super) room: Room,
}

impl Accept {
    pub(crate) fn task() -> Task {
        Self::of_window(false, false)
    }

    /// An accept of a window. One that `yields` is attempted only when other events have had their
    /// turn.
    pub(crate) fn of_window(with_first_data: bool, yields: bool) -> Task {
        Task::Accept(Self {
            with_first_data,
            yields,
            result: not_performed(),
            #[cfg(windows)]
            room: Room::default(),
        })
    }

    /// Whether the connection stands, and its first data, without which it is not complete, does
    /// not.
    pub(crate) fn waits_for_first_data(&self) -> bool {
        self.with_first_data
            && self.result.as_ref().is_ok_and(|accepted| accepted.first_data.is_none())
    }

    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        if std::mem::take(&mut self.yields) {
            return Progress::Yields;
        }
        match next_connection(with.socket) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken.map(|connection| (connection, None))),
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
            Ok(taken) => self.keep(taken),
        }
    }

    fn keep(&mut self, taken: io::Result<(Connection, Option<Buffer>)>) -> Progress {
        self.result = taken.map(|((socket, local, remote), first_data)| {
            let socket = TcpSocket::connection(socket, remote, None);
            Box::new(Accepted { socket, local, remote, first_data })
        });
        Progress::Complete { drained: false }
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::Accepted { listener: TcpListener(handle), operation, result: self.result }
    }
}

/// A connection with its local and its remote address.
pub(super) type Connection = (Socket, SocketAddr, SocketAddr);

/// The next connection that did not fail before it was accepted. `Err` says that there is none now.
pub(super) fn next_connection(listener: &Socket) -> Result<io::Result<Connection>, Progress> {
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(Progress::Blocked);
            }
            Err(error) => match error.raw_os_error() {
                Some(early) if code::FAILED_EARLY.contains(&early) => {}
                Some(short) if code::SHORT_OF.contains(&short) => return Err(Progress::Deferred),
                _ => return Ok(Err(error)),
            },
            Ok((socket, remote)) => {
                return Ok(socket.local_addr().map(|local| (socket, local, remote)));
            }
        }
    }
}

impl<P: Protocol> TcpListener<P> {
    /// Posts one accept.
    ///
    /// Completes with [`Packet::Accepted`], in the order posted (X21), as soon as a connection is
    /// there (X14). The packet carries this listener's key; the connection is not associated (P18,
    /// X20). A connection that failed while it waited is passed over or shows its error at its
    /// first receive (X30). When descriptors or memory run short the accept stays posted and is
    /// tried again (see [`Counters::accept_deferrals`](crate::Counters)).
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: closed, or a window is
    /// kept on this listener, which posts its accepts itself.
    pub fn accept(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        if let Err(error) = self.admits_single() {
            return Err(Refused::new(error, operation));
        }
        self.0
            .start(Direction::Receive, Accept::task(), operation)
            .map_err(|refused| refused.map(|(_, operation)| operation))
    }

    /// Fails when the listener posts its accepts itself.
    pub(super) fn admits_single(&self) -> io::Result<()> {
        if self.0.keeps_window() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the listener keeps a window of accepts; single ones cannot be posted beside it",
            ));
        }
        Ok(())
    }
}
