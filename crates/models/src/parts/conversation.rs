//! One connection on a socket that does not block: receive, handler, send, receive again.
//!
//! ```text
//! receive -> handler -> send all of it -> wait for data
//!                          |
//!                          +-> part of it -> keep the rest, wait for room -> send ...
//! ```
//!
//! What is sent is sent at once, and only a send that finds no room waits; meanwhile nothing is
//! received, so a client that does not read stops itself and nobody else, and costs at most one
//! buffer. It receives again only when the last call filled the buffer, and a few times at most: a
//! client that floods the server has its turn like the others (M95). So a message costs one receive
//! and one send.
//!
//! An idle connection holds no buffer: all connections of a thread share the one at its [`Desk`].
//!
//! The model waits, for what [`Next`] says, and calls [`Conversation::go_on`] when it has come. It
//! may come too often: a call too many finds nothing to do (M61). It may also be told only once
//! (M57): then a receive that left something behind has to be told again by itself.

use super::Common;
use super::patience::{Patience, Terms};
use super::tally::Meter;
use crate::handler::{Handler, Reply};
use overlapped_serving::{Failure, Handle};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

/// How many full buffers are received from one connection before others have their turn.
pub(crate) const TURN: usize = 4;

/// The socket of a conversation.
pub(crate) trait Line {
    /// Receives what is there; 0 is the end, `WouldBlock` is nothing.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends what there is room for; `WouldBlock` is no room.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the close a reset, so that the client learns that something was lost.
    fn abort(&self);
}

/// What a thread needs to hold conversations.
pub(crate) struct Desk {
    handler: Arc<dyn Handler>,
    pub(crate) terms: Terms,
    buffer: Vec<u8>,
    meter: Arc<Meter>,
    /// How many buffers are received in a turn; [`TURN`] unless the model says otherwise.
    pub(crate) turn: usize,
    stirred: bool,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Until there is something to receive.
    Data,
    /// Until there is room to send.
    Room,
    /// Nothing: the connection has ended, with an error or gracefully. The model lets go of it.
    Ended(Option<Failure>),
}

/// What is kept per connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// What there was no room for; so much of it has been `sent` since.
    unsent: Vec<u8>,
    sent: usize,
    /// Where there is nothing to receive, the connection ends.
    last_look: bool,
    /// The client is known to send nothing more: what is there is received to its end.
    client_is_done: bool,
    patience: Patience,
}

impl Desk {
    pub(crate) fn new<H: Handle>(common: &Common<H>, meter: Arc<Meter>) -> Self {
        Self {
            handler: Arc::clone(&common.handler),
            terms: Terms::of(&common.limits),
            buffer: vec![0; common.limits.buffer_size.max(1)],
            meter,
            turn: TURN,
            stirred: false,
        }
    }

    /// Gives the handler what was received elsewhere, and counts it; `None` when it panicked.
    pub(crate) fn call(&self, input: &[u8]) -> Option<Reply> {
        self.meter.call(&*self.handler, input)
    }

    /// Whether anything came or went since this was last asked.
    pub(crate) fn has_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }
}

impl Conversation {
    pub(crate) fn new(terms: &Terms) -> Self {
        Self {
            unsent: Vec::new(),
            sent: 0,
            last_look: false,
            client_is_done: false,
            patience: Patience::new(terms),
        }
    }

    /// Does what can be done without waiting. Call it when what was waited for has come, and at the
    /// beginning if nobody tells what came before.
    pub(crate) fn go_on(&mut self, line: &impl Line, desk: &mut Desk) -> Next {
        self.converse(line, desk).unwrap_or_else(|ended| ended)
    }

    /// Only sends what was kept, now that there is room: for who is told of data by itself, and told
    /// once too often for each receive too many (M61).
    pub(crate) fn send_on(&mut self, line: &impl Line, desk: &mut Desk) -> Next {
        if self.last_look || self.client_is_done {
            return self.go_on(line, desk);
        }
        match self.send_rest(line, desk) {
            Ok(true) => Next::Data,
            Ok(false) => Next::Room,
            Err(error) => Next::Ended(Some(Failure::of(&error))),
        }
    }

