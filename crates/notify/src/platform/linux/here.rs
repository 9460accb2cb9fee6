//! What belongs to the calling thread.

use super::home::Home;
use super::started::Started;
use crate::sys::{Bell, poll};
use rustix::event::{PollFd, PollFlags};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a thread has from its first use to its end.
struct Here {
    bell: OnceCell<Arc<Bell>>,
    home: OnceCell<Arc<Home>>,
    hasty_waits: Cell<u32>,
    /// The operations that it started; those that have ended are left out now and then.
    started: RefCell<Vec<Weak<Started>>>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            bell: OnceCell::new(),
            home: OnceCell::new(),
            hasty_waits: Cell::new(0),
            started: RefCell::new(Vec::new()),
        }
    };
}

impl Drop for Here {
    /// What the thread started and did not see end is cancelled (P146).
    fn drop(&mut self) {
        for operation in self.started.take() {
            if let Some(operation) = operation.upgrade() {
                operation.cancel();
            }
        }
    }
}

/// So many waits in a row may end without a look at what could proceed.
const HASTY_WAITS_MAX: u32 = 8;

/// The bell of this thread; one for this call alone in a thread that is ending.
pub(super) fn bell() -> io::Result<Arc<Bell>> {
    HERE.try_with(Here::bell).unwrap_or_else(|_| Bell::new().map(Arc::new))
}

/// The home of this thread, which is to look after operations with routines.
pub(super) fn home() -> io::Result<Arc<Home>> {
    HERE.try_with(|here| {
        if let Some(home) = here.home.get() {
            return Ok(Arc::clone(home));
        }
        let home = Arc::new(Home::new(here.bell()?)?);
        Ok(Arc::clone(here.home.get_or_init(|| home)))
    })
    .unwrap_or_else(|_| Err(io::Error::other("the thread is ending and starts no operation")))
}

/// The home of this thread, if it has one.
pub(super) fn home_if_any() -> Option<Arc<Home>> {
    HERE.try_with(|here| here.home.get().cloned()).ok().flatten()
}

impl Here {
    fn bell(&self) -> io::Result<Arc<Bell>> {
        if let Some(bell) = self.bell.get() {
            return Ok(Arc::clone(bell));
        }
        let bell = Arc::new(Bell::new()?);
        Ok(Arc::clone(self.bell.get_or_init(|| bell)))
    }
}

/// Takes note of an operation that this thread has started and that is in flight; false when the
/// thread is ending.
pub(super) fn note_started(operation: &Arc<Started>) -> bool {
    HERE.try_with(|here| {
        let mut started = here.started.borrow_mut();
        if started.len() == started.capacity() {
            let is_in_flight =
                |one: &Weak<Started>| one.upgrade().is_some_and(|one| !one.has_ended());
            started.retain(is_in_flight);
            let room = started.len().max(16);
            started.reserve(room);
        }
        started.push(Arc::downgrade(operation));
    })
    .is_ok()
}

/// Whether a wait that finds an event set may end at once. Each so many it may not, so that what
/// proceeds only when somebody looks is not left waiting by an event that is always set.
pub(super) fn may_be_hasty() -> bool {
    HERE.try_with(|here| {
        let waits = here.hasty_waits.get();
        here.hasty_waits.set((waits + 1) % HASTY_WAITS_MAX);
        waits + 1 < HASTY_WAITS_MAX
    })
    .unwrap_or(false)
}

/// A look at what could proceed was taken.
pub(super) fn has_looked() {
    let _ = HERE.try_with(|here| here.hasty_waits.set(0));
}

/// Wakes one thread from its alertable waits.
pub(crate) struct Waker(Arc<Bell>);

impl Waker {
    /// Of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        bell().map(Self)
    }

    pub(crate) fn wake(&self) {
        self.0.ring();
    }

    /// Sleeps until it is woken or the time is over; it may end early.
    pub(super) fn sleep(&self, timeout: Option<Duration>) {
        let mut bell = [PollFd::new(&*self.0, PollFlags::IN)];
        let is_rung = poll(&mut bell, timeout).is_ok() && !bell[0].revents().is_empty();
        self.0.hear(is_rung);
    }
}
