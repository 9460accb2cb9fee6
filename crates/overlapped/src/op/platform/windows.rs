//! How the operations meet a kernel that carries them itself.
//!
//! A receive without memory of its own asks the kernel to say when there is data, and is attempted
//! then, as on a readiness backend.

use crate::buffer::{Buffer, Buffers};
use crate::conn::operation::{Progress, Surroundings};
use crate::conn::platform::InKernel;
use crate::driver::code;
use crate::driver::iocp::block::{Ended, Outcome};
use crate::driver::iocp::request::{CALL_BUFFERS_MAX, Request, fit_one_call};
use crate::driver::iocp::{self, AddressRoom, END_OF_FILE, TransmitRequest, complete_connect};
use crate::driver::socket::Socket;
use crate::error::aborted;
use crate::op::accept::{Accept, Connection};
use crate::op::accept_into::AcceptInto;
use crate::op::connect::{Connect, Stage};
use crate::op::disconnect::{Disconnect, discard_unread};
use crate::op::first_data::FirstData;
use crate::op::receive::{Receive, Received};
use crate::op::receive_from::ReceiveFrom;
use crate::op::send::Send;
use crate::op::send_to::{SendTo, in_one_piece};
use crate::op::transmit_file::{Transmission, TransmitFile};
use crate::op::{Op, Task};
use crate::protocol::Protocol;
use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

pub(in crate::op) use iocp::TransmitRoom;

/// Where the kernel writes the sender's address.
pub(in crate::op) type SenderRoom = Option<Box<AddressRoom>>;

/// A datagram in one piece.
pub(in crate::op) type Joined = Option<Box<Buffers>>;

/// What each kind of operation has to say for the kernel's sake; see [`InKernel`].
pub(in crate::op) trait KindInKernel {
    fn prepare(&mut self, _with: Surroundings<'_>) -> io::Result<()> {
        Ok(())
    }

    fn request(&mut self) -> Request<'_>;

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_socket()
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress;

    fn goes_in_steps(&self) -> bool {
        false
    }

    fn outlasts_shortage(&self) -> bool {
        false
    }

    fn accepts_on(&self) -> Option<RawSocket> {
        None
    }

    fn may_tell_end(&self) -> bool {
        false
    }

    fn note_end_was_told(&mut self) {}
}

impl<P: Protocol> InKernel for Op<P> {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        dispatch!(&mut self.task, it => KindInKernel::prepare(it, with))
    }

    fn request(&mut self) -> Request<'_> {
        dispatch!(&mut self.task, it => KindInKernel::request(it))
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        dispatch!(&self.task, it => KindInKernel::ended(it, outcome))
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        dispatch!(&mut self.task, it => KindInKernel::finish(it, ended, with))
    }

    fn goes_in_steps(&self) -> bool {
        dispatch!(&self.task, it => KindInKernel::goes_in_steps(it))
    }

    fn outlasts_shortage(&self) -> bool {
        dispatch!(&self.task, it => KindInKernel::outlasts_shortage(it))
    }

    fn accepts_on(&self) -> Option<RawSocket> {
        dispatch!(&self.task, it => KindInKernel::accepts_on(it))
    }

    fn may_tell_end(&self) -> bool {
        dispatch!(&self.task, it => KindInKernel::may_tell_end(it))
    }

    fn note_end_was_told(&mut self) {
        dispatch!(&mut self.task, it => KindInKernel::note_end_was_told(it));
    }
}

const COMPLETE: Progress = Progress::Complete { drained: false };

/// What an accept gives to the kernel: a fresh socket, and room for addresses and first data.
#[derive(Default)]
pub(in crate::op) struct AcceptRoom(Option<Box<iocp::AcceptRoom>>);

impl AcceptRoom {
    fn prepare(&mut self, with: Surroundings<'_>, with_first_data: bool) -> io::Result<()> {
        let Socket::System(listener) = with.socket else { return Ok(()) };
        let data_length = if with_first_data { with.pool.buffer_size() } else { 0 };
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
            Socket::System(socket) => {
                socket.family().check(self.target.address)?;
                socket.bind_if_unbound()
            }
            Socket::Simulated(_) => Ok(()),
        }
    }

    fn request(&mut self) -> Request<'_> {
        match self.target.stage {
            Stage::Connected => Request::Send(&self.buffers, self.target.transferred),
            Stage::NotStarted | Stage::Connecting => Request::Connect(self.target.address),
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
                complete_connect(socket)
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
        if self.was_ended { Ok(()) } else { discard_unread(with) }
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
                let _ = discard_unread(with);
                with.socket.fresh().map(|fresh| self.fresh = Some(fresh))
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

impl KindInKernel for Receive {
    fn request(&mut self) -> Request<'_> {
        match &mut self.buffer {
            Some(buffer) if buffer.capacity() > 0 => Request::Receive(buffer.room_mut()),
            _ => Request::ReceiveReady,
        }
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        if self.goes_in_steps() {
            match (ended.result, with) {
                (Ok(()), Some(with)) => return self.attempt_once(with),
                (Ok(()), None) => self.result = Err(aborted()),
                (Err(error), _) => self.result = Err(error),
            }
            return COMPLETE;
        }
        let outcome = ended.some();
        if let Some(buffer) = &mut self.buffer {
            buffer.set_filled(*outcome.as_ref().unwrap_or(&0));
        }
        self.result = outcome.map(|length| match length {
            0 => Received::End,
            length => Received::Data(length),
        });
        COMPLETE
    }

    /// Whether it has no memory to give to a kernel, and asks only to be told of data.
    fn goes_in_steps(&self) -> bool {
        self.buffer.as_ref().is_none_or(|buffer| buffer.capacity() == 0)
    }
}

