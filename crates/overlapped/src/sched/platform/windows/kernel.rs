//! A scheduler that is a completion port of the system: the kernel queues and decides who runs.
//!
//! What lies with us is what the kernel's queue cannot hold: posted values, each of which has a
//! marker in the kernel's queue, and packets that were put back to the head. The rest is counting:
//! which thread may run is decided by the kernel alone, and what it has decided is not told.

use super::Job;
use crate::sched::binding::{BoundMember, BoundThread, OwnerSlot};
use crate::sched::dispatcher::Member;
use crate::sched::metrics::{Counts, DelayHistogram, DelayRecorder, Queued};
use crate::sched::moves::Recording;
use crate::sched::rules::steps::{MemberId, Wakes};
use crate::sched::{Deadline, Sizes, TakeError};
use crate::sync::Mutex;
use crate::sys::Event;
use crate::sys::iocp::{Iocp, Marker, TAKE_MAX, Taken};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct KernelPort<T> {
    pub(super) iocp: Arc<Iocp>,
    concurrency: usize,
    owner: OwnerSlot,
    queues: Mutex<Queues<T>>,
    /// How many packets were put back, to be looked at without the lock.
    put_back: AtomicUsize,
    closed: AtomicBool,
    /// Threads bound to the port, those of them in the kernel's wait, and those in `blocking`.
    members: AtomicUsize,
    waiting: AtomicUsize,
    paused: Mutex<HashSet<MemberId>>,
    next_member: AtomicUsize,
    taken: AtomicU64,
    delays: DelayRecorder,
}

struct Queues<T> {
    /// Posted values, oldest first.
    posted: VecDeque<Queued<T>>,
    /// Posted values for whose marker there was no memory. Whoever comes next tries again.
    without_marker: usize,
    /// What goes before everything else.
    put_back: VecDeque<Queued<T>>,
}

impl<T> KernelPort<T> {
    pub(super) fn new(iocp: Iocp, concurrency: usize) -> Self {
        let queues =
            Queues { posted: VecDeque::new(), without_marker: 0, put_back: VecDeque::new() };
        Self {
            iocp: Arc::new(iocp),
            concurrency,
            owner: OwnerSlot::default(),
            queues: Mutex::new(queues),
            put_back: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            members: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            paused: Mutex::new(HashSet::new()),
            next_member: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            delays: DelayRecorder::new(),
        }
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Which thread got which packet, and who blocks, the kernel tells nobody.
    pub(super) fn begin_recording(&self, _limit: usize) -> io::Result<()> {
        let why =
            "a completion port of Windows cannot be recorded: the kernel tells nobody of its moves";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    pub(super) fn end_recording(&self) -> Option<Recording> {
        None
    }

    pub(super) fn enroll(&self, thread: Arc<BoundThread>) -> BoundMember {
        self.members.fetch_add(1, Ordering::Relaxed);
        Member::without_own_queue(self.next_member.fetch_add(1, Ordering::Relaxed), thread)
    }

    /// The calling thread leaves the port: the kernel is told, so that its slot is free.
    pub(super) fn dismiss(&self, id: MemberId) {
        self.paused.lock().remove(&id);
        self.members.fetch_sub(1, Ordering::Relaxed);
        crate::sys::iocp::leave();
    }

    /// The kernel sees by itself when a thread blocks; this only counts.
    pub(super) fn block(&self, id: MemberId) -> bool {
        self.paused.lock().insert(id)
    }

    pub(super) fn resume(&self, id: MemberId) {
        self.paused.lock().remove(&id);
    }

    pub(super) fn owner(&self) -> &OwnerSlot {
        &self.owner
    }

    pub(super) fn insert(&self, packet: T) -> Result<Option<Wakes<Arc<BoundThread>>>, T> {
        let queued = self.delays.sampled(packet);
        let mut queues = self.queues.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(queued.into_packet());
        }
        queues.posted.push_back(queued);
        queues.without_marker += 1;
        self.mark(&mut queues);
        Ok(None)
    }

    /// Queues the markers that are owed, under the lock, so that markers and values have one order.
    fn mark(&self, queues: &mut Queues<T>) {
        while queues.without_marker > 0 && self.iocp.post(Marker::Posted) {
            queues.without_marker -= 1;
        }
    }

    /// What the kernel gave to a thread has been in the queue already: it is only counted.
    pub(super) fn exchange(&self, packet: T) -> (T, Option<Wakes<Arc<BoundThread>>>) {
        let delivered = !self.closed.load(Ordering::SeqCst);
        self.taken.fetch_add(u64::from(delivered), Ordering::Relaxed);
        (packet, None)
    }

    pub(super) fn put_back(
        &self,
        _member: Option<MemberId>,
        packets: VecDeque<T>,
    ) -> Result<(), VecDeque<Queued<T>>> {
        let packets: VecDeque<_> = packets.into_iter().map(Queued::unmeasured).collect();
        let count = packets.len();
        {
            let mut queues = self.queues.lock();
            if self.closed.load(Ordering::SeqCst) {
                return Err(packets);
            }
            for packet in packets.into_iter().rev() {
                queues.put_back.push_front(packet);
            }
            self.put_back.fetch_add(count, Ordering::SeqCst);
        }
        self.taken.fetch_sub(count as u64, Ordering::Relaxed);
        for _ in 0..count.min(self.waiting.load(Ordering::SeqCst)) {
            self.iocp.post(Marker::Look);
        }
        Ok(())
    }

    fn take_put_back(&self) -> Option<Queued<T>> {
        if self.put_back.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let packet = self.queues.lock().put_back.pop_front()?;
        self.put_back.fetch_sub(1, Ordering::SeqCst);
        Some(packet)
    }

    /// The value that a marker stands for; none when the port was closed meanwhile.
    fn take_posted(&self) -> Option<Queued<T>> {
        let mut queues = self.queues.lock();
        let packet = queues.posted.pop_front();
        self.mark(&mut queues);
        packet
    }

    pub(super) fn take(&self, deadline: Deadline) -> Result<Job<T>, TakeError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(TakeError::Closed);
        }
        let mut taken = Vec::with_capacity(1);
        loop {
            if let Some(packet) = self.take_put_back() {
                return Ok(self.packet(packet));
            }
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // What was put back, or closed, before this moment is seen here. What comes after it
            // sees a thread that waits, and leaves a marker for it.
            let has_to_look =
                self.put_back.load(Ordering::SeqCst) > 0 || self.closed.load(Ordering::SeqCst);
            if !has_to_look {
                self.iocp.take(&mut taken, 1, deadline.remaining());
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            match taken.pop() {
                Some(taken) => {
                    if let Some(job) = self.job(taken) {
                        return Ok(job);
                    }
                }
                None if has_to_look => {}
                None => {
                    // Values whose marker is missing have waited for as long.
                    self.mark(&mut self.queues.lock());
                    if !self.closed.load(Ordering::SeqCst) {
                        return Err(TakeError::TimedOut);
                    }
                }
            }
            if self.closed.load(Ordering::SeqCst) {
                self.wake_next();
                return Err(TakeError::Abandoned);
            }
        }
    }

