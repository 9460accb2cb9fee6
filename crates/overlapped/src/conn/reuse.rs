//! One handle for one connection after another: disconnect, and the accept into a stream.
//!
//! A stream that waits for an accept is *reserved*: the accept is an operation of the listener's
//! and holds the stream, and the port knows the listener so that closing the stream can end the
//! accept.

use super::connection::{Connection, ConnectionState};
use super::connections::Connections;
use super::delivery::{By, Delivery};
use super::facts::Moment;
use super::handle::Handle;
use super::locked::Locked;
use super::operation::Operation;
use crate::error::aborted;
use crate::sys::socket::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a socket's connection came from, which decides how its handle may be used again (X64).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There was none.
    Fresh,
    Accepted,
    Connected,
    /// A connect was cancelled, and the system may have gone on with it.
    Cancelled,
    /// It was made by the standard library.
    Unknown,
}

impl<O: Operation> Connection<O> {
    /// The handle's next connection begins from here.
    fn forget_connection(&mut self, state: ConnectionState, peer: Option<SocketAddr>) {
        self.state = state;
        self.set_peer(peer);
        self.ended = false;
        self.forget_loss();
        self.shut_receive = false;
        self.shut_send = false;
        self.end_when_sent = false;
        self.receive_size.take();
        self.connected_at = (state == ConnectionState::Connected).then(Moment::now);
        self.set_ready();
    }
}

impl<O: Operation> Locked<'_, O> {
    /// Puts `socket` behind the handle and closes the one before, after `last` has had it.
    ///
    /// Both have the same token: an event of the old one that another thread still holds says at
    /// the most that an attempt is worth a call.
    fn replace_socket(&mut self, socket: Socket, last: impl FnOnce(&Socket)) -> io::Result<()> {
        self.connections.scheduler.backend().register(&socket, self.token)?;
        self.settle_in_kernel();
        if let Some(old) = self.socket.replace(socket) {
            last(&old);
            self.connections.scheduler.backend().deregister(&old);
        }
        Ok(())
    }

    /// A disconnect was performed: the receives in flight end, and the handle is free. `fresh` takes
    /// the socket's place, which goes to `last` before it is closed.
    pub(crate) fn disconnected(
        &mut self,
        fresh: Option<Socket>,
        last: impl FnOnce(&Socket),
        delivery: &mut Delivery<O>,
    ) -> io::Result<()> {
        if let Err(error) = fresh.map_or(Ok(()), |fresh| self.replace_socket(fresh, last)) {
            self.state = ConnectionState::Connected;
            self.shut_send = true;
            return Err(error);
        }
        while let Some(pending) = self.receive.pop() {
            delivery.add(self.connections, pending.aborted());
        }
        self.forget_connection(ConnectionState::Unconnected, None);
        delivery.later().admissions.extend(self.admission.take());
        Ok(())
    }

    /// The listener whose accept the stream is kept for, if it is; it is no longer, then.
    pub(super) fn take_reservation(&self) -> Option<u64> {
        let is_reserved = self.state == ConnectionState::Reserved;
        is_reserved.then(|| self.connections.reservations.lock().remove(&self.token)).flatten()
    }
}

impl<O: Operation> Handle<O> {
    /// Keeps the stream for an accept of `listener`, or says why it cannot be.
    pub(crate) fn reserve_for(&self, listener: &Self) -> io::Result<()> {
        if !Arc::ptr_eq(self.connections(), listener.connections()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the stream belongs to another port than the listener",
            ));
        }
        let mut at = self.lock();
        at.admits_accept_into()?;
        at.state = ConnectionState::Reserved;
        self.connections().reservations.lock().insert(self.token(), listener.token());
        Ok(())
    }

    /// The accept that the stream was kept for has failed.
    pub(crate) fn release(&self) {
        let mut at = self.lock();
        at.take_reservation();
        if at.state == ConnectionState::Reserved {
            at.state = ConnectionState::Unconnected;
        }
    }

    /// An accept has its connection: it goes to this stream, which was kept for it.
    pub(crate) fn adopt(&self, socket: Option<Socket>, peer: SocketAddr) -> io::Result<()> {
        let mut at = self.lock();
        at.open_socket().map_err(|_| aborted())?;
        if let Some(socket) = socket {
            at.replace_socket(socket, |_| ())?;
        }
        at.take_reservation();
        at.origin = Origin::Accepted;
        at.forget_connection(ConnectionState::Connected, Some(peer));
        Ok(())
    }
}

impl<O: Operation> Connections<O> {
    /// Completes the accept of `listener` into `stream` as aborted, if it waits.
    pub(crate) fn cancel_accept_into(self: &Arc<Self>, listener: u64, stream: u64) {
        let Some(mut at) = self.find(listener) else { return };
        let is_it = |operation: &O| operation.accepts_into() == Some(stream);
        let Some(pending) = at.receive.remove(|pending| is_it(&pending.operation)) else {
            at.cancel_accept_in_kernel(stream);
            return;
        };
        let mut delivery = Delivery::by(By::Other);
        delivery.add(self, pending.aborted());
        drop(at);
        delivery.finish();
    }
}