impl KindInKernel for ReceiveFrom {
    /// Also a pooled receive has its buffer from the start: the kernel has no way to say that a
    /// datagram is there without taking it.
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        self.buffer.get_or_insert_with(|| with.pool.get());
        self.from = Some(AddressRoom::new());
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        match (&mut self.buffer, &mut self.from) {
            (Some(buffer), Some(from)) => Request::ReceiveFrom(buffer.room_mut(), from),
            _ => unreachable!("it is prepared before it is started"),
        }
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        let too_long = ended
            .result
            .as_ref()
            .is_err_and(|error| error.raw_os_error() == Some(code::MESSAGE_TOO_LONG));
        self.has_taken = ended.result.is_ok() || too_long;
        if let Some(buffer) = &mut self.buffer {
            let filled = if too_long { buffer.capacity() } else { ended.transferred };
            buffer.set_filled(if self.has_taken { filled } else { 0 });
        }
        self.result = ended.result.and_then(|()| match &self.from {
            Some(from) => from.decode().map(Box::new),
            None => Err(aborted()),
        });
        COMPLETE
    }
}

impl KindInKernel for Send {
    fn request(&mut self) -> Request<'_> {
        Request::Send(&self.buffers, self.transferred)
    }

    /// The kernel takes a call's part as a whole or fails it. With more than one call takes, it goes
    /// on.
    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        self.transferred += ended.transferred;
        self.result = ended.result;
        if self.result.is_ok() && self.transferred < self.buffers.byte_len() {
            return Progress::Blocked;
        }
        COMPLETE
    }

    /// Whether it takes more than one call.
    fn goes_in_steps(&self) -> bool {
        !fit_one_call(&self.buffers)
    }
}

impl KindInKernel for SendTo {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if let Socket::System(socket) = with.socket {
            socket.family().check(*self.address)?;
        }
        let joined = in_one_piece(&self.buffers, CALL_BUFFERS_MAX)?;
        self.joined = joined.map(|joined| Box::new(joined.into()));
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        Request::SendTo(self.joined.as_deref().unwrap_or(&self.buffers), *self.address)
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        self.joined = None;
        self.result = ended.result;
        COMPLETE
    }
}

/// How much of a file one call takes: few calls, and progress to be seen between them.
const CALL_BYTES: u64 = 64 << 20;

/// A call takes one head, and head and file together may not reach 2 GiB (X74).
const HEAD_BYTES_MAX: usize = 1 << 30;

impl KindInKernel for TransmitFile {
    fn request(&mut self) -> Request<'_> {
        let Transmission { head, tail, file, offset, .. } = &*self.transmission;
        let has_file = self.file_sent < self.file_length;
        let head_rest = match head.as_one() {
            Some(one) if has_file && one.len() <= HEAD_BYTES_MAX => &one[self.head_sent..],
            _ => &[],
        };
        if head_rest.is_empty() && self.head_sent < head.byte_len() {
            return Request::Send(head, self.head_sent);
        }
        if !has_file {
            return Request::Send(tail, self.tail_sent);
        }
        Request::TransmitFile(TransmitRequest {
            file: &file.0,
            offset: offset + self.file_sent,
            length: (self.file_length - self.file_sent).min(CALL_BYTES) as u32,
            head: head_rest,
            room: &mut self.room,
        })
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_transmission()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        let Transmission { head, tail, .. } = &*self.transmission;
        let (head_length, tail_length) = (head.byte_len(), tail.byte_len());
        let is_of_file = self.head_sent >= head_length && self.file_sent < self.file_length;
        let of_head = ended.transferred.min(head_length - self.head_sent);
        let of_others = ended.transferred - of_head;
        self.head_sent += of_head;
        if self.file_sent < self.file_length {
            self.file_sent += of_others as u64;
        } else {
            self.tail_sent += of_others;
        }
        self.show_progress();
        self.result = ended.result;
        if is_of_file && ended.transferred == 0 && is_at_end_of_file(&self.result) {
            // The file has become shorter (X76).
            self.file_length = self.file_sent;
            self.result = Ok(());
        }
        let is_all = self.file_sent >= self.file_length && self.tail_sent >= tail_length;
        if self.result.is_ok() && !(self.head_sent >= head_length && is_all) {
            return Progress::Blocked;
        }
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        true
    }
}

/// Whether a call that sent nothing did so since the file ends here.
fn is_at_end_of_file(result: &io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => error.raw_os_error() == Some(END_OF_FILE),
    }
}