    /// The server is being stopped: answers what has come, and ends where nothing more is there.
    pub(crate) fn finish(&mut self, line: &impl Line, desk: &mut Desk) -> Next {
        self.last_look = true;
        self.go_on(line, desk)
    }

    /// The system says that the client has closed its direction. What came before is still to be
    /// received and answered (M64), and there may be no further notice of it.
    pub(crate) fn client_is_done(&mut self, line: &impl Line, desk: &mut Desk) -> Next {
        self.client_is_done = true;
        self.go_on(line, desk)
    }

    /// Ends the connection if it has been silent for too long, with a last look: a thread that was
    /// busy may not have come to it.
    pub(crate) fn expire(
        &mut self,
        line: &impl Line,
        desk: &mut Desk,
        now: Instant,
    ) -> Option<Next> {
        if !self.patience.is_over(&desk.terms, now) {
            return None;
        }
        let next = self.go_on(line, desk);
        if matches!(next, Next::Ended(_)) || !self.patience.is_over(&desk.terms, now) {
            return Some(next);
        }
        if !self.unsent.is_empty() {
            // The client does not read: what was not sent is lost, and it shall know.
            line.abort();
        }
        Some(Next::Ended(Some(Failure::TimedOut)))
    }

    fn converse(&mut self, line: &impl Line, desk: &mut Desk) -> Result<Next, Next> {
        let failed = |error: io::Error| Next::Ended(Some(Failure::of(&error)));
        if !self.unsent.is_empty() && !self.send_rest(line, desk).map_err(failed)? {
            return Ok(Next::Room);
        }
        let to_the_end = self.last_look || self.client_is_done;
        let mut turn = 0;
        loop {
            let length = match line.receive(&mut desk.buffer) {
                Ok(0) => return Ok(Next::Ended(None)),
                Ok(length) => length,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock if self.last_look => return Ok(Next::Ended(None)),
                    ErrorKind::WouldBlock => return Ok(Next::Data),
                    _ => return Err(failed(error)),
                },
            };
            self.patience.heard(&desk.terms);
            desk.stirred = true;
            let input = &desk.buffer[..length];
            match desk.meter.call(&*desk.handler, input) {
                Some(Reply::Echo) => {
                    if !self.send(line, input, &desk.terms).map_err(failed)? {
                        return Ok(Next::Room);
                    }
                }
                Some(Reply::Silent) => self.patience.stirred(&desk.terms),
                Some(Reply::Close) => return Ok(Next::Ended(None)),
                None => return Err(Next::Ended(Some(Failure::Other))),
            }
            turn += 1;
            if !to_the_end && (length < desk.buffer.len() || turn == desk.turn) {
                return Ok(Next::Data);
            }
        }
    }

    /// Sends `bytes`, or keeps what there is no room for; false then.
    fn send(&mut self, line: &impl Line, bytes: &[u8], terms: &Terms) -> io::Result<bool> {
        let sent = send_some(line, bytes)?;
        self.patience.stirred(terms);
        if sent < bytes.len() {
            self.unsent = bytes[sent..].to_vec();
            self.sent = 0;
        }
        Ok(sent == bytes.len())
    }

    /// Sends what was kept; false when there is still no room for all of it.
    fn send_rest(&mut self, line: &impl Line, desk: &mut Desk) -> io::Result<bool> {
        let sent = send_some(line, &self.unsent[self.sent..])?;
        if sent > 0 {
            self.patience.stirred(&desk.terms);
            self.sent += sent;
            desk.stirred = true;
        }
        if self.sent < self.unsent.len() {
            return Ok(false);
        }
        // Its memory, too: most connections never need it again.
        self.unsent = Vec::new();
        self.sent = 0;
        Ok(true)
    }
}

/// Sends until all is sent or the system says that there is no room: after that, and only after
/// that, the system tells when there is some again (M58, M59).
fn send_some(line: &impl Line, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match line.send(&bytes[sent..]) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;
