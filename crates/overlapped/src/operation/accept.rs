//! Accept: one posted accept, or one of a window that refills itself.

use super::{Progress, Surroundings, Task, not_performed};
use crate::buffer::Buffer;
use crate::driver::code;
#[cfg(windows)]
use crate::driver::iocp::{AcceptRoom, request::Request};
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
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, RawSocket};

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
    pub(crate) result: io::Result<Box<Accepted>>,
    /// What the kernel accepts into.
    #[cfg(windows)]
    room: Option<Box<AcceptRoom>>,
}

impl Accept {
    pub(crate) fn task(with_first_data: bool) -> Task {
        Task::Accept(Self {
            with_first_data,
            result: not_performed(),
            #[cfg(windows)]
            room: None,
        })
    }

    /// Whether the connection stands, and its first data, without which it is not complete, does
    /// not.
    pub(crate) fn waits_for_first_data(&self) -> bool {
        self.with_first_data
            && self.result.as_ref().is_ok_and(|accepted| accepted.first_data.is_none())
    }

    pub(crate) fn perform(&mut self, with: Surroundings<'_>) -> Progress {
        loop {
            match with.socket.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Blocked;
                }
                Err(error) => match error.raw_os_error() {
                    Some(early) if code::FAILED_EARLY.contains(&early) => {}
                    Some(short) if code::SHORT_OF.contains(&short) => return Progress::Deferred,
                    _ => {
                        self.result = Err(error);
                        return Progress::Complete { drained: false };
                    }
                },
                Ok((socket, remote)) => {
                    self.result = accepted(socket, remote).map(Box::new);
                    return Progress::Complete { drained: false };
                }
            }
        }
    }

    #[cfg(windows)]
    pub(crate) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        let Socket::System(listener) = with.socket else { return Ok(()) };
        let data = if self.with_first_data { with.pool.buffer_size() } else { 0 };
        self.room = Some(Box::new(AcceptRoom::new(listener.for_accept()?, data)));
        Ok(())
    }

    #[cfg(windows)]
    pub(crate) fn request(&mut self) -> Request<'_> {
        Request::Accept(self.room.as_mut().expect("an accept is prepared before it is started"))
    }

    #[cfg(windows)]
    pub(crate) fn accepting_socket(&self) -> Option<RawSocket> {
        self.room.as_ref().map(|room| room.socket.as_raw_socket())
    }

    /// A connection that failed while it waited is passed over: the accept stays posted (X30).
    #[cfg(windows)]
    pub(crate) fn finish(
        &mut self,
        outcome: io::Result<usize>,
        with: Option<Surroundings<'_>>,
    ) -> Progress {
        let accepted = match (outcome, with, self.room.take()) {
            (Ok(length), Some(with), Some(room)) => self.accepted(length, with, room),
            (Ok(_), _, _) => Err(super::aborted()),
            (Err(error), _, _) => Err(error),
        };
        match accepted {
            Err(error)
                if error.raw_os_error().is_some_and(|code| code::FAILED_EARLY.contains(&code)) =>
            {
                Progress::Blocked
            }
            result => {
                self.result = result.map(Box::new);
                Progress::Complete { drained: false }
            }
        }
    }

    #[cfg(windows)]
    fn accepted(
        &self,
        length: usize,
        with: Surroundings<'_>,
        room: Box<AcceptRoom>,
    ) -> io::Result<Accepted> {
        let Socket::System(listener) = with.socket else { return Err(super::aborted()) };
        let (local, remote) = room.complete(listener)?;
        let first_data = self.with_first_data.then(|| {
            let mut buffer = with.pool.get();
            buffer.extend_from_slice(room.data(length));
            buffer
        });
        let socket = TcpSocket::connection(Socket::System(room.socket), None);
        Ok(Accepted { socket, local, remote, first_data })
    }

    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: Handle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::Accepted { listener: TcpListener(handle), operation, result: self.result }
    }
}

fn accepted(socket: Socket, remote: SocketAddr) -> io::Result<Accepted> {
    let local = socket.local_addr()?;
    let socket = TcpSocket::connection(socket, None);
    Ok(Accepted { socket, local, remote, first_data: None })
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
        if self.0.keeps_window() {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "the listener keeps a window of accepts; single ones cannot be posted beside it",
            );
            return Err(Refused { error, returned: operation });
        }
        self.0
            .start(Direction::Receive, Accept::task(false), operation)
            .map_err(|refused| refused.map(|(_, operation)| operation))
    }
}
