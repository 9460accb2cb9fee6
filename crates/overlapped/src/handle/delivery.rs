//! Where the packets of one event go, and what must wait until no lock is held.

use super::accepting::refill;
use super::core::Handle;
use super::{Admission, TcpSocket};
use crate::panics::Panics;
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::port::packet::Packet;

/// Whose packets these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A thread that performs an event for a packet: the first one is for it.
    Performer,
    /// A thread whose operation completed while it was started.
    Starter,
    /// Anybody else: cancel, close.
    Other,
}

/// The packets that one step yields: each goes into the queue, and a performer takes one out.
/// What must not be dropped under a lock is kept until the end.
pub(crate) struct Delivery<P: Protocol> {
    by: By,
    first: Option<Packet<P>>,
    /// Rarely there.
    later: Option<Box<Later<P>>>,
}

/// What is to be done when no lock is held any more.
pub(super) struct Later<P: Protocol> {
    pub(super) refused: Vec<Packet<P>>,
    pub(super) finished_holds: Vec<(Handle<P>, u64)>,
    /// Listeners one of whose posted accepts has become a silent connection.
    pub(super) refills: Vec<Handle<P>>,
    /// Shares in silent connections that were given up. The last one may give back a place under
    /// the listener's limit.
    pub(super) given_up: Vec<Handle<P>>,
    /// Connections that failed. With one its place under the listener's limit is given back,
    /// which takes the listener's lock.
    pub(super) discarded: Vec<TcpSocket>,
    /// Places under a listener's limit of connections that were disconnected.
    pub(super) admissions: Vec<Admission>,
}

impl<P: Protocol> Default for Later<P> {
    fn default() -> Self {
        Self {
            refused: Vec::new(),
            finished_holds: Vec::new(),
            refills: Vec::new(),
            given_up: Vec::new(),
            discarded: Vec::new(),
            admissions: Vec::new(),
        }
    }
}

impl<P: Protocol> Delivery<P> {
    pub(crate) fn by(by: By) -> Self {
        Self { by, first: None, later: None }
    }

    pub(super) fn later(&mut self) -> &mut Later<P> {
        self.later.get_or_insert_default()
    }

    pub(crate) fn add(&mut self, port: &Inner<P>, packet: Packet<P>) {
        let queued = match self.by {
            By::Performer if self.first.is_none() => {
                self.first = Some(port.exchange(packet));
                return;
            }
            By::Starter => port.queue_own(packet),
            By::Performer | By::Other => port.queue(packet),
        };
        if let Err(packet) = queued {
            self.later().refused.push(packet);
        }
    }

    /// To be called without any lock held.
    pub(crate) fn finish(self) -> Option<Packet<P>> {
        if let Some(later) = self.later {
            let Later { refused, finished_holds, refills, given_up, discarded, admissions } =
                *later;
            let mut panics = Panics::default();
            for (listener, number) in finished_holds {
                panics.run(|| listener.forget_held(number));
                panics.run(|| drop(listener));
            }
            panics.drop_each(refused);
            panics.drop_each(given_up);
            panics.drop_each(discarded);
            panics.drop_each(admissions);
            for listener in refills {
                panics.run(|| refill(&listener));
                panics.run(|| drop(listener));
            }
            // A thread that takes packets has no part in it, and is owed its own.
            if self.by != By::Performer {
                panics.resume();
            }
        }
        self.first
    }
}
