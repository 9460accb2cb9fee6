//! What is owed, in which order it must come, and what each connection has said.
//!
//! A *line* is what is in the queue for certain, oldest first: what was posted or deferred, and what was cancelled.
//! An operation that is *due* is in the queue, at a place that the model does not know. All others are *in flight*.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An end of a connection, or the listener.
pub type End = usize;
/// What the listener has as its end.
pub const LISTENER: End = usize::MAX;

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Posted,
    /// When it is due, in units of the world's clock.
    Timer {
        due: u128,
    },
    Accept,
    Connect {
        end: End,
    },
    Receive {
        end: End,
        room: usize,
    },
    Send {
        end: End,
        bytes: usize,
    },
}

impl Work {
    /// The direction in which operations keep their order.
    fn lane(&self) -> Option<(End, bool)> {
        match *self {
            Self::Posted | Self::Timer { .. } => None,
            Self::Accept => Some((LISTENER, false)),
            Self::Connect { end } | Self::Send { end, .. } => Some((end, true)),
            Self::Receive { end, .. } => Some((end, false)),
        }
    }
}

#[derive(Debug)]
pub struct Owed {
    pub work: Work,
    /// It was cancelled, by itself or with its handle: it may say so.
    pub may_be_aborted: bool,
    /// It was cancelled by itself, and so need not wait for its turn.
    out_of_turn: bool,
    is_due: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    last: u32,
    owed: BTreeMap<u32, Owed>,
    line: VecDeque<u32>,
    due: BTreeSet<u32>,
}

impl Model {
    /// The number of what is started or posted next.
    pub fn number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// The last number there was.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// It is in flight.
    pub fn started(&mut self, number: u32, work: Work) {
        let owed = Owed { work, may_be_aborted: false, out_of_turn: false, is_due: false };
        assert!(self.owed.insert(number, owed).is_none(), "{number} is started twice");
    }

    /// It is the last in the queue.
    pub fn queued(&mut self, number: u32) {
        let owed = self.owed.get_mut(&number).expect("it was started");
        if !owed.is_due {
            owed.is_due = true;
            self.line.push_back(number);
        }
    }

    /// A cancel of it has found it.
    pub fn cancelled(&mut self, number: u32) {
        let owed = self.owed.get_mut(&number).expect("only what is owed can be cancelled (P131)");
        assert!(!owed.is_due, "{number} was in the queue, and was cancelled (P131)");
        owed.may_be_aborted = true;
        owed.out_of_turn = true;
        self.queued(number);
    }

    /// A cancel of it, or its handle's end, has not found it, or says not which it has found: so it is in the queue.
    pub fn must_be_queued(&mut self, number: u32, may_be_aborted: bool) {
        let owed = self.owed.get_mut(&number).expect("it is owed");
        owed.may_be_aborted |= may_be_aborted && !owed.is_due;
        if !owed.is_due {
            owed.is_due = true;
            self.due.insert(number);
        }
    }

    pub fn is_owed(&self, number: u32) -> bool {
        self.owed.contains_key(&number)
    }

    /// A timer whose time was changed.
    pub fn set_due(&mut self, number: u32, to: u128) {
        let owed = self.owed.get_mut(&number).expect("it is owed");
        owed.work = Work::Timer { due: to };
    }

    /// It was given back by a call, without a packet.
    pub fn given_back(&mut self, number: u32) {
        let owed = self.owed.remove(&number).expect("only what is owed can be given back");
        assert!(!owed.is_due, "{number} was in the queue, and was given back");
    }

    /// Those of an end that are owed.
    pub fn of(&self, end: End) -> Vec<u32> {
        let is_its = |owed: &Owed| owed.work.lane().is_some_and(|lane| lane.0 == end);
        self.owed.iter().filter(|(_, owed)| is_its(owed)).map(|(number, _)| *number).collect()
    }

    /// The first one in flight of an end's direction.
    pub fn first_in_flight(&self, end: End, sends: bool) -> Option<&Work> {
        let mut owed = self.owed.values();
        let first = owed.find(|owed| !owed.is_due && owed.work.lane() == Some((end, sends)));
        first.map(|owed| &owed.work)
    }

    /// Nothing of this direction is owed.
    pub fn lane_is_free(&self, end: End, sends: bool) -> bool {
        self.owed.values().all(|owed| owed.work.lane() != Some((end, sends)))
    }

    pub fn timers(&self) -> impl Iterator<Item = (u32, u128)> + '_ {
        self.owed.iter().filter_map(|(number, owed)| match owed.work {
            Work::Timer { due } if !owed.is_due => Some((*number, due)),
            _ => None,
        })
    }

    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// How many are in the queue at least.
    pub fn queued_at_least(&self) -> usize {
        self.line.len() + self.due.len()
    }

    /// A packet of it was seen.
    pub fn taken(&mut self, number: u32) -> Owed {
        let owed = self
            .owed
            .remove(&number)
            .unwrap_or_else(|| panic!("{number} came twice, or never was (P46)"));
        if let Some(place) = self.line.iter().position(|one| *one == number) {
            assert_eq!(place, 0, "{number} overtook {:?} (P50)", self.line);
            self.line.pop_front();
        }
        self.due.remove(&number);
        if let (Some(lane), false) = (owed.work.lane(), owed.out_of_turn) {
            let mut earlier = self.owed.range(..number);
            let before = earlier.find(|(_, other)| other.work.lane() == Some(lane));
            assert!(before.is_none(), "{number} came before {before:?} of its direction (P150)");
        }
        owed
    }

    /// A take found nothing.
    pub fn nothing_came(&self) {
        assert!(self.line.is_empty(), "nothing came, and {:?} are queued (P50)", self.line);
        assert!(self.due.is_empty(), "nothing came, and {:?} are queued", self.due);
    }

    /// The port was closed, and has discarded these.
    pub fn discarded(&mut self, numbers: Vec<u32>) {
        for number in numbers {
            let was_owed = self.owed.remove(&number).is_some();
            assert!(was_owed, "{number} was discarded twice, or after it was taken (P122)");
        }
        assert!(self.owed.is_empty(), "closed, and not discarded (P122, P123): {:?}", self.owed);
        self.line.clear();
        self.due.clear();
    }
}
