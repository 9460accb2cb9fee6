//! One direction of a socket: its operations in the order they were started, and whether the next
//! attempt is worth a system call.
//!
//! The first operation lies in the lane itself, since most connections wait with just one.
//! Everything happens under the handle's lock, so an edge that arrives while another thread finds
//! the socket drained is seen after it, and is not lost.

use crate::operation::Progress;
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Lane<T> {
    first: Option<T>,
    #[expect(clippy::box_collection, reason = "it is rarely there, and every handle has two")]
    rest: Option<Box<VecDeque<T>>>,
    /// The socket may be able to go on. True until an attempt has shown otherwise.
    ready: bool,
}

impl<T> Lane<T> {
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

    /// The driver says that the socket may go on.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Takes note of what an attempt has shown. `ended` means that the socket stays ready, since
    /// the peer has ended and a short read does not show it drained.
    pub(crate) fn note(&mut self, progress: Progress, ended: bool) {
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

    /// Puts back what was taken out by [`Lane::pop`], so that it is next again.
    #[cfg(any(windows, all(test, not(loom))))]
    pub(crate) fn push_first(&mut self, operation: T) {
        if let Some(second) = self.first.replace(operation) {
            self.rest.get_or_insert_default().push_front(second);
        }
    }

    /// The operation that is next.
    #[cfg_attr(not(windows), expect(dead_code, reason = "only a completion driver looks ahead"))]
    pub(crate) fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    #[cfg(windows)]
    pub(crate) fn first_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
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
        self.note(progress, ended);
        match progress {
            Progress::Blocked => Advance::Idle,
            Progress::Deferred => Advance::Deferred,
            Progress::Yields => Advance::Yields,
            Progress::Complete { .. } => self.pop().map_or(Advance::Idle, Advance::Complete),
        }
    }
}

/// What came of [`Lane::advance`].
#[derive(Debug)]
pub(crate) enum Advance<T> {
    /// Nothing to do until the next event or start.
    Idle,
    /// The system is short of something; to be tried again by the alarm.
    Deferred,
    /// It could go on at once, and the driver is to say so again.
    Yields,
    /// The first operation is complete and out of the lane.
    Complete(T),
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn p150_what_is_put_back_for_want_of_something_keeps_its_turn() {
        let mut lane = Lane::new();
        for number in 1..=3 {
            lane.push(number);
        }
        let first = lane.pop().expect("there are three");
        lane.push_first(first);
        assert_eq!(lane.len(), 3);
        assert_eq!(
            [lane.pop(), lane.pop(), lane.pop(), lane.pop()],
            [Some(1), Some(2), Some(3), None]
        );
        lane.push_first(4);
        assert_eq!((lane.pop(), lane.is_empty()), (Some(4), true));
    }
}
