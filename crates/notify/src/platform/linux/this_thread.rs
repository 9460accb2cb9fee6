//! What belongs to the calling thread.

use super::routine_sockets::RoutineSockets;
use super::started::Started;
use crate::sys::{Wakeup, poll};
use rustix::event::{PollFd, PollFlags};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a thread has from its first use to its end.
struct ThisThread {
    wakeup: OnceCell<Arc<Wakeup>>,
    routine_sockets: OnceCell<Arc<RoutineSockets>>,
    waits_without_a_look: Cell<u32>,
    /// The operations that it started; those that have ended are left out now and then.
    started: RefCell<Vec<Weak<Started>>>,
}

thread_local! {
    static THIS_THREAD: ThisThread = const {
        ThisThread {
            wakeup: OnceCell::new(),
            routine_sockets: OnceCell::new(),
            waits_without_a_look: Cell::new(0),
            started: RefCell::new(Vec::new()),
        }
    };
}

impl Drop for ThisThread {
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
const WAITS_WITHOUT_A_LOOK_MAX: u32 = 8;

/// The wake-up descriptor of this thread; one for this call alone in a thread that is ending.
pub(super) fn wakeup() -> io::Result<Arc<Wakeup>> {
    THIS_THREAD.try_with(ThisThread::wakeup).unwrap_or_else(|_| Wakeup::new().map(Arc::new))
}

/// The sockets that this thread looks after, made if there are none: it is to start an operation with
/// a routine.
pub(super) fn routine_sockets() -> io::Result<Arc<RoutineSockets>> {
    THIS_THREAD
        .try_with(|thread| {
            if let Some(sockets) = thread.routine_sockets.get() {
                return Ok(Arc::clone(sockets));
            }
            let sockets = Arc::new(RoutineSockets::new(thread.wakeup()?)?);
            Ok(Arc::clone(thread.routine_sockets.get_or_init(|| sockets)))
        })
        .unwrap_or_else(|_| Err(io::Error::other("the thread is ending and starts no operation")))
}

/// The sockets that this thread looks after, if it has started operations with routines.
pub(super) fn routine_sockets_if_any() -> Option<Arc<RoutineSockets>> {
    THIS_THREAD.try_with(|thread| thread.routine_sockets.get().cloned()).ok().flatten()
}

impl ThisThread {
    fn wakeup(&self) -> io::Result<Arc<Wakeup>> {
        if let Some(wakeup) = self.wakeup.get() {
            return Ok(Arc::clone(wakeup));
        }
        let wakeup = Arc::new(Wakeup::new()?);
        Ok(Arc::clone(self.wakeup.get_or_init(|| wakeup)))
    }
}

/// Takes note of an operation that this thread has started and that is in flight; false when the
/// thread is ending.
pub(super) fn note_started(operation: &Arc<Started>) -> bool {
    THIS_THREAD
        .try_with(|thread| {
            let mut started = thread.started.borrow_mut();
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
pub(super) fn may_end_without_a_look() -> bool {
    THIS_THREAD
        .try_with(|thread| {
            let waits = thread.waits_without_a_look.get();
            thread.waits_without_a_look.set((waits + 1) % WAITS_WITHOUT_A_LOOK_MAX);
            waits + 1 < WAITS_WITHOUT_A_LOOK_MAX
        })
        .unwrap_or(false)
}

/// A look at what could proceed was taken.
pub(super) fn has_looked() {
    let _ = THIS_THREAD.try_with(|thread| thread.waits_without_a_look.set(0));
}

/// Wakes one thread from its alertable waits.
pub(crate) struct Waker(Arc<Wakeup>);

impl Waker {
    /// Of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        wakeup().map(Self)
    }

    pub(crate) fn wake(&self) {
        self.0.signal();
    }

    /// Sleeps until it is woken or the time is over; it may end early.
    pub(super) fn sleep(&self, timeout: Option<Duration>) {
        let mut wakeup = [PollFd::new(&*self.0, PollFlags::IN)];
        let is_rung = poll(&mut wakeup, timeout).is_ok() && !wakeup[0].revents().is_empty();
        self.0.clear(is_rung);
    }
}
