//! One event: its flag, the threads that wait for it, and what proceeds when somebody looks at it.
//!
//! The lock of an event is the innermost one: a wake-up descriptor is signaled under it, and nothing
//! else is called. A source may hold its own lock while it sets, resets, attaches and detaches.

use crate::EventObject;
use crate::lock::{Mutex, MutexGuard};
use crate::sys::{Wakeup, poll};
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

/// Something that sets an event and proceeds only when it is called: threads that wait for the
/// event, or look at it, do so when its descriptor is ready.
pub(crate) trait Source: Send + Sync {
    /// What to wait for.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// For what the descriptor should be ready; `None` while there is nothing to wait for. After a
    /// change call [`EventObject::sources_changed`].
    fn interest(&self) -> Option<PollFlags>;

    /// Performs what can be performed, and sets the event if that is due. Several threads may call
    /// it at once, also when the descriptor is not ready any more. It runs no code of a user's.
    fn progress(&self, ready: PollFlags);
}

pub(crate) struct Event {
    manual: bool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    is_set: bool,
    /// In the order of their coming.
    waiters: Vec<Waiter>,
    sources: Vec<Arc<dyn Source>>,
}

struct Waiter {
    wakeup: Arc<Wakeup>,
    purpose: Purpose,
}

/// What a thread on the list of an event will do when it is told that the event is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It takes this event or another one.
    Any,
    /// It takes this event together with others, if they are set, too.
    All,
    /// It takes nothing: it waits for the end of an operation.
    Watch,
}

impl State {
    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    fn detach(&mut self, source: &Arc<dyn Source>) -> Option<Arc<dyn Source>> {
        let is_it =
            |one: &Arc<dyn Source>| std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(source));
        let found = self.sources.iter().position(is_it);
        found.map(|at| self.sources.swap_remove(at))
    }

    /// Tells of a set event: all who wait for a manual-reset one; for an auto-reset one all up to
    /// the first who is certain to take it, or to tell the next one when he leaves.
    fn tell(&self, manual: bool) {
        for waiter in &self.waiters {
            waiter.wakeup.signal();
            if !manual && waiter.purpose == Purpose::Any {
                break;
            }
        }
    }
}

impl Event {
    pub(crate) fn new(manual: bool) -> io::Result<Self> {
        Ok(Self { manual, state: Mutex::default() })
    }

    pub(crate) fn set(&self) {
        let mut state = self.state.lock();
        if !state.is_set {
            state.is_set = true;
            state.tell(self.manual);
        }
    }

    pub(crate) fn reset(&self) {
        self.state.lock().is_set = false;
    }

    pub(crate) fn is_set(&self) -> bool {
        if self.state.lock().is_set {
            return true;
        }
        let mut sources = Vec::new();
        self.collect_sources(&mut sources);
        // Without memory for the look the event is as it was.
        let _ = progress(&sources, &[], Some(Duration::ZERO));
        self.state.lock().is_set
    }

    /// Ends a wait for this event alone, if it is set.
    pub(super) fn take(&self) -> bool {
        let mut state = self.state.lock();
        let was_set = state.is_set;
        state.is_set &= self.manual;
        was_set
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Ends a wait for several, of which this is one.
    pub(super) fn take_locked(&self, state: &mut State) {
        state.is_set &= self.manual;
    }

    pub(super) fn enter(&self, wakeup: &Arc<Wakeup>, purpose: Purpose) {
        self.state.lock().waiters.push(Waiter { wakeup: Arc::clone(wakeup), purpose });
    }

    /// Takes the waiter off the list. It may have been told of the event and taken another, so the
    /// next one is told.
    pub(super) fn leave(&self, wakeup: &Arc<Wakeup>) {
        let mut state = self.state.lock();
        if let Some(at) = state.waiters.iter().position(|one| Arc::ptr_eq(&one.wakeup, wakeup)) {
            state.waiters.remove(at);
        }
        if state.is_set {
            state.tell(self.manual);
        }
    }

    pub(super) fn collect_sources(&self, into: &mut Vec<Arc<dyn Source>>) {
        into.extend_from_slice(&self.state.lock().sources);
    }
}

impl EventObject {
    /// Whoever waits for this event, or looks at it, lets `source` proceed, until it is detached.
    pub(crate) fn attach(&self, source: Arc<dyn Source>) {
        self.0.state.lock().sources.push(source);
        self.sources_changed();
    }

    /// The source is of no interest any more. One call of its `progress` may still come.
    pub(crate) fn detach(&self, source: &Arc<dyn Source>) {
        let mut state = self.0.state.lock();
        let found = state.detach(source);
        drop(state);
        // What it owns is dropped outside the lock.
        drop(found);
    }

    /// The operation behind this source has ended, if it was attached: sets the event, and tells
    /// those who wait for the operation itself.
    pub(super) fn finish(&self, source: &Arc<dyn Source>) {
        let mut state = self.0.state.lock();
        let found = state.detach(source);
        if !std::mem::replace(&mut state.is_set, true) {
            state.tell(self.0.manual);
        }
        for waiter in state.waiters.iter().filter(|waiter| waiter.purpose == Purpose::Watch) {
            waiter.wakeup.signal();
        }
        drop(state);
        drop(found);
    }

    /// What a source of this event is interested in has changed: threads that wait take note.
    pub(crate) fn sources_changed(&self) {
        for waiter in &self.0.state.lock().waiters {
            waiter.wakeup.signal();
        }
    }
}

/// Waits until one of `sources` or of the `wakeups` (descriptors) is ready, at most so long, and lets the sources
/// that are ready proceed. Gives whether each of `wakeups` is readable, as bits.
pub(super) fn progress(
    sources: &[Arc<dyn Source>],
    wakeups: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<u32> {
    let mut descriptors = Vec::with_capacity(wakeups.len() + sources.len());
    let mut polled = Vec::with_capacity(sources.len());
    descriptors
        .extend(wakeups.iter().map(|wakeup| PollFd::from_borrowed_fd(*wakeup, PollFlags::IN)));
    for source in sources {
        if let Some(interest) = source.interest() {
            descriptors.push(PollFd::from_borrowed_fd(source.descriptor(), interest));
            polled.push(source);
        }
    }
    if descriptors.is_empty() {
        return Ok(0);
    }
    poll(&mut descriptors, timeout)?;
    let (wakeups, sources) = descriptors.split_at(wakeups.len());
    for (source, descriptor) in polled.into_iter().zip(sources) {
        let ready = descriptor.revents();
        if !ready.is_empty() {
            source.progress(ready);
        }
    }
    let readable = |wakeup: &PollFd<'_>| u32::from(!wakeup.revents().is_empty());
    Ok(wakeups.iter().rev().fold(0, |bits, wakeup| bits << 1 | readable(wakeup)))
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_set = self.state.lock().is_set;
        f.debug_struct("Event").field("manual", &self.manual).field("is_set", &is_set).finish()
    }
}
