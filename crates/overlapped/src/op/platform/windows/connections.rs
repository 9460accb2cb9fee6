//! Accept, connect and disconnect, as the kernel carries them.

use super::{COMPLETE, KindInKernel};
use crate::buffer::Buffer;
use crate::buffer::sizes::Size;
use crate::conn::operation::{Progress, Surroundings};
use crate::error::aborted;
use crate::op::accept::{Accept, Connection};
use crate::op::accept_into::AcceptInto;
use crate::op::connect::{Connect, Stage};
use crate::op::disconnect::{Disconnect, discard_unread};
use crate::op::first_data::FirstData;
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::family::Remote;
use crate::sys::iocp::block::Ended;
use crate::sys::iocp::request::Request;
use crate::sys::iocp::{self, complete_connect};
use crate::sys::socket::Socket;
use crate::sys::system::SystemSocket;
use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

/// What an accept gives to the kernel: a fresh socket, and room for addresses and first data.
#[derive(Default)]
pub(in crate::op) struct AcceptRoom(Option<Box<iocp::AcceptRoom>>);

impl AcceptRoom {
    fn prepare(&mut self, with: Surroundings<'_>, with_first_data: bool) -> io::Result<()> {
        let Socket::System(listener) = with.socket else { return Ok(()) };
        let data_length = if with_first_data { with.pool.sizes().bytes(Size::Small) } else { 0 };
        self.0 = Some(Box::new(iocp::AcceptRoom::new(listener.for_accept()?, data_length)));
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        Request::Accept(self.0.as_mut().expect("an accept is prepared before it is started"))
    }

    /// The connection, and its first data if that was asked for. One that failed while it waited is
    /// passed over: the accept stays posted (X30).
    fn finish(
        &mut self,
        outcome: io::Result<usize>,
        with: Option<Surroundings<'_>>,
    ) -> Result<io::Result<(Connection, Option<Buffer>)>, Progress> {
        let taken = match (outcome, with, self.0.take()) {
            (Ok(length), Some(with), Some(room)) => connection(length, with, *room),
            (Ok(_), _, _) => Err(aborted()),
            (Err(error), _, _) => Err(error),
        };
        let failed_early = |error: &io::Error| {
            error.raw_os_error().is_some_and(|number| code::FAILED_EARLY.contains(&number))
        };
        match taken {
            Err(error) if failed_early(&error) => Err(Progress::Blocked),
            taken => Ok(taken),
        }
    }
}

fn connection(
    length: usize,
    with: Surroundings<'_>,
    room: iocp::AcceptRoom,
) -> io::Result<(Connection, Option<Buffer>)> {
    let Socket::System(listener) = with.socket else { return Err(aborted()) };
    let (local, remote) = room.complete(listener)?;
    let first_data = room.has_data().then(|| {
        let mut buffer = with.pool.get();
        buffer.extend_from_slice(room.data(length));
        buffer
    });
    Ok(((Socket::System(room.socket), local, remote), first_data))
}

impl KindInKernel for Accept {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        self.room.prepare(with, self.with_first_data)
    }

    fn request(&mut self) -> Request<'_> {
        self.room.request()
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        match self.room.finish(ended.all(), with) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken),
        }
    }

    fn outlasts_shortage(&self) -> bool {
        true
    }

    fn accepts_on(&self) -> Option<RawSocket> {
        let room = self.room.0.as_ref().filter(|_| self.with_first_data)?;
        Some(room.socket.as_raw_socket())
    }
}

impl<P: Protocol> KindInKernel for AcceptInto<P> {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        self.room.prepare(with, false)
    }

    fn request(&mut self) -> Request<'_> {
        self.room.request()
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        match self.room.finish(ended.all(), with) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken.map(|(connection, _)| connection)),
        }
    }

    fn outlasts_shortage(&self) -> bool {
        true
    }
}

impl KindInKernel for Connect {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        match with.socket {
            _ if matches!(self.target.remote, Remote::PipeClient) => match with.socket.is_pipe() {
                true => Ok(()),
                false => Err(code::error(code::FAMILY_NOT_SUPPORTED)),
            },
            Socket::System(socket) => {
                socket.family().check(self.target.remote.internet())?;
                socket.bind_if_unbound()
            }
            Socket::Simulated(_) => Ok(()),
        }
    }

    fn request(&mut self) -> Request<'_> {
        match self.target.stage {
            Stage::Connected => Request::Send(&self.buffers, self.target.transferred),
            Stage::NotStarted | Stage::Connecting => match &self.target.remote {
                Remote::Internet(address) => Request::Connect(*address),
                Remote::PipeClient => Request::ConnectPipe,
                Remote::Unix(never) => match **never {},
            },
        }
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        let target = &mut *self.target;
        self.result = match (ended.result, with) {
            (result, _) if target.stage == Stage::Connected => {
                target.transferred += ended.transferred;
                result
            }
            (Err(error), _) => Err(error),
            (Ok(()), Some(Surroundings { socket: Socket::System(socket), .. })) => {
                target.stage = Stage::Connected;
                if socket.pipe().is_some() { Ok(()) } else { complete_connect(socket) }
            }
            (Ok(()), _) => Err(aborted()),
        };
        if self.result.is_ok() && target.transferred < self.buffers.byte_len() {
            return Progress::Blocked;
        }
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        true
    }
}

impl KindInKernel for Disconnect {
    /// Fails when the connection was lost before, which the call to end it might not say.
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if let Socket::System(socket) = with.socket
            && let Some(pipe) = socket.pipe()
        {
            // Refused, nothing has happened yet: the connection stays.
            let renewed = pipe.renewed()?;
            self.fresh = renewed.map(|pipe| Socket::System(SystemSocket::of_pipe(pipe)));
            return Ok(());
        }
        if self.was_ended { Ok(()) } else { discard_unread(with.socket, with.pool) }
    }

    fn request(&mut self) -> Request<'_> {
        Request::Disconnect
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        self.result = match (ended.result, with) {
            (Err(error), _) if !self.was_ended => Err(error),
            (_, None) => Err(aborted()),
            (_, Some(with)) => {
                self.has_ended = true;
                match with.socket.is_pipe() {
                    true => Ok(()),
                    false => {
                        let _ = discard_unread(with.socket, with.pool);
                        with.socket.fresh().map(|fresh| self.fresh = Some(fresh))
                    }
                }
            }
        };
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        true
    }

    fn may_tell_end(&self) -> bool {
        !self.has_ended
    }

    fn note_end_was_told(&mut self) {
        self.has_ended = true;
        self.was_ended = true;
    }
}

/// It is attempted on simulated sockets alone: where the kernel carries accepts, it waits for their
/// first data, too.
impl KindInKernel for FirstData {
    fn request(&mut self) -> Request<'_> {
        Request::ReceiveReady
    }

    fn finish(&mut self, _ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        COMPLETE
    }
}
