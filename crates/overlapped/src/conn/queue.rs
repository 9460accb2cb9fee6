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
}

/// Whether the socket may be able to go on in a direction. So it is until an attempt has shown
/// otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready(pub(super) bool);

impl<T> OperationQueue<T> {
    pub(crate) fn new() -> Self {
        Self { first: None, rest: None }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, operation: T) {
        if self.first.is_none() {
            self.first = Some(operation);
        } else {
            self.rest.get_or_insert_default().push_back(operation);
        }
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        match &mut self.rest {
            None => self.first.take(),
            Some(_) => self.pop_of_several(),
        }
    }

    #[inline(never)]
    fn pop_of_several(&mut self) -> Option<T> {
        let rest = self.rest.as_mut()?;
        let first = std::mem::replace(&mut self.first, rest.pop_front());
        if rest.is_empty() {
            self.rest = None;
        }
        first
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

    /// Attempts the first operation where it lies, if the socket may be ready. Complete, it is to be
    /// taken out by [`OperationQueue::pop`].
    #[inline(always)]
    pub(crate) fn attempt(
        &mut self,
        ready: &mut Ready,
        ended: bool,
        attempt: impl FnOnce(&mut T) -> Progress,
    ) -> Option<Progress> {
        if !ready.0 {
            return None;
        }
        let progress = attempt(self.first.as_mut()?);
        ready.update(progress, ended);
        Some(progress)
    }
}

impl Ready {
    /// Updates it by what an attempt has shown. `ended` means that the socket stays ready, since the
    /// peer has ended and a short read does not show it drained.
    #[inline]
    pub(crate) fn update(&mut self, progress: Progress, ended: bool) {
        match progress {
            Progress::Complete { drained: false } | Progress::Yields => {}
            Progress::Complete { drained: true } if ended => {}
            Progress::Complete { .. } | Progress::Blocked | Progress::Deferred => self.0 = false,
        }
    }
}
