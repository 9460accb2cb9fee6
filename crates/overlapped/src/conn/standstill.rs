//! What is asked of all connections of a port together: to accept nothing more, for a while or for good,
//! and whether anything is still to be sent.

use super::accept_window::refill;
use super::connection::ConnectionState;
use super::connections::Connections;
use super::operation::Operation;
use crate::panics::Panics;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why nothing is to be accepted for a while. Each is one bit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WhyPaused {
    /// All threads there may be are blocked.
    Exhausted = 1,
    /// The user asked for it.
    Asked = 2,
}

impl<O: Operation> Connections<O> {
    /// Accept windows post no accepts until [`Connections::resume_accepts`] for the same reason. What is posted stays so.
    pub(crate) fn pause_accepts(&self, why: WhyPaused) {
        self.accepts_paused.fetch_or(why as u8, Ordering::SeqCst);
    }

    /// Accept windows are filled again, if there is no other reason to pause.
    pub(crate) fn resume_accepts(self: &Arc<Self>, why: WhyPaused) {
        // Before the listeners' locks: a refill that saw it paused has let its window go by then.
        let before = self.accepts_paused.fetch_and(!(why as u8), Ordering::SeqCst);
        if before != why as u8 {
            return;
        }
        let mut panics = Panics::default();
        for token in self.table.tokens() {
            let listener = self.find(token).and_then(|at| Some(at.rare.accepting()?.listener()));
            if let Some(listener) = listener {
                refill(&listener);
                panics.run(|| drop(listener));
            }
        }
    }

    pub(super) fn accepts_are_paused(&self) -> bool {
        self.accepts_paused.load(Ordering::SeqCst) != 0
    }

    /// Closes every listener: nothing is accepted any more. What goes wrong in code of the user's that
    /// is dropped with them ends here.
    pub(crate) fn close_listeners(self: &Arc<Self>) {
        let mut panics = Panics::default();
        for token in self.table.tokens() {
            let listens = self.find(token).is_some_and(|at| at.state == ConnectionState::Listening);
            if listens {
                panics.run(|| self.close(token));
            }
        }
    }

    /// Whether something that was started is still to be sent.
    pub(crate) fn sends_are_under_way(self: &Arc<Self>) -> bool {
        let sends = |token| self.find(token).is_some_and(|at| at.sends_to_come() > 0);
        self.table.tokens().into_iter().any(sends)
    }
}
