//! The recording of what the rules do, under their lock.

use super::Dispatcher;
use crate::sched::binding::calling_member;
use crate::sched::metrics::Queued;
use crate::sched::moves::Recording;
use crate::sched::parker::Park;
use crate::sched::rules::Rules;
use crate::sync;
use crate::sync::atomic::Ordering;
use crate::sys::EventSource;
use std::io;

impl<T: 'static, E: 'static, K: Park + Clone, B: EventSource<E>> Dispatcher<T, E, K, B> {
    /// Begins a recording of at most `limit` moves.
    pub(crate) fn begin_recording(&self, limit: usize) -> io::Result<()> {
        let begun =
            self.change(|rules, wakes| rules.begin_recording(limit, sync::now(), K::name, wakes));
        if begun {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "a recording of this port runs already: finish or drop its recorder first",
            ))
        }
    }

    /// Ends the recording, if there is one.
    pub(crate) fn end_recording(&self) -> Option<Recording> {
        self.change(|rules, _| rules.end_recording(sync::now()))
    }

    /// Notes what a transition has changed. Who takes without saying who it is has come here from a take
    /// of its own, so it is bound here. When the recording has ended thereby, threads may do again
    /// without the lock what they may.
    #[cold]
    #[inline(never)]
    pub(super) fn note(&self, rules: &mut Rules<Queued<T>, E, K>) {
        rules.note(sync::now(), calling_member(), K::name);
        self.word.store(rules.word(), Ordering::Release);
    }
}
