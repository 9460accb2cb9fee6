//! How an operation is performed: by calls that do not block, whenever the socket may be able to go
//! on, until it has ended.

use super::handle::Handle;
use crate::operation::{Accept, Operation, Receive, Send};
use crate::sys::{Socket, code};
use crate::{Accepted, Received, Stream};
use std::io::{self, ErrorKind};

/// The operations of one direction are performed in the order of their starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Receives and accepts.
    In,
    /// Sends.
    Out,
}

impl Operation {
    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::Receive(_) | Self::Accept(_) => Direction::In,
            Self::Send(_) => Direction::Out,
        }
    }

    /// One attempt. It gives whether the operation has ended, and holds its result; if not, the
    /// socket has to change first.
    pub(super) fn attempt(&mut self, socket: &Socket) -> bool {
        match self {
            Self::Receive(receive) => receive.attempt(socket),
            Self::Send(send) => send.attempt(socket),
            Self::Accept(accept) => accept.attempt(socket),
        }
    }

    /// Ends it as cancelled (P132).
    pub(super) fn abort(&mut self) {
        let error = code::error(code::CANCELED);
        match self {
            Self::Receive(receive) => receive.result = Err(error),
            Self::Send(send) => send.result = Err(error),
            Self::Accept(accept) => accept.result = Err(error),
        }
    }

    /// The error of one that failed without having done anything, so that it is given back.
    pub(super) fn refusal(&self) -> Option<io::Error> {
        let error = match self {
            Self::Receive(receive) => receive.result.as_ref().err(),
            Self::Send(send) if send.sent > 0 => None,
            Self::Send(send) => send.result.as_ref().err(),
            Self::Accept(accept) => accept.result.as_ref().err(),
        };
        error.map(|error| match error.raw_os_error() {
            Some(number) => code::error(number),
            None => error.kind().into(),
        })
    }
}

/// Keeps what an attempt gave; false when it was nothing.
fn keep<T>(result: &mut io::Result<T>, outcome: io::Result<T>) -> bool {
    let has_ended = !matches!(&outcome, Err(error) if error.kind() == ErrorKind::WouldBlock);
    if has_ended {
        *result = outcome;
    }
    has_ended
}

impl Receive {
    fn attempt(&mut self, socket: &Socket) -> bool {
        let outcome = if self.buffer.capacity() == 0 {
            let found = socket.peek();
            found.map(|data| if data { Received::Readable } else { Received::End })
        } else {
            socket.fill(&mut self.buffer).map(|length| match length {
                0 => Received::End,
                length => Received::Data(length),
            })
        };
        keep(&mut self.result, outcome)
    }
}

impl Send {
    fn attempt(&mut self, socket: &Socket) -> bool {
        let outcome = self.send_rest(socket);
        keep(&mut self.result, outcome)
    }

    /// Sends until the system has taken all. Sending nothing succeeds unless the connection is lost,
    /// which only the system knows, so it is asked at least once.
    fn send_rest(&mut self, socket: &Socket) -> io::Result<()> {
        loop {
            self.sent += socket.send(&self.data[self.sent..])?;
            if self.sent == self.data.len() {
                return Ok(());
            }
        }
    }
}

impl Accept {
    /// A connection that failed while it waited is passed over (X30). For want of descriptors or
    /// memory the accept fails: there may be nobody to try it again.
    fn attempt(&mut self, socket: &Socket) -> bool {
        let failed_early = |error: &io::Error| {
            error.raw_os_error().is_some_and(|number| code::FAILED_EARLY.contains(&number))
        };
        let outcome = loop {
            match socket.accept() {
                Err(error) if failed_early(&error) => {}
                outcome => break outcome,
            }
        };
        let outcome = outcome.and_then(|(accepted, remote)| {
            let local = accepted.local_addr()?;
            let stream = Stream(Handle::new(accepted));
            Ok(Box::new(Accepted { stream, local, remote }))
        });
        keep(&mut self.result, outcome)
    }
}
