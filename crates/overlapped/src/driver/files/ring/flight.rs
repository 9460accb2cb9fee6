//! What the ring owns: the jobs that the kernel works on, and those that wait for a place.
//!
//! A job is in the kernel's hands from [`Flight::entry`] until its completion is told to
//! [`Flight::complete`]. Meanwhile it is only a pointer here: its memory is neither moved nor
//! looked at. What has to be known of it, its tag, lies beside it.
#![allow(unsafe_code)]

use super::super::{Job, Request, Step, Tag, Which};
use super::Reaped;
use io_uring::{opcode, squeue, types};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// How many jobs are in the kernel's hands at once. Each can owe two completions, its own and that
/// of its cancelling, so the completion queue, which is twice as long, cannot overflow.
pub(super) const IN_KERNEL_MAX: usize = 2048;

/// How often a request is made anew that the kernel puts off, before that is its result.
const DELAYS_MAX: u8 = 16;

pub(super) struct Flight<J: Job> {
    slots: Vec<Slot<J>>,
    free: Vec<u32>,
    in_kernel: usize,
    /// Oldest first.
    pub(super) waiting: VecDeque<Box<J>>,
    /// The port is closed: nothing starts any more.
    pub(super) closed: bool,
}

struct Slot<J> {
    generation: u32,
    place: Option<Place<J>>,
}

struct Place<J> {
    block: Block<J>,
    tag: Tag,
    cancelled: bool,
    delays: u8,
}

/// A job that came from a box, and is looked at only while the kernel has nothing to do with it.
struct Block<J>(NonNull<J>);

// SAFETY: a block owns its job as a box does, and a job may be sent.
unsafe impl<J: Job> Send for Block<J> {}

impl<J: Job> Block<J> {
    fn new(job: Box<J>) -> Self {
        Self(NonNull::from(Box::leak(job)))
    }

    /// # Safety
    /// The kernel works on none of the job's requests, and no other reference to it is there.
    unsafe fn job(&mut self) -> &mut J {
        // SAFETY: it came from a box that nobody has freed, since only `into_box` gives it away;
        // that nobody else looks at it is for the caller to know.
        unsafe { self.0.as_mut() }
    }

    /// # Safety
    /// The kernel works on none of the job's requests.
    unsafe fn into_box(self) -> Box<J> {
        // SAFETY: it came from a box, and a block is made into one once, as this consumes it.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

impl<J: Job> Flight<J> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            in_kernel: 0,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.in_kernel >= IN_KERNEL_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_kernel == 0
    }

    /// Gives the job a place; the number names it until it is taken out.
    pub(super) fn insert(&mut self, job: Box<J>) -> u64 {
        let tag = job.tag();
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, place: None });
            u32::try_from(self.slots.len() - 1).expect("there are far fewer places")
        });
        self.in_kernel += 1;
        let slot = &mut self.slots[index as usize];
        slot.place = Some(Place { block: Block::new(job), tag, cancelled: false, delays: 0 });
        u64::from(slot.generation) << 32 | u64::from(index)
    }

    fn place(&mut self, id: u64) -> Option<&mut Place<J>> {
        let slot = self.slots.get_mut(id as u32 as usize)?;
        if slot.generation == (id >> 32) as u32 { slot.place.as_mut() } else { None }
    }

    /// The job's next request as the kernel wants it. From now on the kernel works on the job. A
    /// job that was cancelled meanwhile is complete instead.
    ///
    /// The caller passes the entry on to the kernel, or takes the job out by [`Flight::take_back`].
    pub(super) fn entry(&mut self, id: u64, reaped: &mut Reaped<J>) -> Option<squeue::Entry> {
        let place = self.place(id)?;
        if place.cancelled {
            self.abort(id, reaped);
            return None;
        }
        let delayed = place.delays > 0;
        // SAFETY: a job that has a place and no entry under way is not in the kernel's hands; the
        // ring calls this once after `insert`, and once after each completion that asks for it.
        let job = unsafe { place.block.job() };
        let (file, request) = job.request();
        let file = types::Fd(file.as_raw_fd());
        let entry = match request {
            Request::Read { room, offset } => {
                opcode::Read::new(file, room.as_mut_ptr(), length(room)).offset(offset).build()
            }
            Request::Write { bytes, offset } => {
                opcode::Write::new(file, bytes.as_ptr(), length(bytes)).offset(offset).build()
            }
            Request::Flush => opcode::Fsync::new(file).build(),
        };
        let flags = if delayed { squeue::Flags::ASYNC } else { squeue::Flags::empty() };
        Some(entry.flags(flags).user_data(id))
    }

    /// The kernel has completed the request of `id`. True when the next one is to be submitted.
    pub(super) fn complete(&mut self, id: u64, result: i32, reaped: &mut Reaped<J>) -> bool {
        let Some(place) = self.place(id) else {
            debug_assert!(false, "the kernel completed {id:x}, which nobody submitted");
            return false;
        };
        let outcome = if let Ok(count) = usize::try_from(result) {
            Ok(count)
        } else {
            let errno = Errno::from_raw_os_error(result.wrapping_neg());
            match errno {
                // Whatever kept the kernel from it: there is nothing more to try.
                Errno::CANCELED | Errno::INTR | Errno::AGAIN if place.cancelled => {
                    self.abort(id, reaped);
                    return false;
                }
                // A thread that ends takes its requests back (P146), and a signal may interrupt
                // one. Nobody wants that.
                Errno::CANCELED | Errno::INTR => return true,
                Errno::AGAIN if place.delays < DELAYS_MAX => {
                    place.delays += 1;
                    return true;
                }
                _ => Err(io::Error::from(errno)),
            }
        };
        // SAFETY: the kernel has completed the one request that it had of this job.
        let step = unsafe { place.block.job() }.advance(outcome);
        match step {
            Step::GoesOn if place.cancelled => self.abort(id, reaped),
            Step::GoesOn => {
                place.delays = 0;
                return true;
            }
            Step::Complete => {
                let job = self.take(id);
                reaped.done.extend(job);
            }
        }
        false
    }

    fn abort(&mut self, id: u64, reaped: &mut Reaped<J>) {
        if let Some(mut job) = self.take(id) {
            job.abort();
            reaped.done.push(job);
        }
    }

    /// Takes out a job whose entry the kernel has not seen and never will.
    pub(super) fn take_back(&mut self, id: u64, reaped: &mut Reaped<J>) {
        if self.place(id).is_some_and(|place| place.cancelled) {
            self.abort(id, reaped);
        } else {
            let job = self.take(id);
            reaped.stranded.extend(job);
        }
    }

    /// Called only when the kernel has nothing to do with the job: it has completed the request,
    /// or has not got it.
    fn take(&mut self, id: u64) -> Option<Box<J>> {
        self.place(id)?;
        let index = id as u32;
        let slot = &mut self.slots[index as usize];
        // The highest generation is kept for the numbers that name no job.
        slot.generation = (slot.generation + 1) % u32::MAX;
        let place = slot.place.take()?;
        self.free.push(index);
        self.in_kernel -= 1;
        // SAFETY: see above; every caller in this file says why.
        Some(unsafe { place.block.into_box() })
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
    /// of the others are given back. Returns how many there were.
    pub(super) fn cancel(
        &mut self,
        which: Which,
        ids: &mut Vec<u64>,
        reaped: &mut Reaped<J>,
    ) -> usize {
        let mut count = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(place) = &mut slot.place
                && !place.cancelled
                && which.means(place.tag)
            {
                place.cancelled = true;
                ids.push(u64::from(slot.generation) << 32 | index as u64);
                count += 1;
            }
        }
        for _ in 0..self.waiting.len() {
            let Some(mut job) = self.waiting.pop_front() else { break };
            if which.means(job.tag()) {
                job.abort();
                reaped.done.push(job);
                count += 1;
            } else {
                self.waiting.push_back(job);
            }
        }
        count
    }

    /// Marks everything in the kernel's hands as cancelled; returns the numbers.
    pub(super) fn cancel_everything(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(place) = &mut slot.place {
                place.cancelled = true;
                ids.push(u64::from(slot.generation) << 32 | index as u64);
            }
        }
        ids
    }
}

