//! One socket whose operations are overlapped.
//!
//! An operation lies in the operation queue of its direction until it has been performed. Whoever
//! looks (at its event, at itself, at the socket's changes for routines) performs what is first in the
//! queue, and so on, until the socket can do no more: so the order is that of the starts, and no
//! operation depends on the right thread looking. Everything happens under the lock of the queues, the
//! notification as well, so an operation whose end was seen is not notified afterwards.

use super::attempt::Direction;
use super::routine_sockets::RoutineSockets;
use super::started::{Notice, Pending, Started};
use super::this_thread;
use super::wait;
use crate::lock::{Mutex, MutexGuard};
use crate::operation::Operation;
use crate::routine::{self, Routine};
use crate::sys::{Socket, code};
use crate::{EventObject, Waited};
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
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
    queues: [VecDeque<Arc<Started>>; 2],
    /// The threads that look after this socket.
    threads: Vec<Weak<RoutineSockets>>,
    /// No receive, and no send, is started any more.
    is_shut: [bool; 2],
    /// Our sending ends when nothing is left to be sent.
    ends_when_sent: bool,
}

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
        operation: Operation,
        event: Option<&EventObject>,
    ) -> Result<Pending, (io::Error, Operation)> {
        let event = match event {
            Some(event) => event,
            None => match self.signal() {
                Ok(event) => event,
                Err(error) => return Err((error, operation)),
            },
        };
        event.reset();
        self.0.start(operation, Notice::Event(event.clone())).map(Pending::new)
    }

    /// Starts an operation that makes `routine` due on this thread.
    pub(crate) fn start_then(
        &self,
        operation: Operation,
        routine: Routine,
    ) -> Result<(), (io::Error, Operation)> {
        let queue = routine::queue().and_then(|queue| {
            self.0.look_after(&this_thread::routine_sockets()?)?;
            Ok(queue)
        });
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => return Err((error, operation)),
        };
        let number = routine::keep(routine);
        match self.0.start(operation, Notice::Routine(queue, number)) {
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
        state.is_shut[Direction::In as usize] |= how != Shutdown::Write;
        if how != Shutdown::Read && !state.is_shut[Direction::Out as usize] {
            state.is_shut[Direction::Out as usize] = true;
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
        self.0.advance(&mut state, Direction::In);
        self.0.advance(&mut state, Direction::Out);
        for queue in state.queues.each_mut() {
            for operation in std::mem::take(queue) {
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
    /// Ends it as aborted if it is in its queue still.
    pub(super) fn cancel(&self, operation: &Arc<Started>) {
        let mut state = self.state.lock();
        let queue = &mut state.queues[operation.direction() as usize];
        let Some(at) = queue.iter().position(|one| Arc::ptr_eq(one, operation)) else { return };
        // What was behind it needs no attempt: nothing has become ready by this.
        queue.remove(at);
        self.end_if_sent(&mut state);
        operation.end_aborted();
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Has this thread look after the socket, from before its first operation with a routine.
    fn look_after(self: &Arc<Self>, thread: &Arc<RoutineSockets>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.threads.iter().any(|one| std::ptr::eq(one.as_ptr(), Arc::as_ptr(thread))) {
            return Ok(());
        }
        state.threads.retain(|one| one.strong_count() > 0);
        thread.add(self)?;
        state.threads.push(Arc::downgrade(thread));
        Ok(())
    }

    /// It is attempted at once if nothing is before it.
    fn start(
        self: &Arc<Self>,
        mut operation: Operation,
        notice: Notice,
    ) -> Result<Arc<Started>, (io::Error, Operation)> {
        let direction = operation.direction();
        let mut state = self.state.lock();
        if state.is_shut[direction as usize] {
            return Err((code::error(code::SHUT_DOWN), operation));
        }
        let is_first = state.queues[direction as usize].is_empty();
        let has_ended = is_first && operation.attempt(&self.socket);
        if has_ended && let Some(error) = operation.refusal() {
            return Err((error, operation));
        }
        let started = Started::new(self, operation, notice);
        if has_ended {
            started.end();
        } else if this_thread::note_started(&started) {
            state.queues[direction as usize].push_back(Arc::clone(&started));
            started.wait_to_be_looked_at();
        } else {
            started.end_aborted();
        }
        Ok(started)
    }

    /// Performs what the socket can do in this direction.
    pub(super) fn drive(&self, direction: Direction) {
        let mut state = self.state.lock();
        self.advance(&mut state, direction);
    }

    fn advance(&self, state: &mut MutexGuard<'_, State>, direction: Direction) {
        let queue = &mut state.queues[direction as usize];
        while let Some(first) = queue.front() {
            if !first.attempt(&self.socket) {
                return;
            }
            // A short receive is no reason to stop: the end of the stream may be behind it, and was
            // announced together with the data.
            if let Some(first) = queue.pop_front() {
                first.end();
            }
        }
        self.end_if_sent(state);
    }

    /// Ends our sending if that waited for the last send.
    fn end_if_sent(&self, state: &mut State) {
        if state.ends_when_sent && state.queues[Direction::Out as usize].is_empty() {
            state.ends_when_sent = false;
            // It fails only for a connection that is over already.
            let _ = self.socket.end_sending();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let threads = std::mem::take(&mut self.state.lock().threads);
        for thread in threads.iter().filter_map(Weak::upgrade) {
            thread.remove(self);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("socket", &self.socket).finish_non_exhaustive()
    }
}
