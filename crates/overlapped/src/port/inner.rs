//! What a port is made of: its connections, with the scheduler that takes their packets, and its files.

use super::Snapshot;
use super::counters::Counters;
use super::signals::Watching;
use crate::buffer::cache;
use crate::buffer::pool::Pool;
use crate::conn::accept_window;
use crate::conn::connections::Connections;
use crate::conn::delivery::{By, Delivery};
use crate::conn::discard::Discard;
use crate::conn::operation::Direction;
use crate::conn::timers::Due;
use crate::error::{Refused, aborted, port_closed};
use crate::file::Files;
use crate::foreign::Waits;
use crate::op::Op;
use crate::op::packet::Packet;
use crate::panics::Panics;
use crate::protocol::Protocol;
use crate::sched::metrics::Queued;
use crate::sched::{Deadline, Job, Scheduler, TakeError};
use crate::sync::unmodelled::AtomicU64;
use crate::sys::{DriverReport, Event};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) struct Inner<P: Protocol> {
    pub(crate) connections: Arc<Connections<Op<P>>>,
    pub(crate) files: Files<P>,
    pub(crate) waits: Waits<P>,
    pub(crate) report: DriverReport,
    pub(super) signals: Watching,
    posted: AtomicU64,
}

impl<P: Protocol> Inner<P> {
    pub(crate) fn new(
        scheduler: Arc<Scheduler<Packet<P>>>,
        files: Files<P>,
        report: DriverReport,
        pool: Arc<Pool>,
        discard: Discard<Packet<P>>,
    ) -> Self {
        Self {
            connections: Connections::new(scheduler, pool, discard),
            files,
            waits: Default::default(),
            report,
            signals: Default::default(),
            posted: AtomicU64::new(0),
        }
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler<Packet<P>>> {
        &self.connections.scheduler
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connections.is_closed()
    }

    /// Queues a message the way that `queue` does it.
    pub(super) fn post(
        &self,
        message: P::Message,
        queue: impl FnOnce(&Self, Packet<P>) -> Result<(), Packet<P>>,
    ) -> Result<(), Refused<P::Message>> {
        match queue(self, Packet::Posted(message)) {
            Ok(()) => {
                self.posted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(Packet::Posted(message)) => Err(Refused::new(port_closed(), message)),
            Err(_) => unreachable!("a refused packet is the one that was given"),
        }
    }

    /// Queues the packet of an operation that completed while the calling thread started it.
    pub(crate) fn queue_own(&self, packet: Packet<P>) -> Result<(), Packet<P>> {
        self.connections.queue_own(packet)
    }

    pub(crate) fn queue(&self, packet: Packet<P>) -> Result<(), Packet<P>> {
        self.connections.queue(packet)
    }

    #[inline]
    pub(crate) fn take(self: &Arc<Self>, deadline: Deadline) -> Result<Packet<P>, TakeError> {
        let taken = self.take_undelivered(deadline);
        if let Ok(packet) = &taken {
            self.delivered(packet);
        }
        taken
    }

    /// Takes a packet that may still be put back.
    pub(crate) fn take_undelivered(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Packet<P>, TakeError> {
        let mut waited = false;
        loop {
            match self.scheduler().take_bound(deadline) {
                Ok(Job::Packet(packet)) => return Ok(packet),
                Ok(job) => {
                    if let Some(packet) = self.carry_out(job) {
                        return Ok(packet);
                    }
                }
                Err(error) => return Err(self.nothing_taken(error, waited)),
            }
            waited = true;
        }
    }

    #[cold]
    fn nothing_taken(&self, error: TakeError, waited: bool) -> TakeError {
        if self.is_closed() {
            cache::forget_closed();
        }
        match error {
            TakeError::Closed if waited => TakeError::Abandoned,
            error => error,
        }
    }

    /// Adds what a thread that has taken a packet may have besides, without waiting, until there
    /// are `max` packets.
    pub(crate) fn take_more(&self, packets: &mut VecDeque<Packet<P>>, max: usize) {
        self.scheduler().take_more(max - packets.len(), |job| {
            packets.extend(self.carry_out(job));
            max - packets.len()
        });
    }

    /// A packet reaches its user: its operation is owed nothing any more, and an accept window posts
    /// the accept anew.
    #[inline(always)]
    pub(crate) fn delivered(&self, packet: &Packet<P>) {
        match packet {
            Packet::Received { stream, .. } | Packet::ReceivedScattered { stream, .. } => {
                stream.0.handed_out(Direction::Receive)
            }
            Packet::Sent { stream, .. }
            | Packet::Connected { stream, .. }
            | Packet::Disconnected { stream, .. }
            | Packet::Transmitted { stream, .. } => stream.0.handed_out(Direction::Send),
            Packet::Accepted { listener, .. } => accept_window::taken(&listener.0),
            // Nothing of their handles completes in place.
            _ => {}
        }
    }

    /// Performs what an event allows. Each packet is queued; for the first one the oldest packet of
    /// the queue is returned, which mostly is the same.
    ///
    /// Values of the user's may be dropped on the way. Should that panic, the thread gets its packet
    /// all the same.
    #[inline(never)]
    pub(super) fn perform(&self, event: Event) -> Option<Packet<P>> {
        let mut packet = None;
        let mut delivery = Delivery::by(By::Performer(&mut packet));
        if event.is_of_a_socket() {
            self.connections.perform(event, &mut delivery);
        } else {
            self.perform_own(event, &mut delivery);
        }
        delivery.finish();
        packet
    }

    /// For an event that is of no socket.
    #[inline(never)]
    fn perform_own(&self, event: Event, delivery: &mut Delivery<Op<P>>) {
        match event.token {
            Event::ALARM => self.ring(delivery),
            Event::SIGNAL => self.take_signals(delivery),
            Event::FILES => {
                for completed in self.files.reap() {
                    delivery.add(&self.connections, completed.into());
                }
            }
            _ => {
                if let Some(completed) = self.waits.complete(event) {
                    delivery.add(&self.connections, completed.into());
                }
            }
        }
    }

    /// The alarm has rung.
    fn ring(&self, delivery: &mut Delivery<Op<P>>) {
        let connections = &self.connections;
        for due in connections.timers.take_due(&connections.scheduler) {
            if let Some(operation) = connections.ring(due, delivery) {
                delivery.add(connections, Packet::Timer { operation, result: Ok(()) });
            }
        }
    }

    pub(crate) fn put_back(&self, packets: VecDeque<Packet<P>>) {
        if let Err(refused) = self.scheduler().put_back_own(packets) {
            // By a closed port. No lock is held here.
            let mut panics = Panics::default();
            self.connections
                .discard
                .take_each(&mut panics, refused.into_iter().map(Queued::into_packet));
            panics.resume();
        }
    }

    pub(crate) fn close(self: &Arc<Self>) {
        if self.connections.set_closed() {
            return;
        }
        let mut panics = Panics::default();
        // Before anybody's wait ends: each thread frees what it keeps of a closed pool.
        self.connections.pool.close();
        self.unwatch_signals();
        let discard = &self.connections.discard;
        let queued = self.scheduler().close().into_iter().map(Queued::into_packet);
        discard.take_each(&mut panics, queued);
        let timers = self.connections.timers.close().filter_map(Due::into_operation);
        let aborted = |operation| Packet::Timer { operation, result: Err(aborted()) };
        discard.take_each(&mut panics, timers.map(aborted));
        panics.run(|| self.files.close());
        discard.take_each(&mut panics, self.waits.close().map(Packet::from));
        self.connections.discard_all(&mut panics);
        self.drain();
        panics.resume();
    }

    /// Whether there is something that a thread could take, though none does now.
    pub(crate) fn work_waits(&self) -> bool {
        self.scheduler().any_work_waits() || self.finished() > 0
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let finished = self.finished();
        let sizes = self.scheduler().sizes();
        Snapshot {
            devices: self.connections.table.count() + self.files.count() + self.waits.count(),
            queued: sizes.queued + finished,
            waiting: sizes.waiting,
            released: sizes.released,
            paused: sizes.paused,
            concurrency: self.scheduler().concurrency(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let finished = self.finished() as u64;
        let counts = self.scheduler().counts();
        Counters {
            queued: counts.queued + finished,
            taken: counts.taken,
            completed_in_place: self.connections.completed_in_place(),
            posted: self.posted.load(Ordering::Relaxed),
            released_on_block: counts.released_on_block,
            over_limit_moments: counts.over_limit_moments,
            monitor_looks: counts.monitor_looks,
            accept_deferrals: self.connections.deferrals(),
            queue_delay: self.scheduler().delays(),
        }
    }
}
