//! A running server, as whoever started it has it: its figures, and its stop in phases.
//!
//! What a model adds is its [`Staff`]: who accepts, and what makes its threads look up.

use super::Common;
use super::stay::{Member, Share};
use crate::model::{Server, Status, Stopped};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a stop waits for threads to notice that there is nothing left to serve. One that is in
/// a handler is not waited for.
const FAREWELL: Duration = Duration::from_millis(100);

/// Who does the work of a server.
pub(crate) trait Staff: Send + 'static {
    /// Ends accepting: when it returns no connection is entered any more and nobody listens.
    fn close_door(&mut self);

    /// Makes each thread look whether the server [is stopping](Common::is_stopping): it answers what
    /// has come on its connections, ends each as soon as nothing more is there, and then itself.
    fn hurry(&self);

    /// How connections are carried, in a sentence.
    fn describe(&self) -> String;
}

/// A running server. Dropping it stops it without a deadline.
pub(crate) struct Running<M: Member, S: Staff> {
    common: Arc<Common<Share<M>>>,
    pub(crate) staff: S,
    ended: bool,
}

impl<M: Member, S: Staff> Running<M, S> {
    pub(crate) fn new(common: Arc<Common<Share<M>>>, staff: S) -> Self {
        Self { common, staff, ended: false }
    }

    /// Nothing is accepted any more, what has come is answered, and the rest is ended by force at
    /// the deadline.
    fn end(&mut self, deadline: Duration) -> Stopped {
        self.ended = true;
        let common = &self.common;
        let deadline = Instant::now().checked_add(deadline);
        common.announce_stop();
        self.staff.close_door();
        self.staff.hurry();
        let in_time = common.connections.wait_until_none(deadline);
        let left = if in_time { 0 } else { common.connections.take_all(|share| share.cut()) };
        // Threads that only have to end take no time worth a deadline.
        let _ = common.tally.wait_until_nobody(Instant::now().checked_add(FAREWELL));
        let status = Status { connected: 0, ..common.status() };
        Stopped { status, left }
    }
}

impl<M: Member, S: Staff> Server for Running<M, S> {
    fn status(&self) -> Status {
        self.common.status()
    }

    fn stop(mut self: Box<Self>, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn describe(&self) -> String {
        self.staff.describe()
    }
}

impl<M: Member, S: Staff> Drop for Running<M, S> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}
