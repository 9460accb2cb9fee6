//! Where the packets of one event go, and what must wait until no lock is held.

use super::accept_window::{Admission, refill};
use super::connections::Connections;
use super::discard::Discard;
use super::handle::Handle;
use super::operation::{Operation, Pending};
use super::silent;
use super::sockets::TcpSocket;
use crate::panics::Panics;
use crate::sched::binding::Wakeups;
use std::sync::Arc;

/// Whose packets these are.
pub(crate) enum By<'a, O: Operation> {
    /// A thread that performs an event for a packet: the first one is for it, and goes here.
    Performer(&'a mut Option<O::Packet>),
    /// A thread whose operation completed while it was started.
    Starter,
    /// Anybody else: cancel, close.
    Other,
}

/// The packets that one step yields: each goes into the queue, and a performer takes one out.
/// What must not be dropped under a lock is kept until the end.
pub(crate) struct Delivery<'a, O: Operation> {
    by: By<'a, O>,
    /// Rarely there.
    later: Option<Box<Later<O>>>,
}

/// What is to be done when no lock is held any more.
pub(crate) struct Later<O: Operation> {
    /// Waking a thread is a call of the system's.
    wakeups: Vec<Wakeups<O::Packet>>,
    refused: Vec<(Discard<O::Packet>, O::Packet)>,
    /// Connections of a listener, by its token and their number, that are silent no longer, and whose
    /// slot in the table is free.
    pub(super) ended_silences: Vec<(Arc<Connections<O>>, silent::Ended)>,
    /// Listeners one of whose posted accepts has become a silent connection.
    pub(super) refills: Vec<Handle<O>>,
    /// Connections that failed. With one its place under the listener's limit is given back,
    /// which takes the listener's lock.
    pub(crate) discarded: Vec<TcpSocket>,
    /// Places under a listener's limit of connections that were disconnected.
    pub(crate) admissions: Vec<Admission>,
    /// Quiet operations that have succeeded.
    pub(crate) quiet: Vec<Pending<O>>,
}

impl<O: Operation> Default for Later<O> {
    fn default() -> Self {
        Self {
            wakeups: Vec::new(),
            refused: Vec::new(),
            ended_silences: Vec::new(),
            refills: Vec::new(),
            discarded: Vec::new(),
            admissions: Vec::new(),
            quiet: Vec::new(),
        }
    }
}

impl<'a, O: Operation> Delivery<'a, O> {
    #[inline]
    pub(crate) fn by(by: By<'a, O>) -> Self {
        Self { by, later: None }
    }

    pub(crate) fn later(&mut self) -> &mut Later<O> {
        self.later.get_or_insert_default()
    }

    /// Queues a packet of which its connection owes no older one of that direction.
    #[inline]
    pub(crate) fn add(&mut self, connections: &Connections<O>, packet: O::Packet) {
        self.add_of(connections, packet, true);
    }

    /// The same for one that may not be the `first` that is owed. The thread that performed it may take
    /// the first one at once; an older one may lie in the thread's own queue, behind the event that has
    /// completed this one (P150).
    #[inline(always)]
    pub(super) fn add_of(
        &mut self,
        connections: &Connections<O>,
        packet: O::Packet,
        is_first: bool,
    ) {
        if is_first
            && let By::Performer(first) = &mut self.by
            && first.is_none()
        {
            if connections.scheduler.passes_own() {
                **first = Some(packet);
            } else {
                let (oldest, wakeups) = connections.scheduler.exchange_own(packet);
                **first = oldest;
                self.put_off(wakeups);
            }
            return;
        }
        self.queue(connections, packet);
    }

    #[inline(never)]
    fn queue(&mut self, connections: &Connections<O>, packet: O::Packet) {
        match &self.by {
            By::Starter => self.queue_own(connections, packet),
            By::Performer(_) | By::Other => {
                self.queued(connections, connections.scheduler.queue(packet))
            }
        }
    }

    /// Queues the packet of an operation that completed while the calling thread started it.
    #[inline(never)]
    pub(super) fn queue_own(&mut self, connections: &Connections<O>, packet: O::Packet) {
        self.queued(connections, connections.scheduler.queue_own(packet));
    }

    #[inline(always)]
    fn queued(
        &mut self,
        connections: &Connections<O>,
        queued: Result<Option<Wakeups<O::Packet>>, O::Packet>,
    ) {
        match queued {
            Ok(wakeups) => self.put_off(wakeups),
            Err(packet) => self.refuse(&connections.discard, packet),
        }
    }

    #[inline(always)]
    fn put_off(&mut self, wakeups: Option<Wakeups<O::Packet>>) {
        if let Some(wakeups) = wakeups {
            self.put_off_some(wakeups);
        }
    }

    #[inline(never)]
    fn put_off_some(&mut self, wakeups: Wakeups<O::Packet>) {
        self.later().wakeups.push(wakeups);
    }

    /// A closed port has refused a packet, which must not be discarded under a lock.
    #[cold]
    fn refuse(&mut self, discard: &Discard<O::Packet>, packet: O::Packet) {
        self.later().refused.push((discard.clone(), packet));
    }

    /// To be called without any lock held.
    #[inline(always)]
    pub(crate) fn finish(self) {
        let Self { by, later } = self;
        if let Some(later) = later {
            later.finish(matches!(by, By::Performer(_)));
        }
    }
}

impl<O: Operation> Later<O> {
    #[inline(never)]
    fn finish(self, by_performer: bool) {
        let mut panics = Panics::default();
        drop(self.wakeups);
        for (connections, ended) in self.ended_silences {
            panics.run(|| silent::forget(&connections, ended));
        }
        for (discard, packet) in self.refused {
            panics.run(|| discard.take(packet));
        }
        panics.drop_each(self.discarded);
        panics.drop_each(self.admissions);
        panics.drop_each(self.quiet);
        for listener in self.refills {
            panics.run(|| refill(&listener));
            panics.run(|| drop(listener));
        }
        // A thread that takes packets has no part in it, and is owed its own.
        if !by_performer {
            panics.resume();
        }
    }
}
