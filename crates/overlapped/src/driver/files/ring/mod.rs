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
//! Locks: `submitting`, then `flight`. No job is dropped or delivered under either.
//!
//! Main disadvantage: there is one submission queue, and what the page cache holds is copied while
//! it is held, so several threads that read cached data wait for each other. The kernel has a lock
//! of its own there, so more of ours would not help.
#![allow(unsafe_code)]

mod flight;
mod setup;

use super::{Done, Job, NotStarted, Which, port_closed};
use crate::panics::Panics;
use crate::sync::{Mutex, MutexGuard};
use flight::Flight;
use io_uring::{IoUring, opcode, squeue};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The number of a request that is not a job's: a cancel.
const NO_JOB: u64 = u64::MAX;

/// How often a submission is tried again that the kernel puts off.
const SUBMISSIONS_MAX: u32 = 1_000;

pub(crate) struct Ring<J: Job> {
    uring: IoUring,
    signal: OwnedFd,
    /// Who holds it has the submission queue.
    submitting: Mutex<Submitting>,
    /// Who holds it has the completion queue.
    flight: Mutex<Flight<J>>,
}

struct Submitting {
    /// What is in the submission queue and was not taken by the kernel, oldest first.
    unsubmitted: VecDeque<u64>,
    /// Why the kernel takes nothing any more; then nothing is ever submitted again.
    refusal: Option<String>,
}

/// What one step brought back.
pub(crate) struct Reaped<J> {
    pub(crate) done: Done<J>,
    /// Jobs that the kernel does not take and that others must carry.
    pub(crate) stranded: Vec<Box<J>>,
}

impl<J> Default for Reaped<J> {
    fn default() -> Self {
        Self { done: Vec::new(), stranded: Vec::new() }
    }
}

impl<J> Reaped<J> {
    /// Drops all the jobs, with the user's values in them.
    fn discard(self) -> Panics {
        let mut panics = Panics::default();
        panics.drop_each(self.done);
        panics.drop_each(self.stranded);
        panics
    }
}

impl<J: Job> Ring<J> {
    /// A ring that was seen to work, or why there is none.
    pub(crate) fn new() -> Result<Self, String> {
        let (uring, signal) = setup::make()?;
        let submitting = Submitting { unsubmitted: VecDeque::new(), refusal: None };
        let (submitting, flight) = (Mutex::new(submitting), Mutex::new(Flight::new()));
        Ok(Self { uring, signal, submitting, flight })
    }

    /// The eventfd that tells of completions.
    pub(crate) fn signal(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.signal.as_fd()
    }

