//! What is owed and what was taken, and the rules of the contract that show in that.
//!
//! Every operation and every posted value carries a token with a number. Threads of a simulation run one at a
//! time on one thread of the system, so the ledger needs no lock, and its stamps order what they saw.

use crate::trace::say;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};

thread_local! {
    static LEDGER: RefCell<Ledger> = RefCell::default();
}

/// Looks at the ledger of the life that runs. `view` must not call the library.
pub fn ledger<R>(view: impl FnOnce(&mut Ledger) -> R) -> R {
    LEDGER.with(|ledger| view(&mut ledger.borrow_mut()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Post,
    Defer,
    Timer,
    Accept,
    Connect,
    Receive,
    Send,
    Disconnect,
    Datagram,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The call that starts it has not come back.
    Issued,
    /// A packet is owed.
    Owed,
    Taken,
    /// The call that started it, or one that stopped it, has given it back.
    GivenBack,
}

/// The operations of one kind on one stream, which complete in the order in which they were started (P150).
pub type Lane = (u64, Kind);

#[derive(Debug)]
struct Entry {
    kind: Kind,
    state: State,
    begun: u64,
    started: Option<u64>,
    lane: Option<(Lane, u64)>,
    is_quiet: bool,
}

/// An operation's place in its lane, in words.
struct Of(Option<(Lane, u64)>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(((stream, _), index)) => write!(f, "{index} of stream {stream}"),
            None => Ok(()),
        }
    }
}

/// Where a thread that takes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Elsewhere,
    /// It has a packet.
    Running,
    /// It has given its slot away, or sleeps and may have lost it.
    Paused,
    /// It came back from there: it runs, whether or not there is room (P73).
    Back,
}

/// What was taken, in order: when, and the highest number so far.
#[derive(Debug, Default)]
struct Order(Vec<(u64, u64)>);

impl Order {
    /// Whether something with a number above `bound` was taken before the moment `begin`.
    fn has_above(&self, bound: u64, begin: u64) -> bool {
        let before = self.0.partition_point(|(end, _)| *end < begin);
        before > 0 && self.0[before - 1].1 > bound
    }

    fn add(&mut self, end: u64, number: u64) {
        let highest = self.0.last().map_or(0, |(_, highest)| *highest);
        self.0.push((end, highest.max(number)));
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    stamp: u64,
    last_id: u64,
    alive: HashMap<u64, Entry>,
    owed: usize,
    places: Vec<Place>,
    concurrency: usize,
    /// Where threads sleep without saying so, the monitor judges by what it saw a moment ago, and may let one more
    /// in for a thread that has just gone on.
    is_limit_exact: bool,
    /// Several threads take. What lies in the own queue of one, or was handed to one that has not gone on yet,
    /// is taken as far as the order goes (P113), so what each of them gets says nothing.
    ignores_order: bool,
    /// The port is closed, or is being closed: what is owed may be discarded (P120).
    closing: bool,
    /// What a window of accepts has made and not posted is dropped then.
    listener_closed: bool,
    posts: Order,
    lanes: BTreeMap<Lane, Order>,
    taken: u64,
    by_kind: BTreeMap<Kind, u64>,
    /// Of everything that was taken, in order.
    trace: u64,
    /// What was wrong where nobody could be told.
    pub problem: Option<String>,
}

impl Ledger {
    pub fn begin(&mut self, takers: usize, concurrency: usize, is_limit_exact: bool) {
        let (places, ignores_order) = (vec![Place::Elsewhere; takers], takers > 1);
        *self = Self { places, concurrency, is_limit_exact, ignores_order, ..Self::default() };
    }

    /// A moment, after all those before.
    pub fn stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    /// How many operations there were.
    pub fn issued(&self) -> u64 {
        self.last_id
    }

    pub fn issue(&mut self, kind: Kind, lane: Option<(Lane, u64)>) -> u64 {
        self.last_id += 1;
        let begun = self.stamp();
        let entry =
            Entry { kind, state: State::Issued, begun, started: None, lane, is_quiet: false };
        self.alive.insert(self.last_id, entry);
        say!("{} begins: {kind:?} {}", self.last_id, Of(lane));
        self.owed += 1;
        *self.by_kind.entry(kind).or_default() += 1;
        self.last_id
    }

    /// The call that started it was a success. Its packet may have been taken by now.
    pub fn started(&mut self, id: u64) {
        let stamp = self.stamp();
        say!("{id} is started");
        if let Some(entry) = self.alive.get_mut(&id) {
            entry.started = Some(stamp);
            if entry.state == State::Issued {
                entry.state = State::Owed;
            }
        }
    }

    /// It was given back, and no packet is owed (P33).
    pub fn given_back(&mut self, id: u64) {
        let entry = self.alive.get_mut(&id).expect("whoever has it knows that it is alive");
        assert!(
            matches!(entry.state, State::Issued | State::Owed),
            "operation {id} ({:?}) was given back, and was {:?} before (P33, P46)",
            entry.kind,
            entry.state
        );
        entry.state = State::GivenBack;
        say!("{id} is given back");
        self.owed -= 1;
    }

