//! What a server does with the bytes of a connection.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a server does with the bytes of a connection.
///
/// Called on a thread of the server, for one message at a time of each connection and for many
/// connections at once. It may block. If it panics, its connection ends and no other is affected.
pub trait Handler: Send + Sync + 'static {
    /// Looks at what was received and says how to go on. One piece of `input` is not necessarily
    /// one message of the client's: TCP keeps the order of bytes and nothing else.
    fn handle(&self, input: &[u8]) -> Reply;
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The input goes back as it came.
    Echo,
    /// Nothing is sent.
    Silent,
    /// The connection is closed.
    Close,
}

/// Sends everything back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Handler for Echo {
    fn handle(&self, _input: &[u8]) -> Reply {
        Reply::Echo
    }
}

/// Takes everything and sends nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiveOnly;

impl Handler for ReceiveOnly {
    fn handle(&self, _input: &[u8]) -> Reply {
        Reply::Silent
    }
}

/// Calls the handler; `None` when it panicked.
pub(crate) fn call(handler: &dyn Handler, input: &[u8]) -> Option<Reply> {
    // Nothing of ours is changed while it runs; what a handler does to its own state is its own.
    catch_unwind(AssertUnwindSafe(|| handler.handle(input))).ok()
}
