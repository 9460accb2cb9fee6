//! What happens in the life of a seed: settings, and what each thread does, step by step.
//!
//! It is written down before the life begins, so that a failure can be made smaller by leaving out parts of
//! it. It is made from what the contract allows a program to do, and knows nothing of how the library does it.

use crate::random::Random;
use overlapped::simulated::Call;
use serde::{Deserialize, Serialize};

/// A life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Decides what handlers do.
    pub seed: u64,
    /// Decides which thread goes on.
    pub schedule: u64,
    /// Of the simulated network: zero disturbs nothing.
    pub network_seed: u64,
    pub concurrency: usize,
    /// How many threads take packets.
    pub takers: usize,
    /// Whether the blocked-thread monitor is on.
    pub monitor: bool,
    /// Bytes that an end of a connection holds until they are received.
    pub capacity: usize,
    /// Whether what is left of a batch is dropped, and so put back.
    pub put_backs: bool,
    /// Whether handlers block and sleep.
    pub blocks: bool,
    /// How many operations there are to be. Starters begin again until there are as many, and handlers start
    /// some until there are.
    pub operations: u64,
    /// Whether the listener keeps a window of so many posted accepts; else accepts are posted one by one.
    pub window: Option<usize>,
    /// Whether connections of the window are silent until their first data comes.
    pub first_data: bool,
    /// What threads do that take no packets.
    pub starters: Vec<Vec<Action>>,
    /// What the other ends do, each in a thread of its own.
    pub peers: Vec<Vec<Outside>>,
}

/// A step of a thread that starts operations. `which` picks a stream or a timer among those that there are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Action {
    Post,
    Defer,
    StartTimer {
        after_us: u64,
    },
    StopTimer {
        which: u64,
    },
    CancelTimer {
        which: u64,
    },
    ResetTimer {
        which: u64,
        after_us: u64,
    },
    Accept,
    Connect {
        nobody_listens: bool,
    },
    Receive {
        which: u64,
    },
    Send {
        which: u64,
        bytes: usize,
    },
    Cancel {
        which: u64,
    },
    CancelAll {
        which: u64,
    },
    Shutdown {
        which: u64,
    },
    Close {
        which: u64,
    },
    Abort {
        which: u64,
    },
    Drop {
        which: u64,
    },
    Limit {
        which: u64,
        after_us: u64,
    },
    LimitLast {
        which: u64,
        after_us: u64,
    },
    SendQuietly {
        which: u64,
        bytes: usize,
    },
    Disconnect {
        which: u64,
    },
    SendTo {
        bytes: usize,
    },
    ReceiveFrom,
    Read {
        offset: u64,
        bytes: usize,
    },
    Write {
        offset: u64,
        bytes: usize,
    },
    Flush,
    CancelFile,
    FailFiles {
        times: usize,
        errno: i32,
    },
    /// A call fails in one of the ways of [`FAULTS`].
    Fail {
        way: usize,
        times: u64,
    },
    Pause,
    Resume,
    Jump {
        by_us: u64,
    },
    Sleep {
        for_us: u64,
    },
}

/// A step of the other end of a connection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Outside {
    Send {
        bytes: usize,
    },
    Receive {
        bytes: usize,
    },
    Shutdown,
    /// The connection ends, and another one is made.
    Reset,
    Close,
    Sleep {
        for_us: u64,
    },
}

/// Errors that a call may have on Linux when a system runs short, or the network fails.
const ENOBUFS: i32 = 105;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ECONNRESET: i32 = 104;
const ECONNABORTED: i32 = 103;
const ENETUNREACH: i32 = 101;
const EAGAIN: i32 = 11;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;

/// How calls on sockets may fail.
pub const FAULTS: [(Call, i32); 15] = [
    (Call::Receive, ECONNRESET),
    (Call::Receive, ENOMEM),
    (Call::Receive, EAGAIN),
    (Call::Send, ENOBUFS),
    (Call::Send, ECONNRESET),
    (Call::Send, EAGAIN),
    (Call::Accept, EMFILE),
    (Call::Accept, ECONNABORTED),
    (Call::Accept, ENOBUFS),
    (Call::Connect, ENETUNREACH),
    (Call::ReceiveFrom, ENOMEM),
    (Call::SendTo, ENOBUFS),
    (Call::SendTo, EAGAIN),
    (Call::Register, ENOMEM),
    (Call::Open, EMFILE),
];

