//! The port behind its clones and handles: scheduler, registry, buffers and timers.

use super::counters::Counters;
use super::packet::Packet;
use super::signals::Watching;
use super::timers::{Due, Timers};
use super::{Protocol, Snapshot};
use crate::buffer::pool::Pool;
#[cfg(windows)]
use crate::driver::Backend;
use crate::driver::files::Files;
#[cfg(windows)]
use crate::driver::iocp::block::Finished;
use crate::driver::registry::Registry;
use crate::driver::{DriverReport, Event};
use crate::error::Refused;
use crate::handle::core::{Core, Handle, WeakHandle};
use crate::handle::delivery::{By, Delivery};
use crate::handle::file_core::FileJob;
use crate::operation::timer::TimerId;
use crate::panics::{Panics, contained};
use crate::sched::{Deadline, Job, Scheduler, TakeError};
use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long an accept that met a shortage of descriptors or memory waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

pub(crate) struct Inner<P: Protocol> {
    pub(crate) scheduler: Arc<Scheduler<Packet<P>>>,
    pub(crate) registry: Registry<WeakHandle<P>>,
    pub(crate) files: Files<FileJob<P>>,
    pub(crate) timers: Timers<P>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) report: DriverReport,
    pub(super) signals: Watching,
    /// For each stream that waits in an accept, by its token, the listener.
    pub(crate) reservations: Mutex<HashMap<u64, WeakHandle<P>>>,
    closed: AtomicBool,
    posted: AtomicU64,
    accept_deferrals: AtomicU64,
}

