//! An io_uring of the port's own, made with its first file.
//!
//! Any thread may start, cancel and reap. Three things are known of that:
//!
//! - The kernel ties a request to the thread that submitted it. When that thread ends, its requests
//!   come back as cancelled although nobody cancelled them, and are submitted anew by whoever reaps
//!   them (P146, F35).
//! - Requests are not ordered among each other (F42), nor does the port promise it for files.
//! - Closing a descriptor does not cancel requests on it (L3). So each job holds its file, closing
//!   a handle cancels its jobs, and the descriptor is closed with the last of them (F54).
//!
//! The submission queue is emptied by each start, so it is never full for long. The completion
//! queue has room for all that can be owed; what is started beyond that waits here.
//!
//! An eventfd tells of completions. It stands in the port's event set, edge-triggered and not read,
//! as the port's kick does; a thread that takes its event reaps all there is.
//!
//! Locks: `submitting`, then `completing`. No job is dropped or delivered under either.
//!
//! Main disadvantage: there is one submission queue, and what the page cache holds is copied while
//! it is held, so several threads that read cached data wait for each other. The kernel has a lock
//! of its own there, so more of ours would not help.

use super::flight::{Flight, Reaped};
use crate::error::port_closed;
use crate::file::job::{Job, NotStarted, Which};
use crate::panics::Panics;
use crate::sync::Mutex;
use crate::sys::uring::{self, CompletionQueue, Signal, SubmissionQueue};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Ring<J: Job> {
    signal: Signal,
    submitting: Mutex<SubmissionQueue>,
    completing: Mutex<Completing<J>>,
}

struct Completing<J: Job> {
    queue: CompletionQueue,
    flight: Flight<J>,
}

impl<J: Job> Completing<J> {
    /// Takes all completions there are; returns the numbers of the jobs whose next request is to be
    /// submitted.
    fn take(&mut self, reaped: &mut Reaped<J>) -> Vec<u64> {
        let Self { queue, flight } = self;
        queue.take().filter_map(|completion| flight.complete(&completion, reaped)).collect()
    }
}

impl<J: Job> Ring<J> {
    /// A ring that was seen to work, or why there is none.
    pub(super) fn new() -> Result<Self, String> {
        let (submissions, queue, signal) = uring::make()?;
        let completing = Completing { queue, flight: Flight::new() };
        Ok(Self { signal, submitting: Mutex::new(submissions), completing: Mutex::new(completing) })
    }

