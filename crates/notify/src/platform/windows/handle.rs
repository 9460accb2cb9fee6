//! One socket whose operations are overlapped, and the operations in flight whose results somebody is
//! to take.

use super::routine;
use super::step::{self, Step};
use crate::EventObject;
use crate::operation::Operation;
use crate::routine::Routine;
use crate::sys::{Deadline, Finished, InFlight, Socket, WaitEnd, Waitable, wait};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A socket that belongs to no port; clones are the same. Every operation in flight holds it open.
#[derive(Debug, Clone)]
pub(crate) struct Handle(Arc<Socket>);

impl Handle {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(Arc::new(socket))
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.0
    }

    /// Ends directions, as the system does it: receives in flight stay (P162).
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// Starts an operation that sets `event`, or else signals the socket.
    pub(crate) fn start(
        &self,
        operation: Operation,
        event: Option<&EventObject>,
    ) -> Result<Pending, (io::Error, Operation)> {
        let call = step::first(operation, &self.0)?;
        let of_system = event.map(|event| &*event.0);
        match InFlight::start(&self.0, call, of_system, event.cloned()) {
            Ok(in_flight) => Ok(Pending(Some(in_flight))),
            Err((error, call, _)) => Err(step::refused(call, error)),
        }
    }

    /// Starts an operation that makes `routine` due on this thread.
    pub(crate) fn start_then(
        &self,
        operation: Operation,
        routine: Routine,
    ) -> Result<(), (io::Error, Operation)> {
        routine::start(&self.0, operation, routine)
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_for((&*self.0).into(), Deadline::after(timeout))
    }

    pub(crate) fn cancel_all(&self) {
        self.0.cancel_all();
    }
}

/// Waits for one object; false when the time is over.
fn wait_for(object: Waitable<'_>, deadline: Deadline) -> io::Result<bool> {
    loop {
        match wait(&[object], false, deadline.left_ms(), false)? {
            WaitEnd::Signaled(_) => return Ok(true),
            WaitEnd::TimedOut if deadline.is_over() => return Ok(false),
            WaitEnd::TimedOut | WaitEnd::RoutinesRan => {}
        }
    }
}

/// An operation whose result somebody is to take. Dropping it cancels the operation and waits for
/// its end, which is at once then.
pub(crate) struct Pending(Option<InFlight<Option<EventObject>>>);

impl Pending {
    fn in_flight(&self) -> &InFlight<Option<EventObject>> {
        self.0.as_ref().expect("it is there until it is taken")
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.in_flight().has_ended()
    }

    pub(crate) fn cancel(&self) {
        self.in_flight().cancel();
    }

    pub(crate) fn try_take(mut self) -> Result<Operation, Self> {
        if !self.is_complete() {
            return Err(self);
        }
        let in_flight = self.0.take().expect("it is there until it is taken");
        let Finished { call, ended, socket, extra: event } = in_flight.finish();
        match step::next(call, ended, &socket) {
            Step::Ended(operation) => Ok(operation),
            Step::Further(call) => {
                let of_system = event.as_ref().map(|event| Arc::clone(&event.0));
                match InFlight::start(&socket, call, of_system.as_deref(), event) {
                    Ok(in_flight) => Err(Self(Some(in_flight))),
                    Err((error, call, _)) => Ok(step::failed(call, error)),
                }
            }
        }
    }

    /// Waits for the end by the status of the operation. What is signaled then only helps: it may be
    /// so for other reasons.
    pub(crate) fn take(mut self) -> Operation {
        let mut looks = 0_u32;
        loop {
            self = match self.try_take() {
                Ok(operation) => return operation,
                Err(pending) => pending,
            };
            let part = Deadline::after(Some(Duration::from_millis(10)));
            let is_of_use =
                self.stays_signaled().is_some_and(|object| !wait_for(object, part).unwrap_or(true));
            if !is_of_use && !self.is_complete() {
                pause(looks);
                looks += 1;
            }
        }
    }

    /// What is signaled at the end and not changed by a wait; an auto-reset event is.
    fn stays_signaled(&self) -> Option<Waitable<'_>> {
        match self.in_flight().extra() {
            Some(event) => event.0.is_manual().then(|| (&*event.0).into()),
            None => Some((&**self.in_flight().socket()).into()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(in_flight) = self.0.take() else { return };
        in_flight.cancel();
        let mut looks = 0;
        while !in_flight.has_ended() {
            pause(looks);
            looks += 1;
        }
        drop(in_flight.finish());
    }
}

/// Lets others run between two looks at a status.
fn pause(looks: u32) {
    if looks < 64 {
        thread::yield_now();
    } else {
        thread::sleep(Duration::from_millis(1));
    }
}
