//! What the threads of a server count.

use crate::handler::{self, Handler, Reply};
use crate::model::{Status, Threads};
use overlapped_serving::Count;
use std::sync::atomic::{AtomicBool, Ordering};

/// The threads of a server and what they have counted.
pub(crate) type Tally = overlapped_serving::Meters<Meter>;

/// A thread's presence among the threads of a server.
pub(crate) type OnDuty = overlapped_serving::OnDuty<Meter>;

/// What one thread counts.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Meter {
    messages: Count,
    bytes: Count,
    in_handler: AtomicBool,
}

impl overlapped_serving::Meter for Meter {
    fn absorb(&self, ended: &Self) {
        self.messages.add(ended.messages.get());
        self.bytes.add(ended.bytes.get());
    }
}

/// Messages, bytes and threads; the rest of the status is zero.
pub(crate) fn counted(tally: &Tally) -> Status {
    tally.read(|present, ended| {
        let (mut messages, mut bytes) = (ended.messages.get(), ended.bytes.get());
        let mut released = 0;
        for meter in present {
            messages += meter.messages.get();
            bytes += meter.bytes.get();
            released += usize::from(meter.in_handler.load(Ordering::Relaxed));
        }
        let threads = Threads { waiting: present.len() - released, released, paused: 0 };
        Status { messages, bytes, threads, ..Status::default() }
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn what_a_thread_has_counted_stays_when_it_ends() {
        let tally = Arc::<Tally>::default();
        let (first, second) = (tally.enlist(), tally.enlist());
        assert_eq!(first.call(&Echo, b"four"), Some(Reply::Echo));
        second.call(&Echo, b"seven..");
        drop(second);
        let sums = counted(&tally);
        assert_eq!((sums.messages, sums.bytes), (2, 11));
        assert_eq!(sums.threads, Threads { waiting: 1, ..Threads::default() });
        assert!(!tally.wait_until_nobody(Some(Instant::now())), "one is still on duty");
        drop(first);
        assert!(tally.wait_until_nobody(Some(Instant::now())));
        assert_eq!(counted(&tally).bytes, 11);
        assert!(align_of::<Meter>() >= 128, "no two threads share a cache line");
    }

    #[test]
    fn a_thread_in_the_handler_is_released() {
        struct Looks(Arc<Tally>);
        impl Handler for Looks {
            fn handle(&self, _input: &[u8]) -> Reply {
                let threads = counted(&self.0).threads;
                assert_eq!(threads, Threads { waiting: 1, released: 1, paused: 0 });
                Reply::Silent
            }
        }
        let tally = Arc::<Tally>::default();
        let (_other, own) = (tally.enlist(), tally.enlist());
        assert_eq!(own.call(&Looks(Arc::clone(&tally)), b""), Some(Reply::Silent));
        assert_eq!(counted(&tally).threads.released, 0);
    }
}
