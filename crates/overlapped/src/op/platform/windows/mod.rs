//! How the operations meet a kernel that carries them itself.
//!
//! A receive without memory of its own asks the kernel to say when there is data, and is attempted
//! then, as on a readiness backend.

//!
//! - [`connections`] are the operations that make and end connections; [`transfers`] those that move
//!   data of streams; [`datagrams`] those of datagrams.
//! - [`pipes`] is what only named pipes have.

mod connections;
mod datagrams;
mod pipes;
mod transfers;

pub(in crate::op) use connections::AcceptRoom;

use crate::buffer::Buffers;
use crate::conn::operation::{Progress, Surroundings};
use crate::conn::platform::InKernel;
use crate::op::stored::{Inline, Open};
use crate::op::{Op, Task};
use crate::protocol::Protocol;
use crate::sys::iocp::AddressRoom;
use crate::sys::iocp::block::{Ended, Outcome};
use crate::sys::iocp::request::Request;
use std::io;
use std::os::windows::io::RawSocket;

pub(in crate::op) use crate::sys::iocp::TransmitRoom;

/// How a send lies while it waits, as each does in the kernel.
pub(in crate::op) type WaitingSend<K> = Inline<K>;

/// Where the kernel writes the sender's address.
pub(in crate::op) type SenderRoom = Option<Box<AddressRoom>>;

/// What the kernel reads or writes with a datagram.
pub(in crate::op) type MessageRoom = Option<Box<crate::sys::iocp::MessageRoom>>;

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