    /// Its packet was taken by a call that began at `begin` and has just ended. Its number in its lane.
    /// What was cancelled comes at once, and not `in_order`.
    pub fn taken(&mut self, id: u64, kind: Kind, begin: u64, in_order: bool) -> u64 {
        let end = self.stamp();
        let entry = self.alive.get_mut(&id).expect("a packet has its token");
        assert!(
            matches!(entry.state, State::Issued | State::Owed),
            "operation {id} ({kind:?}) has a packet, and was {:?} before (P46)",
            entry.state
        );
        assert_eq!(entry.kind, kind, "operation {id} came back as something else");
        entry.state = State::Taken;
        self.owed -= 1;
        self.taken += 1;
        self.trace = crate::random::mixed(self.trace, id << 8 | kind as u64);
        let (begun, started, lane) = (entry.begun, entry.started, entry.lane);
        say!("{id} is taken: {kind:?} {}", Of(lane));
        if let Some((lane, index)) = lane
            && in_order
        {
            let order = self.lanes.entry(lane).or_default();
            assert!(
                self.ignores_order || !order.has_above(index, begin),
                "operation {id}, number {index} of {lane:?}, was taken after a later one (P150)"
            );
            order.add(end, index);
        }
        if kind == Kind::Post {
            if let Some(started) = started {
                assert!(
                    self.ignores_order || !self.posts.has_above(started, begin),
                    "value {id} was taken after one that was posted later (P50)"
                );
            }
            self.posts.add(end, begun);
        }
        lane.map_or(0, |(_, index)| index)
    }

    /// Of which kind it is.
    pub fn kind(&self, id: u64) -> Kind {
        self.alive.get(&id).expect("whoever has it knows that it is alive").kind
    }

    /// A quiet operation may be over without a packet.
    pub fn quiet(&mut self, id: u64) {
        if let Some(entry) = self.alive.get_mut(&id) {
            entry.is_quiet = true;
        }
    }

    /// A token is dropped. Nobody may be told: it may be in the middle of anything.
    pub fn dropped(&mut self, id: u64) {
        let Some(entry) = self.alive.remove(&id) else {
            self.complain(format!("token {id} was dropped twice"));
            return;
        };
        if matches!(entry.state, State::Issued | State::Owed) {
            self.owed -= 1;
            let window_ends = entry.kind == Kind::Accept && self.listener_closed;
            if !self.closing && !window_ends && !entry.is_quiet {
                let kind = entry.kind;
                self.complain(format!(
                    "operation {id} ({kind:?}) was dropped, and its packet is owed (P46)"
                ));
            }
        }
    }

    fn complain(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// A thread that takes has come to this place.
    pub fn moved(&mut self, taker: usize, to: Place) {
        self.places[taker] = to;
        say!("is {to:?}");
        let running = self.places.iter().filter(|place| **place == Place::Running).count();
        assert!(
            !self.is_limit_exact || running <= self.concurrency,
            "{running} threads were let in where {} may run (P70)",
            self.concurrency
        );
    }

    pub fn close_listener(&mut self) {
        self.listener_closed = true;
    }

    pub fn close(&mut self) {
        self.closing = true;
    }

    pub fn owed(&self) -> usize {
        self.owed
    }

    /// How many tokens there are.
    pub fn alive(&self) -> usize {
        self.alive.len()
    }

    /// How many operations of these kinds are owed.
    pub fn owed_of(&self, kinds: &[Kind]) -> usize {
        let is_one = |entry: &&Entry| {
            matches!(entry.state, State::Issued | State::Owed) && kinds.contains(&entry.kind)
        };
        // A quiet operation may be over.
        self.alive.values().filter(is_one).filter(|entry| !entry.is_quiet).count()
    }

    /// What is owed, in words.
    pub fn debts(&self) -> String {
        let is_owed = |entry: &&Entry| matches!(entry.state, State::Issued | State::Owed);
        let mut kinds = BTreeMap::<Kind, usize>::new();
        for entry in self.alive.values().filter(is_owed) {
            *kinds.entry(entry.kind).or_default() += 1;
        }
        let mut text = String::new();
        for (kind, count) in kinds {
            let _ = write!(text, " {count} {kind:?}");
        }
        text
    }

    /// How many packets were taken, and of which kinds operations were started.
    pub fn summary(&self) -> Summary {
        Summary {
            issued: self.last_id,
            taken: self.taken,
            trace: self.trace,
            by_kind: self.by_kind.clone(),
        }
    }
}

/// What a life was about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub issued: u64,
    pub taken: u64,
    /// Of everything that was taken, in order: the same for the same life.
    pub trace: u64,
    pub by_kind: BTreeMap<Kind, u64>,
}
