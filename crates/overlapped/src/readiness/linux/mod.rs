//! Readiness on Linux, made of `poll` and one epoll instance for each window, without hidden
//! threads.
//!
//! - [`record`]: when a network event is recorded; knows no system call.
//! - [`core`]: one socket, the calls on it, and to whom it reports.
//! - [`window`]: the queue of messages and who fills it.
//! - [`select`]: what `poll` says, in the words of a select.
//!
//! Locks are taken in this order: a listener, the socket it accepted, then the event object, or the
//! window's list of sockets, or its queue. None of the latter three is held while anything is called.

mod core;
pub(super) mod record;
mod select;
mod window;

pub(super) use self::select::select;
pub(super) use window::Window;

use self::core::Core;
use super::{NetworkEvents, NetworkRecord, SocketId};
use crate::driver::system::SystemSocket;
use crate::notify::EventObject;
use record::Phase;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

/// A socket, as its user holds it: the last one to be dropped, but for threads that are just looking
/// at it.
pub(super) struct Socket(Arc<Core>);

/// What a socket was when it came to us.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Fresh,
    Connected,
    Listening,
    Datagram,
}

impl Socket {
    pub(super) fn new(id: SocketId, system: SystemSocket, kind: Kind) -> Self {
        let phase = match kind {
            Kind::Fresh => Phase::Fresh,
            Kind::Connected => Phase::Connected,
            Kind::Listening => Phase::Listening,
            Kind::Datagram => Phase::Datagram,
        };
        Self(Core::new(id, system, phase))
    }

    fn core(&self) -> &Core {
        &self.0
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.receive(buffer)
    }

    pub(super) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.receive_urgent(buffer)
    }

    pub(super) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.0.send(data)
    }

    pub(super) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.0.send_urgent(data)
    }

    pub(super) fn accept(&self, id: SocketId) -> io::Result<(Self, SocketAddr)> {
        self.0.accept(id).map(|(accepted, from)| (Self(accepted), from))
    }

    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.0.connect(address)
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    pub(super) fn abort(&self) -> io::Result<()> {
        self.0.system.set_linger(Some(std::time::Duration::ZERO))
    }

    pub(super) fn connect_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.0.connect_error())
    }

    pub(super) fn set_blocking(&self, on: bool) -> io::Result<()> {
        self.0.set_blocking(on)
    }

    pub(super) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.system.set_nodelay(on)
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.system.local_addr()
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.system.peer_addr()
    }

    pub(super) fn select_events(&self, event: &EventObject, mask: NetworkEvents) -> io::Result<()> {
        self.0.select_events(event, mask)
    }

    pub(super) fn select_messages(
        &self,
        window: &Arc<Window>,
        message: u32,
        mask: NetworkEvents,
    ) -> io::Result<()> {
        self.0.select_messages(window, message, mask)
    }

    pub(super) fn select_nothing(&self) -> io::Result<()> {
        self.0.select_nothing()
    }

    pub(super) fn enumerate(&self, event: Option<&EventObject>) -> io::Result<NetworkRecord> {
        Ok(self.0.enumerate(event))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.close();
    }
}
