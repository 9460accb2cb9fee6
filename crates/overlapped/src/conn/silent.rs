//! Connections of a listener that were accepted, and whose first data is awaited.
//!
//! Such a connection is in the table like any other, in a state of its own. Nobody has a handle of it:
//! what is in flight there is the accept, which holds the listener (X27, X29). It leaves the table
//! when its packet is made.

use super::accept_window::Admission;
use super::connection::ConnectionState;
use super::connections::Connections;
use super::delivery::{By, Delivery};
use super::locked::Locked;
use super::operation::{Direction, Operation, Pending};
use super::sockets::TcpSocket;
use super::timers::{Due, TimerId};
use crate::error::{Refused, aborted};
use crate::sync::unmodelled::AtomicUsize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Counts one silent connection until its packet is made, and names it.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(super) number: u64,
    pub(super) count: Arc<AtomicUsize>,
}

impl Silent {
    /// Its number among those of its listener.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A silent connection, as its listener knows it: its token, and the timer that ends its silence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) token: u64,
    pub(super) silence: Option<TimerId>,
}

/// A connection that is silent no longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// The token of the listener, and the connection's number there.
    listener: u64,
    number: u64,
    token: u64,
}

impl<O: Operation> Locked<'_, O> {
    /// On a listener: a place for one more silent connection, if need be that of the one that has been
    /// silent longest. `None` when the limit on connections is reached by others, or there is no
    /// window any more.
    pub(crate) fn place_for_silent(
        &mut self,
        delivery: &mut Delivery<O>,
    ) -> Option<Option<Admission>> {
        loop {
            let accepting = self.rare.accepting_mut()?;
            if accepting.has_room_for_silent() {
                return Some(accepting.admit());
            }
            let Held { token, silence } = accepting.pop_oldest_held()?;
            if let Some(silence) = silence {
                self.connections.timers.cancel(silence);
            }
            let given_up = self.connections.find(token);
            if let Some(place) = given_up.and_then(|mut oldest| oldest.give_up(delivery)) {
                return Some(place);
            }
        }
    }

    /// On a listener: takes a connection into the table, and gives its token.
    pub(crate) fn insert_silent(
        &mut self,
        socket: TcpSocket,
        delivery: &mut Delivery<O>,
    ) -> io::Result<u64> {
        self.connections.insert(socket, ConnectionState::Silent).map_err(|refused| {
            let Refused { error, returned, .. } = refused;
            delivery.later().discarded.push(returned);
            error
        })
    }

    /// On a listener: counts one more silent connection.
    pub(crate) fn count_silent(&mut self) -> Option<Silent> {
        self.rare.accepting_mut().map(|accepting| accepting.count_silent())
    }

    /// On a listener: has the silent connection `token` wait for its first data with the accept that
    /// yielded it. That is not posted any more, so the window is filled again.
    pub(crate) fn hold(
        &mut self,
        token: u64,
        number: u64,
        pending: Pending<O>,
        delivery: &mut Delivery<O>,
    ) {
        let connections = self.connections;
        if let Some(accepting) = self.rare.accepting_mut() {
            let limit = accepting.silence_limit();
            let silence =
                connections.timers.start(&connections.scheduler, limit, Due::Silence(token));
            accepting.hold(number, Held { token, silence: silence.ok() });
        }
        delivery.later().refills.push(pending.holder.clone());
        match connections.find(token) {
            Some(mut silent) => {
                silent.push(Direction::Receive, pending);
                silent.advance(delivery);
            }
            // The port was closed meanwhile, and refuses the packet where no lock is held.
            None => delivery.add(connections, pending.aborted()),
        }
    }

    /// On a silent connection: its socket, for the packet. The connection leaves the table.
    pub(crate) fn take_silent(
        &mut self,
        listener: u64,
        silent: &Silent,
        delivery: &mut Delivery<O>,
    ) -> Option<TcpSocket> {
        let ended = Ended { listener, number: silent.number, token: self.token };
        delivery.later().ended_silences.push((Arc::clone(self.connections), ended));
        let socket = self.take_socket()?;
        self.connections.scheduler.backend().deregister(&socket.socket);
        Some(socket)
    }

    /// Ends a silent connection and gives its place; `None` when its packet is on its way already.
    fn give_up(&mut self, delivery: &mut Delivery<O>) -> Option<Option<Admission>> {
        let mut pending = self.pop(Direction::Receive)?;
        let admission = self.admission.take();
        pending.operation.fail(aborted());
        self.deliver(pending, delivery);
        Some(admission)
    }
}

/// Ends the silent connection that has this token, if it is still silent.
pub(super) fn end<O: Operation>(connections: &Arc<Connections<O>>, token: u64) {
    let mut delivery = Delivery::by(By::Other);
    let silent = connections.find(token).filter(|at| at.state == ConnectionState::Silent);
    if let Some(mut silent) = silent
        && let Some(admission) = silent.give_up(&mut delivery)
    {
        delivery.later().admissions.extend(admission);
    }
    delivery.finish();
}

/// The time for which a client may be silent is over: for the connection with this token; where the
/// kernel waits for first data, for those of the listener with this token, which have to be looked for.
pub(super) fn end_silence<O: Operation>(connections: &Arc<Connections<O>>, token: u64) {
    if !connections.watch_silent_accepts(token) {
        end(connections, token);
    }
}

/// Takes what has ended from its listener's list and out of the table.
pub(super) fn forget<O: Operation>(connections: &Arc<Connections<O>>, ended: Ended) {
    let listener = connections.find(ended.listener);
    let held = listener.and_then(|mut at| at.rare.accepting_mut()?.forget_held(ended.number));
    if let Some(silence) = held.and_then(|held| held.silence) {
        connections.timers.cancel(silence);
    }
    connections.remove(ended.token);
}
