//! The port behind its clones and handles: turnstile, driver, registry, buffers and timers.

use super::counters::{Counters, DelayRecorder, Sample};
use super::membership::{self, Bound, ThreadSeat};
use super::packet::Packet;
use super::signals::Watching;
use super::timers::{Due, Timers};
use super::turnstile::gate::{Deadline, Gate};
use super::turnstile::rules::steps::{MemberId, Work};
use super::{Protocol, Snapshot, TakeError};
use crate::buffer::pool::Pool;
use crate::driver::registry::Registry;
use crate::driver::{Driver, DriverReport, Event};
use crate::error::Refused;
use crate::handle::core::{Core, Handle, WeakHandle};
use crate::handle::delivery::{By, Delivery};
use crate::operation::timer::TimerId;
use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long an accept that met a shortage of descriptors or memory waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A packet in the queue.
pub(crate) struct Queued<P: Protocol> {
    packet: Packet<P>,
    /// When it was queued, for the packets whose delay is measured.
    at: Option<Sample>,
}

pub(crate) struct Inner<P: Protocol> {
    pub(crate) gate: Gate<Queued<P>, Event, Arc<ThreadSeat>>,
    pub(crate) driver: Driver,
    pub(crate) registry: Registry<WeakHandle<P>>,
    pub(crate) timers: Timers<P>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) report: DriverReport,
    pub(super) signals: Watching,
    /// For each stream that waits in an accept, by its token, the listener.
    pub(crate) reservations: Mutex<HashMap<u64, WeakHandle<P>>>,
    closed: AtomicBool,
    posted: AtomicU64,
    accept_deferrals: AtomicU64,
    delays: DelayRecorder,
}

impl<P: Protocol> Inner<P> {
    pub(crate) fn new(
        concurrency: usize,
        doorman: bool,
        driver: Driver,
        report: DriverReport,
        pool: Arc<Pool>,
    ) -> Self {
        Self {
            gate: Gate::new(concurrency, doorman),
            driver,
            registry: Registry::new(),
            timers: Timers::new(),
            pool,
            report,
            signals: Watching::new(None),
            reservations: Mutex::new(HashMap::new()),
            closed: AtomicBool::new(false),
            posted: AtomicU64::new(0),
            accept_deferrals: AtomicU64::new(0),
            delays: DelayRecorder::new(),
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
        let queued = Queued { packet, at: self.delays.sample() };
        self.gate.insert(&self.driver, queued).map_err(|queued| queued.packet)
    }

    /// Queues the packet of an operation that completed while the calling thread started it.
    pub(crate) fn queue_own(&self, packet: Packet<P>) -> Result<(), Packet<P>> {
        let Some(member) = membership::member_of(self) else {
            return self.queue(packet);
        };
        let queued = Queued { packet, at: self.delays.sample() };
        self.gate.insert_own(&self.driver, member, queued).map_err(|queued| queued.packet)
    }

    /// Queues the packet that the calling, released thread has just performed and returns the oldest
    /// one.
    pub(crate) fn exchange(&self, packet: Packet<P>) -> Packet<P> {
        let Queued { packet, at } = self.gate.exchange(Queued { packet, at: None });
        self.delays.record(at);
        packet
    }

    pub(crate) fn take(self: &Arc<Self>, deadline: Deadline) -> Result<Packet<P>, TakeError> {
        self.take_undelivered(deadline).map(|packet| self.delivered(packet))
    }

    /// Takes a packet that may still be put back.
    pub(crate) fn take_undelivered(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Packet<P>, TakeError> {
        loop {
            let work = membership::with_binding(self, |binding| {
                let membership::Binding { member, seat, events, .. } = binding;
                self.gate.take(&self.driver, *member, seat, events, deadline)
            })?;
            if let Some(packet) = self.carry_out(work) {
                return Ok(packet);
            }
        }
    }

    /// One more packet for a thread that has taken one, if there is one at once.
    pub(crate) fn take_more(&self) -> Option<Packet<P>> {
        loop {
            if let Some(packet) = self.carry_out(self.gate.more()?) {
                return Some(packet);
            }
        }
    }

    fn carry_out(&self, work: Work<Queued<P>, Event>) -> Option<Packet<P>> {
        match work {
            Work::Packet(queued) => {
                self.delays.record(queued.at);
                Some(queued.packet)
            }
            Work::Event(event) => self.perform(event),
        }
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
    fn perform(&self, event: Event) -> Option<Packet<P>> {
        let mut delivery = Delivery::by(By::Performer);
        if event.token == Event::ALARM {
            for due in self.timers.take_due(&self.driver) {
                self.ring(due, &mut delivery);
            }
        } else if event.token == Event::SIGNAL {
            self.take_signals(&mut delivery);
        } else if let Some(handle) = self.registry.get(event.token, Handle::upgrade) {
            handle.perform(event, &mut delivery);
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
                }
            }
            Due::Silence(weak) => {
                if let Some(handle) = Handle::upgrade(&weak) {
                    handle.close();
                }
            }
        }
    }

    /// An operation met a shortage that no event will end; it is tried again after a while.
    pub(crate) fn defer(&self, handle: &Arc<Core<P>>) {
        self.accept_deferrals.fetch_add(1, Ordering::Relaxed);
        self.timers.start(&self.driver, RETRY_AFTER, Due::Retry(Arc::downgrade(handle)));
    }

    /// Closes an accepted socket that stays silent for longer than `limit`.
    pub(crate) fn watch_silence(&self, handle: &Arc<Core<P>>, limit: Duration) -> TimerId {
        self.timers.start(&self.driver, limit, Due::Silence(Arc::downgrade(handle)))
    }

    pub(crate) fn put_back(&self, packets: VecDeque<Packet<P>>) {
        let queued = packets.into_iter().map(|packet| Queued { packet, at: None }).collect();
        // Refused by a closed port, they are dropped here, where no lock is held.
        drop(self.gate.put_back(&self.driver, queued));
    }

    pub(crate) fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.unwatch_signals();
        let queued = self.gate.close(&self.driver);
        drop(queued);
        self.timers.clear();
        for weak in self.registry.values() {
            if let Some(handle) = Handle::upgrade(&weak) {
                handle.discard();
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let sizes = self.gate.sizes();
        Snapshot {
            devices: self.registry.count(),
            queued: sizes.queued,
            waiting: sizes.waiting,
            released: sizes.released,
            paused: sizes.paused,
            concurrency: self.gate.concurrency(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let turnstile = self.gate.counters();
        Counters {
            queued: turnstile.queued,
            taken: turnstile.taken,
            posted: self.posted.load(Ordering::Relaxed),
            released_on_block: turnstile.released_on_block,
            over_limit_moments: turnstile.over_limit_moments,
            doorman_looks: turnstile.doorman_looks,
            accept_deferrals: self.accept_deferrals.load(Ordering::Relaxed),
            queue_delay: self.delays.histogram(),
        }
    }
}

impl<P: Protocol> Bound for Inner<P> {
    fn dismiss(&self, member: MemberId) {
        self.gate.dismiss(&self.driver, member);
    }

    fn block(&self, member: MemberId) -> bool {
        self.gate.block(&self.driver, member)
    }

    fn resume(&self, member: MemberId) {
        self.gate.resume(member);
    }
}
