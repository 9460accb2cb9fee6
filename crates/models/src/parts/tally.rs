//! What the threads of a server count, each in a place of its own, added up by whoever asks.

use crate::handler::{self, Handler, Reply};
use crate::model::{Status, Threads};
use overlapped_serving::{Count, Notice, lock};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The threads of a server and what they have counted.
#[derive(Default)]
pub(crate) struct Tally {
    state: Mutex<State>,
    /// The last thread has ended.
    nobody: Notice,
}

#[derive(Default)]
struct State {
    threads: HashMap<u64, Arc<Meter>>,
    next: u64,
    /// What threads that have ended had counted.
    messages: u64,
    bytes: u64,
}

/// What one thread counts. Nobody else writes it, and no other thread's is on its cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Meter {
    messages: Count,
    bytes: Count,
    in_handler: AtomicBool,
}

/// A thread's presence among the threads of a server; ends with the thread, however that ends.
pub(crate) struct OnDuty {
    tally: Arc<Tally>,
    number: u64,
    meter: Arc<Meter>,
}

impl Tally {
    /// A thread of the server begins. Called before it is started, so that nobody overlooks it.
    pub(crate) fn enlist(self: &Arc<Self>) -> OnDuty {
        let meter = Arc::<Meter>::default();
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        state.threads.insert(number, Arc::clone(&meter));
        OnDuty { tally: Arc::clone(self), number, meter }
    }

    /// Messages, bytes and threads; the rest of the status is zero.
    pub(crate) fn counted(&self) -> Status {
        let state = lock(&self.state);
        let (mut messages, mut bytes, mut released) = (state.messages, state.bytes, 0);
        for meter in state.threads.values() {
            messages += meter.messages.get();
            bytes += meter.bytes.get();
            released += usize::from(meter.in_handler.load(Ordering::Relaxed));
        }
        let waiting = state.threads.len() - released;
        let threads = Threads { waiting, released, paused: 0 };
        Status { messages, bytes, threads, ..Status::default() }
    }

    /// Waits until every thread has ended; false when the deadline came first.
    pub(crate) fn wait_until_nobody(&self, deadline: Option<Instant>) -> bool {
        self.nobody.wait_for(deadline, || lock(&self.state).threads.is_empty())
    }
}

impl Meter {
    /// Gives the handler what was received and counts it; `None` when it panicked.
    pub(crate) fn call(&self, handler: &dyn Handler, input: &[u8]) -> Option<Reply> {
        self.messages.add(1);
        self.bytes.add(input.len() as u64);
        self.in_handler.store(true, Ordering::Relaxed);
        let reply = handler::call(handler, input);
        self.in_handler.store(false, Ordering::Relaxed);
        reply
    }
}

impl OnDuty {
    /// Where the thread counts.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl Deref for OnDuty {
    type Target = Meter;

    fn deref(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        let mut state = lock(&self.tally.state);
        state.threads.remove(&self.number);
        state.messages += self.meter.messages.get();
        state.bytes += self.meter.bytes.get();
        let is_last = state.threads.is_empty();
        drop(state);
        if is_last {
            self.tally.nobody.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;

    #[test]
    fn what_a_thread_has_counted_stays_when_it_ends() {
        let tally = Arc::<Tally>::default();
        let (first, second) = (tally.enlist(), tally.enlist());
        assert_eq!(first.call(&Echo, b"four"), Some(Reply::Echo));
        second.call(&Echo, b"seven..");
        drop(second);
        let counted = tally.counted();
        assert_eq!((counted.messages, counted.bytes), (2, 11));
        assert_eq!(counted.threads, Threads { waiting: 1, ..Threads::default() });
        assert!(!tally.wait_until_nobody(Some(Instant::now())), "one is still on duty");
        drop(first);
        assert!(tally.wait_until_nobody(Some(Instant::now())));
        assert_eq!(tally.counted().bytes, 11);
        assert!(align_of::<Meter>() >= 128, "no two threads share a cache line");
    }

    #[test]
    fn a_thread_in_the_handler_is_released() {
        struct Looks(Arc<Tally>);
        impl Handler for Looks {
            fn handle(&self, _input: &[u8]) -> Reply {
                let threads = self.0.counted().threads;
                assert_eq!(threads, Threads { waiting: 1, released: 1, paused: 0 });
                Reply::Silent
            }
        }
        let tally = Arc::<Tally>::default();
        let (_other, own) = (tally.enlist(), tally.enlist());
        assert_eq!(own.call(&Looks(Arc::clone(&tally)), b""), Some(Reply::Silent));
        assert_eq!(tally.counted().threads.released, 0);
    }
}
