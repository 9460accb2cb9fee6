//! The waits of one port that are in flight.

use super::home::Completed;
use super::platform::Directories;
use super::state::Core;
use crate::error::{aborted, port_closed};
use crate::protocol::Protocol;
use crate::sync::Mutex;
use crate::sys::waits::{Armed, Readiness, Source};
use crate::sys::{Backend, Event};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The waits of one port.
pub(crate) struct Waits<P: Protocol> {
    pub(super) state: Mutex<State<P>>,
    /// Handles associated and not closed.
    pub(super) open: AtomicUsize,
    /// What a kernel holds that tells changes by operations of its own.
    pub(crate) directories: Directories<P>,
}

pub(super) struct State<P: Protocol> {
    /// The number that was given last.
    last: u32,
    pub(super) in_flight: HashMap<u32, Waiting<P>>,
    closed: bool,
}

/// One wait in flight.
pub(super) struct Waiting<P: Protocol> {
    pub(super) armed: Armed,
    interest: Readiness,
    operation: P::Operation,
    holder: Arc<dyn Held<P>>,
}

/// The handle that a wait holds, of whatever kind.
pub(super) trait Held<P: Protocol>: Send + Sync {
    /// What is waited for.
    fn core(&self) -> &Core<P>;

    /// Whether a wait may start, as far as this kind knows.
    fn admit(&self) -> io::Result<()> {
        Ok(())
    }

    /// The packet of a wait that ended so.
    fn complete(
        self: Arc<Self>,
        operation: P::Operation,
        result: io::Result<Readiness>,
    ) -> Completed<P>;
}

impl<P: Protocol> Default for Waits<P> {
    fn default() -> Self {
        let state = State { last: 0, in_flight: HashMap::new(), closed: false };
        Self {
            state: Mutex::new(state),
            open: AtomicUsize::new(0),
            directories: Directories::default(),
        }
    }
}

impl<P: Protocol> Waits<P> {
    /// Starts a wait and gives its number, or gives the user's data back. The holder's lock is held.
    pub(super) fn start(
        &self,
        driver: Backend<'_>,
        (holder, source): (&Arc<dyn Held<P>>, &Arc<Source>),
        interest: Readiness,
        operation: P::Operation,
    ) -> Result<u32, (io::Error, P::Operation)> {
        let mut state = self.state.lock();
        if state.closed {
            return Err((port_closed(), operation));
        }
        let number = state.new_number();
        // Its event may come before this returns. Who has it waits for the lock.
        match driver.start_wait(source, interest, Event::token_of_wait(number)) {
            Ok(armed) => {
                let holder = Arc::clone(holder);
                state.in_flight.insert(number, Waiting { armed, interest, operation, holder });
                Ok(number)
            }
            Err(error) => Err((error, operation)),
        }
    }

    /// The event of a wait. It is none of a wait that is over, or one of a handle that nobody waits for.
    pub(crate) fn complete(&self, event: Event) -> Option<Completed<P>> {
        let waiting = self.state.lock().in_flight.remove(&event.wait()?)?;
        let seen = waiting.interest.seen(event);
        Some(waiting.into_completed(Ok(seen)))
    }

    /// Takes a wait out, unless it is over. The holder's lock is held.
    pub(super) fn stop(
        &self,
        driver: Backend<'_>,
        source: &Source,
        number: u32,
    ) -> Option<Waiting<P>> {
        let mut state = self.state.lock();
        let waiting = state.in_flight.get_mut(&number)?;
        match driver.stop_wait(source, &mut waiting.armed) {
            true => state.in_flight.remove(&number),
            false => None,
        }
    }

    /// How many handles are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The port is closed: what was in flight is nobody's any more (P122).
    pub(crate) fn close(&self) -> impl Iterator<Item = Completed<P>> {
        self.directories.close();
        let in_flight = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.in_flight)
        };
        in_flight.into_values().map(|waiting| waiting.into_completed(Err(aborted())))
    }
}

impl<P: Protocol> State<P> {
    /// A number of no wait in flight, and never 0, which is nobody's.
    fn new_number(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.in_flight.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

impl<P: Protocol> Waiting<P> {
    /// Everything moves out. No lock is held.
    pub(super) fn into_completed(self, result: io::Result<Readiness>) -> Completed<P> {
        let Self { armed: _ended, operation, holder, .. } = self;
        // Before the packet: whoever takes it may start the next wait.
        holder.core().is_over();
        holder.complete(operation, result)
    }
}
