//! How the operations meet a kernel that carries them itself.
//!
//! An operation is *prepared*, says its *request*, whose memory it owns, and is *finished* with the
//! outcome. It may then ask for another step (`Blocked`): its next request goes to the kernel. A
//! receive without memory of its own asks the kernel to say when there is data, and is performed
//! then, as on a readiness driver.

use super::accept::Connection;
use super::{Progress, Surroundings, Task, aborted};
use crate::buffer::Buffer;
use crate::driver::code;
use crate::driver::iocp::AcceptRoom;
use crate::driver::iocp::block::Ended;
use crate::driver::iocp::request::Request;
use crate::driver::socket::Socket;
use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

impl Task {
    /// Makes what the request needs.
    pub(crate) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        match self {
            Self::Accept(accept) => accept.room.prepare(with, accept.with_first_data),
            Self::AcceptInto(into) => into.room.prepare(with, false),
            Self::Connect(connect) => connect.prepare(with),
            Self::ReceiveFrom(receive) => {
                receive.prepare(with);
                Ok(())
            }
            Self::Disconnect(disconnect) => disconnect.prepare(with),
            Self::SendTo(send) => send.prepare(with),
            Self::FirstData(_) | Self::Receive(_) | Self::Send(_) | Self::TransmitFile(_) => Ok(()),
        }
    }

    pub(crate) fn request(&mut self) -> Request<'_> {
        match self {
            Self::Accept(accept) => accept.room.request(),
            Self::AcceptInto(into) => into.room.request(),
            Self::Connect(connect) => connect.request(),
            Self::Disconnect(_) => Request::Disconnect,
            Self::FirstData(_) => Request::ReceiveReady,
            Self::Receive(receive) => receive.request(),
            Self::ReceiveFrom(receive) => receive.request(),
            Self::Send(send) => send.request(),
            Self::SendTo(send) => send.request(),
            Self::TransmitFile(transmit) => transmit.request(),
        }
    }

    /// Takes note of a step's outcome. Without surroundings the handle is closed, and nothing can
    /// be done but to keep what was transferred.
    pub(crate) fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        match self {
            Self::Accept(accept) => return accept.finish(ended.all(), with),
            Self::AcceptInto(into) => return into.finish(ended.all(), with),
            Self::Disconnect(disconnect) => disconnect.finish(ended, with),
            Self::ReceiveFrom(receive) => receive.finish(ended),
            Self::SendTo(send) => send.finish(ended),
            Self::Connect(connect) => return connect.finish(ended, with),
            Self::Receive(receive) if !receive.waits_for_data() => receive.finish(ended.some()),
            Self::Send(send) => return send.finish(ended),
            Self::TransmitFile(transmit) => return transmit.finish(ended),
            Self::FirstData(_) | Self::Receive(_) => match (ended.result, with) {
                (Ok(()), Some(with)) => return self.perform(with),
                (Ok(()), None) => self.fail(aborted()),
                (Err(error), _) => self.fail(error),
            },
        }
        Progress::Complete { drained: false }
    }

    /// Whether it goes in steps, so that no other operation of its direction may be with the kernel.
    pub(crate) fn is_alone(&self) -> bool {
        match self {
            Self::Receive(receive) => receive.waits_for_data(),
            Self::Send(send) => send.goes_in_steps(),
            Self::Connect(_) | Self::Disconnect(_) | Self::FirstData(_) | Self::TransmitFile(_) => {
                true
            }
            Self::Accept(_) | Self::AcceptInto(_) | Self::ReceiveFrom(_) | Self::SendTo(_) => false,
        }
    }

    pub(crate) fn is_disconnect(&self) -> bool {
        matches!(self, Self::Disconnect(_))
    }

    /// Which stream an accept is for, as the address of its handle.
    pub(crate) fn accepting_stream(&self) -> Option<usize> {
        match self {
            Self::AcceptInto(into) => Some(into.stream_address()),
            _ => None,
        }
    }

    /// The fresh socket that a connection is accepted on together with its first data.
    pub(crate) fn accepting_socket(&self) -> Option<RawSocket> {
        match self {
            Self::Accept(accept) if accept.with_first_data => accept.room.socket(),
            _ => None,
        }
    }
}

/// What an accept gives to the kernel: a fresh socket, and room for addresses and first data.
#[derive(Debug, Default)]
pub(super) struct Room(Option<Box<AcceptRoom>>);

impl Room {
    fn prepare(&mut self, with: Surroundings<'_>, with_first_data: bool) -> io::Result<()> {
        let Socket::System(listener) = with.socket else { return Ok(()) };
        let data_length = if with_first_data { with.pool.buffer_size() } else { 0 };
        self.0 = Some(Box::new(AcceptRoom::new(listener.for_accept()?, data_length)));
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        Request::Accept(self.0.as_mut().expect("an accept is prepared before it is started"))
    }

    fn socket(&self) -> Option<RawSocket> {
        self.0.as_ref().map(|room| room.socket.as_raw_socket())
    }

    /// The connection, and its first data if that was asked for. One that failed while it waited is
    /// passed over: the accept stays posted (X30).
    pub(super) fn finish(
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
    room: AcceptRoom,
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
