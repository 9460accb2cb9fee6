//! TCP: listeners and streams whose operations are those of the port.
//!
//! A [`TcpListener`] accepts [`TcpStream`]s. A stream has a [`ReadHalf`] and a [`WriteHalf`], which may go
//! to different tasks.

// What waits for a packet lies in the completion key of its handle: see the `State` of each.
mod connect;
pub(crate) mod listener;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod stream;

pub use listener::TcpListener;
pub use receive::ReadHalf;
pub use send::WriteHalf;
pub use stream::TcpStream;

use std::task::{Context, Waker};

/// Puts the waker of a task into its place, unless it is there.
pub(crate) fn remember(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}

/// Where an operation's result arrives, and who waits for it.
#[derive(Debug)]
pub(crate) struct Arrival<T> {
    pub(crate) came: Option<T>,
    pub(crate) waker: Option<Waker>,
}

impl<T> Default for Arrival<T> {
    fn default() -> Self {
        Self { came: None, waker: None }
    }
}

impl<T> Arrival<T> {
    /// The result is there. The waker is to be called where no lock is held.
    pub(crate) fn arrive(&mut self, result: T) -> Option<Waker> {
        self.came = Some(result);
        self.waker.take()
    }
}
