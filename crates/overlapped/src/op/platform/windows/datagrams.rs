//! Receives and sends of datagrams, as the kernel carries them.

use super::{COMPLETE, KindInKernel};
use crate::buffer::datagrams::Arrival;
use crate::conn::operation::{Progress, Surroundings};
use crate::error::aborted;
use crate::op::receive_batch::ReceiveBatch;
use crate::op::receive_from::ReceiveFrom;
use crate::op::send_batch::SendBatch;
use crate::op::send_to::{SendTo, in_one_piece};
use crate::sys::code;
use crate::sys::family::Remote;
use crate::sys::iocp::block::{Ended, Outcome};
use crate::sys::iocp::request::{CALL_BUFFERS_MAX, Request};
use crate::sys::iocp::{AddressRoom, MessageRoom};
use crate::sys::socket::Socket;
use std::io;
use std::net::SocketAddr;

/// Of a datagram that did not fit, the beginning was taken.
fn is_too_long(ended: &Ended) -> bool {
    let number = ended.result.as_ref().err().and_then(io::Error::raw_os_error);
    number == Some(code::MESSAGE_TOO_LONG)
}

/// Nothing tells a single receive where the datagrams of a run begin.
fn refuse_coalesced(with: Surroundings<'_>) -> io::Result<()> {
    match with.socket {
        Socket::System(socket) => socket.refuse_coalesced(),
        Socket::Simulated(_) => Ok(()),
    }
}

impl KindInKernel for ReceiveFrom {
    /// Also a pooled receive has its buffer from the start: the kernel has no way to say that a
    /// datagram is there without taking it.
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if self.buffer.as_ref().is_none() {
            self.buffer.put(with.pool.get());
        }
        refuse_coalesced(with)?;
        self.from = Some(AddressRoom::new());
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        match (self.buffer.as_mut(), &mut self.from) {
            (Some(buffer), Some(from)) => Request::ReceiveFrom(buffer.room_mut(), from),
            _ => unreachable!("it is prepared before it is started"),
        }
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_datagram()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        let too_long = is_too_long(&ended);
        self.has_taken = ended.result.is_ok() || too_long;
        if let Some(buffer) = self.buffer.as_mut() {
            let filled = if too_long { buffer.capacity() } else { ended.transferred };
            buffer.set_filled(if self.has_taken { filled } else { 0 });
        }
        self.result = ended.result.and_then(|()| match &self.from {
            Some(from) => from.decode().map(|sender| Box::new(Remote::Internet(sender))),
            None => Err(aborted()),
        });
        COMPLETE
    }
}

impl SendTo {
    /// Where it goes: here all addresses are of the internet.
    fn internet(&self) -> Option<SocketAddr> {
        self.to.as_ref().map(Remote::internet)
    }
}

impl KindInKernel for SendTo {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if let Socket::System(socket) = with.socket {
            self.internet().map_or(Ok(()), |address| socket.family().check(address))?;
        }
        let joined = in_one_piece(with.socket, &self.buffers, CALL_BUFFERS_MAX)?;
        self.joined = joined.map(|joined| Box::new(joined.into()));
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        Request::SendTo(self.joined.as_deref().unwrap_or(&self.buffers), self.internet())
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_datagram()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        self.joined = None;
        self.result = ended.result;
        COMPLETE
    }
}

/// The kernel gives a datagram to the receive that is next when it comes, so each has one.
impl KindInKernel for ReceiveBatch {
    fn prepare(&mut self, _with: Surroundings<'_>) -> io::Result<()> {
        if self.datagrams.slots() == 0 {
            return Err(code::error(code::INVALID));
        }
        self.room = Some(MessageRoom::new());
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        match (self.datagrams.slots_mut().next(), &mut self.room) {
            (Some(slot), Some(room)) => Request::ReceiveMessage(slot, room),
            _ => unreachable!("it is prepared before it is started"),
        }
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_datagram()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        let is_truncated = is_too_long(&ended);
        self.result = if is_truncated { Ok(()) } else { ended.result };
        if self.result.is_ok()
            && let Some(mut room) = self.room.take()
        {
            let length = if is_truncated { usize::MAX } else { ended.transferred };
            self.datagrams.arrived(Arrival { info: room.info(), length, is_truncated });
        }
        COMPLETE
    }
}

/// Each datagram, or run, is a step.
impl KindInKernel for SendBatch {
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if self.datagrams.is_empty() {
            return Err(code::error(code::INVALID));
        }
        if self.room.is_none() {
            self.room = Some(MessageRoom::new());
            self.in_segments = match with.socket {
                Socket::System(socket) => socket.cuts_segments(),
                Socket::Simulated(_) => false,
            };
        }
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        let run = self.datagrams.runs_after(self.sent, self.in_segments).next();
        match (run, &mut self.room) {
            (Some(run), Some(room)) => {
                let segment_size = run.info.segment_size.filter(|_| run.count > 1);
                self.step = run.count;
                let info = crate::buffer::DatagramInfo { segment_size, ..*run.info };
                Request::SendMessage(run.bytes, info, room)
            }
            _ => {
                unreachable!("it is prepared before it is started, and complete when all are sent")
            }
        }
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_datagram()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        match ended.result {
            Ok(()) => self.sent += self.step,
            // The route or the device does not take a run; each goes alone.
            Err(_) if self.step > 1 => self.in_segments = false,
            Err(error) => {
                self.result = Err(error);
                return COMPLETE;
            }
        }
        if self.sent < self.datagrams.len() {
            return Progress::Blocked;
        }
        self.result = Ok(());
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        true
    }
}
