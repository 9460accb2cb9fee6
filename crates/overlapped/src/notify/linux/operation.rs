//! The operations of one socket that belongs to no port.
//!
//! An operation lies in the lane of its direction until it has been performed. Whoever looks (at its
//! event, at itself, at the socket's edges for routines) performs what is first in the lane, and so
//! on, until the socket can do no more: so the order is that of the starts, and no operation depends
//! on the right thread looking. Everything happens under the lock of the lanes, the notification as
//! well, so an operation whose end was seen is not notified afterwards.

use super::event::{Aim, Source, progress};
use super::here;
use super::home::Home;
use super::wait::{self, Place};
use crate::buffer::pool::Pool;
use crate::driver::code;
use crate::driver::socket::Socket;
use crate::handle::state::Direction;
use crate::notify::routine::{self, Due, Queue, Routine};
use crate::notify::{EventObject, Waited};
use crate::operation::{Progress, Surroundings, Task, aborted};
use crate::sync::{Mutex, MutexGuard};
use rustix::event::PollFlags;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, Weak};
use std::time::Duration;

/// A socket that belongs to no port; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Handle(Arc<Core>);

pub(super) struct Core {
    socket: Socket,
    number: u64,
    state: Mutex<State>,
    /// Set when an operation without an event ends. Made at the first use.
    signal: OnceLock<EventObject>,
}

#[derive(Default)]
struct State {
    lanes: [VecDeque<Arc<Operation>>; 2],
    /// The threads that look after this socket.
    homes: Vec<Weak<Home>>,
    /// No receive, and no send, is started any more.
    is_shut: [bool; 2],
    /// Our sending ends when nothing is left to be sent.
    ends_when_sent: bool,
}

/// One operation, from its start until its result is taken.
pub(super) struct Operation {
    core: Arc<Core>,
    direction: Direction,
    notice: Notice,
    /// Changed under the lock of the lanes.
    has_ended: AtomicBool,
    /// In its lane, and afterwards until it is taken.
    task: Mutex<Option<Task>>,
}

/// Who is to know of the end.
enum Notice {
    Event(EventObject),
    Routine(Arc<Queue>, u64),
}

/// What operations are performed with that take a buffer of their own: there are none here.
static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new(0, 0));

impl Handle {
    pub(crate) fn new(socket: Socket) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = Mutex::default();
        Self(Arc::new(Core { socket, number, state, signal: OnceLock::new() }))
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.0.socket
    }

    /// Starts an operation that sets `event`, or else signals the socket.
    pub(crate) fn start(
        &self,
        direction: Direction,
        task: Task,
        event: Option<&EventObject>,
    ) -> Result<Pending, (io::Error, Task)> {
        let event = match event {
            Some(event) => event,
            None => match self.signal() {
                Ok(event) => event,
                Err(error) => return Err((error, task)),
            },
        };
        event.reset();
        self.0
            .start(direction, task, Notice::Event(event.clone()))
            .map(|operation| Pending { operation, is_fresh: AtomicBool::new(true) })
    }

    /// Starts an operation that makes `routine` due on this thread.
    pub(crate) fn start_then(
        &self,
        direction: Direction,
        task: Task,
        routine: Routine,
    ) -> Result<(), (io::Error, Task)> {
        let queue = routine::queue().and_then(|queue| {
            self.0.look_after(&here::home()?)?;
            Ok(queue)
        });
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => return Err((error, task)),
        };
        let number = routine::keep(routine);
        match self.0.start(direction, task, Notice::Routine(queue, number)) {
            Ok(_) => Ok(()),
            Err(refused) => {
                drop(routine::take(number));
                Err(refused)
            }
        }
    }

    /// Ends directions. The system is told of our sending alone, when all was sent: receives in flight
    /// stay (P162).
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.0.state.lock();
        self.0.socket.peer_addr()?;
        state.is_shut[Direction::Receive as usize] |= how != Shutdown::Write;
        if how != Shutdown::Read && !state.is_shut[Direction::Send as usize] {
            state.is_shut[Direction::Send as usize] = true;
            state.ends_when_sent = true;
            self.0.end_if_sent(&mut state);
        }
        Ok(())
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(wait::wait_any(&[self.signal()?], timeout, false)? != Waited::TimedOut)
    }

    /// What could have ended by itself is not aborted.
    pub(crate) fn cancel_all(&self) {
        let mut state = self.0.state.lock();
        self.0.advance(&mut state, Direction::Receive);
        self.0.advance(&mut state, Direction::Send);
        for lane in state.lanes.each_mut() {
            for operation in std::mem::take(lane) {
                operation.end_aborted();
            }
        }
        self.0.end_if_sent(&mut state);
    }

    fn signal(&self) -> io::Result<&EventObject> {
        if let Some(signal) = self.0.signal.get() {
            return Ok(signal);
        }
        let signal = EventObject::manual_reset()?;
        Ok(self.0.signal.get_or_init(|| signal))
    }
}

