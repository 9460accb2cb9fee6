//! One socket on Linux: the calls on it, and how what is seen of it becomes network events.
//!
//! The lock of a socket is held during each call on it that may enable an event, so that call and
//! record change together (M103). It is taken before the lock of an event object and before those of
//! a window. A socket that was never selected, or blocks, is called without it.

use super::record::{Form, ORDER, Phase, Record, Seen};
use super::window::{Queued, Window};
use crate::driver::code;
use crate::driver::ready::{Ready, look};
use crate::driver::system::SystemSocket;
use crate::notify::{EventObject, Source};
use crate::readiness::socket::cannot_block;
use crate::readiness::{NetworkEvents, NetworkRecord, SocketId};
use crate::sync::{Mutex, MutexGuard};
use rustix::event::PollFlags;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

pub(super) struct Core {
    me: Weak<Self>,
    pub(super) id: SocketId,
    pub(super) system: SystemSocket,
    /// It was selected once, so calls on it may enable events.
    is_selected: AtomicBool,
    is_blocking: AtomicBool,
    is_closed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    record: Record,
    report: Report,
    /// Why the last connect failed, until one succeeds (M40).
    connect_error: Option<i32>,
    has_shut_receive: bool,
    has_shut_send: bool,
}

/// To whom the socket reports (M51).
enum Report {
    Nobody,
    Event(EventObject),
    Messages { window: Arc<Window>, message: u32 },
}