    /// Why the kernel takes nothing any more, if it does not.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.submitting.lock().refusal.clone()
    }

    pub(crate) fn start(&self, job: Box<J>, reaped: &mut Reaped<J>) -> Result<(), NotStarted<J>> {
        {
            let mut submitting = self.submitting.lock();
            let id = {
                let mut flight = self.flight.lock();
                if flight.closed {
                    return Err((port_closed(), job));
                }
                if submitting.refusal.is_some() {
                    reaped.stranded.push(job);
                    return Ok(());
                }
                if flight.is_full() {
                    flight.waiting.push_back(job);
                    return Ok(());
                }
                flight.insert(job)
            };
            self.submit(&mut submitting, [id], reaped);
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
    pub(crate) fn reap(&self, reaped: &mut Reaped<J>) {
        while self.reap_once(reaped) {}
    }

    /// Takes the completions there are; true when requests were submitted for that, which may be
    /// complete already.
    fn reap_once(&self, reaped: &mut Reaped<J>) -> bool {
        let mut again = Vec::new();
        let has_room = {
            let mut flight = self.flight.lock();
            if flight.closed {
                // The thread that drains the ring waits for what is there.
                return false;
            }
            self.take_completions(&mut flight, &mut again, reaped);
            !flight.waiting.is_empty() && !flight.is_full()
        };
        if again.is_empty() && !has_room {
            return false;
        }
        let mut submitting = self.submitting.lock();
        let promoted = std::iter::from_fn(|| self.flight.lock().promote());
        self.submit(&mut submitting, again.into_iter().chain(promoted), reaped);
        true
    }

    fn take_completions(
        &self,
        flight: &mut MutexGuard<'_, Flight<J>>,
        again: &mut Vec<u64>,
        reaped: &mut Reaped<J>,
    ) {
        // SAFETY: no other view of the completion queue is there, since each is made under the
        // lock on `flight`, which the caller holds, and does not outlive it.
        let completions = unsafe { self.uring.completion_shared() };
        for completion in completions {
            let id = completion.user_data();
            if id != NO_JOB && flight.complete(id, completion.result(), reaped) {
                again.push(id);
            }
        }
    }

    /// Submits the next request of each of these jobs.
    fn submit(
        &self,
        submitting: &mut MutexGuard<'_, Submitting>,
        ids: impl IntoIterator<Item = u64>,
        reaped: &mut Reaped<J>,
    ) {
        for id in ids {
            let entry = self.flight.lock().entry(id, reaped);
            if let Some(entry) = entry {
                self.push(submitting, &entry);
            }
        }
        self.enter(submitting);
        self.take_back(submitting, reaped);
    }

    /// Puts an entry into the submission queue, making room if there is none. Once the kernel has
    /// refused, it only notes the entry, for [`Ring::take_back`].
    fn push(&self, submitting: &mut MutexGuard<'_, Submitting>, entry: &squeue::Entry) {
        while submitting.refusal.is_none() {
            let pushed = {
                // SAFETY: no other view of the submission queue is there, since each is made under
                // the lock on `submitting`, which the caller holds, and does not outlive it.
                let mut queue = unsafe { self.uring.submission_shared() };
                // SAFETY: the memory that the entry names is the job's. `flight` keeps the job,
                // and its file open, until the kernel has completed the request.
                unsafe { queue.push(entry) }.is_ok()
            };
            if pushed {
                break;
            }
            self.enter(submitting);
        }
        submitting.unsubmitted.push_back(entry.get_user_data());
    }

    /// Has the kernel take all that is in the submission queue.
    fn enter(&self, submitting: &mut MutexGuard<'_, Submitting>) {
        let mut tries = 0;
        while !submitting.unsubmitted.is_empty() && submitting.refusal.is_none() {
            let error = match self.uring.submit() {
                Ok(count) if count > 0 => {
                    submitting.unsubmitted.drain(..count);
                    continue;
                }
                Ok(_) => Errno::AGAIN.into(),
                Err(error) => error,
            };
            match Errno::from_io_error(&error) {
                Some(Errno::INTR) => {}
                // Short of memory for a moment.
                Some(Errno::AGAIN | Errno::BUSY | Errno::NOMEM) if tries < SUBMISSIONS_MAX => {
                    tries += 1;
                    std::thread::yield_now();
                }
                _ => {
                    let plain = setup::plain(&error);
                    submitting.refusal = Some(format!("io_uring_enter was refused ({plain})"));
                }
            }
        }
    }

    /// When the kernel has refused: takes out what it has not taken. It never sees those entries,
    /// since it looks into the submission queue only when it is entered, and nobody will.
    fn take_back(&self, submitting: &mut MutexGuard<'_, Submitting>, reaped: &mut Reaped<J>) {
        if submitting.refusal.is_none() {
            return;
        }
        let mut flight = self.flight.lock();
        for id in submitting.unsubmitted.drain(..).filter(|id| *id != NO_JOB) {
            flight.take_back(id, reaped);
        }
        reaped.stranded.extend(flight.waiting.drain(..));
    }

    /// Cancels; returns how many jobs were found.
    pub(crate) fn cancel(&self, which: Which, reaped: &mut Reaped<J>) -> usize {
        let mut submitting = self.submitting.lock();
        let mut ids = Vec::new();
        let count = self.flight.lock().cancel(which, &mut ids, reaped);
        self.submit_cancels(&mut submitting, &ids);
        self.take_back(&mut submitting, reaped);
        count
    }

    fn submit_cancels(&self, submitting: &mut MutexGuard<'_, Submitting>, ids: &[u64]) {
        if submitting.refusal.is_some() {
            // What is in the kernel's hands completes by itself.
            return;
        }
        for id in ids {
            let cancel = opcode::AsyncCancel::new(*id).build();
            self.push(submitting, &cancel.user_data(NO_JOB));
        }
        self.enter(submitting);
    }

    /// Drops what waits, and cancels the rest. The kernel owns the memory of that until it says
    /// otherwise, and a thread of our own waits for it, so that the caller need not. Returns that
    /// thread if it is needed.
    pub(crate) fn close(ring: &Arc<Self>) -> Option<JoinHandle<()>> {
        let mut reaped = Reaped::default();
        let is_empty = {
            let mut submitting = ring.submitting.lock();
            let ids = {
                let mut flight = ring.flight.lock();
                if flight.closed {
                    return None;
                }
                flight.closed = true;
                reaped.stranded.extend(flight.waiting.drain(..));
                flight.cancel_everything()
            };
            ring.submit_cancels(&mut submitting, &ids);
            ring.take_back(&mut submitting, &mut reaped);
            ring.flight.lock().is_empty()
        };
        let drained = Arc::clone(ring);
        // Without a thread the jobs stay where they are, and their memory is never freed.
        let thread = (!is_empty).then(|| {
            std::thread::Builder::new()
                .name("overlapped-drain".to_owned())
                .spawn(move || drained.drain())
        });
        reaped.discard().resume();
        thread.and_then(Result::ok)
    }

    /// Drops each job when the kernel has let go of it.
    fn drain(&self) {
        // A completion may be counted here that another thread has just taken.
        let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
        loop {
            // The signal is reset before the look, so that what comes after the look is signalled.
            let _ = rustix::io::read(&self.signal, &mut [0; 8]);
            let mut reaped = Reaped::default();
            let is_empty = {
                let mut flight = self.flight.lock();
                let mut again = Vec::new();
                self.take_completions(&mut flight, &mut again, &mut reaped);
                debug_assert!(again.is_empty(), "what is cancelled does not go on");
                flight.is_empty()
            };
            // A panic of the user's is none of this thread's.
            drop(reaped.discard());
            if is_empty {
                return;
            }
            // An error is an interruption, and leads to another look.
            let _ = poll(&mut [PollFd::new(&self.signal, PollFlags::IN)], Some(&patience));
        }
    }
}
