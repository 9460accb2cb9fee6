//! The one list of the open connections of a server.
//!
//! Whoever serves a connection owns it; the list has a share of it, since a stop must be able to
//! end by force what hangs in a handler. Admission goes by the list, so its limit is kept exactly.
//! Its lock is taken when a connection comes and when it goes, never per message.

use super::doorkeeper::Admission;
use crate::model::Status;
use overlapped_serving::{Failure, lock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long accepting is put off when descriptors or memory run short, if nothing changes.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A connection as the list sees it.
pub(crate) trait Member: Send + Sync + 'static {
    /// Ends the connection by force, whatever its thread is doing; unsent data is lost. Nobody is
    /// waited for.
    fn cut(&self);
}

pub(crate) struct Register<M> {
    limit: usize,
    stopping: AtomicBool,
    state: Mutex<State<M>>,
    /// A connection has gone, or the server is being stopped.
    changed: Condvar,
}

struct State<M> {
    places: Vec<Option<Arc<M>>>,
    free: Vec<u32>,
    figures: Status,
    /// How many threads wait for a change; without any nobody is woken.
    waiting: usize,
}

/// A connection's place in the list.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ticket(u32);

impl<M: Member> Register<M> {
    pub(crate) fn new(limit: usize) -> Self {
        let (places, free, figures) = (Vec::new(), Vec::new(), Status::default());
        Self {
            limit,
            stopping: AtomicBool::new(false),
            state: Mutex::new(State { places, free, figures, waiting: 0 }),
            changed: Condvar::new(),
        }
    }

    /// Enters a connection that was accepted. Before its first operation, which may end it (E94).
    pub(crate) fn enter(&self, member: Arc<M>) -> Ticket {
        let mut state = lock(&self.state);
        let figures = &mut state.figures;
        figures.accepted += 1;
        figures.connected += 1;
        figures.peak_connected = figures.peak_connected.max(figures.connected);
        let place = state.free.pop().unwrap_or(state.places.len() as u32);
        match state.places.get_mut(place as usize) {
            Some(free) => *free = Some(member),
            None => state.places.push(Some(member)),
        }
        Ticket(place)
    }

    /// Takes a connection out and counts how it ended. Nothing happens when it was ended by force,
    /// and counted, before. The caller drops its own share afterwards, which closes the connection.
    pub(crate) fn leave(&self, ticket: Ticket, failure: Option<Failure>) {
        let mut state = lock(&self.state);
        let place = state.places.get_mut(ticket.0 as usize);
        let Some(member) = place.and_then(Option::take) else { return };
        state.free.push(ticket.0);
        state.figures.connected -= 1;
        if let Some(failure) = failure {
            failure.add_to(&mut state.figures.errors, 1);
        }
        let somebody_waits = state.waiting > 0;
        drop(state);
        drop(member);
        if somebody_waits {
            self.changed.notify_all();
        }
    }

    /// Counts an error that is no open connection's.
    pub(crate) fn failed(&self, failure: Failure) {
        failure.add_to(&mut lock(&self.state).figures.errors, 1);
    }

    /// Whether no further connection is allowed at this moment. For who accepts beside other work.
    pub(crate) fn is_full(&self) -> bool {
        self.limit != usize::MAX && lock(&self.state).figures.connected >= self.limit as u64
    }

    /// Counts that accepting is put off. For who does not wait here.
    pub(crate) fn count_deferral(&self) {
        lock(&self.state).figures.accept_deferrals += 1;
    }

    /// Everything that is counted here; messages, bytes and threads are zero.
    pub(crate) fn figures(&self) -> Status {
        lock(&self.state).figures
    }

