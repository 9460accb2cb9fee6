//! Where the packets of one event go, and what must wait until no lock is held.

use super::TcpSocket;
use super::core::Handle;
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::port::packet::Packet;

/// The packets that an event yields: the first for the thread that performs it, if it wants one,
/// the others queued at once. What must not be dropped under a lock is kept until the end.
pub(crate) struct Delivery<P: Protocol> {
    wants_first: bool,
    first: Option<Packet<P>>,
    /// Rarely there.
    later: Option<Box<Later<P>>>,
}

/// What is to be done when no lock is held any more.
pub(super) struct Later<P: Protocol> {
    pub(super) refused: Vec<Packet<P>>,
    pub(super) finished_holds: Vec<(Handle<P>, u64)>,
    /// Connections that failed. With one its place under the listener's limit is given back,
    /// which takes the listener's lock.
    pub(super) discarded: Vec<TcpSocket>,
}

impl<P: Protocol> Default for Later<P> {
    fn default() -> Self {
        Self { refused: Vec::new(), finished_holds: Vec::new(), discarded: Vec::new() }
    }
}

impl<P: Protocol> Delivery<P> {
    pub(crate) fn new(wants_first: bool) -> Self {
        Self { wants_first, first: None, later: None }
    }

    pub(super) fn later(&mut self) -> &mut Later<P> {
        self.later.get_or_insert_default()
    }

    pub(crate) fn add(&mut self, port: &Inner<P>, packet: Packet<P>) {
        if self.wants_first && self.first.is_none() {
            self.first = Some(port.exchange(packet));
        } else if let Err(packet) = port.queue(packet) {
            self.later().refused.push(packet);
        }
    }

    /// To be called without any lock held.
    pub(crate) fn finish(self) -> Option<Packet<P>> {
        if let Some(later) = self.later {
            for (listener, token) in later.finished_holds {
                listener.forget_held(token);
            }
        }
        self.first
    }
}