impl<P: Protocol> Inner<P> {
    pub(crate) fn new(
        scheduler: Scheduler<Packet<P>>,
        files: Files<FileJob<P>>,
        report: DriverReport,
        pool: Arc<Pool>,
    ) -> Self {
        Self {
            scheduler: Arc::new(scheduler),
            registry: Registry::new(),
            files,
            timers: Timers::new(),
            pool,
            report,
            signals: Watching::new(None),
            reservations: Mutex::new(HashMap::new()),
            closed: AtomicBool::new(false),
            posted: AtomicU64::new(0),
            accept_deferrals: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn post(&self, message: P::Message) -> Result<(), Refused<P::Message>> {
        match self.queue(Packet::Posted(message)) {
            Ok(()) => {
                self.posted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(Packet::Posted(message)) => {
                let error =
                    io::Error::new(io::ErrorKind::BrokenPipe, "the completion port is closed");
                Err(Refused::new(error, message))
            }
            Err(_) => unreachable!("a refused packet is the one that was given"),
        }
    }

    /// Queues a packet, or gives it back when the port is closed. It must then be dropped where no
    /// lock is held.
    pub(crate) fn queue(&self, packet: Packet<P>) -> Result<(), Packet<P>> {
        self.scheduler.insert(packet)
    }

    /// Queues the packet of an operation that completed while the calling thread started it.
    pub(crate) fn queue_own(&self, packet: Packet<P>) -> Result<(), Packet<P>> {
        match self.scheduler.member_id() {
            Some(id) => self.scheduler.insert_own(id, packet),
            None => self.scheduler.insert(packet),
        }
    }

    /// Queues the packet that the calling, released thread has just performed and returns the oldest
    /// one.
    pub(crate) fn exchange(&self, packet: Packet<P>) -> Packet<P> {
        self.scheduler.exchange(packet)
    }

    pub(crate) fn take(self: &Arc<Self>, deadline: Deadline) -> Result<Packet<P>, TakeError> {
        self.take_undelivered(deadline).map(|packet| self.delivered(packet))
    }

    /// Takes a packet that may still be put back.
    pub(crate) fn take_undelivered(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Packet<P>, TakeError> {
        let mut waited = false;
        loop {
            let job = self.scheduler.take_bound(deadline).map_err(|error| match error {
                TakeError::Closed if waited => TakeError::Abandoned,
                error => error,
            })?;
            if let Some(packet) = self.carry_out(job) {
                return Ok(packet);
            }
            waited = true;
        }
    }

    /// Adds what a thread that has taken a packet may have besides, without waiting, until there
    /// are `max` packets.
    pub(crate) fn take_more(&self, packets: &mut VecDeque<Packet<P>>, max: usize) {
        self.scheduler.take_more(max - packets.len(), |job| {
            packets.extend(self.carry_out(job));
            max - packets.len()
        });
    }

    fn carry_out(&self, job: Job<Packet<P>>) -> Option<Packet<P>> {
        match job {
            Job::Packet(packet) => Some(packet),
            Job::Event(event) => self.perform(event),
            #[cfg(windows)]
            Job::Finished(token, finished) => self.finish(token, &finished),
            #[cfg(windows)]
            Job::FileFinished(finished) => self.finish_file(&finished),
        }
    }

    /// The packet of an operation that the kernel has carried out, if it is that far. A packet of an
    /// operation that is not ours is passed over (F9).
    #[cfg(windows)]
    fn finish(&self, token: u64, finished: &Finished) -> Option<Packet<P>> {
        let handle = self.registry.get(token, Handle::upgrade)?;
        let mut delivery = Delivery::by(By::Performer);
        handle.finish(finished, &mut delivery);
        let packet = delivery.finish();
        contained(|| drop(handle));
        self.unless_closed(packet)
    }

    /// Nobody is told of what ends with the port (P122).
    #[cfg(windows)]
    fn unless_closed(&self, packet: Option<Packet<P>>) -> Option<Packet<P>> {
        if self.is_closed() {
            contained(|| drop(packet));
            return None;
        }
        packet
    }

    /// The packet of an operation on a file that the kernel has carried out.
    #[cfg(windows)]
    fn finish_file(&self, finished: &Finished) -> Option<Packet<P>> {
        let Backend::Overlapped(iocp) = self.scheduler.backend() else { return None };
        let job = self.files.finish(iocp, finished)?;
        self.unless_closed(Some(self.exchange(job.into_packet())))
    }

    /// How many operations have finished without their packets being taken. On a readiness driver
    /// there is no such state.
    fn finished(&self) -> usize {
        #[cfg(windows)]
        if self.is_closed() {
            return 0;
        }
        #[cfg(windows)]
        return self
            .registry
            .values()
            .iter()
            .filter_map(Handle::upgrade)
            .map(|handle| handle.finished())
            .sum::<usize>()
            + self.files.finished();
        #[cfg(not(windows))]
        0
    }

    /// A packet reaches its user: an accept window posts the accept anew.
    pub(crate) fn delivered(&self, packet: Packet<P>) -> Packet<P> {
        if let Packet::Accepted { listener, .. } = &packet {
            crate::handle::taken(&listener.0);
        }
        packet
    }

    /// Performs what an event allows. Each packet is queued; for the first one the oldest packet of
    /// the queue is returned, which mostly is the same.
    ///
    /// Values of the user's may be dropped on the way, since the calling thread may have the last
    /// share in a handle. Should that panic, the thread gets its packet all the same.
    fn perform(&self, event: Event) -> Option<Packet<P>> {
        let mut delivery = Delivery::by(By::Performer);
        if event.token == Event::ALARM {
            for due in self.timers.take_due(self.scheduler.backend()) {
                self.ring(due, &mut delivery);
            }
        } else if event.token == Event::SIGNAL {
            self.take_signals(&mut delivery);
        } else if event.token == Event::FILES {
            for job in self.files.reap() {
                delivery.add(self, job.into_packet());
            }
        } else if let Some(handle) = self.registry.get(event.token, Handle::upgrade) {
            handle.perform(event, &mut delivery);
            contained(|| drop(handle));
        }
        delivery.finish()
    }

    fn ring(&self, due: Due<P>, delivery: &mut Delivery<P>) {
        match due {
            Due::Operation(operation) => {
                delivery.add(self, Packet::Timer { operation, result: Ok(()) });
            }
            Due::Retry(weak) => {
                if let Some(handle) = Handle::upgrade(&weak) {
                    handle.retry(delivery);
                    contained(|| drop(handle));
                }
            }
            Due::Silence(weak) => {
                if let Some(handle) = Handle::upgrade(&weak) {
                    contained(|| handle.end_silence());
                    contained(|| drop(handle));
                }
            }
        }
    }

    /// An operation met a shortage that no event will end; it is tried again after a while.
    pub(crate) fn defer(&self, handle: &Arc<Core<P>>) {
        self.accept_deferrals.fetch_add(1, Ordering::Relaxed);
        // A port that is closed tries nothing again.
        let _ = self.timers.start(
            self.scheduler.backend(),
            RETRY_AFTER,
            Due::Retry(Arc::downgrade(handle)),
        );
    }

    /// Closes an accepted socket that stays silent for longer than `limit`. None on a port that has
    /// been closed, which drops the socket.
    pub(crate) fn watch_silence(&self, handle: &Arc<Core<P>>, limit: Duration) -> Option<TimerId> {
        self.timers
            .start(self.scheduler.backend(), limit, Due::Silence(Arc::downgrade(handle)))
            .ok()
    }

    pub(crate) fn put_back(&self, packets: VecDeque<Packet<P>>) {
        if let Err(refused) = self.scheduler.put_back(packets) {
            // By a closed port. They are dropped here, where no lock is held.
            let mut panics = Panics::default();
            panics.drop_each(refused);
            panics.resume();
        }
    }

    pub(crate) fn close(self: &Arc<Self>) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut panics = Panics::default();
        self.unwatch_signals();
        panics.drop_each(self.scheduler.close());
        panics.drop_each(self.timers.close());
        panics.run(|| self.files.close());
        for weak in self.registry.values() {
            if let Some(handle) = Handle::upgrade(&weak) {
                panics.run(|| handle.discard());
                panics.run(|| drop(handle));
            }
        }
        #[cfg(windows)]
        self.drain();
        panics.resume();
    }

    /// Takes back what the kernel still holds of a closed port. What it does not give back
    /// soon is waited for by a thread of its own, so that nobody who drops a port has to.
    #[cfg(windows)]
    pub(crate) fn drain(self: &Arc<Self>) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let end = std::time::Instant::now() + PATIENCE;
        if !self.scheduler.drain(Some(end), |job| drop(self.carry_out(job))) {
            let port = Arc::clone(self);
            let drain = move || {
                port.scheduler.drain(None, |job| drop(port.carry_out(job)));
            };
            // Without memory for a thread, what is left is never freed, and never touched.
            let _ = std::thread::Builder::new().name("overlapped-drain".into()).spawn(drain);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let finished = self.finished();
        let sizes = self.scheduler.sizes();
        Snapshot {
            devices: self.registry.count() + self.files.count(),
            queued: sizes.queued + finished,
            waiting: sizes.waiting,
            released: sizes.released,
            paused: sizes.paused,
            concurrency: self.scheduler.concurrency(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let finished = self.finished() as u64;
        let counts = self.scheduler.counts();
        Counters {
            queued: counts.queued + finished,
            taken: counts.taken,
            posted: self.posted.load(Ordering::Relaxed),
            released_on_block: counts.released_on_block,
            over_limit_moments: counts.over_limit_moments,
            monitor_looks: counts.monitor_looks,
            accept_deferrals: self.accept_deferrals.load(Ordering::Relaxed),
            queue_delay: self.scheduler.delays(),
        }
    }
}
