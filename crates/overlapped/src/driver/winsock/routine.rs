//! The operations with routines that a thread has in flight.
//!
//! The system's own routine, which it runs in any alertable wait of the thread, only moves the
//! operation to the queue of the thread; the user's routine runs from there, in an alertable wait of
//! this library. An accept cannot have a routine of the system's: the accepts of a thread share an
//! event, and alertable waits look at them.
#![allow(unsafe_code)]

use super::block::{Core, InFlight, Step};
use super::event::Event;
use crate::notify::routine::{self, Due, Queue, Routine};
use crate::operation::Task;
use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::{
    GetCurrentThreadId, OpenThread, QueueUserAPC, SleepEx, THREAD_SET_CONTEXT,
};

/// What belongs to an operation with a routine: where it goes when it ends, and the number of the
/// routine there.
struct Goal {
    queue: Arc<Queue>,
    number: u64,
}

/// The operations of this thread.
struct Here {
    /// The addresses of those that have a routine of the system's.
    with_routine: RefCell<Vec<*mut OVERLAPPED>>,
    accepts: RefCell<Vec<InFlight<Goal>>>,
    /// Auto-reset; set when an accept of this thread has ended.
    accepted: OnceCell<Event>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            with_routine: RefCell::new(Vec::new()),
            accepts: RefCell::new(Vec::new()),
            accepted: OnceCell::new(),
        }
    };
}

/// For so long a thread that ends waits for what it has cancelled. What has not ended then is leaked
/// rather than freed while the kernel has it.
const END_MAX: Duration = Duration::from_secs(5);

impl Drop for Here {
    /// The thread ends: its operations are cancelled, and their routines never run (P146, P147).
    fn drop(&mut self) {
        let accepts = self.accepts.take();
        accepts.iter().for_each(InFlight::cancel);
        for &address in &*self.with_routine.borrow() {
            // SAFETY: the operation is in flight, so it is there; it is not taken here.
            unsafe { InFlight::<Goal>::at(address) }.cancel();
        }
        let until = Instant::now() + END_MAX;
        while !(self.with_routine.borrow().is_empty() && accepts.iter().all(InFlight::has_ended))
            && Instant::now() < until
        {
            ENDING.with(|ending| ending.set(std::ptr::from_ref(self)));
            // SAFETY: it takes any time. Routines of the system's that run in it find this value by
            // the pointer, which is cleared before it goes.
            unsafe { SleepEx(1, 1) };
            ENDING.with(|ending| ending.set(std::ptr::null()));
        }
        for accept in accepts {
            if accept.has_ended() {
                accept.discard();
            }
        }
    }
}

thread_local! {
    /// The operations of this thread while it ends and its value is not reached otherwise.
    static ENDING: std::cell::Cell<*const Here> = const { std::cell::Cell::new(std::ptr::null()) };
}

/// Starts an operation whose routine becomes due on this thread.
pub(super) fn start(
    core: &Arc<Core>,
    task: Task,
    routine: Routine,
) -> Result<(), (io::Error, Task)> {
    let queue = match routine::queue() {
        Ok(queue) => queue,
        Err(error) => return Err((error, task)),
    };
    // An ending thread has no queue any more, or none that takes anything; its operations are here
    // as long as it has.
    let started = HERE.try_with(|here| {
        let number = routine::keep(routine);
        here.start(core, task, Goal { queue, number })
            .map_err(|(error, task)| (error, task, number))
    });
    match started {
        Ok(Ok(())) => Ok(()),
        Ok(Err((error, task, number))) => {
            drop(routine::take(number));
            Err((error, task))
        }
        Err(_) => unreachable!("the operations of a thread are there as long as its queue"),
    }
}

impl Here {
    fn start(&self, core: &Arc<Core>, task: Task, goal: Goal) -> Result<(), (io::Error, Task)> {
        if let Task::Accept(_) = task {
            let event = match self.accepted() {
                Ok(event) => event.handle(),
                Err(error) => return Err((error, task)),
            };
            // SAFETY: the event is open as long as the thread has operations, and there is no
            // routine.
            let started = unsafe { InFlight::start(core, task, event, None, goal) };
            let in_flight = started.map_err(|(error, task, _)| (error, task))?;
            self.accepts.borrow_mut().push(in_flight);
            return Ok(());
        }
        // SAFETY: the routine takes the block, which is of its type, once.
        let started = unsafe { InFlight::start(core, task, null_mut(), Some(ended), goal) };
        let in_flight = started.map_err(|(error, task, _)| (error, task))?;
        // The routine runs in an alertable wait, so not before this.
        self.with_routine.borrow_mut().push(in_flight.address());
        Ok(())
    }

