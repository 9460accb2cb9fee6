//! How an operation meets the kernel, which performs it: what it gives at the start, and what came of
//! a step. It may take a further one.

use super::Handle;
use crate::operation::{Accept, Operation, Receive, Send};
use crate::sys::{AcceptRoom, Call, Ended, Socket, code};
use crate::{Accepted, Received, Stream};
use std::io::{self, ErrorKind};

/// How an operation goes on after a step of the kernel's.
pub(super) enum Step {
    Ended(Operation),
    Further(Call),
}

/// What the kernel is to do first.
pub(super) fn first(operation: Operation, socket: &Socket) -> Result<Call, (io::Error, Operation)> {
    match operation {
        Operation::Receive(receive) => Ok(Call::Receive(receive.buffer)),
        Operation::Send(send) => Ok(Call::Send(send.data, send.sent)),
        Operation::Accept(_) => match AcceptRoom::new(socket) {
            Ok(room) => Ok(Call::Accept(room)),
            Err(error) => Err((error, operation)),
        },
    }
}

/// What a start gives back that failed.
pub(super) fn refused(call: Call, error: io::Error) -> (io::Error, Operation) {
    (error, failed(call, io::ErrorKind::WouldBlock.into()))
}

/// The operation again, when a further call could not be started.
pub(super) fn failed(call: Call, error: io::Error) -> Operation {
    match call {
        Call::Receive(buffer) => Operation::Receive(Receive { buffer, result: Err(error) }),
        Call::Send(data, sent) => Operation::Send(Send { data, sent, result: Err(error) }),
        Call::Accept(_) => Operation::Accept(Accept { result: Err(error) }),
    }
}

/// What came of a step.
pub(super) fn next(call: Call, ended: Ended, socket: &Socket) -> Step {
    match call {
        Call::Receive(buffer) if buffer.capacity() == 0 => {
            // There is something, and a look says what.
            match ended.result.and_then(|()| socket.peek()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    Step::Further(Call::Receive(buffer))
                }
                found => {
                    let result =
                        found.map(|data| if data { Received::Readable } else { Received::End });
                    Step::Ended(Operation::Receive(Receive { buffer, result }))
                }
            }
        }
        Call::Receive(buffer) => {
            let result = match (buffer.len(), ended.result) {
                (0, result) => result.map(|()| Received::End),
                // Bytes that have left the stream are not lost by what happened then (P132).
                (length, _) => Ok(Received::Data(length)),
            };
            Step::Ended(Operation::Receive(Receive { buffer, result }))
        }
        Call::Send(data, sent) => {
            let sent = sent + ended.transferred;
            match ended.result {
                Ok(()) if sent < data.len() => Step::Further(Call::Send(data, sent)),
                result => Step::Ended(Operation::Send(Send { data, sent, result })),
            }
        }
        Call::Accept(room) => accepted(room, ended, socket),
    }
}

/// A connection that failed while it waited is passed over (X30).
fn accepted(room: AcceptRoom, ended: Ended, socket: &Socket) -> Step {
    let failed_early = |error: &io::Error| {
        error.raw_os_error().is_some_and(|number| code::FAILED_EARLY.contains(&number))
    };
    let taken = match ended.result.and_then(|()| room.complete(socket)) {
        Err(error) if failed_early(&error) => match AcceptRoom::new(socket) {
            Ok(room) => return Step::Further(Call::Accept(room)),
            Err(error) => Err(error),
        },
        taken => taken,
    };
    let result = taken.map(|(socket, local, remote)| {
        Box::new(Accepted { stream: Stream(Handle::new(socket)), local, remote })
    });
    Step::Ended(Operation::Accept(Accept { result }))
}
