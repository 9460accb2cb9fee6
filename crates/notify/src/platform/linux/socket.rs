//! One socket on Linux, and the calls on it. To whom it reports, and what, is in
//! [`reporting`](super::reporting).
//!
//! The lock of a socket is held during each call on it that may enable an event, so that call and
//! record change together (M103). It is taken before the lock of an event object and before those of
//! a window. A socket that was never selected, or blocks, is called without it.

use super::record::{Phase, Record};
use super::window::Window;
use crate::lock::Mutex;
use crate::socket::{Kind, cannot_block};
use crate::sys::{self, code};
use crate::{EventObject, NetworkEvents, SocketId};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A socket, as its user holds it. Threads that are just looking at it may have the core a little
/// longer.
pub(crate) struct Socket(Arc<Core>);

impl Socket {
    pub(crate) fn new(id: SocketId, system: sys::Socket, kind: Kind) -> Self {
        Self(Core::new(
            id,
            system,
            match kind {
                Kind::Fresh => Phase::Fresh,
                Kind::Connected => Phase::Connected,
                Kind::Listening => Phase::Listening,
                Kind::Datagram => Phase::Datagram,
            },
        ))
    }

    pub(crate) fn accept(&self, id: SocketId) -> io::Result<(Self, SocketAddr)> {
        self.0.accept(id).map(|(accepted, from)| (Self(accepted), from))
    }
}

impl Deref for Socket {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.close();
    }
}

pub(crate) struct Core {
    me: Weak<Self>,
    pub(super) id: SocketId,
    pub(crate) system: sys::Socket,
    /// It was selected once, so calls on it may enable events.
    pub(super) is_selected: AtomicBool,
    is_blocking: AtomicBool,
    pub(super) is_closed: AtomicBool,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) record: Record,
    pub(super) report: Report,
    /// Why the last connect failed, until one succeeds (M40).
    pub(super) connect_error: Option<i32>,
    has_shut_receive: bool,
    has_shut_send: bool,
}

/// To whom the socket reports (M51).
pub(super) enum Report {
    Nobody,
    Event(EventObject),
    Messages { window: Arc<Window>, message: u32 },
}

impl Core {
    pub(super) fn new(id: SocketId, system: sys::Socket, phase: Phase) -> Arc<Self> {
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

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
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

    pub(crate) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let after = |_: &mut State, _: &io::Result<usize>| Some((NetworkEvents::OOB, true));
        self.enabling(Way::In, || self.system.receive_urgent(buffer), after)
    }

    pub(crate) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.sending(|| self.system.send(data))
    }

    pub(crate) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
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

    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
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

    pub(crate) fn connect_error(&self) -> io::Result<Option<io::Error>> {
        let mut state = self.state.lock();
        self.settle(&mut state);
        Ok(state.connect_error.map(code::error))
    }

    /// Ends directions. The system is told of our sending alone: of our receiving it would tell as of
    /// the peer's end (M63).
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
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

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        let state = self.state.lock();
        if on && !matches!(state.report, Report::Nobody) {
            return Err(cannot_block());
        }
        self.become_blocking(on)
    }

    /// The caller holds the lock.
    pub(super) fn become_blocking(&self, on: bool) -> io::Result<()> {
        if self.is_blocking.load(Ordering::Acquire) != on {
            self.system.set_blocking(on)?;
            self.is_blocking.store(on, Ordering::Release);
        }
        Ok(())
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
