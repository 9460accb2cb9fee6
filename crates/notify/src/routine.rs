//! Completion routines and queued routines: what a thread has due, and how it runs them.
//!
//! Each thread that uses routines has a queue of what is due, which other threads may push to, and
//! keeps the routines of its operations to itself, so they need not be `Send`. Only an alertable
//! wait of that thread runs them (M130).

use crate::lock::Mutex;
use crate::operation::Operation;
use crate::platform;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The routine of an operation: it is given the operation as it ended.
pub(crate) type Routine = Box<dyn FnOnce(Operation)>;

/// Something that a thread is to run in its next alertable wait.
pub(crate) enum Due {
    Queued(Box<dyn FnOnce() + Send>),
    /// The operation with this number ended; the thread has its routine.
    Ended(u64, Operation),
}

/// What one thread has due, in the order in which it became so.
pub(crate) struct Queue {
    state: Mutex<State>,
    pub(crate) waker: platform::Waker,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    due: VecDeque<Due>,
}

impl Queue {
    /// Adds it at the end; false when the thread has ended, and it is dropped.
    pub(crate) fn push(&self, due: Due) -> bool {
        let mut state = self.state.lock();
        if state.has_ended {
            drop(state);
            return false;
        }
        state.due.push_back(due);
        // Under the lock: until the thread has ended it can be woken.
        self.waker.wake();
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().due.is_empty()
    }

    fn pop(&self) -> Option<Due> {
        self.state.lock().due.pop_front()
    }
}

/// What the calling thread has of routines.
struct Thread {
    queue: OnceCell<Arc<Queue>>,
    routines: RefCell<HashMap<u64, Routine>>,
    next: Cell<u64>,
}

thread_local! {
    static THREAD: Thread = Thread {
        queue: OnceCell::new(),
        routines: RefCell::default(),
        next: Cell::new(0),
    };
}

impl Drop for Thread {
    /// The thread ends: nothing more runs, and what is left is dropped (P147). A panic of it ends
    /// here: out of a value of the thread's it would end the process.
    fn drop(&mut self) {
        if let Some(queue) = self.queue.get() {
            let mut state = queue.state.lock();
            state.has_ended = true;
            let left = std::mem::take(&mut state.due);
            drop(state);
            drop_each(left);
        }
        let left = std::mem::take(&mut *self.routines.borrow_mut());
        drop_each(left.into_values());
    }
}

/// Drops each value by itself, also when the destructor of another one panics.
fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    for value in values {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(value)));
        // What a panic carries is the user's as well, and its destructor may panic, too.
        if let Err(carried) = dropped
            && let Err(further) = catch_unwind(AssertUnwindSafe(|| drop(carried)))
        {
            std::mem::forget(further);
        }
    }
}

/// The queue of the calling thread.
pub(crate) fn queue() -> io::Result<Arc<Queue>> {
    THREAD
        .try_with(|thread| {
            if let Some(queue) = thread.queue.get() {
                return Ok(Arc::clone(queue));
            }
            let queue = Arc::new(Queue { state: Mutex::default(), waker: platform::Waker::new()? });
            Ok(Arc::clone(thread.queue.get_or_init(|| queue)))
        })
        .unwrap_or_else(|_| Err(io::Error::other("the thread is ending and runs no more routines")))
}

/// The queue of the calling thread, if it has used routines.
pub(crate) fn queue_if_used() -> Option<Arc<Queue>> {
    THREAD.try_with(|thread| thread.queue.get().cloned()).ok().flatten()
}

/// Keeps the routine of an operation that is about to start, and gives it a number.
pub(crate) fn keep(routine: Routine) -> u64 {
    THREAD.with(|thread| {
        let number = thread.next.get();
        thread.next.set(number + 1);
        thread.routines.borrow_mut().insert(number, routine);
        number
    })
}

/// Takes a routine back; its operation was not started, or it is to run.
pub(crate) fn take(number: u64) -> Option<Routine> {
    THREAD.try_with(|thread| thread.routines.borrow_mut().remove(&number)).ok().flatten()
}

/// After so many routines in a row other operations of the thread are looked after.
const LOOK_EVERY: usize = 16;

/// Runs what is due, also what becomes due meanwhile (M122), in order.
pub(crate) fn run_all(queue: &Queue) {
    for count in 1_usize.. {
        let Some(due) = queue.pop() else { return };
        match due {
            Due::Queued(routine) => routine(),
            Due::Ended(number, operation) => {
                if let Some(routine) = take(number) {
                    routine(operation);
                }
            }
        }
        if count % LOOK_EVERY == 0 {
            // Operations that are always ready at once do not keep the others waiting.
            platform::look();
        }
    }
}

/// Names a thread, so that others can queue routines to it.
///
/// A clone names the same thread.
///
/// ```
/// use overlapped_notify::{RoutineThread, sleep_alertable};
///
/// # fn main() -> std::io::Result<()> {
/// let here = RoutineThread::current()?;
/// std::thread::spawn(move || here.queue(|| println!("runs on the first thread")));
/// assert!(sleep_alertable(None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RoutineThread(Arc<Queue>);

impl RoutineThread {
    /// The calling thread.
    ///
    /// # Errors
    /// The system's, for want of descriptors or handles; also in the destructor of a thread-local
    /// value, when the thread is about to end.
    pub fn current() -> io::Result<Self> {
        queue().map(Self)
    }

    /// Queues `routine` to this thread, from any thread. It runs in the thread's next alertable
    /// wait, after everything that was due before. If the thread ends before that, the routine is
    /// dropped without running.
    ///
    /// # Errors
    /// The thread has ended; the routine is dropped.
    pub fn queue(&self, routine: impl FnOnce() + Send + 'static) -> io::Result<()> {
        if self.0.push(Due::Queued(Box::new(routine))) {
            return Ok(());
        }
        Err(io::Error::other("the thread has ended and runs no more routines"))
    }
}

impl std::fmt::Debug for RoutineThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoutineThread").finish_non_exhaustive()
    }
}

/// Sleeps until routines of this thread were due and have run, or the time is over. True when
/// routines ran.
///
/// If some are due it runs them all and returns at once; with a zero `timeout` it only does this. A
/// routine may call this function itself, and then other routines run within it. If a routine
/// panics, the panic goes to the caller, and routines that were due after it stay due.
///
/// As long as routines make other routines due, it does not return.
///
/// # Platform
/// On Windows an alertable wait of other code lets operations complete as well, but runs no routine
/// of this crate. These run in the next alertable wait of this crate.
pub fn sleep_alertable(timeout: Option<Duration>) -> bool {
    platform::sleep_alertable(timeout)
}
