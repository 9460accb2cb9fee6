//! The jobs of the ring: those that the kernel works on, and those that wait for a place.

use crate::file::job::{Done, Job, Step, Tag, Which, abort_waiting};
use crate::sys::uring::{COMPLETIONS_MAX, Completion, Entry, InFlight, Withdrawn};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;

/// How many jobs are in the kernel's hands at once: the completion queue has room for all that they can
/// owe, so it cannot overflow.
const IN_KERNEL_MAX: usize = COMPLETIONS_MAX as usize / 2;

/// How often a request is made anew that the kernel puts off, before that is its result.
const DELAYS_MAX: u8 = 16;

pub(super) struct Flight<J: Job> {
    in_kernel: InFlight<Label, J>,
    /// Oldest first.
    pub(super) waiting: VecDeque<Box<J>>,
    /// The port is closed: nothing starts any more.
    pub(super) closed: bool,
}

struct Label {
    tag: Tag,
    cancelled: bool,
    delays: u8,
}

/// What one step brought back.
pub(super) struct Reaped<J> {
    pub(super) done: Done<J>,
    /// Jobs that the kernel does not take and that others must carry.
    pub(super) stranded: Vec<Box<J>>,
}

impl<J> Default for Reaped<J> {
    fn default() -> Self {
        Self { done: Vec::new(), stranded: Vec::new() }
    }
}

impl<J: Job> Flight<J> {
    pub(super) fn new() -> Self {
        Self { in_kernel: InFlight::new(), waiting: VecDeque::new(), closed: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.in_kernel.count() >= IN_KERNEL_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_kernel.count() == 0
    }

    /// Gives the job a place; the number names it until it is complete.
    pub(super) fn insert(&mut self, job: Box<J>) -> u64 {
        let label = Label { tag: job.tag(), cancelled: false, delays: 0 };
        self.in_kernel.insert(label, job)
    }

    /// The job's next request, to be passed on to the kernel. A job that was cancelled meanwhile is
    /// complete instead.
    pub(super) fn entry(&mut self, id: u64, reaped: &mut Reaped<J>) -> Option<Entry> {
        let label = self.in_kernel.label(id)?;
        if label.cancelled {
            self.abort(id, reaped);
            return None;
        }
        let delayed = label.delays > 0;
        self.in_kernel.entry(id, delayed)
    }

    /// The kernel has completed a request. Gives the number of its job when the next one is to be
    /// submitted.
    pub(super) fn complete(
        &mut self,
        completion: &Completion,
        reaped: &mut Reaped<J>,
    ) -> Option<u64> {
        let id = completion.id;
        let Some((label, job)) = self.in_kernel.completed(completion) else {
            debug_assert!(false, "the kernel completed {id:x}, which nobody submitted");
            return None;
        };
        let outcome = match completion.outcome() {
            // Whatever kept the kernel from it: there is nothing more to try.
            Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) if label.cancelled => {
                self.abort(id, reaped);
                return None;
            }
            // A thread that ends takes its requests back (P146), and a signal may interrupt one.
            // Nobody wants that.
            Err(Errno::CANCELED | Errno::INTR) => return Some(id),
            Err(Errno::AGAIN) if label.delays < DELAYS_MAX => {
                label.delays += 1;
                return Some(id);
            }
            outcome => outcome.map_err(io::Error::from),
        };
        match job.advance(outcome) {
            Step::GoesOn if label.cancelled => self.abort(id, reaped),
            Step::GoesOn => {
                label.delays = 0;
                return Some(id);
            }
            Step::Complete => reaped.done.extend(self.take(id)),
        }
        None
    }

    fn take(&mut self, id: u64) -> Option<Box<J>> {
        self.in_kernel.take(id).map(|(_, job)| job)
    }

    fn abort(&mut self, id: u64, reaped: &mut Reaped<J>) {
        if let Some(mut job) = self.take(id) {
            job.abort();
            reaped.done.push(job);
        }
    }

    /// Takes out a job whose entry the kernel has not seen and never will.
    pub(super) fn take_back(&mut self, withdrawn: Withdrawn, reaped: &mut Reaped<J>) {
        let id = self.in_kernel.withdrawn(withdrawn);
        if self.in_kernel.label(id).is_some_and(|label| label.cancelled) {
            self.abort(id, reaped);
        } else {
            reaped.stranded.extend(self.take(id));
        }
    }