    /// From now on [`Register::is_stopping`], and nobody waits for room.
    pub(crate) fn announce_stop(&self) {
        {
            let _state = lock(&self.state);
            self.stopping.store(true, Ordering::SeqCst);
        }
        self.changed.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Calls `visit` with every connection that is there all the while, without the lock.
    pub(crate) fn for_each(&self, visit: impl FnMut(&Arc<M>)) {
        let all: Vec<_> = lock(&self.state).places.iter().flatten().cloned().collect();
        all.iter().for_each(visit);
    }

    /// Waits until no connection is open; false when the deadline came first.
    pub(crate) fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        while state.figures.connected > 0 {
            let rest = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if rest == Some(Duration::ZERO) {
                return false;
            }
            state = self.wait(state, rest);
        }
        true
    }

    /// Ends every open connection by force and counts it; returns how many there were. Their places
    /// stay empty for ever, so that a thread that still has one of them takes out no other.
    pub(crate) fn cut_all(&self) -> u64 {
        let all: Vec<_> = {
            let mut state = lock(&self.state);
            let all: Vec<_> = state.places.iter_mut().filter_map(Option::take).collect();
            state.figures.connected = 0;
            state.figures.errors.aborted += all.len() as u64;
            all
        };
        all.iter().for_each(|member| member.cut());
        all.len() as u64
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State<M>>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State<M>> {
        state.waiting += 1;
        let mut state = match timeout {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.waiting -= 1;
        state
    }
}

impl<M: Member> Admission for Register<M> {
    fn await_room(&self) -> bool {
        let mut state = lock(&self.state);
        while !self.is_stopping() && state.figures.connected >= self.limit as u64 {
            state = self.wait(state, None);
        }
        !self.is_stopping()
    }

    fn defer(&self) {
        let mut state = lock(&self.state);
        state.figures.accept_deferrals += 1;
        if !self.is_stopping() {
            drop(self.wait(state, Some(RETRY_AFTER)));
        }
    }

    fn is_stopping(&self) -> bool {
        Register::is_stopping(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counted(AtomicBool);

    impl Member for Counted {
        fn cut(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn places_are_used_again_and_figures_add_up() {
        let register = Register::new(2);
        let first = register.enter(Arc::<Counted>::default());
        assert!(!register.is_full());
        let second = register.enter(Arc::default());
        assert!(register.is_full());
        register.leave(first, Some(Failure::Reset));
        assert!(!register.is_full());
        let third = register.enter(Arc::default());
        register.leave(second, None);
        register.leave(third, None);
        let figures = register.figures();
        assert_eq!((figures.accepted, figures.connected, figures.peak_connected), (3, 0, 2));
        assert_eq!((figures.errors.reset, figures.errors.total()), (1, 1));
        assert_eq!(lock(&register.state).places.len(), 2);
    }

    #[test]
    fn what_was_ended_by_force_is_counted_once() {
        let register = Register::new(usize::MAX);
        let member = Arc::<Counted>::default();
        let ticket = register.enter(Arc::clone(&member));
        assert!(!register.wait_until_none(Some(Instant::now())));
        assert_eq!(register.cut_all(), 1);
        assert!(member.0.load(Ordering::Relaxed));
        // Its own thread comes to it only now.
        register.leave(ticket, Some(Failure::Other));
        let figures = register.figures();
        assert_eq!((figures.connected, figures.errors.aborted, figures.errors.total()), (0, 1, 1));
        assert!(register.wait_until_none(None));
    }

    #[test]
    fn who_waits_for_room_is_woken_by_a_departure_and_by_the_stop() {
        let register = Register::new(1);
        let ticket = register.enter(Arc::<Counted>::default());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| register.await_room());
            while lock(&register.state).waiting == 0 {
                std::thread::yield_now();
            }
            register.leave(ticket, None);
            assert!(waits.join().expect("it waits without a panic"));
            let _ticket = register.enter(Arc::default());
            let waits = scope.spawn(|| register.await_room());
            while lock(&register.state).waiting == 0 {
                std::thread::yield_now();
            }
            register.announce_stop();
            assert!(!waits.join().expect("it waits without a panic"));
        });
    }
}
