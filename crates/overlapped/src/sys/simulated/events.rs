//! The readiness driver's side: registration, the queue of edges, the alarm, the look, and the wait.

use super::faults::Call;
use super::kicks::{Kicks, Ticket};
use super::random::Random;
use super::socket::SimulatedSocket;
use super::state::{Flags, OutletId, SocketId, State};
use super::waiters::Waiters;
use super::{Event, Network};
use crate::sync;
use crate::sys::code;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far an edge may fall behind later ones when a seed permutes them.
const PERMUTED_WITHIN: u64 = 16;
/// After how many edges, on average, a spurious one follows when there is a seed.
const SPURIOUS_ONE_IN: u64 = 16;

/// Where an edge stands in the queue. The second number keeps two edges apart that chance has put
/// on the same place.
type Place = (u64, u64);

/// The events of one port.
#[derive(Debug)]
pub(super) struct Outlet {
    edges: BTreeMap<Place, SocketId>,
    queued: u64,
    pub(super) kicks: Kicks,
    alarm: Option<Instant>,
    /// When a thread of the port is to look around.
    look: Option<Instant>,
    waiters: Arc<Waiters>,
}

/// That a socket's edges go to a port.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) outlet: OutletId,
    token: u64,
    /// The edge that nobody has taken yet.
    edge: Option<(Place, Flags)>,
}

impl Outlet {
    pub(super) fn new(waiters: Arc<Waiters>) -> Self {
        Self {
            edges: BTreeMap::new(),
            queued: 0,
            kicks: Kicks::default(),
            alarm: None,
            look: None,
            waiters,
        }
    }

    /// Queues an edge, or adds to the one that is queued, and wakes one thread for a new one.
    pub(super) fn queue(
        &mut self,
        id: SocketId,
        registration: &mut Registration,
        flags: Flags,
        random: &mut Random,
    ) {
        if flags == Flags::default() {
            return;
        }
        if let Some((_, queued)) = &mut registration.edge {
            queued.merge(flags);
            return;
        }
        self.queued += 1;
        let place = (self.queued + random.below(PERMUTED_WITHIN), self.queued);
        registration.edge = Some((place, flags));
        self.edges.insert(place, id);
        self.waiters.wake_one();
    }

    pub(super) fn wake_all(&self) {
        self.waiters.wake_all();
    }

    fn is_kicked(&self, ticket: Option<&Ticket>) -> bool {
        ticket.is_some_and(|ticket| self.kicks.is_for(ticket))
    }
}

impl State {
    /// Whether the look that was asked for is due; it is due once.
    fn take_look(&mut self, from: OutletId) -> bool {
        let Some(outlet) = self.outlets.get_mut(&from) else {
            return false;
        };
        outlet.look.take_if(|look| *look <= sync::now()).is_some()
    }

    /// Appends up to `batch` events; whether there were any.
    fn take_events(&mut self, from: OutletId, events: &mut Vec<Event>, batch: usize) -> bool {
        let now = self.now();
        let Some(outlet) = self.outlets.get_mut(&from) else {
            return false;
        };
        let length_before = events.len();
        if outlet.alarm.is_some_and(|alarm| alarm <= now) {
            outlet.alarm = None;
            events.push(Event {
                token: Event::ALARM,
                readable: true,
                writable: false,
                ended: false,
            });
        }
        while events.len() - length_before < batch.max(1)
            && let Some((_, id)) = outlet.edges.pop_first()
        {
            let endpoint = self.endpoints.get_mut(&id);
            let Some(registration) = endpoint.and_then(|end| end.registration.as_mut()) else {
                continue;
            };
            let Some((_, flags)) = registration.edge.take() else {
                continue;
            };
            let Flags { readable, writable, ended } = flags;
            events.push(Event { token: registration.token, readable, writable, ended });
            if self.random.chance(SPURIOUS_ONE_IN) {
                let spurious = Flags { ended: false, ..Flags::ALL };
                outlet.queue(id, registration, spurious, &mut self.random);
            }
        }
        events.len() > length_before
    }

    /// Takes back what is queued for the socket, whose registration is over.
    pub(super) fn forget_edge(&mut self, registration: &Registration) {
        if let Some((place, _)) = registration.edge
            && let Some(outlet) = self.outlets.get_mut(&registration.outlet)
        {
            outlet.edges.remove(&place);
        }
    }
}