    fn packet(&self, queued: Queued<T>) -> Job<T> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Job::Packet(self.delays.taken(queued))
    }

    /// What was taken from the kernel, unless there is nothing to do for it any more.
    fn job(&self, taken: Taken) -> Option<Job<T>> {
        match taken {
            Taken::Marker(Marker::Posted) => self.take_posted().map(|queued| self.packet(queued)),
            Taken::Marker(Marker::Alarm) => {
                let (token, readable, writable, ended) = (Event::ALARM, false, false, false);
                Some(Job::Event(Event { token, readable, writable, ended }))
            }
            Taken::Marker(Marker::Look) => None,
            Taken::Finished(token, finished) => Some(Job::Finished(token, finished)),
            Taken::FileFinished(finished) => Some(Job::FileFinished(finished)),
            Taken::DirectoryFinished(finished) => Some(Job::DirectoryFinished(finished)),
            Taken::Signalled(token) => {
                let (readable, writable, ended) = (true, false, false);
                Some(Job::Event(Event { token, readable, writable, ended }))
            }
        }
    }

    pub(super) fn take_more(&self, wanted: usize, mut carry_out: impl FnMut(Job<T>) -> usize) {
        let mut wanted = wanted;
        while wanted > 0
            && let Some(packet) = self.take_put_back()
        {
            wanted = carry_out(self.packet(packet));
        }
        let mut taken = Vec::new();
        while wanted > 0 && self.iocp.take(&mut taken, wanted, Some(Duration::ZERO)) {
            for taken in taken.drain(..) {
                match self.job(taken) {
                    Some(job) => wanted = carry_out(job),
                    // It may have been for a thread that waits.
                    None => self.wake_next(),
                }
            }
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    pub(super) fn close(&self) -> VecDeque<Queued<T>> {
        let queued = {
            let mut queues = self.queues.lock();
            self.closed.store(true, Ordering::SeqCst);
            self.put_back.store(0, Ordering::SeqCst);
            let mut queued = std::mem::take(&mut queues.put_back);
            queued.append(&mut queues.posted);
            queued
        };
        self.wake_next();
        queued
    }

    /// Wakes one thread in the kernel's wait, if there is one, to look for itself; it wakes the
    /// next one. The port's handle stays open until nobody can use it any more, so a thread about
    /// to wait can never meet a stranger's handle of the same number (P142).
    fn wake_next(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.iocp.post(Marker::Look);
        }
    }

    /// Takes back what the kernel still held when the scheduler was closed, until `end`. True when
    /// nothing is left.
    pub(super) fn drain(&self, end: Option<Instant>, mut finish: impl FnMut(Job<T>)) -> bool {
        const STEP: Duration = Duration::from_millis(10);
        let mut taken = Vec::new();
        while self.iocp.in_flight() > 0 && end.is_none_or(|end| Instant::now() < end) {
            self.iocp.take(&mut taken, TAKE_MAX, Some(STEP));
            for taken in taken.drain(..) {
                if !matches!(taken, Taken::Marker(_)) {
                    self.job(taken).into_iter().for_each(&mut finish);
                }
            }
        }
        self.wake_next();
        self.iocp.in_flight() == 0
    }

    pub(super) fn sizes(&self) -> Sizes {
        let queued = {
            let queues = self.queues.lock();
            queues.posted.len() + queues.put_back.len()
        };
        if self.closed.load(Ordering::SeqCst) {
            return Sizes { queued: 0, waiting: 0, released: 0, paused: 0 };
        }
        let waiting = self.waiting.load(Ordering::SeqCst);
        let paused = self.paused.lock().len();
        let members = self.members.load(Ordering::Relaxed);
        Sizes { queued, waiting, released: members.saturating_sub(waiting + paused), paused }
    }

    pub(super) fn somebody_waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// What is posted or was put back. What the kernel has finished its handles know.
    pub(super) fn any_work_waits(&self) -> bool {
        self.sizes().queued > 0
    }

    pub(super) fn counts(&self) -> Counts {
        let taken = self.taken.load(Ordering::Relaxed);
        let queued = self.sizes().queued as u64;
        Counts { queued: taken + queued, taken, ..Counts::default() }
    }

    pub(super) fn delays(&self) -> DelayHistogram {
        self.delays.histogram()
    }
}
