//! An io_uring for files: its two queues, and what the kernel holds meanwhile.
//!
//! [`make`] gives a [`SubmissionQueue`], a [`CompletionQueue`] and the [`Signal`] of a ring. Each queue is
//! there once for a ring and is used through `&mut`, so no two threads are ever in one. An [`InFlight`]
//! keeps what was submitted, with its memory and its file, until the [`Completion`] is told to it.
//!
//! The kernel ties a request to the thread that submitted it. When that thread ends, its requests come
//! back as cancelled although nobody cancelled them (P146, F35).
#![allow(unsafe_code)]

mod in_flight;
mod setup;

pub(crate) use in_flight::InFlight;
pub(crate) use setup::make;

use io_uring::{IoUring, opcode, squeue};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// The completions that the queue has room for. What is in flight owes two each, its own and that of its
/// cancelling.
pub(crate) const COMPLETIONS_MAX: u32 = 4096;

/// The number of a request that nothing in flight is: a cancel.
const NOTHING: u64 = u64::MAX;

/// How often a submission is tried again that the kernel puts off.
const SUBMISSIONS_MAX: u32 = 1_000;

/// One request for the kernel. [`InFlight::entry`] makes it, and keeps what it names.
pub(crate) struct Entry(squeue::Entry);

/// An entry that the kernel has not seen and never will.
#[derive(Debug)]
pub(crate) struct Withdrawn(u64);

/// What the kernel says of a request that is over.
pub(crate) struct Completion {
    pub(crate) id: u64,
    result: i32,
}

impl Completion {
    /// How many bytes were transferred, or the error.
    pub(crate) fn outcome(&self) -> Result<usize, Errno> {
        usize::try_from(self.result)
            .map_err(|_| Errno::from_raw_os_error(self.result.wrapping_neg()))
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn of(id: u64, outcome: Result<usize, Errno>) -> Self {
        let result = outcome.map_or_else(|errno| -errno.raw_os_error(), |count| count as i32);
        Self { id, result }
    }
}

/// Where requests go in. It is emptied by each [`enter`](Self::enter), so it is never full for long.
pub(crate) struct SubmissionQueue {
    uring: Arc<IoUring>,
    /// What is in the queue and was not taken by the kernel, oldest first.
    unsubmitted: VecDeque<u64>,
    /// Why the kernel takes nothing any more; then nothing is ever submitted again.
    refusal: Option<String>,
}

impl SubmissionQueue {
    /// Why the kernel takes nothing any more, if it does not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.push_raw(&entry.0);
    }

    /// Puts in that the request `id` is to be cancelled.
    pub(crate) fn push_cancel(&mut self, id: u64) {
        self.push_raw(&opcode::AsyncCancel::new(id).build().user_data(NOTHING));
    }

    /// Puts an entry into the queue, making room if there is none. Once the kernel has refused, it only
    /// notes the entry, for [`withdraw`](Self::withdraw).
    fn push_raw(&mut self, entry: &squeue::Entry) {
        while self.refusal.is_none() {
            let pushed = {
                // SAFETY: no other view of the queue is there: a ring has one `SubmissionQueue`, which is
                // borrowed exclusively, and the view ends with this block.
                let mut queue = unsafe { self.uring.submission_shared() };
                // SAFETY: a cancel names no memory. What another entry names belongs to an `InFlight`,
                // which keeps it until the kernel has completed the request.
                unsafe { queue.push(entry) }.is_ok()
            };
            if pushed {
                break;
            }
            self.enter();
        }
        self.unsubmitted.push_back(entry.get_user_data());
    }

    /// Has the kernel take all that is in the queue.
    pub(crate) fn enter(&mut self) {
        let mut tries = 0;
        while !self.unsubmitted.is_empty() && self.refusal.is_none() {
            let error = match self.uring.submit() {
                Ok(count) if count > 0 => {
                    self.unsubmitted.drain(..count);
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
                    self.refusal = Some(format!("io_uring_enter was refused ({plain})"));
                }
            }
        }
    }

    /// When the kernel has refused: takes out what it has not taken. It never sees those entries, since it
    /// looks into the queue only when it is entered, and nobody will.
    pub(crate) fn withdraw(&mut self) -> impl Iterator<Item = Withdrawn> {
        let count = if self.refusal.is_some() { self.unsubmitted.len() } else { 0 };
        self.unsubmitted.drain(..count).filter(|id| *id != NOTHING).map(Withdrawn)
    }
}

/// Where what is over comes out.
pub(crate) struct CompletionQueue {
    uring: Arc<IoUring>,
}

impl CompletionQueue {
    /// Takes what is there.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Completion> {
        // SAFETY: no other view of the queue is there: a ring has one `CompletionQueue`, which is borrowed
        // exclusively as long as the view lives.
        let queue = unsafe { self.uring.completion_shared() };
        queue
            .map(|entry| Completion { id: entry.user_data(), result: entry.result() })
            .filter(|completion| completion.id != NOTHING)
    }
}

/// The eventfd that tells of completions.
pub(crate) struct Signal(OwnedFd);

impl Signal {
    /// What comes from now on is signalled anew.
    pub(crate) fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    /// Returns when it is signalled, after `limit`, or sooner.
    pub(crate) fn wait(&self, limit: Duration) {
        let limit =
            Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        // An error is an interruption.
        let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit));
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