impl Core {
    pub(super) fn new(id: SocketId, system: SystemSocket, phase: Phase) -> Arc<Self> {
        let state = State {
            record: Record::new(phase),
            report: Report::Nobody,
            connect_error: None,
            has_shut_receive: false,
            has_shut_send: false,
        };
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            id,
            system,
            is_selected: AtomicBool::new(false),
            is_blocking: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// How messages and windows name it, without keeping it open.
    pub(super) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.me)
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().record.phase()
    }

    /// Its user has let go of it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    // The calls.

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        self.enabling(
            Way::In,
            || self.system.receive(buffer),
            |state, result| {
                let may_be_so = match result {
                    Ok(0) if room > 0 && state.record.phase() == Phase::Connected => {
                        state.record.end_was_read();
                        true
                    }
                    Ok(count) => *count == room || !state.record.is_drained_by_a_short_receive(),
                    Err(error) => state.note(error),
                };
                Some((NetworkEvents::READ | NetworkEvents::OOB, may_be_so))
            },
        )
    }

    pub(super) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let after = |_: &mut State, _: &io::Result<usize>| Some((NetworkEvents::OOB, true));
        self.enabling(Way::In, || self.system.receive_urgent(buffer), after)
    }

    pub(super) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.sending(|| self.system.send(&[IoSlice::new(data)], false))
    }

    pub(super) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.sending(|| self.system.send_urgent(data))
    }

    /// Only a send that finds no room enables its event (M59).
    fn sending(&self, call: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.enabling(Way::Out, call, |state, result| match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Some((NetworkEvents::WRITE, false))
            }
            Err(error) => {
                state.note(error);
                None
            }
            Ok(_) => None,
        })
    }

    /// Makes a call, and lets `after` say which events it enables, and whether they may be so already
    /// without a further change of the socket.
    fn enabling<T>(
        &self,
        way: Way,
        call: impl FnOnce() -> io::Result<T>,
        after: impl FnOnce(&mut State, &io::Result<T>) -> Option<(NetworkEvents, bool)>,
    ) -> io::Result<T> {
        let is_free =
            self.is_blocking.load(Ordering::Acquire) || !self.is_selected.load(Ordering::Acquire);
        let mut state = self.state.lock();
        self.settle(&mut state);
        state.admits(way)?;
        let held = (!is_free).then_some(state);
        let result = call();
        let mut state = held.unwrap_or_else(|| self.state.lock());
        if let Some((enabled, may_be_so)) = after(&mut state, &result) {
            state.record.enable(enabled);
            self.look_again(&mut state, may_be_so);
        }
        result
    }

    /// An event was enabled. Who waits for an event object has to ask for it; a window is told at
    /// once if it is so already (M60), and by the next change if not.
    fn look_again(&self, state: &mut State, may_be_so: bool) {
        match &state.report {
            Report::Nobody => {}
            Report::Event(event) => event.sources_changed(),
            Report::Messages { .. } if may_be_so => self.look_and_record(state),
            Report::Messages { .. } => {}
        }
    }

    pub(super) fn accept(&self, id: SocketId) -> io::Result<(Arc<Self>, SocketAddr)> {
        let (system, from) = self.enabling(
            Way::Door,
            || self.system.accept(),
            |_, _| Some((NetworkEvents::ACCEPT, true)),
        )?;
        let accepted = Self::new(id, system, Phase::Connected);
        // It reports as its listener does, from before its user has it (M56).
        let state = self.state.lock();
        let mask = state.record.mask();
        match &state.report {
            Report::Nobody => {}
            Report::Event(event) => accepted.select_events(event, mask)?,
            Report::Messages { window, message } => {
                accepted.select_messages(window, *message, mask)?;
            }
        }
        Ok((accepted, from))
    }

    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        let mut state = self.state.lock();
        self.settle(&mut state);
        match state.record.phase() {
            Phase::Connecting => return Err(code::error(code::ALREADY)),
            Phase::Connected => return Err(code::error(code::IS_CONNECTED)),
            Phase::Listening | Phase::Datagram => return self.system.connect(address),
            Phase::Fresh | Phase::Failed => {}
        }
        let after_failure = state.record.phase() == Phase::Failed;
        state.record.connect_started();
        let blocks = self.is_blocking.load(Ordering::Acquire);
        let held = (!blocks).then_some(state);
        let mut result = self.system.connect(address);
        let is_old = |error: &io::Error| error.raw_os_error() == Some(code::ABORTED);
        if after_failure && result.as_ref().is_err_and(is_old) {
            // The system tells once more that the last one failed.
            result = self.system.connect(address);
        }
        let mut state = held.unwrap_or_else(|| self.state.lock());
        match &result {
            Ok(()) => self.look_and_record(&mut state),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Report::Event(event) = &state.report {
                    event.sources_changed();
                }
            }
            Err(error) => {
                state.record.connect_not_started();
                state.connect_error = error.raw_os_error().or(state.connect_error);
            }
        }
        result
    }

    pub(super) fn connect_error(&self) -> Option<io::Error> {
        let mut state = self.state.lock();
        self.settle(&mut state);
        state.connect_error.map(code::error)
    }

    /// Ends directions. The system is told of our sending alone: of our receiving it would tell as of
    /// the peer's end (M63).
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.state.lock();
        self.settle(&mut state);
        if !matches!(state.record.phase(), Phase::Connected | Phase::Datagram) {
            return Err(code::error(code::NOT_CONNECTED));
        }
        self.system.peer_addr()?;
        if how != Shutdown::Read && !state.has_shut_send {
            self.system.end_sending()?;
            state.has_shut_send = true;
        }
        state.has_shut_receive |= how != Shutdown::Write;
        let (receive, send) = (state.has_shut_receive, state.has_shut_send);
        state.record.shut(receive, send);
        Ok(())
    }

    pub(super) fn set_blocking(&self, on: bool) -> io::Result<()> {
        let state = self.state.lock();
        if on && !matches!(state.report, Report::Nobody) {
            return Err(cannot_block());
        }
        self.become_blocking(on)
    }

    /// The caller holds the lock.
    fn become_blocking(&self, on: bool) -> io::Result<()> {
        if self.is_blocking.load(Ordering::Acquire) != on {
            self.system.set_blocking(on)?;
            self.is_blocking.store(on, Ordering::Release);
        }
        Ok(())
    }

    // Selecting.

    pub(super) fn select_events(
        self: &Arc<Self>,
        event: &EventObject,
        mask: NetworkEvents,
    ) -> io::Result<()> {
        let mut state = self.prepare()?;
        let is_there = matches!(&state.report, Report::Event(one) if Arc::ptr_eq(&one.0, &event.0));
        if !is_there {
            self.leave(&mut state);
            state.report = Report::Event(event.clone());
            event.attach(Arc::clone(self) as Arc<dyn Source>);
        }
        state.record.select(mask, Form::Events);
        state.record.see(&Seen::default());
        if !state.record.pending().is_empty() {
            event.set();
        }
        event.sources_changed();
        Ok(())
    }

    pub(super) fn select_messages(
        self: &Arc<Self>,
        window: &Arc<Window>,
        message: u32,
        mask: NetworkEvents,
    ) -> io::Result<()> {
        let mut state = self.prepare()?;
        let is_there = matches!(&state.report, Report::Messages { window: one, .. } if Arc::ptr_eq(one, window));
        if !is_there {
            window.watch(self)?;
            self.leave(&mut state);
        }
        state.report = Report::Messages { window: Arc::clone(window), message };
        state.record.select(mask, Form::Messages);
        self.look_and_record(&mut state);
        Ok(())
    }

    pub(super) fn select_nothing(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.prepare()?;
        self.leave(&mut state);
        state.record.select(NetworkEvents::empty(), Form::Events);
        Ok(())
    }

    /// Any selecting makes the socket non-blocking, whatever the mask (M50).
    fn prepare(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        self.become_blocking(false)?;
        self.is_selected.store(true, Ordering::Release);
        Ok(state)
    }

    /// Reports to nobody from now on.
    fn leave(self: &Arc<Self>, state: &mut State) {
        match std::mem::replace(&mut state.report, Report::Nobody) {
            Report::Nobody => {}
            Report::Event(event) => {
                event.detach(&(Arc::clone(self) as Arc<dyn Source>));
                // A thread that waits keeps the socket open until it looks again.
                event.sources_changed();
            }
            Report::Messages { window, .. } => window.forget(self),
        }
    }

    /// The user lets go of the socket.
    pub(super) fn close(self: &Arc<Self>) {
        let mut state = self.state.lock();
        self.is_closed.store(true, Ordering::Release);
        self.leave(&mut state);
    }

    pub(super) fn enumerate(&self, event: Option<&EventObject>) -> NetworkRecord {
        let mut state = self.state.lock();
        if state.record.pending().is_empty() && matches!(state.report, Report::Event(_)) {
            self.look_and_record(&mut state);
        }
        if let Some(event) = event {
            event.reset();
        }
        state.record.take()
    }

    // Seeing.

    /// Whether a connect that is under way has ended.
    fn settle(&self, state: &mut State) {
        if state.record.phase() == Phase::Connecting
            && let Ok(ready) = look(&self.system, PollFlags::OUT)
        {
            self.record(state, ready);
        }
    }

    fn look_and_record(&self, state: &mut State) {
        let Some(wanted) = state.record.wanted().flags() else {
            return self.record(state, Ready::default());
        };
        // Without memory to ask nothing is known; the next change, or look, tells.
        if let Ok(ready) = look(&self.system, wanted) {
            self.record(state, ready);
        }
    }

    /// Records what was seen, and reports it.
    fn record(&self, state: &mut State, ready: Ready) {
        let seen = self.gather(state, ready);
        let new = state.record.see(&seen);
        if new.is_empty() {
            return;
        }
        match &state.report {
            Report::Nobody => {}
            Report::Event(event) => event.set(),
            Report::Messages { window, message } => {
                let record = state.record.take();
                for event in ORDER.into_iter().filter(|one| new.contains(*one)) {
                    let code = record.code(event);
                    let socket = self.weak();
                    window.push(Queued::Network { socket, message: *message, event, code });
                }
            }
        }
    }

    /// What the flags do not say.
    fn gather(&self, state: &mut State, ready: Ready) -> Seen {
        if state.record.phase() == Phase::Connecting && (ready.writable || ready.is_broken()) {
            match self.system.connected() {
                Ok(()) => state.connect_error = None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Seen::default(),
                Err(error) => {
                    let code = error.raw_os_error().unwrap_or(code::REFUSED);
                    state.connect_error = Some(code);
                    return Seen { ready, has_data: false, code };
                }
            }
        } else if state.record.phase() != Phase::Connected {
            return Seen { ready, has_data: ready.readable, code: 0 };
        }
        if !ready.is_over() {
            return Seen { ready, has_data: ready.readable, code: 0 };
        }
        let has_data = self.system.unread().is_ok_and(|bytes| bytes > 0);
        Seen { ready, has_data, code: self.system.loss().unwrap_or(0) }
    }

    /// A select, or a window, has seen the socket like this.
    pub(super) fn was_seen(&self, ready: Ready) {
        self.record(&mut self.state.lock(), ready);
    }
}

