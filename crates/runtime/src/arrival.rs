//! Where the result of an operation arrives, and the task that waits for it.

use crate::sync::{self, Mutex};
use std::task::{Context, Poll, Waker};

/// A result that has come, or the task that is to be woken when it comes.
#[derive(Debug)]
pub(crate) struct Arrival<T> {
    came: Option<T>,
    waker: Option<Waker>,
}

impl<T> Default for Arrival<T> {
    fn default() -> Self {
        Self { came: None, waker: None }
    }
}

impl<T> Arrival<T> {
    /// The result is there. The waker is for [`wake`].
    pub(crate) fn arrive(&mut self, result: T) -> Option<Waker> {
        self.came = Some(result);
        self.waker.take()
    }

    /// What has come.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.came.take()
    }

    /// What has come; or this task is the one that waits.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<T> {
        match self.came.take() {
            Some(result) => Poll::Ready(result),
            None => {
                remember(&mut self.waker, context);
                Poll::Pending
            }
        }
    }
}

/// Changes what lies in a place, and wakes who is to be woken for that once the lock is free.
pub(crate) fn change<T>(place: &Mutex<T>, change: impl FnOnce(&mut T) -> Option<Waker>) {
    let waker = change(&mut place.lock());
    wake(waker);
}

/// To be called where no lock is held: a waker may run anything.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        sync::wake(waker);
    }
}

/// Puts the waker of a task into its place, unless it is there.
pub(crate) fn remember(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}
