//! To whom a socket reports, and how what is seen of it becomes network events.

use super::event::Source;
use super::record::{Form, ORDER, Phase, Seen};
use super::socket::{Core, Report, State};
use super::window::{Queued, Window};
use crate::lock::MutexGuard;
use crate::sys::{Ready, code, look};
use crate::{EventObject, NetworkEvents, NetworkRecord};
use rustix::event::PollFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
    pub(crate) fn select_events(
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

    pub(crate) fn select_messages(
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

    pub(crate) fn select_nothing(self: &Arc<Self>) -> io::Result<()> {
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

    pub(crate) fn enumerate(&self, event: Option<&EventObject>) -> io::Result<NetworkRecord> {
        let mut state = self.state.lock();
        if state.record.pending().is_empty() && matches!(state.report, Report::Event(_)) {
            self.look_and_record(&mut state);
        }
        if let Some(event) = event {
            event.reset();
        }
        Ok(state.record.take())
    }

    /// Whether a connect that is under way has ended.
    pub(super) fn settle(&self, state: &mut State) {
        if state.record.phase() == Phase::Connecting
            && let Ok(ready) = look(&self.system, PollFlags::OUT)
        {
            self.record(state, ready);
        }
    }

    pub(super) fn look_and_record(&self, state: &mut State) {
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
