//! How the operations meet a kernel that carries them itself.
//!
//! An operation is *prepared*, says its *request*, whose memory it owns, and is *finished* with the
//! outcome. It may then ask for another step (`Blocked`): its next request goes to the kernel. A
//! receive without memory of its own asks the kernel to say when there is data, and is performed
//! then, as on a readiness driver.

use super::{Progress, Surroundings, Task, aborted};
use crate::driver::iocp::block::Ended;
use crate::driver::iocp::request::Request;
use std::io;
use std::os::windows::io::RawSocket;

impl Task {
    /// Makes what the request needs.
    pub(crate) fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        match self {
            Self::Accept(accept) => accept.prepare(with),
            Self::Connect(connect) => connect.prepare(with),
            Self::FirstData(_) | Self::Receive(_) | Self::Send(_) => Ok(()),
        }
    }

    pub(crate) fn request(&mut self) -> Request<'_> {
        match self {
            Self::Accept(accept) => accept.request(),
            Self::Connect(connect) => connect.request(),
            Self::FirstData(_) => Request::ReceiveReady,
            Self::Receive(receive) => receive.request(),
            Self::Send(send) => send.request(),
        }
    }

    /// Takes note of a step's outcome. Without surroundings the handle is closed, and nothing can
    /// be done but to keep what was transferred.
    pub(crate) fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        match self {
            Self::Accept(accept) => return accept.finish(ended.all(), with),
            Self::Connect(connect) => return connect.finish(ended, with),
            Self::Receive(receive) if !receive.waits_for_data() => receive.finish(ended.all()),
            Self::Send(send) => return send.finish(ended),
            Self::FirstData(_) | Self::Receive(_) => match (ended.result, with) {
                (Ok(()), Some(with)) => return self.perform(with),
                (Ok(()), None) => self.fail(aborted()),
                (Err(error), _) => self.fail(error),
            },
        }
        Progress::Complete { drained: false }
    }

    /// Ends a receive as the end of the stream does.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Receive(receive) => receive.finish(Ok(0)),
            _ => self.fail(aborted()),
        }
    }

    /// Whether it goes in steps, so that no other operation of its direction may be with the kernel.
    pub(crate) fn is_alone(&self) -> bool {
        match self {
            Self::Receive(receive) => receive.waits_for_data(),
            Self::Connect(_) | Self::FirstData(_) => true,
            Self::Accept(_) | Self::Send(_) => false,
        }
    }

    /// The fresh socket that a connection is accepted on together with its first data.
    pub(crate) fn accepting_socket(&self) -> Option<RawSocket> {
        match self {
            Self::Accept(accept) if accept.with_first_data => accept.accepting_socket(),
            _ => None,
        }
    }
}
