//! What the threads of a server count, each in a place of its own, added up by whoever asks.

use crate::{Notice, lock};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What one thread counts. Nobody else writes it; one that is aligned to 128 bytes has cache lines of its own.
pub trait Meter: Default {
    /// Adds what `ended`, whose thread has ended, had counted.
    fn absorb(&self, ended: &Self);
}

/// The threads of a server and what they have counted.
#[derive(Debug, Default)]
pub struct Meters<M> {
    state: Mutex<State<M>>,
    /// The last thread has ended.
    nobody: Notice,
}

#[derive(Debug, Default)]
struct State<M> {
    present: Vec<Arc<M>>,
    /// What threads that have ended had counted.
    ended: M,
}

/// A thread's presence among the threads of a server; ends with the thread, however that ends.
#[derive(Debug)]
pub struct OnDuty<M: Meter> {
    meters: Arc<Meters<M>>,
    meter: Arc<M>,
}

impl<M: Meter> Meters<M> {
    /// A thread of the server begins. Called before it is started, nobody overlooks it.
    pub fn enlist(self: &Arc<Self>) -> OnDuty<M> {
        let meter = Arc::<M>::default();
        lock(&self.state).present.push(Arc::clone(&meter));
        OnDuty { meters: Arc::clone(self), meter }
    }

    /// Calls `read` with the meters of the threads that are there, and with what those had counted that have
    /// ended. Nobody comes or goes meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&[Arc<M>], &M) -> T) -> T {
        let state = lock(&self.state);
        read(&state.present, &state.ended)
    }

    /// Waits until every thread has ended; false when the deadline came first.
    pub fn wait_until_nobody(&self, deadline: Option<Instant>) -> bool {
        self.nobody.wait_for(deadline, || lock(&self.state).present.is_empty())
    }
}

impl<M: Meter> OnDuty<M> {
    /// Where the thread counts.
    pub fn meter(&self) -> Arc<M> {
        Arc::clone(&self.meter)
    }
}

impl<M: Meter> Deref for OnDuty<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.meter
    }
}

impl<M: Meter> Drop for OnDuty<M> {
    fn drop(&mut self) {
        let mut state = lock(&self.meters.state);
        state.present.retain(|meter| !Arc::ptr_eq(meter, &self.meter));
        state.ended.absorb(&self.meter);
        let is_last = state.present.is_empty();
        drop(state);
        if is_last {
            self.meters.nobody.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Count;

    #[derive(Default)]
    struct Messages(Count);

    impl Meter for Messages {
        fn absorb(&self, ended: &Self) {
            self.0.add(ended.0.get());
        }
    }

    fn sum(meters: &Meters<Messages>) -> (usize, u64) {
        meters.read(|present, ended| {
            let counted: u64 = present.iter().map(|meter| meter.0.get()).sum();
            (present.len(), counted + ended.0.get())
        })
    }

    #[test]
    fn what_a_thread_has_counted_stays_when_it_ends() {
        let meters = Arc::<Meters<Messages>>::default();
        let (first, second) = (meters.enlist(), meters.enlist());
        first.0.add(4);
        second.0.add(7);
        drop(second);
        assert_eq!(sum(&meters), (1, 11));
        assert!(!meters.wait_until_nobody(Some(Instant::now())), "one is still on duty");
        drop(first);
        assert!(meters.wait_until_nobody(Some(Instant::now())));
        assert_eq!(sum(&meters), (0, 11));
    }
}