impl Core {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.socket {
            Socket::System(socket) => Ok(socket.as_fd()),
            Socket::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a simulated socket works only with the port of its network: associate it there",
            )),
        }
    }

    /// Has this thread look after the socket, from before its first operation with a routine.
    fn look_after(self: &Arc<Self>, home: &Arc<Home>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.homes.iter().any(|one| std::ptr::eq(one.as_ptr(), Arc::as_ptr(home))) {
            return Ok(());
        }
        state.homes.retain(|one| one.strong_count() > 0);
        home.add(self)?;
        state.homes.push(Arc::downgrade(home));
        Ok(())
    }

    /// It is attempted at once if nothing is before it.
    fn start(
        self: &Arc<Self>,
        direction: Direction,
        mut task: Task,
        notice: Notice,
    ) -> Result<Arc<Operation>, (io::Error, Task)> {
        if let Err(error) = self.descriptor() {
            return Err((error, task));
        }
        let mut state = self.state.lock();
        if state.is_shut[direction as usize] {
            return Err((code::error(code::SHUT_DOWN), task));
        }
        let mut has_ended = false;
        if state.lanes[direction as usize].is_empty() {
            has_ended = self.attempt(&mut task) != Progress::Blocked;
            if has_ended && task.is_refused() {
                drop(state);
                return Err((error_of(&task), task));
            }
        }
        let operation = Arc::new(Operation {
            core: Arc::clone(self),
            direction,
            notice,
            has_ended: AtomicBool::new(false),
            task: Mutex::new(Some(task)),
        });
        if has_ended {
            operation.end();
        } else {
            if !here::note_started(&operation) {
                operation.end_aborted();
                return Ok(operation);
            }
            state.lanes[direction as usize].push_back(Arc::clone(&operation));
            if let Notice::Event(event) = &operation.notice {
                event.attach(operation.as_source());
            }
        }
        Ok(operation)
    }

    /// Performs what the socket can do in this direction.
    pub(super) fn drive(&self, direction: Direction) {
        let mut state = self.state.lock();
        self.advance(&mut state, direction);
    }

    fn advance(&self, state: &mut MutexGuard<'_, State>, direction: Direction) {
        let lane = &mut state.lanes[direction as usize];
        while let Some(first) = lane.front() {
            let progress = first.task.lock().as_mut().map(|task| self.attempt(task));
            if progress == Some(Progress::Blocked) {
                return;
            }
            // A short receive is no reason to stop: the end of the stream may be behind it, and was
            // announced together with the data.
            if let Some(first) = lane.pop_front() {
                first.end();
            }
        }
        self.end_if_sent(state);
    }

    /// Ends our sending if that waited for the last send.
    fn end_if_sent(&self, state: &mut State) {
        if state.ends_when_sent && state.lanes[Direction::Send as usize].is_empty() {
            state.ends_when_sent = false;
            // It fails only for a connection that is over already.
            let _ = self.socket.end_sending();
        }
    }

    /// One attempt. An accept for which descriptors or memory are short fails: there may be nobody
    /// to try it again.
    fn attempt(&self, task: &mut Task) -> Progress {
        let progress = task.perform(Surroundings { socket: &self.socket, pool: &POOL });
        if progress != Progress::Deferred {
            return progress;
        }
        task.fail(code::error(code::SHORT_OF[0]));
        Progress::Complete { drained: false }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let homes = std::mem::take(&mut self.state.lock().homes);
        for home in homes.iter().filter_map(Weak::upgrade) {
            home.remove(self.number);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The error of an operation that failed, made anew.
fn error_of(task: &Task) -> io::Error {
    let number = task.error().and_then(io::Error::raw_os_error);
    number.map_or_else(|| io::ErrorKind::Other.into(), code::error)
}

impl Operation {
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    fn as_source(self: &Arc<Self>) -> Arc<dyn Source> {
        Arc::clone(self) as Arc<dyn Source>
    }

    /// It has its result; tells of it. Called under the lock of the lanes, when it is in none.
    fn end(self: &Arc<Self>) {
        // Before the event is set, and before anybody can see it set (M114).
        self.has_ended.store(true, Ordering::Release);
        match &self.notice {
            Notice::Event(event) => {
                event.finish(&self.as_source());
            }
            Notice::Routine(queue, number) => {
                if let Some(task) = self.task.lock().take() {
                    queue.push(Due::Ended(*number, task));
                }
            }
        }
    }

    fn end_aborted(self: &Arc<Self>) {
        if let Some(task) = &mut *self.task.lock() {
            task.fail(aborted());
        }
        self.end();
    }

    /// Ends it as aborted unless it has ended.
    pub(super) fn cancel(self: &Arc<Self>) {
        if self.has_ended() {
            return;
        }
        let mut state = self.core.state.lock();
        let lane = &mut state.lanes[self.direction as usize];
        let Some(at) = lane.iter().position(|one| Arc::ptr_eq(one, self)) else { return };
        // What was behind it needs no attempt: nothing has become ready by this.
        lane.remove(at);
        self.core.end_if_sent(&mut state);
        self.end_aborted();
    }
}

impl Source for Operation {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.core.descriptor().expect("only an operation on a socket of the system is started")
    }

    fn interest(&self) -> Option<PollFlags> {
        let interest = match self.direction {
            Direction::Receive => PollFlags::IN,
            Direction::Send => PollFlags::OUT,
        };
        (!self.has_ended()).then_some(interest)
    }

    fn progress(&self, _ready: PollFlags) {
        if !self.has_ended() {
            self.core.drive(self.direction);
        }
    }
}

/// An operation whose result somebody is to take. Dropping it cancels the operation.
pub(crate) struct Pending {
    operation: Arc<Operation>,
    /// It was attempted at its start, and the first look need not attempt it again.
    is_fresh: AtomicBool,
}

impl Pending {
    pub(crate) fn is_complete(&self) -> bool {
        if !self.operation.has_ended() && !self.is_fresh.swap(false, Ordering::Relaxed) {
            self.operation.core.drive(self.operation.direction);
        }
        self.operation.has_ended()
    }

    /// What could have ended by itself is not aborted.
    pub(crate) fn cancel(&self) {
        if !self.operation.has_ended() {
            self.operation.core.drive(self.operation.direction);
            self.operation.cancel();
        }
    }

    pub(crate) fn try_take(self) -> Result<Task, Self> {
        if !self.is_complete() {
            return Err(self);
        }
        let task = self.operation.task.lock().take();
        Ok(task.expect("only this takes the result of an operation without a routine"))
    }

    /// Waits for the end: on the list of the event, so that it learns when another thread performs
    /// the operation.
    pub(crate) fn take(self) -> Task {
        let pending = match self.try_take() {
            Ok(task) => return task,
            Err(pending) => pending,
        };
        let source = [pending.operation.as_source()];
        let Notice::Event(event) = &pending.operation.notice else {
            unreachable!("an operation with a routine is nobody's to take")
        };
        let event = [event];
        // Without a bell it looks again every few milliseconds.
        let place = here::bell().ok().map(|bell| Place::enter(&event, bell, Aim::Watch));
        let timeout = place.is_none().then_some(Duration::from_millis(5));
        while !pending.is_complete() {
            let bells = place.as_ref().map(|place| place.bell.as_fd());
            let rung = progress(&source, bells.as_slice(), timeout);
            if let Some(place) = &place {
                place.bell.hear(rung.is_ok_and(|rung| rung != 0));
            }
        }
        drop(place);
        let task = pending.operation.task.lock().take();
        task.expect("only this takes the result of an operation without a routine")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.operation.cancel();
    }
}
