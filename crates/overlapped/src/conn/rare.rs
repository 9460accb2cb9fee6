//! What few connections have, out of the way of those that have not.

use super::accept_window::Accepting;
use super::limits::Limits;
use super::operation::Operation;
use std::net::SocketAddrV6;

/// What is rare of one connection, if there is any of it.
pub(crate) struct Rare<O: Operation>(Option<Box<Parts<O>>>);

struct Parts<O: Operation> {
    /// Of a listener: its window.
    accepting: Option<Box<Accepting<O>>>,
    /// An address that is too large for its place.
    peer: Option<SocketAddrV6>,
    /// What is limited in time.
    limits: Option<Box<Limits>>,
}

impl<O: Operation> Rare<O> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    fn parts(&mut self) -> &mut Parts<O> {
        let none = || Box::new(Parts { accepting: None, peer: None, limits: None });
        self.0.get_or_insert_with(none)
    }

    pub(crate) fn accepting(&self) -> Option<&Accepting<O>> {
        self.0.as_ref()?.accepting.as_deref()
    }

    pub(crate) fn accepting_mut(&mut self) -> Option<&mut Accepting<O>> {
        self.0.as_mut()?.accepting.as_deref_mut()
    }

    pub(super) fn set_accepting(&mut self, accepting: Option<Box<Accepting<O>>>) {
        self.parts().accepting = accepting;
    }

    pub(super) fn take_accepting(&mut self) -> Option<Box<Accepting<O>>> {
        self.0.as_mut()?.accepting.take()
    }

    pub(super) fn limits_mut(&mut self) -> Option<&mut Limits> {
        self.0.as_mut()?.limits.as_deref_mut()
    }

    /// The limits, and such that do not limit if there were none.
    pub(super) fn limits_or_new(&mut self, new: impl FnOnce() -> Limits) -> &mut Limits {
        self.parts().limits.get_or_insert_with(|| Box::new(new()))
    }

    pub(super) fn peer(&self) -> Option<SocketAddrV6> {
        self.0.as_ref()?.peer
    }

    pub(super) fn set_peer(&mut self, peer: SocketAddrV6) {
        self.parts().peer = Some(peer);
    }
}