impl Network {
    /// From now on the socket's edges go to this port under `token`.
    pub(crate) fn register(&self, socket: &SimulatedSocket, token: u64) -> io::Result<()> {
        if !socket.is_of(&self.shared) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket belongs to another simulated network than the port",
            ));
        }
        let mut state = self.shared.state.lock();
        state.fault(socket.id(), Call::Register)?;
        let State { endpoints, outlets, .. } = &mut *state;
        let Some(endpoint) = endpoints.get_mut(&socket.id()) else {
            return Err(code::error(code::CLOSED));
        };
        if endpoint.registration.as_ref().is_some_and(|old| outlets.contains_key(&old.outlet)) {
            return Err(code::error(code::EXISTS));
        }
        endpoint.registration = Some(Registration { outlet: self.outlet, token, edge: None });
        let readiness = state.readiness(socket.id());
        state.signal(socket.id(), readiness);
        Ok(())
    }

    /// Yields what the socket is ready for as an edge once more.
    pub(crate) fn rearm(&self, socket: &SimulatedSocket) {
        let mut state = self.shared.state.lock();
        let readiness = state.readiness(socket.id());
        state.signal(socket.id(), readiness);
    }

    /// Ends that; no edge of the socket is taken afterwards.
    pub(crate) fn deregister(&self, socket: &SimulatedSocket) {
        let mut state = self.shared.state.lock();
        let endpoint = state.endpoints.get_mut(&socket.id());
        if let Some(registration) = endpoint.and_then(|endpoint| endpoint.registration.take()) {
            state.forget_edge(&registration);
        }
    }

    /// Sets, moves or (with `None`) stops this port's alarm.
    pub(crate) fn arm(&self, at: Option<Instant>) {
        self.change_times(|outlet| outlet.alarm = at);
    }

    /// Makes one thread return from the wait with `true` after this time, or when it next enters.
    pub(crate) fn look_after(&self, after: Duration) {
        self.change_times(|outlet| outlet.look = sync::now().checked_add(after));
    }

    fn change_times(&self, change: impl FnOnce(&mut Outlet)) {
        if let Some(outlet) = self.shared.state.lock().outlets.get_mut(&self.outlet) {
            change(outlet);
            // Each thread in the wait sleeps until the earliest time it found when it began, so
            // all of them must see the new one: which of them is still there then is not known.
            outlet.waiters.wake_all();
        }
    }

    /// Waits until there are edges, the alarm, the look or a kick, at most for `timeout`. True when
    /// the look is due.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<Event>,
        batch: usize,
        timeout: Option<Duration>,
    ) -> bool {
        let end = timeout.and_then(|timeout| sync::now().checked_add(timeout));
        let mut state = self.shared.state.lock();
        let outlet = state.outlets.get_mut(&self.outlet);
        let ticket =
            outlet.filter(|_| timeout != Some(Duration::ZERO)).map(|outlet| outlet.kicks.enter());
        let look = loop {
            let look = state.take_look(self.outlet);
            let news = state.take_events(self.outlet, events, batch);
            let outlet = state.outlets.get(&self.outlet);
            let is_kicked = outlet.is_some_and(|outlet| outlet.is_kicked(ticket.as_ref()));
            if look || news || is_kicked || end.is_some_and(|end| end <= sync::now()) {
                break look;
            }
            // Time that is held wakes everybody when it goes on.
            let is_held = state.holds_time();
            let alarm = |outlet: &Outlet| outlet.alarm.filter(|_| !is_held);
            let alarms = outlet.map(|outlet| alarm(outlet).into_iter().chain(outlet.look));
            let until = alarms.into_iter().flatten().chain(end).min();
            state = self.waiters.wait(&self.shared.state, state, until);
        };
        if let Some(outlet) = state.outlets.get_mut(&self.outlet) {
            if let Some(ticket) = ticket {
                outlet.kicks.leave(ticket);
            }
            // This thread may have been woken for an edge that it leaves behind.
            if !outlet.edges.is_empty() {
                outlet.waiters.wake_one();
            }
        }
        look
    }

    /// Whether a wait would find an edge, or an alarm that is due.
    pub(crate) fn has_events(&self) -> bool {
        let state = self.shared.state.lock();
        let now = state.now();
        state.outlets.get(&self.outlet).is_some_and(|outlet| {
            !outlet.edges.is_empty() || outlet.alarm.is_some_and(|alarm| alarm <= now)
        })
    }

    /// Lets one thread come back from the wait: one that is in it, or else the next to enter it
    /// with time to wait.
    pub(crate) fn kick(&self) {
        if let Some(outlet) = self.shared.state.lock().outlets.get_mut(&self.outlet) {
            outlet.kicks.make();
            // Whoever is woken stands in the wait now, so the kick is for it.
            outlet.waiters.wake_one();
        }
    }
}
