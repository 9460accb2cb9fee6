//! One overlapped operation with everything that it owns: a receive, a send or an accept. The folder
//! of each platform performs it; what it ends with is kept here until somebody takes it.

use crate::{Accepted, Completed, Received};
use std::io;

#[derive(Debug)]
pub(crate) enum Operation {
    Receive(Receive),
    Send(Send),
    Accept(Accept),
}

#[derive(Debug)]
pub(crate) struct Receive {
    pub(crate) buffer: Vec<u8>,
    pub(crate) result: io::Result<Received>,
}

#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) data: Vec<u8>,
    /// How many bytes the system has taken.
    pub(crate) sent: usize,
    pub(crate) result: io::Result<()>,
}

#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) result: io::Result<Box<Accepted>>,
}

/// The result of an operation that was never performed.
fn not_performed<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl Operation {
    pub(crate) fn receive(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self::Receive(Receive { buffer, result: not_performed() })
    }

    pub(crate) fn send(data: Vec<u8>) -> Self {
        Self::Send(Send { data, sent: 0, result: not_performed() })
    }

    pub(crate) fn accept() -> Self {
        Self::Accept(Accept { result: not_performed() })
    }

    pub(crate) fn received(self) -> Completed<Vec<u8>, Received> {
        let Self::Receive(Receive { buffer, result }) = self else {
            unreachable!("a receive ends as a receive")
        };
        let transferred = match result {
            Ok(Received::Data(length)) => length,
            Ok(Received::Readable | Received::End) | Err(_) => 0,
        };
        Completed { buffer, transferred, result }
    }

    pub(crate) fn sent(self) -> Completed<Vec<u8>, ()> {
        let Self::Send(Send { data, sent, result }) = self else {
            unreachable!("a send ends as a send")
        };
        Completed { buffer: data, transferred: sent, result }
    }

    pub(crate) fn accepted(self) -> Completed<(), Accepted> {
        let Self::Accept(Accept { result }) = self else {
            unreachable!("an accept ends as an accept")
        };
        Completed { buffer: (), transferred: 0, result: result.map(|accepted| *accepted) }
    }
}
