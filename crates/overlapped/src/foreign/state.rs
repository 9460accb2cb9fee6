//! What the clones of one handle share.

use super::home::{Completed, Home};
use super::wait_handle::WaitHandle;
use super::waits::Held;
use crate::error::{OperationId, Refused, Way, aborted, port_closed};
use crate::protocol::Protocol;
use crate::sync::{Mutex, new_number};
use crate::sys::code;
use crate::sys::waits::{Owned, Readiness, Source};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) struct Core<P: Protocol> {
    port: Arc<dyn Home<P>>,
    key: P::Key,
    /// No other handle of the process has it, before or after.
    id: u64,
    state: Mutex<State>,
}

struct State {
    /// None once closed. Shared with who borrows it.
    source: Option<Arc<Source>>,
    /// The wait in flight, by its number.
    wait: Option<u32>,
}

impl<P: Protocol> Core<P> {
    /// Associates `owned` with the port under `key`.
    pub(crate) fn associate(
        port: Arc<dyn Home<P>>,
        owned: Owned,
        key: P::Key,
    ) -> Result<Arc<Self>, Refused<(Owned, P::Key)>> {
        let source = Source::new(owned);
        let admitted = match port.is_closed() {
            true => Err(port_closed()),
            false => port.driver().admit(&source),
        };
        if let Err(error) = admitted {
            return Err(Refused::new(error, (source.into_owned(), key)));
        }
        port.waits().open.fetch_add(1, Ordering::Relaxed);
        let state = State { source: Some(Arc::new(source)), wait: None };
        Ok(Arc::new(Self { port, key, id: new_number(), state: Mutex::new(state) }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn key(&self) -> &P::Key {
        &self.key
    }

    pub(super) fn source(&self) -> io::Result<Arc<Source>> {
        self.state.lock().source.clone().ok_or_else(|| code::error(code::FILE_CLOSED))
    }

    /// Starts a wait. Refused, the operation's data is given back.
    pub(super) fn start(
        &self,
        holder: Arc<dyn Held<P>>,
        interest: Readiness,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        let begun = self.begin(&holder, interest, operation).map(OperationId);
        begun.map_err(|(error, operation)| {
            let port = Arc::clone(&self.port);
            Refused::of_start(error, operation, ToPacket { port, holder })
        })
    }

    fn begin(
        &self,
        holder: &Arc<dyn Held<P>>,
        interest: Readiness,
        operation: P::Operation,
    ) -> Result<u32, (io::Error, P::Operation)> {
        if self.port.is_closed() {
            return Err((port_closed(), operation));
        }
        let mut state = self.state.lock();
        let Some(source) = &state.source else {
            return Err((code::error(code::FILE_CLOSED), operation));
        };
        if state.wait.is_some() {
            return Err((in_flight(), operation));
        }
        if let Err(error) = holder.admit() {
            return Err((error, operation));
        }
        let port = &self.port;
        let number = port.waits().start(port.driver(), (holder, source), interest, operation)?;
        state.wait = Some(number);
        Ok(number)
    }

    /// The wait in flight is complete.
    pub(super) fn is_over(&self) {
        self.state.lock().wait = None;
    }

    /// Ends the wait in flight if it is this one, or whichever it is for `None`, with a packet that says
    /// aborted. False if there is none, or its packet comes anyway (P131).
    pub(super) fn cancel(&self, which: Option<OperationId>) -> bool {
        let state = self.state.lock();
        let (Some(number), Some(source)) = (state.wait, &state.source) else { return false };
        if which.is_some_and(|id| id.0 != number) {
            return false;
        }
        let waiting = self.port.waits().stop(self.port.driver(), source, number);
        drop(state);
        let Some(waiting) = waiting else { return false };
        self.port.queue(waiting.into_completed(Err(aborted())));
        true
    }

    /// Closes the handle for all its clones; the wait in flight is aborted (P140).
    pub(super) fn close(&self) {
        let (waits, driver) = (self.port.waits(), self.port.driver());
        let mut state = self.state.lock();
        let Some(source) = state.source.take() else { return };
        let waiting = state.wait.and_then(|number| waits.stop(driver, &source, number));
        drop(state);
        self.release(&source);
        // Before the packet: whoever takes it sees everything closed.
        drop(source);
        if let Some(waiting) = waiting {
            self.port.queue(waiting.into_completed(Err(aborted())));
        }
    }

    /// What the handle owned leaves the port.
    fn release(&self, source: &Source) {
        self.port.driver().dismiss(source);
        self.port.waits().open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes out what it owns, if this is the last share and nobody borrows it.
    pub(super) fn into_owned(mut self: Arc<Self>) -> Result<Owned, (io::Error, Arc<Self>)> {
        let Some(core) = Arc::get_mut(&mut self) else { return Err((busy(), self)) };
        let source = core.state.lock().source.take();
        let Some(source) = source else { return Err((code::error(code::FILE_CLOSED), self)) };
        match Arc::try_unwrap(source) {
            Ok(source) => {
                self.release(&source);
                Ok(source.into_owned())
            }
            Err(source) => {
                self.state.lock().source = Some(source);
                Err((busy(), self))
            }
        }
    }
}

impl<P: Protocol> Drop for Core<P> {
    fn drop(&mut self) {
        // The last share is gone, so nobody waits.
        let source = self.state.lock().source.take();
        if let Some(source) = source {
            self.release(&source);
        }
    }
}

impl<P: Protocol> Held<P> for Core<P> {
    fn core(&self) -> &Core<P> {
        self
    }

    fn complete(
        self: Arc<Self>,
        operation: P::Operation,
        result: io::Result<Readiness>,
    ) -> Completed<P> {
        Completed::Waited { handle: WaitHandle(self), operation, result }
    }
}

/// The way of a refused wait into its packet.
struct ToPacket<P: Protocol> {
    port: Arc<dyn Home<P>>,
    holder: Arc<dyn Held<P>>,
}

impl<P: Protocol> Way<P::Operation> for ToPacket<P> {
    fn deliver(
        self: Box<Self>,
        error: io::Error,
        operation: P::Operation,
        _: Option<&mut dyn Any>,
    ) {
        let Self { port, holder } = *self;
        port.queue_own(holder.complete(operation, Err(error)));
    }
}

pub(super) fn in_flight() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "an operation of this handle is in flight, and it has one at a time: take its packet, or cancel it first",
    )
}

pub(super) fn busy() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "other handles or descriptors of it are held: by a wait in flight, a packet, or a clone",
    )
}