/// An operation's requests are at most [`REQUEST_BYTES_MAX`](super::super::REQUEST_BYTES_MAX) long;
/// what is longer would be cut, and go on like any short transfer.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::driver::files::SystemFile;

    struct Read {
        file: SystemFile,
        room: [u8; 8],
        aborted: bool,
    }

    impl Job for Read {
        fn tag(&self) -> Tag {
            Tag { file: 1, operation: 1 }
        }

        fn request(&mut self) -> (&SystemFile, Request<'_>) {
            (&self.file, Request::Read { room: &mut self.room, offset: 0 })
        }

        fn advance(&mut self, outcome: io::Result<usize>) -> Step {
            if outcome.is_ok() { Step::GoesOn } else { Step::Complete }
        }

        fn abort(&mut self) {
            self.aborted = true;
        }

        fn deliver(self: Box<Self>) {}
    }

    /// One job that the kernel would have, and its number.
    fn one_under_way(flight: &mut Flight<Read>, reaped: &mut Reaped<Read>) -> u64 {
        let file = std::fs::File::open("Cargo.toml").expect("the package has one");
        let file = file.try_into().expect("it is a file");
        let id = flight.insert(Box::new(Read { file, room: [0; 8], aborted: false }));
        // Nobody submits it, so nothing happens to it but what the test says.
        assert!(flight.entry(id, reaped).is_some());
        id
    }

    const fn failed(errno: Errno) -> i32 {
        -errno.raw_os_error()
    }

    /// However the kernel says that it did not do it: whoever drains the ring asks it nothing more.
    #[test]
    fn p132_a_cancelled_job_that_was_not_done_is_over_at_once() {
        for errno in [Errno::CANCELED, Errno::INTR, Errno::AGAIN] {
            let (mut flight, mut reaped) = (Flight::new(), Reaped::default());
            let id = one_under_way(&mut flight, &mut reaped);
            assert_eq!(flight.cancel_everything(), [id]);
            assert!(!flight.complete(id, failed(errno), &mut reaped), "{errno:?} is tried again");
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
                assert!(flight.complete(id, failed(Errno::AGAIN), &mut reaped));
            }
            assert!(flight.complete(id, 1, &mut reaped), "it goes on");
        }
        for _ in 0..DELAYS_MAX {
            assert!(flight.complete(id, failed(Errno::AGAIN), &mut reaped));
        }
        assert!(!flight.complete(id, failed(Errno::AGAIN), &mut reaped), "that is its result");
        assert_eq!(reaped.done.len(), 1);
    }
}