    fn accepted(&self) -> io::Result<&Event> {
        if let Some(event) = self.accepted.get() {
            return Ok(event);
        }
        let event = Event::new(false)?;
        Ok(self.accepted.get_or_init(|| event))
    }
}

/// Runs on the thread that started the operation, in an alertable wait.
unsafe extern "system" fn ended(
    _error: u32,
    _transferred: u32,
    address: *mut OVERLAPPED,
    _flags: u32,
) {
    // The thread is alive or ending, and in both cases its value is there.
    let forget = |here: &Here| {
        let mut addresses = here.with_routine.borrow_mut();
        if let Some(at) = addresses.iter().position(|one| *one == address) {
            addresses.swap_remove(at);
        }
    };
    let ending = ENDING.with(std::cell::Cell::get);
    let is_ending = !ending.is_null();
    if is_ending {
        // SAFETY: it is set only while its value waits in this very thread, further up the stack.
        forget(unsafe { &*ending });
    } else {
        let _ = HERE.try_with(forget);
    }
    // SAFETY: the kernel gives the address of an operation of ours, once.
    let in_flight = unsafe { InFlight::<Goal>::at(address) };
    if is_ending {
        return in_flight.discard();
    }
    // SAFETY: it has ended; a further step has this same routine.
    match unsafe { in_flight.finish(Some(ended)) } {
        Step::Ended(task, goal) => {
            goal.queue.push(Due::Ended(goal.number, task));
        }
        Step::GoesOn(further) => {
            let _ = HERE.try_with(|here| here.with_routine.borrow_mut().push(further.address()));
        }
    }
}

/// Moves the accepts that have ended to the queue.
pub(super) fn collect_accepts() {
    let ended = HERE.try_with(|here| {
        let mut accepts = here.accepts.borrow_mut();
        accepts.extract_if(.., |accept| accept.has_ended()).collect::<Vec<_>>()
    });
    for accept in ended.into_iter().flatten() {
        // SAFETY: it has ended; the event of a further step is that of this thread.
        match unsafe { accept.finish(None) } {
            Step::Ended(task, goal) => {
                goal.queue.push(Due::Ended(goal.number, task));
            }
            Step::GoesOn(further) => {
                let kept = HERE.try_with(|here| here.accepts.borrow_mut().push(further));
                debug_assert!(kept.is_ok(), "a thread that waits has its operations");
            }
        }
    }
}

/// The event that is set when an accept of this thread ends, while it has one in flight. It is open
/// until the thread ends.
pub(super) fn accepts_event() -> Option<HANDLE> {
    HERE.try_with(|here| {
        let waits = !here.accepts.borrow().is_empty();
        here.accepted.get().filter(|_| waits).map(Event::handle)
    })
    .ok()
    .flatten()
}

/// Wakes one thread from its alertable waits.
pub(crate) struct Waker {
    thread: OwnedHandle,
    id: u32,
}

impl Waker {
    /// Of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes nothing.
        let id = unsafe { GetCurrentThreadId() };
        // SAFETY: it takes any number.
        let thread = unsafe { OpenThread(THREAD_SET_CONTEXT, 0, id) };
        if thread.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        Ok(Self { thread: unsafe { OwnedHandle::from_raw_handle(thread) }, id })
    }

    /// The thread itself is awake, or in a routine of the system's, which ends its wait.
    pub(crate) fn wake(&self) {
        // SAFETY: it takes nothing.
        if self.id != unsafe { GetCurrentThreadId() } {
            // SAFETY: the handle is open, and the routine takes any number. It fails for a thread
            // that is ending, which runs nothing more anyway.
            unsafe { QueueUserAPC(Some(nothing), self.thread.as_raw_handle(), 0) };
        }
    }
}

/// Its only effect is that the wait of the thread ends.
unsafe extern "system" fn nothing(_: usize) {}
