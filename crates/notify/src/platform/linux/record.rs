//! When a network event is recorded: the rules of M57 to M66 as a state machine that knows no system
//! call. [`super::socket`] tells it what was seen of the socket and which calls were made on it.

use crate::sys::{Ready, Wanted, code};
use crate::{NetworkEvents, NetworkRecord};

/// What a socket is, as far as it matters for what readiness means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A stream that never connected.
    Fresh,
    /// A connect is under way.
    Connecting,
    Connected,
    /// The last connect failed.
    Failed,
    Listening,
    Datagram,
}

/// What was seen of a socket at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) ready: Ready,
    /// A receive would give data: not only the end, or an error.
    pub(super) has_data: bool,
    /// The socket's error, or 0.
    pub(super) code: i32,
}

/// How the socket reports; it decides what selecting anew does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Events,
    Messages,
}

/// The order of the events of one look (M66).
pub(super) const ORDER: [NetworkEvents; 6] = [
    NetworkEvents::CONNECT,
    NetworkEvents::ACCEPT,
    NetworkEvents::OOB,
    NetworkEvents::READ,
    NetworkEvents::WRITE,
    NetworkEvents::CLOSE,
];

#[derive(Debug)]
pub(super) struct Record {
    phase: Phase,
    mask: NetworkEvents,
    /// What may be recorded when it is seen. What was recorded waits for its enabling call.
    armed: NetworkEvents,
    happened: NetworkRecord,
    /// The end was seen and no data before it: nothing will ever be there to be read.
    is_read_out: bool,
    /// The connection is broken, or ended in both directions.
    is_broken: bool,
    /// Our receiving, or sending, was ended: nothing is told for it any more.
    has_shut_receive: bool,
    has_shut_send: bool,
    /// Urgent data was seen: a receive stops where it lay, though there is more.
    has_urgent: bool,
    /// How the last connect ended, 0 for well.
    connect_code: i32,
    /// What broke the connection, or 0.
    broken_code: i32,
}

