//! The operations with routines that a thread has in flight.
//!
//! The system's own routine, which it runs in any alertable wait of the thread, only moves the
//! operation to the queue of the thread; the user's routine runs from there, in an alertable wait of
//! this crate. An accept cannot have a routine of the system's: the accepts of a thread share an
//! event, and alertable waits look at them.

use super::step::{self, Step};
use crate::operation::Operation;
use crate::routine::{self, Due, Queue, Routine};
use crate::sys::{self, Call, Event, Finished, InFlight, Socket, Ticket};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What belongs to an operation with a routine: where it goes when it ends, and the number of the
/// routine there.
struct Goal {
    queue: Arc<Queue>,
    number: u64,
    here: Rc<Here>,
}

/// The operations of one thread.
struct Here {
    /// Of those that have a routine of the system's.
    tickets: RefCell<Vec<Ticket>>,
    accepts: RefCell<Vec<InFlight<Goal>>>,
    /// Auto-reset; set when an accept of this thread has ended.
    accepted: OnceCell<Rc<Event>>,
    /// The thread ends: what comes back is only freed.
    is_ending: Cell<bool>,
}

/// What a thread has of them until it ends.
struct Own(Rc<Here>);

thread_local! {
    static HERE: Own = Own(Rc::new(Here {
        tickets: RefCell::default(),
        accepts: RefCell::default(),
        accepted: OnceCell::new(),
        is_ending: Cell::new(false),
    }));
}

/// For so long a thread that ends waits for what it has cancelled. What has not ended then is leaked
/// rather than freed while the kernel has it.
const END_MAX: Duration = Duration::from_secs(5);

impl Drop for Own {
    /// The thread ends: its operations are cancelled, and their routines never run (P146, P147).
    fn drop(&mut self) {
        let here = &*self.0;
        here.is_ending.set(true);
        let accepts = here.accepts.take();
        accepts.iter().for_each(InFlight::cancel);
        here.tickets.borrow().iter().for_each(Ticket::cancel);
        let until = Instant::now() + END_MAX;
        while !(here.tickets.borrow().is_empty() && accepts.iter().all(InFlight::has_ended))
            && Instant::now() < until
        {
            sys::sleep_alertable(1);
        }
        for accept in accepts.into_iter().filter(InFlight::has_ended) {
            drop(accept.finish());
        }
    }
}

/// Starts an operation whose routine becomes due on this thread.
pub(super) fn start(
    socket: &Arc<Socket>,
    operation: Operation,
    routine: Routine,
) -> Result<(), (io::Error, Operation)> {
    let queue = match routine::queue() {
        Ok(queue) => queue,
        Err(error) => return Err((error, operation)),
    };
    let Ok(here) = HERE.try_with(|own| Rc::clone(&own.0)) else {
        let error = io::Error::other("the thread is ending and starts no operation");
        return Err((error, operation));
    };
    let call = step::first(operation, socket)?;
    let number = routine::keep(routine);
    here.start(socket, call, Goal { queue, number, here: Rc::clone(&here) }).map_err(
        |(error, call)| {
            drop(routine::take(number));
            step::refused(call, error)
        },
    )
}

impl Here {
    fn start(&self, socket: &Arc<Socket>, call: Call, goal: Goal) -> Result<(), (io::Error, Call)> {
        if matches!(call, Call::Accept(_)) {
            let event = match self.accepted() {
                Ok(event) => event,
                Err(error) => return Err((error, call)),
            };
            let in_flight = InFlight::start(socket, call, Some(event), goal)
                .map_err(|(error, call, _)| (error, call))?;
            self.accepts.borrow_mut().push(in_flight);
        } else {
            let ticket = InFlight::start_with_routine(socket, call, ended, goal)
                .map_err(|(error, call, _)| (error, call))?;
            // The routine runs in an alertable wait, so not before this.
            self.tickets.borrow_mut().push(ticket);
        }
        Ok(())
    }

    fn accepted(&self) -> io::Result<&Event> {
        if let Some(event) = self.accepted.get() {
            return Ok(event);
        }
        let event = Rc::new(Event::new(false)?);
        Ok(self.accepted.get_or_init(|| event))
    }

    fn forget(&self, address: usize) {
        let mut tickets = self.tickets.borrow_mut();
        if let Some(at) = tickets.iter().position(|ticket| ticket.address() == address) {
            tickets.swap_remove(at);
        }
    }
}

/// Runs on the thread that started the operation, in an alertable wait.
fn ended(in_flight: InFlight<Goal>) {
    let address = in_flight.address();
    let finished = in_flight.finish();
    finished.extra.here.forget(address);
    if !finished.extra.here.is_ending.get() {
        go_on(finished);
    }
}

/// Moves an operation that has ended to the queue, unless it takes a further step.
fn go_on(finished: Finished<Goal>) {
    let Finished { call, ended, socket, extra: goal } = finished;
    match step::next(call, ended, &socket) {
        Step::Ended(operation) => {
            goal.queue.push(Due::Ended(goal.number, operation));
        }
        Step::Further(call) => {
            let (queue, number) = (Arc::clone(&goal.queue), goal.number);
            let here = Rc::clone(&goal.here);
            if let Err((error, call)) = here.start(&socket, call, goal) {
                queue.push(Due::Ended(number, step::failed(call, error)));
            }
        }
    }
}

/// Moves the accepts that have ended to the queue.
pub(super) fn collect_accepts() {
    let Ok(here) = HERE.try_with(|own| Rc::clone(&own.0)) else { return };
    let ended: Vec<_> =
        here.accepts.borrow_mut().extract_if(.., |accept| accept.has_ended()).collect();
    ended.into_iter().map(InFlight::finish).for_each(go_on);
}

/// The event that is set when an accept of this thread ends, while it has one in flight.
pub(super) fn accepts_event() -> Option<Rc<Event>> {
    let here = HERE.try_with(|own| Rc::clone(&own.0)).ok()?;
    let waits = !here.accepts.borrow().is_empty();
    here.accepted.get().filter(|_| waits).cloned()
}
