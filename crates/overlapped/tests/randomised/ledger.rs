//! What every operation is owed, and that it came once.

use crate::streams::End;
use overlapped::Protocol;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// The protocol of this test.
#[derive(Debug)]
pub struct Tickets;

impl Protocol for Tickets {
    type Key = Arc<End>;
    type Operation = Ticket;
    type Message = Ticket;
}

const UNUSED: u8 = 0;
const OWED: u8 = 1;
const TAKEN: u8 = 2;
const REFUSED: u8 = 3;
const DROPPED: u8 = 4;

/// The numbers of all operations.
#[derive(Debug)]
pub struct Ledger {
    states: Vec<AtomicU8>,
    next: AtomicU64,
    owed: AtomicU64,
    alive: AtomicUsize,
}

/// The per-operation data: a number that is owed a packet.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    ledger: Arc<Ledger>,
    /// Made by a window, which may find its listener closed and drop it unused.
    for_window: bool,
}

impl Ledger {
    pub fn new(room: usize) -> Arc<Self> {
        let states = (0..room).map(|_| AtomicU8::new(UNUSED)).collect();
        let zero = || AtomicU64::new(0);
        Arc::new(Self { states, next: zero(), owed: zero(), alive: AtomicUsize::new(0) })
    }

    /// A new operation. It counts as owed before it is started, since its packet may be taken
    /// before the starting call returns (F10).
    pub fn ticket(self: &Arc<Self>, for_window: bool) -> Ticket {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let old = self.state(number).swap(OWED, Ordering::AcqRel);
        assert_eq!(old, UNUSED);
        self.owed.fetch_add(1, Ordering::AcqRel);
        self.alive.fetch_add(1, Ordering::AcqRel);
        Ticket { number, ledger: Arc::clone(self), for_window }
    }

    fn state(&self, number: u64) -> &AtomicU8 {
        &self.states[number as usize]
    }

    pub fn started(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// How many starts failed at once.
    pub fn refused(&self) -> usize {
        self.states.iter().filter(|state| state.load(Ordering::Acquire) == REFUSED).count()
    }

    pub fn owed(&self) -> u64 {
        self.owed.load(Ordering::Acquire)
    }

    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    fn settle(&self, number: u64, to: u8) {
        let old = self.state(number).swap(to, Ordering::AcqRel);
        assert_eq!(old, OWED, "operation {number} has come to {to} although it was at {old}");
        self.owed.fetch_sub(1, Ordering::AcqRel);
    }

    /// Everything owed was taken or refused at once, and nothing else.
    pub fn assert_settled(&self) {
        let started = self.started() as usize;
        let left: Vec<usize> = (0..started)
            .filter(|number| self.states[*number].load(Ordering::Acquire) == OWED)
            .collect();
        assert!(left.is_empty(), "no packet came for {} operations: {left:?}", left.len());
        let dropped =
            self.states.iter().filter(|state| state.load(Ordering::Acquire) == DROPPED).count();
        assert!(dropped <= 64, "{dropped} accepts of the window came to nothing");
        assert_eq!(self.owed(), 0);
    }
}

impl Ticket {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its packet was taken.
    pub fn taken(self) -> u64 {
        self.ledger.settle(self.number, TAKEN);
        self.number
    }

    /// Its start failed at once and gave it back.
    pub fn refused(self) {
        self.ledger.settle(self.number, REFUSED);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.alive.fetch_sub(1, Ordering::AcqRel);
        if self.ledger.state(self.number).load(Ordering::Acquire) == OWED {
            assert!(self.for_window, "operation {} was dropped without a packet", self.number);
            self.ledger.settle(self.number, DROPPED);
        }
    }
}
