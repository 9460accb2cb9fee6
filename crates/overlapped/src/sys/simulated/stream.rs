//! A connection's two directions: data, FIN and reset.

use super::state::{Flags, Role, SocketId, State, Stream};
use crate::sys::code;
use std::io::{self, IoSlice, Read};

impl State {
    pub(super) fn receive(&mut self, id: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = self.with_data(id)? else {
            return Ok(0);
        };
        let length = buffer.len().min(stream.inbox.len());
        // A plain `read` stops where the ring wraps, and less than asked for means drained.
        stream.inbox.read_exact(&mut buffer[..length])?;
        if let Some(other) = stream.other
            && length > 0
            && let Some(sender) = self.stream(other)
            && std::mem::take(&mut sender.starved)
        {
            self.signal(other, Flags::WRITABLE);
        }
        Ok(length)
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`).
    pub(super) fn peek(&mut self, id: SocketId) -> io::Result<bool> {
        Ok(self.with_data(id)?.is_some())
    }

    /// The stream if it has data, nothing at its end. What came before a FIN or a reset comes
    /// first; a reset is no end, also behind a FIN (P160).
    fn with_data(&mut self, id: SocketId) -> io::Result<Option<&mut Stream>> {
        let stream = match &mut self.endpoint(id)?.role {
            Role::Stream(stream) => stream,
            Role::Connecting { .. } => return Err(code::error(code::WOULD_BLOCK)),
            Role::Failed { error } => {
                return error.take().map_or(Ok(None), |error| Err(code::error(error)));
            }
            Role::Fresh | Role::Listening(_) | Role::Datagrams(_) => {
                return Err(code::error(code::NOT_CONNECTED));
            }
        };
        if !stream.inbox.is_empty() {
            return Ok(Some(stream));
        }
        match stream.lost {
            Some(lost) => Err(code::error(lost)),
            None if stream.ended => Ok(None),
            None => Err(code::error(code::WOULD_BLOCK)),
        }
    }

    /// Sends the first `most` bytes of `buffers`, or as many of them as there is room for.
    pub(super) fn send(
        &mut self,
        id: SocketId,
        buffers: &[IoSlice<'_>],
        most: usize,
    ) -> io::Result<usize> {
        let stream = match &mut self.endpoint(id)?.role {
            Role::Stream(stream) => stream,
            Role::Connecting { .. } => return Err(code::error(code::WOULD_BLOCK)),
            Role::Failed { error } => {
                return Err(code::error(error.take().unwrap_or(code::BROKEN_PIPE)));
            }
            Role::Fresh | Role::Listening(_) | Role::Datagrams(_) => {
                return Err(code::error(code::BROKEN_PIPE));
            }
        };
        if let Some(lost) = stream.lost {
            return Err(code::error(lost));
        }
        if stream.send_shut {
            return Err(code::error(code::BROKEN_PIPE));
        }
        if most == 0 {
            return Ok(0);
        }
        let Some(other) = stream.other else {
            // Data that finds the other end closed is answered with a reset.
            self.take_reset(id);
            return Ok(most);
        };
        let Some(receiver) = self.stream(other) else {
            return Err(code::error(code::BROKEN_PIPE));
        };
        let length = most.min(receiver.room());
        let mut rest = length;
        for buffer in buffers {
            let part = &buffer[..rest.min(buffer.len())];
            receiver.inbox.extend(part);
            rest -= part.len();
        }
        if length > 0 {
            self.signal(other, Flags::READABLE);
        }
        if length < most
            && let Some(stream) = self.stream(id)
        {
            stream.starved = true;
        }
        if length == 0 { Err(code::error(code::WOULD_BLOCK)) } else { Ok(length) }
    }

    /// Ends our direction of an established connection.
    pub(super) fn end_sending_of_stream(&mut self, id: SocketId) -> io::Result<()> {
        let Some(stream) = self.stream(id).filter(|stream| !stream.is_over()) else {
            return Err(code::error(code::NOT_CONNECTED));
        };
        let ends = !std::mem::replace(&mut stream.send_shut, true);
        let other = stream.other;
        if let Some(other) = other
            && ends
        {
            self.take_end(other);
        }
        let readiness = self.readiness(id);
        self.signal(id, readiness);
        Ok(())
    }

    /// Tells the other end that this one, which is gone already, was closed.
    pub(super) fn hang_up(&mut self, closed: &Stream, with_reset: bool) {
        let Some(other) = closed.other else {
            return;
        };
        if let Some(stream) = self.stream(other) {
            stream.other = None;
        }
        let both_ended = closed.ended && closed.send_shut;
        if (with_reset || !closed.inbox.is_empty()) && !both_ended {
            self.take_reset(other);
        } else if !closed.send_shut {
            self.take_end(other);
        }
    }

    /// A FIN comes in.
    fn take_end(&mut self, id: SocketId) {
        if let Some(stream) = self.stream(id) {
            stream.ended = true;
            let writable = stream.is_over();
            self.signal(id, Flags { writable, ..Flags::ALL });
        }
    }

    /// A reset comes in; what was received before it stays.
    fn take_reset(&mut self, id: SocketId) {
        if let Some(stream) = self.stream(id) {
            stream.other = None;
            stream.lost = Some(code::RESET);
            self.signal(id, Flags::ALL);
        }
    }
}