    /// Tells of completions.
    pub(super) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Why the kernel takes nothing any more, if it does not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.submitting.lock().refusal().map(str::to_owned)
    }

    pub(super) fn start(&self, job: Box<J>, reaped: &mut Reaped<J>) -> Result<(), NotStarted<J>> {
        {
            let mut submissions = self.submitting.lock();
            let id = {
                let flight = &mut self.completing.lock().flight;
                if flight.closed {
                    return Err((port_closed(), job));
                }
                if submissions.refusal().is_some() {
                    reaped.stranded.push(job);
                    return Ok(());
                }
                if flight.is_full() {
                    flight.waiting.push_back(job);
                    return Ok(());
                }
                flight.insert(job)
            };
            self.submit(&mut submissions, [id], reaped);
        }
        // What the page cache holds is complete by now, and its end may need a second request.
        for _ in 0..2 {
            if !self.reap_once(reaped) {
                break;
            }
        }
        Ok(())
    }

    /// Takes all completions there are.
    pub(super) fn reap(&self, reaped: &mut Reaped<J>) {
        while self.reap_once(reaped) {}
    }

    /// Takes the completions there are; true when requests were submitted for that, which may be
    /// complete already.
    fn reap_once(&self, reaped: &mut Reaped<J>) -> bool {
        let (again, has_room) = {
            let mut completing = self.completing.lock();
            if completing.flight.closed {
                // The thread that drains the ring waits for what is there.
                return false;
            }
            let again = completing.take(reaped);
            let flight = &completing.flight;
            (again, !flight.waiting.is_empty() && !flight.is_full())
        };
        if again.is_empty() && !has_room {
            return false;
        }
        let mut submissions = self.submitting.lock();
        let promoted = std::iter::from_fn(|| self.completing.lock().flight.promote());
        self.submit(&mut submissions, again.into_iter().chain(promoted), reaped);
        true
    }

    /// Submits the next request of each of these jobs.
    fn submit(
        &self,
        submissions: &mut SubmissionQueue,
        ids: impl IntoIterator<Item = u64>,
        reaped: &mut Reaped<J>,
    ) {
        for id in ids {
            let entry = self.completing.lock().flight.entry(id, reaped);
            if let Some(entry) = entry {
                submissions.push(entry);
            }
        }
        submissions.enter();
        self.take_back(submissions, reaped);
    }

    /// Takes back what the kernel has refused.
    fn take_back(&self, submissions: &mut SubmissionQueue, reaped: &mut Reaped<J>) {
        if submissions.refusal().is_some() {
            let flight = &mut self.completing.lock().flight;
            submissions.withdraw().for_each(|entry| flight.take_back(entry, reaped));
            reaped.stranded.extend(flight.waiting.drain(..));
        }
    }

    /// Cancels; returns how many jobs were found.
    pub(super) fn cancel(&self, which: Which, reaped: &mut Reaped<J>) -> usize {
        let mut submissions = self.submitting.lock();
        let (ids, count) = self.completing.lock().flight.cancel(which, reaped);
        self.submit_cancels(&mut submissions, ids, reaped);
        count
    }

    fn submit_cancels(
        &self,
        submissions: &mut SubmissionQueue,
        ids: Vec<u64>,
        reaped: &mut Reaped<J>,
    ) {
        // When the kernel refuses, what is in its hands completes by itself.
        if submissions.refusal().is_none() {
            ids.into_iter().for_each(|id| submissions.push_cancel(id));
            submissions.enter();
        }
        self.take_back(submissions, reaped);
    }

    /// Ends what waits, and cancels the rest. The kernel owns the memory of that until it says
    /// otherwise, and a thread of our own waits for it, so that the caller need not.
    pub(super) fn close(ring: &Arc<Self>) {
        let mut reaped = Reaped::default();
        let is_empty = {
            let mut submissions = ring.submitting.lock();
            let ids = {
                let flight = &mut ring.completing.lock().flight;
                if flight.closed {
                    return;
                }
                flight.closed = true;
                reaped.stranded.extend(flight.waiting.drain(..));
                flight.cancel_everything()
            };
            ring.submit_cancels(&mut submissions, ids, &mut reaped);
            ring.completing.lock().flight.is_empty()
        };
        if !is_empty {
            let drained = Arc::clone(ring);
            let thread = std::thread::Builder::new().name("overlapped-drain".to_owned());
            // Without a thread the jobs stay where they are, and their memory is never freed.
            let _ = thread.spawn(move || drained.drain());
        }
        discard(reaped).resume();
    }

    /// Ends each job when the kernel has let go of it.
    fn drain(&self) {
        // A completion may be counted here that another thread has just taken.
        const PATIENCE: Duration = Duration::from_secs(1);
        loop {
            // The signal is reset before the look, so that what comes after the look is signalled.
            self.signal.reset();
            let mut reaped = Reaped::default();
            let is_empty = {
                let mut completing = self.completing.lock();
                let again = completing.take(&mut reaped);
                debug_assert!(again.is_empty(), "what is cancelled does not go on");
                completing.flight.is_empty()
            };
            // A panic of the user's is none of this thread's.
            drop(discard(reaped));
            if is_empty {
                return;
            }
            self.signal.wait(PATIENCE);
        }
    }
}

/// Ends all the jobs, with the user's values in them.
fn discard<J: Job>(reaped: Reaped<J>) -> Panics {
    let mut panics = Panics::default();
    for job in reaped.done.into_iter().chain(reaped.stranded) {
        panics.run(|| job.discard());
    }
    panics
}
