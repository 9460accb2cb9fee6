//! The operations of one socket that belongs to no port.
#![allow(unsafe_code)]

use super::block::{Core, InFlight, Step};
use super::routine;
use super::wait::{Deadline, wait_for_handle};
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::handle::state::Direction;
use crate::notify::EventObject;
use crate::notify::routine::Routine;
use crate::operation::Task;
use std::io;
use std::net::Shutdown;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::CancelIoEx;

/// A socket that belongs to no port; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Handle(Arc<Core>);

impl Handle {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(Arc::new(Core { socket }))
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.0.socket
    }

    /// Ends directions, as the system does it: receives in flight stay (P162).
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0.socket {
            Socket::System(socket) => socket.shutdown(how),
            Socket::Simulated(_) => Err(code::error(code::NOT_CONNECTED)),
        }
    }

    /// Starts an operation that sets `event`, or else signals the socket.
    pub(crate) fn start(
        &self,
        _direction: Direction,
        task: Task,
        event: Option<&EventObject>,
    ) -> Result<Pending, (io::Error, Task)> {
        let handle = event.map_or(null_mut(), |event| event.0.handle());
        // SAFETY: the event is open, and there is no routine.
        let started = unsafe { InFlight::start(&self.0, task, handle, None, event.cloned()) };
        match started {
            Ok(in_flight) => Ok(Pending(Some(in_flight))),
            Err((error, task, _)) => Err((error, task)),
        }
    }

    /// Starts an operation that makes `routine` due on this thread.
    pub(crate) fn start_then(
        &self,
        _direction: Direction,
        task: Task,
        routine: Routine,
    ) -> Result<(), (io::Error, Task)> {
        routine::start(&self.0, task, routine)
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // The socket is open as long as this handle.
        wait_for_handle(self.0.raw()?, Deadline::after(timeout))
    }

    pub(crate) fn cancel_all(&self) {
        if let Ok(socket) = self.0.raw() {
            // SAFETY: the socket is open; without an address it is everything in flight on it.
            unsafe { CancelIoEx(socket, null()) };
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

    pub(crate) fn try_take(mut self) -> Result<Task, Self> {
        if !self.is_complete() {
            return Err(self);
        }
        let in_flight = self.0.take().expect("it is there until it is taken");
        // SAFETY: it has ended; the event of a further step is open, since it belongs to it.
        match unsafe { in_flight.finish(None) } {
            Step::Ended(task, _) => Ok(task),
            Step::GoesOn(in_flight) => Err(Self(Some(in_flight))),
        }
    }

    /// Waits for the end by the status of the operation. What is signaled then only helps: it may be
    /// so for other reasons.
    pub(crate) fn take(mut self) -> Task {
        let mut looks = 0_u32;
        loop {
            self = match self.try_take() {
                Ok(task) => return task,
                Err(pending) => pending,
            };
            let part = Deadline::after(Some(Duration::from_millis(10)));
            let is_of_use = self
                .in_flight()
                .stays_signaled()
                .is_some_and(|handle| !wait_for_handle(handle, part).unwrap_or(true));
            if !is_of_use && !self.is_complete() {
                pause(looks);
                looks += 1;
            }
        }
    }
}

impl InFlight<Option<EventObject>> {
    /// What is signaled at the end and not changed by a wait; an auto-reset event is.
    fn stays_signaled(&self) -> Option<HANDLE> {
        match self.extra() {
            Some(event) => event.0.is_manual().then(|| event.0.handle()),
            None => self.core().raw().ok(),
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
        in_flight.discard();
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
