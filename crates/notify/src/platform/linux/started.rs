//! One operation in flight: how it is notified, and how its result is taken.

use super::attempt::Direction;
use super::event::{Purpose, Source, progress};
use super::handle::Core;
use super::this_thread;
use super::wait::Entries;
use crate::EventObject;
use crate::lock::Mutex;
use crate::operation::Operation;
use crate::routine::{Due, Queue};
use crate::sys::Socket;
use rustix::event::PollFlags;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One operation, from its start until its result is taken.
pub(super) struct Started {
    core: Arc<Core>,
    direction: Direction,
    notice: Notice,
    /// Changed under the lock of the operation queues.
    has_ended: AtomicBool,
    /// In its queue, and afterwards until it is taken.
    operation: Mutex<Option<Operation>>,
}

/// Who is to know of the end.
pub(super) enum Notice {
    Event(EventObject),
    Routine(Arc<Queue>, u64),
}

impl Started {
    pub(super) fn new(core: &Arc<Core>, operation: Operation, notice: Notice) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::clone(core),
            direction: operation.direction(),
            notice,
            has_ended: AtomicBool::new(false),
            operation: Mutex::new(Some(operation)),
        })
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Attempts it once more; whether it has its result. Called under the lock of the
    /// operation queues.
    pub(super) fn attempt(&self, socket: &Socket) -> bool {
        self.operation.lock().as_mut().is_none_or(|operation| operation.attempt(socket))
    }

    /// Whoever waits for its event, or looks at that, lets it proceed from now on.
    pub(super) fn wait_to_be_looked_at(self: &Arc<Self>) {
        if let Notice::Event(event) = &self.notice {
            event.attach(self.as_source());
        }
    }

    fn as_source(self: &Arc<Self>) -> Arc<dyn Source> {
        Arc::clone(self) as Arc<dyn Source>
    }

    /// It has its result; tells of it. Called under the lock of the operation queues, when it is in
    /// none.
    pub(super) fn end(self: &Arc<Self>) {
        // Before the event is set, and before anybody can see it set (M114).
        self.has_ended.store(true, Ordering::Release);
        match &self.notice {
            Notice::Event(event) => {
                event.finish(&self.as_source());
            }
            Notice::Routine(queue, number) => {
                if let Some(operation) = self.operation.lock().take() {
                    queue.push(Due::Ended(*number, operation));
                }
            }
        }
    }

    pub(super) fn end_aborted(self: &Arc<Self>) {
        if let Some(operation) = &mut *self.operation.lock() {
            operation.abort();
        }
        self.end();
    }

    /// Ends it as aborted unless it has ended.
    pub(super) fn cancel(self: &Arc<Self>) {
        if !self.has_ended() {
            self.core.cancel(self);
        }
    }

    /// Performs what is in its operation queue, as far as that can be.
    fn drive(&self) {
        if !self.has_ended() {
            self.core.drive(self.direction);
        }
    }

    fn take(&self) -> Operation {
        let operation = self.operation.lock().take();
        operation.expect("only this takes the result of an operation without a routine")
    }
}

impl Source for Started {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.core.descriptor()
    }

    fn interest(&self) -> Option<PollFlags> {
        let interest = match self.direction {
            Direction::In => PollFlags::IN,
            Direction::Out => PollFlags::OUT,
        };
        (!self.has_ended()).then_some(interest)
    }

    fn progress(&self, _ready: PollFlags) {
        self.drive();
    }
}

/// An operation whose result somebody is to take. Dropping it cancels the operation.
pub(crate) struct Pending {
    started: Arc<Started>,
    /// It was attempted at its start, and the first look need not attempt it again.
    is_fresh: AtomicBool,
}

impl Pending {
    pub(super) fn new(started: Arc<Started>) -> Self {
        Self { started, is_fresh: AtomicBool::new(true) }
    }

    pub(crate) fn is_complete(&self) -> bool {
        if !self.is_fresh.swap(false, Ordering::Relaxed) {
            self.started.drive();
        }
        self.started.has_ended()
    }

    /// What could have ended by itself is not aborted.
    pub(crate) fn cancel(&self) {
        self.started.drive();
        self.started.cancel();
    }

    pub(crate) fn try_take(self) -> Result<Operation, Self> {
        if self.is_complete() { Ok(self.started.take()) } else { Err(self) }
    }

    /// Waits for the end: on the list of the event, so that it learns when another thread performs
    /// the operation.
    pub(crate) fn take(self) -> Operation {
        let pending = match self.try_take() {
            Ok(operation) => return operation,
            Err(pending) => pending,
        };
        let source = [pending.started.as_source()];
        let Notice::Event(event) = &pending.started.notice else {
            unreachable!("an operation with a routine is nobody's to take")
        };
        let event = [event];
        // Without a wake-up descriptor it looks again every few milliseconds.
        let entries =
            this_thread::wakeup().ok().map(|wakeup| Entries::enter(&event, wakeup, Purpose::Watch));
        let timeout = entries.is_none().then_some(Duration::from_millis(5));
        while !pending.is_complete() {
            let wakeups = entries.as_ref().map(|entries| entries.wakeup.as_fd());
            let readable = progress(&source, wakeups.as_slice(), timeout);
            if let Some(entries) = &entries {
                entries.wakeup.clear(readable.is_ok_and(|readable| readable != 0));
            }
        }
        drop(entries);
        pending.started.take()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.started.cancel();
    }
}
