//! One direction of a socket: its operations in the order they were started, and whether the next
//! attempt is worth a system call.
//!
//! The first operation lies in the queue itself, since most connections wait with just one.
//! Everything happens under the connection's lock, so an edge that arrives while another thread finds
//! the socket drained is seen after it, and is not lost.

use super::operation::Progress;
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct OperationQueue<T> {
    pub(super) first: Option<T>,
    #[expect(
        clippy::box_collection,
        reason = "it is rarely there, and every connection has two queues"
    )]
    pub(super) rest: Option<Box<VecDeque<T>>>,
    /// The socket may be able to go on. True until an attempt has shown otherwise.
    ready: bool,
}

impl<T> OperationQueue<T> {
    pub(crate) fn new() -> Self {
        Self { first: None, rest: None, ready: true }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// Whether an operation started now may be attempted at once: nothing is before it (L1, F41).
    pub(crate) fn may_attempt(&self) -> bool {
        self.ready && self.is_empty()
    }

    /// The system says that the socket may go on.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Updates whether the socket is ready by what an attempt has shown. `ended` means that the socket stays ready, since
    /// the peer has ended and a short read does not show it drained.
    pub(crate) fn update(&mut self, progress: Progress, ended: bool) {
        match progress {
            Progress::Blocked | Progress::Deferred => self.ready = false,
            Progress::Complete { drained } => self.ready &= !drained || ended,
            Progress::Yields => {}
        }
    }

    pub(crate) fn push(&mut self, operation: T) {
        if self.first.is_none() {
            self.first = Some(operation);
        } else {
            self.rest.get_or_insert_default().push_back(operation);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop_front();
            if rest.is_empty() {
                self.rest = None;
            }
        }
        Some(first)
    }

    /// Removes the first operation for which `is_it` holds.
    pub(crate) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        if self.first.as_ref().is_some_and(&is_it) {
            return self.pop();
        }
        let rest = self.rest.as_mut()?;
        let position = rest.iter().position(is_it)?;
        let found = rest.remove(position);
        if rest.is_empty() {
            self.rest = None;
        }
        found
    }

    /// Attempts the first operation while the socket is ready; returns it when it is complete.
    pub(crate) fn advance(
        &mut self,
        ended: bool,
        attempt: impl FnOnce(&mut T) -> Progress,
    ) -> Advance<T> {
        if !self.ready {
            return Advance::Idle;
        }
        let Some(first) = &mut self.first else {
            return Advance::Idle;
        };
        let progress = attempt(first);
        self.update(progress, ended);
        match progress {
            Progress::Blocked => Advance::Idle,
            Progress::Deferred => Advance::Deferred,
            Progress::Yields => Advance::Yields,
            Progress::Complete { .. } => self.pop().map_or(Advance::Idle, Advance::Complete),
        }
    }
}

/// What came of [`OperationQueue::advance`].
#[derive(Debug)]
pub(crate) enum Advance<T> {
    /// Nothing to do until the next event or start.
    Idle,
    /// The system is short of something; to be tried again by the alarm.
    Deferred,
    /// It could go on at once, and the system is to say so again.
    Yields,
    /// The first operation is complete and out of the queue.
    Complete(T),
}
