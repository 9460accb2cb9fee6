//! One handle for one connection after another: disconnect, and the accept into a stream.
//!
//! A stream that waits for an accept is *reserved*: the accept is an operation of the listener's
//! and holds the stream, and the stream knows the listener so that closing it can end the accept.

use super::core::{Core, Handle, WeakHandle};
use super::delivery::{By, Delivery};
use super::state::{Link, State};
use crate::driver::socket::Socket;
use crate::operation::accept_into::AcceptInto;
use crate::operation::disconnect::Disconnect;
use crate::operation::{Task, aborted};
use crate::port::Protocol;
use crate::port::inner::Inner;
use crate::sync::MutexGuard;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

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

impl<P: Protocol> State<P> {
    /// The handle's next connection begins from here.
    fn forget_connection(&mut self, link: Link, peer: Option<SocketAddr>) {
        self.link = link;
        self.peer = peer;
        self.ended = false;
        self.lost = None;
        self.shut_receive = false;
        self.shut_send = false;
        self.end_when_sent = false;
        self.connected_at = (link == Link::Connected).then(Instant::now);
        self.receive.set_ready();
        self.send.set_ready();
    }

    /// Puts `socket` behind the handle and closes the one before.
    ///
    /// Both have the same token: an event of the old one that another thread still holds says at
    /// the most that an attempt is worth a call.
    fn replace_socket(&mut self, socket: Socket, port: &Inner<P>, token: u64) -> io::Result<()> {
        port.scheduler.backend().register(&socket, token)?;
        #[cfg(windows)]
        self.settle_held();
        if let Some(old) = self.socket.replace(socket) {
            port.scheduler.backend().deregister(&old);
        }
        Ok(())
    }
}

impl<P: Protocol> Handle<P> {
    pub(crate) fn of(core: Arc<Core<P>>) -> Self {
        Self(core)
    }

    pub(crate) fn core(&self) -> &Arc<Core<P>> {
        &self.0
    }

    pub(crate) fn has_ended_sending(&self) -> bool {
        self.0.state.lock().shut_send
    }

    /// A disconnect was performed: the receives in flight end, and the handle is free.
    pub(super) fn disconnected(
        &self,
        state: &mut MutexGuard<'_, State<P>>,
        disconnect: &mut Disconnect,
        delivery: &mut Delivery<P>,
    ) {
        let port = &self.0.port;
        if let Some(fresh) = disconnect.fresh.take()
            && let Err(error) = state.replace_socket(fresh, port, self.0.token)
        {
            disconnect.result = Err(error);
            state.link = Link::Connected;
            state.shut_send = true;
            return;
        }
        while let Some(pending) = state.receive.pop() {
            delivery.add(port, pending.aborted());
        }
        state.forget_connection(Link::Unconnected, None);
        delivery.later().admissions.extend(state.admission.take());
    }

    /// Keeps the stream for an accept of `listener`, or says why it cannot be.
    pub(crate) fn reserve_for(&self, listener: &Self) -> io::Result<()> {
        if !Arc::ptr_eq(&self.0.port, &listener.0.port) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the stream belongs to another port than the listener",
            ));
        }
        let mut state = self.0.state.lock();
        state.admits_accept_into()?;
        state.link = Link::Reserved;
        self.0.port.reservations.lock().insert(self.0.token, listener.downgrade());
        Ok(())
    }

    /// The accept that the stream was kept for has failed.
    pub(crate) fn release(&self) {
        let mut state = self.0.state.lock();
        drop(self.take_reservation(&state));
        if state.link == Link::Reserved {
            state.link = Link::Unconnected;
        }
    }

    /// The listener whose accept the stream is kept for, if it is; it is no longer, then.
    pub(super) fn take_reservation(&self, state: &State<P>) -> Option<WeakHandle<P>> {
        let is_reserved = state.link == Link::Reserved;
        is_reserved.then(|| self.0.port.reservations.lock().remove(&self.0.token)).flatten()
    }

    /// An accept has its connection: it goes to the stream that was kept for it.
    pub(super) fn hand_over(&self, into: &mut AcceptInto) {
        let stream: Self = into.stream();
        let mut state = stream.0.state.lock();
        let connection = into.socket.take();
        let adopted = match connection {
            _ if state.socket.is_none() => Err(aborted()),
            Some(socket) => state.replace_socket(socket, &self.0.port, stream.0.token),
            None => Ok(()),
        };
        match adopted {
            Err(error) => into.result = Err(error),
            Ok(()) => {
                drop(stream.take_reservation(&state));
                state.origin = Origin::Accepted;
                let peer = into.result.as_ref().ok().map(|addresses| addresses.1);
                state.forget_connection(Link::Connected, peer);
            }
        }
    }

    /// Completes the accept into `stream` as aborted, if it waits.
    pub(crate) fn cancel_accept_into(&self, stream: &Self) {
        let mut state = self.0.state.lock();
        let is_it = |task: &Task| match task {
            Task::AcceptInto(into) => Arc::ptr_eq(into.stream::<P>().core(), stream.core()),
            _ => false,
        };
        let Some(pending) = state.receive.remove(|pending| is_it(&pending.task)) else {
            #[cfg(windows)]
            state.cancel_held_accept_into(Arc::as_ptr(stream.core()).addr());
            return;
        };
        let mut delivery = Delivery::by(By::Other);
        delivery.add(&self.0.port, pending.aborted());
        drop(state);
        delivery.finish();
    }
}
