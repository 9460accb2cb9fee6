//! What is owed to a handle under test: each operation one packet, and nothing else; and that
//! nothing of the user's is left when all is over.

use crate::crew::until;
use crate::handle_states::{Cell, word};
use crate::world::{PATIENCE, World};
use overlapped::{OperationId, Packet, Port, Protocol, Received, Refused, TakeError};
use std::io;
use std::sync::Arc;

/// Of each value of the user's one can see whether it is still there.
#[derive(Debug)]
pub struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Mark;
    type Message = ();
}

/// The number of an operation.
#[derive(Debug)]
pub struct Mark {
    pub number: u64,
    _alive: Arc<()>,
}

impl Mark {
    pub fn new(number: u64, alive: &Arc<()>) -> Self {
        Self { number, _alive: Arc::clone(alive) }
    }
}

/// An operation in flight.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    pub number: u64,
    /// None for the accepts of a window.
    pub id: Option<OperationId>,
    pub is_receive: bool,
}

/// What a call returned.
#[derive(Debug)]
pub enum Answer {
    Started(Flight),
    Value(&'static str),
    Count(usize),
    Error(io::Error),
}

impl Answer {
    /// Of the start of the operation of this number.
    pub fn started<T>(number: u64, started: Result<OperationId, Refused<T>>) -> Self {
        match started {
            Ok(id) => Self::Started(Flight { number, id: Some(id), is_receive: false }),
            Err(refused) => Self::Error(refused.error),
        }
    }

    pub fn started_receive<T>(number: u64, started: Result<OperationId, Refused<T>>) -> Self {
        match Self::started(number, started) {
            Self::Started(flight) => Self::Started(Flight { is_receive: true, ..flight }),
            other => other,
        }
    }

    pub fn done(result: io::Result<()>) -> Self {
        result.map_or_else(Self::Error, |()| Self::Value("ok"))
    }

    pub fn address<T>(result: io::Result<T>) -> Self {
        result.map_or_else(Self::Error, |_| Self::Value("address"))
    }

    /// The call was refused with this word of the page.
    pub fn assert_refused(self, call: &str, wanted: &str) {
        match self {
            Self::Error(error) => assert_eq!(word(&error), wanted, "{call}: {error}"),
            other => panic!("{call} should be refused as {wanted}, not {other:?}"),
        }
    }
}

/// A port of its own, and what is in flight on it.
pub struct Ledger {
    pub port: Port<Counted>,
    pub in_flight: Vec<Flight>,
    started: u64,
    alive: Arc<()>,
}

impl Ledger {
    pub fn new(port: Port<Counted>) -> Self {
        Self { port, in_flight: Vec::new(), started: 0, alive: Arc::new(()) }
    }

    pub fn in_world(world: &World) -> Self {
        Self::new(world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false)))
    }

    pub fn key(&self) -> Arc<()> {
        Arc::clone(&self.alive)
    }

    pub fn mark(&mut self) -> Mark {
        self.started += 1;
        Mark::new(self.started, &self.alive)
    }

    /// The answer is that of the cell, and so is the end of what the call ends: for a cancel the
    /// operation that was started last, otherwise all.
    pub fn judge(&mut self, call: &str, answer: Answer, cell: &Cell) {
        let wanted = cell.answer.as_str();
        let ended = match (&cell.fate, call) {
            (None, _) => Vec::new(),
            (Some(_), "cancel") => self.in_flight.pop().into_iter().collect(),
            (Some(_), _) => std::mem::take(&mut self.in_flight),
        };
        let fate = cell.fate.as_deref().unwrap_or_default();
        let mut owed: Vec<(u64, &str)> = ended.iter().map(|flight| (flight.number, fate)).collect();
        match (answer, wanted) {
            (Answer::Started(flight), "waits") => self.in_flight.push(flight),
            (Answer::Started(flight), "done" | "end") => owed.push((flight.number, wanted)),
            (Answer::Started(flight), "told reset") => owed.push((flight.number, "reset")),
            (Answer::Started(_), _) => panic!("{call} was started"),
            (Answer::Value(value), _) => assert_eq!(value, wanted, "{call}"),
            (Answer::Count(count), _) => assert_eq!(count.to_string(), wanted, "{call}"),
            (refused, _) => refused.assert_refused(call, wanted.trim_start_matches("told ")),
        }
        self.expect(owed);
        self.assert_nothing_comes();
    }

    /// Starts an operation that has to be possible.
    pub fn has_started(&mut self, call: &str, answer: Answer) {
        match answer {
            Answer::Started(flight) => self.in_flight.push(flight),
            other => panic!("{call} has to be started, not {other:?}"),
        }
    }

    /// Everything in flight ends, and all of it so.
    pub fn expect_fates(&mut self, fate: &str) {
        let ended = std::mem::take(&mut self.in_flight);
        self.expect(ended.iter().map(|flight| (flight.number, fate)).collect());
    }

    /// These operations end so, in whatever order, and no other.
    pub fn expect(&self, mut owed: Vec<(u64, &str)>) {
        while !owed.is_empty() {
            self.expect_one_of(&mut owed);
        }
    }

    /// The next packet is that of one of these operations, which then is owed none any more.
    pub fn expect_one_of(&self, owed: &mut Vec<(u64, &str)>) {
        let packet = self.port.take_timeout(PATIENCE).expect("a packet is owed");
        let (number, fate) = fate_of(packet);
        let position = owed.iter().position(|(owed, _)| *owed == number);
        let position = position.unwrap_or_else(|| panic!("operation {number} has ended: {fate}"));
        assert_eq!(fate, owed.remove(position).1, "the packet of operation {number}");
    }

    pub fn assert_nothing_comes(&self) {
        match self.port.try_take() {
            Ok(None) | Err(TakeError::Closed) => {}
            other => panic!("no packet is owed, but there was {other:?}"),
        }
    }

    /// Every operation has had its packet, the handles are gone, and nothing of the user's is left.
    pub fn end(self) {
        let Self { port, in_flight, alive, .. } = self;
        assert!(in_flight.is_empty(), "{in_flight:?} were not settled");
        until(|| port.snapshot().devices == 0, || format!("{:?}", port.snapshot()));
        match port.try_take() {
            Ok(None) | Err(TakeError::Closed) => {}
            other => panic!("no packet is owed any more, but there was {other:?}"),
        }
        assert_eq!(port.snapshot().queued, 0);
        drop(port);
        until(|| Arc::strong_count(&alive) == 1, || "something of the user's is left".into());
    }
}

/// The number of the packet's operation, and the page's word for how it ended.
fn fate_of(packet: Packet<Counted>) -> (u64, &'static str) {
    let is_end = match &packet {
        Packet::Received { result: Ok(Received::End), .. } => true,
        Packet::Read { result: Ok(0), buffer, .. } => buffer.capacity() > 0,
        _ => false,
    };
    let parts = packet.into_parts().unwrap_or_else(|other| panic!("nobody sent {other:?}"));
    let fate = match parts.result {
        Ok(()) if is_end => "end",
        Ok(()) => "done",
        Err(error) => word(&error),
    };
    (parts.operation.number, fate)
}