impl Record {
    pub(super) fn new(phase: Phase) -> Self {
        Self {
            phase,
            mask: NetworkEvents::empty(),
            armed: LEVEL,
            happened: NetworkRecord::default(),
            is_read_out: false,
            is_broken: false,
            has_shut_receive: false,
            has_shut_send: false,
            has_urgent: false,
            connect_code: 0,
            broken_code: 0,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn mask(&self) -> NetworkEvents {
        self.mask
    }

    /// What has happened of the mask and was not taken.
    pub(super) fn pending(&self) -> NetworkEvents {
        self.happened.events().and(self.mask)
    }

    /// A new mask. In the form of messages what is true now is reported again (M62), a connect
    /// excepted. In that of events what was recorded stays, and what was taken is not recorded again
    /// before its enabling call (M88).
    pub(super) fn select(&mut self, mask: NetworkEvents, form: Form) {
        self.mask = mask;
        if form == Form::Messages {
            self.armed |= LEVEL;
            self.happened = NetworkRecord::default();
        }
    }

    /// A connect was started: a new life of the socket.
    pub(super) fn connect_started(&mut self) {
        let mask = self.mask;
        *self = Self::new(Phase::Connecting);
        self.mask = mask;
        self.armed |= NetworkEvents::CONNECT;
    }

    /// A connect was refused before it began.
    pub(super) fn connect_not_started(&mut self) {
        self.phase = Phase::Fresh;
        self.armed = self.armed.without(NetworkEvents::CONNECT);
    }

    /// The enabling call of these events was made: each may be recorded again if it is still so.
    pub(super) fn enable(&mut self, events: NetworkEvents) {
        self.armed |= events;
        take(&mut self.happened, events);
    }

    /// Whether a receive that did not fill its buffer has taken all there was, so that more can only
    /// come by a change of the socket.
    pub(super) fn is_drained_by_a_short_receive(&self) -> bool {
        self.phase == Phase::Connected && !self.has_urgent
    }

    /// A call found the end of the stream, after all data.
    pub(super) fn end_was_read(&mut self) {
        self.is_read_out = true;
    }

    /// Directions of ours were ended by a call.
    pub(super) fn shut(&mut self, receive: bool, send: bool) {
        self.has_shut_receive = receive;
        self.has_shut_send = send;
    }

    /// A call failed since the connection is broken.
    pub(super) fn broken_by(&mut self, code: i32) {
        if self.phase == Phase::Connected && self.broken_code == 0 {
            self.broken_code = code;
        }
    }

    /// What of the socket would be recorded when it becomes ready; nothing that could not, since a
    /// connection that is broken is ready for ever.
    pub(super) fn wanted(&self) -> Wanted {
        let open = self.mask.and(self.armed);
        let is_open = |event: NetworkEvents| open.contains(event);
        match self.phase {
            Phase::Fresh | Phase::Failed => Wanted::default(),
            Phase::Connecting => Wanted { write: !self.mask.is_empty(), ..Wanted::default() },
            Phase::Connected => Wanted {
                read: is_open(NetworkEvents::READ) && !self.is_read_out && !self.has_shut_receive,
                write: is_open(NetworkEvents::WRITE) && !self.is_broken && !self.has_shut_send,
                urgent: is_open(NetworkEvents::OOB) && !self.is_broken && !self.has_shut_receive,
                end: is_open(NetworkEvents::CLOSE),
            },
            Phase::Listening => {
                Wanted { read: is_open(NetworkEvents::ACCEPT), ..Wanted::default() }
            }
            Phase::Datagram => Wanted {
                read: is_open(NetworkEvents::READ) && !self.has_shut_receive,
                write: is_open(NetworkEvents::WRITE) && !self.has_shut_send,
                ..Wanted::default()
            },
        }
    }

    /// Takes note of what was seen, and gives what was recorded by this look.
    pub(super) fn see(&mut self, seen: &Seen) -> NetworkEvents {
        let ready = seen.ready;
        if self.phase == Phase::Connecting && (ready.writable || ready.is_broken()) {
            self.settle(seen);
        }
        let mut holds = NetworkEvents::empty();
        let mut add = |event, is_so: bool| {
            if is_so {
                holds |= event;
            }
        };
        match self.phase {
            Phase::Fresh | Phase::Connecting => {}
            Phase::Failed => add(NetworkEvents::CONNECT, true),
            Phase::Connected => {
                self.is_broken |= ready.is_broken();
                self.has_urgent |= ready.urgent;
                self.is_read_out |= ready.is_over() && !seen.has_data;
                self.broken_by(seen.code);
                add(NetworkEvents::CONNECT, true);
                let receives = !self.has_shut_receive;
                add(NetworkEvents::OOB, ready.urgent && receives);
                add(NetworkEvents::READ, ready.readable && seen.has_data && receives);
                add(
                    NetworkEvents::WRITE,
                    ready.writable && !ready.is_broken() && !self.has_shut_send,
                );
                add(NetworkEvents::CLOSE, ready.is_over());
            }
            Phase::Listening => add(NetworkEvents::ACCEPT, ready.readable),
            Phase::Datagram => {
                add(
                    NetworkEvents::READ,
                    (ready.readable || ready.failed) && !self.has_shut_receive,
                );
                add(NetworkEvents::WRITE, ready.writable && !self.has_shut_send);
            }
        }
        let new = holds.and(self.mask).and(self.armed);
        self.armed = self.armed.without(new);
        for event in new.iter() {
            let code = match event {
                NetworkEvents::CONNECT => self.connect_code,
                NetworkEvents::CLOSE => self.broken_code,
                _ => 0,
            };
            self.happened.add(event, code);
        }
        new
    }

    /// The connect is done. A connection that was made and broken since did not fail to connect.
    fn settle(&mut self, seen: &Seen) {
        let has_failed = seen.code != 0 && seen.code != code::RESET;
        self.phase = if has_failed { Phase::Failed } else { Phase::Connected };
        self.connect_code = if has_failed { seen.code } else { 0 };
    }

    /// Takes what has happened of the mask out of the record, with its errors (M83, M87).
    pub(super) fn take(&mut self) -> NetworkRecord {
        take(&mut self.happened, self.mask)
    }
}

/// Takes those of `mask` out of the record with their errors, and leaves the others.
fn take(record: &mut NetworkRecord, mask: NetworkEvents) -> NetworkRecord {
    let all = std::mem::take(record);
    let mut taken = NetworkRecord::default();
    for event in all.events().iter() {
        let into = if mask.contains(event) { &mut taken } else { &mut *record };
        into.add(event, all.code(event));
    }
    taken
}

/// What is reported because it is so, and not because it has come to be so.
const LEVEL: NetworkEvents = NetworkEvents::from_bits(!NetworkEvents::CONNECT.bits());

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