impl Plan {
    /// The life of a seed, of about so many operations.
    pub fn of(seed: u64, operations: u64) -> Self {
        let random = &mut Random::new(seed, 2);
        let starters = 1 + random.below(3);
        let peers = random.below(4);
        let per_starter = (operations / 4).clamp(20, 300) / starters;
        let has_faults = random.chance(3);
        // Some lives are about few things, which then meet more often.
        let favourite = random.chance(2).then(|| random.below(KINDS));
        Self {
            seed,
            schedule: seed,
            network_seed: if random.chance(4) { 0 } else { random.number() },
            concurrency: 1 + random.below(3) as usize,
            takers: 1 + random.below(5) as usize,
            monitor: random.chance(2),
            capacity: random.one_of(&[1, 7, 200, 5_000, 65_536]),
            put_backs: random.chance(3),
            blocks: random.chance(2),
            operations,
            window: random.chance(2).then(|| 1 + random.below(4) as usize),
            first_data: random.chance(3),
            starters: (0..starters)
                .map(|_| (0..per_starter).map(|_| action(random, has_faults, favourite)).collect())
                .collect(),
            peers: (0..peers)
                .map(|_| (0..5 + random.below(40)).map(|_| outside(random)).collect())
                .collect(),
        }
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.starters.iter().map(Vec::len).sum::<usize>()
            + self.peers.iter().map(Vec::len).sum::<usize>()
    }
}

/// How many kinds of actions there are below.
const KINDS: u64 = 38;

fn action(random: &mut Random, has_faults: bool, favourite: Option<u64>) -> Action {
    let which = random.number();
    let after_us = random.one_of(&[0, 1, 40, 300, 900, 5_000, 40_000]);
    let bytes = random.one_of(&[0, 1, 10, 100, 700, 3_000]);
    let kind = match favourite {
        Some(kind) if random.chance(3) => kind,
        _ => random.below(KINDS),
    };
    match kind {
        0..4 => Action::Post,
        4 => Action::Defer,
        5 => Action::StartTimer { after_us },
        6 => Action::StopTimer { which },
        7 => Action::CancelTimer { which },
        8 => Action::ResetTimer { which, after_us },
        9..11 => Action::Accept,
        11..13 => Action::Connect { nobody_listens: random.chance(6) },
        13..16 => Action::Receive { which },
        16..19 => Action::Send { which, bytes },
        19 => Action::Cancel { which },
        20 => Action::CancelAll { which },
        21 if random.chance(2) => Action::Shutdown { which },
        21 => Action::Abort { which },
        22 => Action::Close { which },
        23 => Action::Drop { which },
        24 => Action::Limit { which, after_us },
        25 => Action::SendTo { bytes },
        26 => Action::ReceiveFrom,
        27 if has_faults => {
            let way = random.below(FAULTS.len() as u64) as usize;
            Action::Fail { way, times: 1 + random.below(3) }
        }
        27 => Action::Post,
        29 => Action::LimitLast { which, after_us },
        30 => Action::SendQuietly { which, bytes },
        31 => Action::Disconnect { which },
        32..34 => Action::Read { offset: which % 5_000, bytes },
        34 => Action::Write { offset: which % 5_000, bytes },
        35 if random.chance(3) => Action::CancelFile,
        35 => Action::Flush,
        36 if has_faults => {
            let errno = random.one_of(&[EIO, ENOSPC, ENOMEM, EINTR]);
            Action::FailFiles { times: 1 + random.below(3) as usize, errno }
        }
        36 => Action::Post,
        28 if random.chance(3) => Action::Pause,
        28 if random.chance(8) => Action::Jump { by_us: after_us * 10 },
        28 => Action::Resume,
        _ => Action::Sleep { for_us: after_us },
    }
}

fn outside(random: &mut Random) -> Outside {
    match random.below(16) {
        0..6 => Outside::Send { bytes: random.one_of(&[1, 10, 100, 700, 3_000]) },
        6..11 => Outside::Receive { bytes: random.one_of(&[1, 10, 100, 700, 3_000]) },
        11 => Outside::Shutdown,
        12 => Outside::Reset,
        13 => Outside::Close,
        _ => Outside::Sleep { for_us: random.one_of(&[1, 40, 300, 5_000]) },
    }
}
