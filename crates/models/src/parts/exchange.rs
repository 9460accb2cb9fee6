//! One connection whose operations are overlapped, strictly one after the other: receive, handler,
//! send of what the handler wants sent, receive again (R11).
//!
//! The model starts what [`Then`] says and brings the completion back. While an operation is in
//! flight the connection holds its buffer, and a client that does not read stops itself and nobody
//! else. A send is one operation for all of its bytes: how far it has come is not seen, so to be
//! idle for a client that reads slowly is to take a whole buffer for longer than the limit.

use super::Common;
use super::conversation::Desk;
use super::patience::{Patience, Terms};
use super::stay::{Member, Share, Stay};
use crate::handler::Reply;
use overlapped::is_aborted;
use overlapped_notify::{Completed, Received, Stream};
use overlapped_serving::Failure;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// A connection in the hands of a thread. Dropping it takes it off the list; it is closed when
/// nothing is in flight any more.
pub(crate) struct Exchange {
    stay: Stay<Stream>,
    patience: Patience,
    /// Where there is nothing to receive, the connection ends.
    last_look: bool,
    /// It was silent for too long.
    is_over: bool,
}

/// What is to be started next.
pub(crate) enum Then {
    Receive(Vec<u8>),
    Send(Vec<u8>),
    /// Nothing: the connection is to be dropped.
    Ended,
}

impl Exchange {
    /// Enters a connection that was accepted. It begins with a receive.
    pub(crate) fn new(common: &Arc<Common<Share<Stream>>>, stream: Stream) -> Self {
        Self {
            stay: Stay::enter(common, stream),
            patience: Patience::new(&Terms::of(&common.limits)),
            last_look: false,
            is_over: false,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stay
    }

    /// A receive has ended.
    pub(crate) fn received(&mut self, done: Completed<Vec<u8>, Received>, desk: &Desk) -> Then {
        match done.result {
            Ok(Received::End) => self.ended(None),
            Ok(Received::Data(_) | Received::Readable) => {
                self.patience.heard(&desk.terms);
                self.is_over = false;
                match desk.call(&done.buffer) {
                    Some(Reply::Echo) => Then::Send(done.buffer),
                    Some(Reply::Silent) => {
                        self.patience.stirred(&desk.terms);
                        Then::Receive(done.buffer)
                    }
                    Some(Reply::Close) => self.ended(None),
                    None => self.ended(Some(Failure::Other)),
                }
            }
            Err(error) if is_aborted(&error) && self.last_look => self.ended(None),
            Err(error) => self.failed(&error),
        }
    }

    /// A send has ended.
    pub(crate) fn sent(&mut self, done: Completed<Vec<u8>, ()>, desk: &Desk) -> Then {
        match done.result {
            Ok(()) => {
                self.patience.stirred(&desk.terms);
                self.is_over = false;
                Then::Receive(done.buffer)
            }
            Err(error) => self.failed(&error),
        }
    }

    /// An operation failed, or could not be started.
    pub(crate) fn failed(&mut self, error: &io::Error) -> Then {
        let failure = if self.is_over { Failure::TimedOut } else { Failure::of(error) };
        self.ended(Some(failure))
    }

    /// The server is being stopped: what has come is answered, and then it ends.
    pub(crate) fn finish(&mut self) {
        self.last_look = true;
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.last_look
    }

    /// Whether the connection has been silent for too long. Then its operation is to be cancelled,
    /// and what that ends with, unless it was faster, is counted as such.
    pub(crate) fn expire(&mut self, desk: &Desk, now: Instant, is_sending: bool) -> bool {
        self.is_over = self.patience.is_over(&desk.terms, now);
        if self.is_over && is_sending {
            // The client does not read: what was not sent is lost, and it shall know.
            self.stay.abort();
        }
        self.is_over
    }

    fn ended(&mut self, failure: Option<Failure>) -> Then {
        self.stay.set_failure(failure);
        Then::Ended
    }
}

impl Member for Stream {
    fn cut(&self) {
        self.abort();
        let _ = self.shutdown(Shutdown::Both);
    }

    fn client(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}