    /// The next job that waits, if there is a place for it.
    pub(super) fn promote(&mut self) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        Some(self.insert(job))
    }

    /// Marks what is meant as cancelled. What was only waiting is complete with that; the numbers
    /// of the others are given back, with how many there were in all.
    pub(super) fn cancel(&mut self, which: Which, reaped: &mut Reaped<J>) -> (Vec<u64>, usize) {
        let mut ids = Vec::new();
        for (id, label) in self.in_kernel.labels() {
            if !label.cancelled && which.includes(label.tag) {
                label.cancelled = true;
                ids.push(id);
            }
        }
        let waiting = abort_waiting(&mut self.waiting, which);
        let count = ids.len() + waiting.len();
        reaped.done.extend(waiting);
        (ids, count)
    }

    /// Marks everything in the kernel's hands as cancelled; returns the numbers.
    pub(super) fn cancel_everything(&mut self) -> Vec<u64> {
        let mark = |(id, label): (u64, &mut Label)| {
            label.cancelled = true;
            id
        };
        self.in_kernel.labels().map(mark).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::files::{Request, SystemFile, Transfer};
    use std::sync::Arc;

    struct Read {
        file: Arc<SystemFile>,
        room: [u8; 8],
        aborted: bool,
    }

    impl Transfer for Read {
        fn request(&mut self) -> (&Arc<SystemFile>, Request<'_>) {
            (&self.file, Request::Read { room: &mut self.room, offset: 0 })
        }
    }

    impl Job for Read {
        fn tag(&self) -> Tag {
            Tag { file: 1, operation: 1 }
        }

        fn advance(&mut self, outcome: io::Result<usize>) -> Step {
            if outcome.is_ok() { Step::GoesOn } else { Step::Complete }
        }

        fn abort(&mut self) {
            self.aborted = true;
        }

        fn deliver(self: Box<Self>) {}

        fn discard(self: Box<Self>) {}
    }

    /// One job that the kernel would have, and its number.
    fn one_under_way(flight: &mut Flight<Read>, reaped: &mut Reaped<Read>) -> u64 {
        let file = std::fs::File::open("Cargo.toml").expect("the package has one");
        let file = Arc::new(file.try_into().expect("it is a file"));
        let id = flight.insert(Box::new(Read { file, room: [0; 8], aborted: false }));
        // Nobody submits it, so nothing happens to it but what the test says.
        assert!(flight.entry(id, reaped).is_some());
        id
    }

    /// The kernel completes the request; true when the next one is to be submitted.
    fn complete(
        flight: &mut Flight<Read>,
        id: u64,
        outcome: Result<usize, Errno>,
        reaped: &mut Reaped<Read>,
    ) -> bool {
        let goes_on = flight.complete(&Completion::of(id, outcome), reaped).is_some();
        assert!(!goes_on || flight.entry(id, reaped).is_some());
        goes_on
    }

    /// However the kernel says that it did not do it: whoever drains the ring asks it nothing more.
    #[test]
    fn p132_a_cancelled_job_that_was_not_done_is_over_at_once() {
        for errno in [Errno::CANCELED, Errno::INTR, Errno::AGAIN] {
            let (mut flight, mut reaped) = (Flight::new(), Reaped::default());
            let id = one_under_way(&mut flight, &mut reaped);
            assert_eq!(flight.cancel_everything(), [id]);
            assert!(
                !complete(&mut flight, id, Err(errno), &mut reaped),
                "{errno:?} is tried again"
            );
            assert!(flight.is_empty());
            assert!(matches!(&reaped.done[..], [job] if job.aborted), "{errno:?}");
        }
    }

    #[test]
    fn each_request_of_a_job_may_be_put_off_so_often() {
        let (mut flight, mut reaped) = (Flight::new(), Reaped::default());
        let id = one_under_way(&mut flight, &mut reaped);
        for _request in 0..3 {
            for _ in 0..DELAYS_MAX {
                assert!(complete(&mut flight, id, Err(Errno::AGAIN), &mut reaped));
            }
            assert!(complete(&mut flight, id, Ok(1), &mut reaped), "it goes on");
        }
        for _ in 0..DELAYS_MAX {
            assert!(complete(&mut flight, id, Err(Errno::AGAIN), &mut reaped));
        }
        assert!(!complete(&mut flight, id, Err(Errno::AGAIN), &mut reaped), "that is its result");
        assert_eq!(reaped.done.len(), 1);
    }
}
