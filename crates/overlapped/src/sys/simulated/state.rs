//! What the one lock of a network guards.
//!
//! `connection`, `stream`, `datagram` and `events` add to [`State`] what their names say. Every change that a
//! socket's owner may be waiting for ends in [`State::signal`].

use super::datagram::Inbox;
use super::events::{Outlet, Registration};
use super::faults::Script;
use super::random::Random;
use super::waiters::Waiters;
use crate::sync;
use crate::sync::Mutex;
use crate::sys::code;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) type SocketId = u64;
pub(super) type OutletId = u64;

const CAPACITY_BYTES: usize = 64 << 10;
pub(super) const FIRST_EPHEMERAL_PORT: u16 = 16_384;

pub(super) struct Shared {
    pub(super) seed: u64,
    pub(super) state: Mutex<State>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("seed", &self.seed).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) endpoints: HashMap<SocketId, Endpoint>,
    pub(super) outlets: BTreeMap<OutletId, Outlet>,
    /// Who holds a port by `bind`, with the address it is held for.
    pub(super) bound: HashMap<(Transport, u16), Vec<(IpAddr, SocketId)>>,
    /// Local and remote address of every connection's end.
    pub(super) tuples: HashSet<(SocketAddr, SocketAddr)>,
    pub(super) next_port: u16,
    /// How many bytes an inbox holds that is made from now on.
    pub(super) capacity: usize,
    pub(super) script: Script,
    pub(super) random: Random,
    last_id: u64,
    /// What time it is for alarms, when time stands still.
    held_time: Option<Instant>,
}

/// One socket, or one connection that nobody has accepted yet.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    /// Whether `local` was chosen by `bind` and is held in [`State::bound`].
    pub(super) is_bound: bool,
    pub(super) resets_on_close: bool,
    pub(super) role: Role,
    pub(super) registration: Option<Registration>,
    /// Where the blocking calls of the outside's end wait.
    pub(super) watcher: Option<Arc<Waiters>>,
}

#[derive(Debug)]
pub(super) enum Role {
    Fresh,
    Listening(Listening),
    /// The listener's backlog is full.
    Connecting {
        listener: SocketId,
    },
    /// The connection attempt failed; the error is there until it was told.
    Failed {
        error: Option<i32>,
    },
    Stream(Stream),
    Datagrams(Inbox),
}

/// Streams and datagrams have ports of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Stream,
    Datagram,
}

impl Role {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Datagrams(_) => Transport::Datagram,
            _ => Transport::Stream,
        }
    }
}

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) backlog: usize,
    /// Established and not accepted.
    pub(super) queue: VecDeque<SocketId>,
    /// Not established: there was no room in the queue.
    pub(super) waiting: VecDeque<SocketId>,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The other end, until it is closed.
    pub(super) other: Option<SocketId>,
    pub(super) inbox: VecDeque<u8>,
    pub(super) capacity: usize,
    /// The other end's FIN has come.
    pub(super) ended: bool,
    pub(super) send_shut: bool,
    /// A reset has come, or a send found nobody; every call tells it from then on.
    pub(super) lost: Option<i32>,
    /// A send found too little room, so the next room is an edge.
    pub(super) starved: bool,
}

impl Stream {
    /// Whether neither direction goes on.
    pub(super) fn is_over(&self) -> bool {
        self.lost.is_some() || (self.ended && self.send_shut)
    }

    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.inbox.len())
    }
}

/// What a socket may do, or what has changed about that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) ended: bool,
}

impl Flags {
    pub(super) const READABLE: Self = Self { readable: true, writable: false, ended: false };
    pub(super) const WRITABLE: Self = Self { readable: false, writable: true, ended: false };
    pub(super) const ALL: Self = Self { readable: true, writable: true, ended: true };

    pub(super) fn merge(&mut self, other: Self) {
        self.readable |= other.readable;
        self.writable |= other.writable;
        self.ended |= other.ended;
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            endpoints: HashMap::new(),
            outlets: BTreeMap::new(),
            bound: HashMap::new(),
            tuples: HashSet::new(),
            next_port: FIRST_EPHEMERAL_PORT,
            capacity: CAPACITY_BYTES,
            script: Script::default(),
            random: Random::new(seed),
            last_id: 0,
            held_time: None,
        }
    }

    /// What time it is for alarms.
    pub(super) fn now(&self) -> Instant {
        self.held_time.unwrap_or_else(sync::now)
    }

    /// From now on time stands still, after so long a step.
    pub(super) fn step_time(&mut self, by: Duration) {
        let now = self.now();
        self.held_time = Some(now.checked_add(by).unwrap_or(now));
        // Whoever waits has waited for a time of the clock before.
        for outlet in self.outlets.values() {
            outlet.wake_all();
        }
    }

    pub(super) fn holds_time(&self) -> bool {
        self.held_time.is_some()
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn endpoint(&mut self, id: SocketId) -> io::Result<&mut Endpoint> {
        self.endpoints.get_mut(&id).map_or_else(|| Err(code::error(code::CLOSED)), Ok)
    }

    pub(super) fn stream(&mut self, id: SocketId) -> Option<&mut Stream> {
        match self.endpoints.get_mut(&id)?.role {
            Role::Stream(ref mut stream) => Some(stream),
            _ => None,
        }
    }

    pub(super) fn bytes_in_flight(&self) -> usize {
        let inbox = |endpoint: &Endpoint| match &endpoint.role {
            Role::Stream(stream) => stream.inbox.len(),
            Role::Datagrams(inbox) => inbox.bytes(),
            _ => 0,
        };
        self.endpoints.values().map(inbox).sum()
    }

    /// What the socket may do now, as `poll` tells it: one that never was connected, or no longer
    /// is, may do everything, since every call returns at once.
    pub(super) fn readiness(&self, id: SocketId) -> Flags {
        let Some(endpoint) = self.endpoints.get(&id) else {
            return Flags::default();
        };
        match &endpoint.role {
            Role::Fresh | Role::Failed { .. } => Flags::ALL,
            Role::Connecting { .. } => Flags::default(),
            Role::Datagrams(inbox) => {
                Flags { readable: !inbox.is_empty(), writable: true, ended: false }
            }
            Role::Listening(listening) => {
                Flags { readable: !listening.queue.is_empty(), ..Flags::default() }
            }
            Role::Stream(stream) if stream.is_over() => Flags::ALL,
            Role::Stream(stream) => {
                let ended = stream.ended;
                let other = stream.other.and_then(|other| self.endpoints.get(&other));
                let has_room = match other.map(|endpoint| &endpoint.role) {
                    Some(Role::Stream(other)) => other.room() > 0,
                    _ => true,
                };
                Flags {
                    readable: ended || !stream.inbox.is_empty(),
                    writable: stream.send_shut || has_room,
                    ended,
                }
            }
        }
    }

    /// Tells whoever waits for the socket, on either side of the port, what has changed.
    pub(super) fn signal(&mut self, id: SocketId, flags: Flags) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        if let Some(watcher) = &endpoint.watcher {
            watcher.wake_all();
        }
        if let Some(registration) = &mut endpoint.registration
            && let Some(outlet) = self.outlets.get_mut(&registration.outlet)
        {
            outlet.queue(id, registration, flags, &mut self.random);
        }
    }
}