impl Source for Core {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.system.as_fd()
    }

    fn interest(&self) -> Option<PollFlags> {
        self.state.lock().record.wanted().flags()
    }

    fn progress(&self, ready: PollFlags) {
        self.was_seen(ready.into());
    }
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
    /// A listener's.
    Door,
}

impl State {
    /// Whether a call may be made at all, as Windows answers it: Linux has other words for each.
    fn admits(&self, way: Way) -> io::Result<()> {
        let is_shut = match way {
            Way::In => self.has_shut_receive,
            Way::Out => self.has_shut_send,
            Way::Door => return Ok(()),
        };
        match self.record.phase() {
            Phase::Fresh | Phase::Connecting | Phase::Failed | Phase::Listening => {
                Err(code::error(code::NOT_CONNECTED))
            }
            Phase::Connected | Phase::Datagram if is_shut => Err(code::error(code::SHUT_DOWN)),
            Phase::Connected | Phase::Datagram => Ok(()),
        }
    }

    /// A call failed with this error. Gives whether more can be known by a look: not when there was
    /// nothing.
    fn note(&mut self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
        let breaks = [ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut];
        if breaks.contains(&error.kind()) {
            self.record.broken_by(error.raw_os_error().unwrap_or(0));
        }
        error.kind() != io::ErrorKind::WouldBlock
    }
}
