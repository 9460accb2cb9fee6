//! The calls of a script: two bytes for the network, and four for each step.

/// More steps than that are not made.
const STEPS_MAX: usize = 300;

/// What the bytes of an input say.
#[derive(Debug)]
pub struct Script {
    /// Of the simulated network; 0 disturbs nothing, and then the model knows more.
    pub seed: u8,
    /// What an end of a simulated connection holds until it is received; 0 is what the network has of itself.
    pub capacity: u8,
    pub steps: Vec<Step>,
}

/// One call. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Post,
    Defer,
    Take,
    /// So many packets at the most, of which some are taken out; the others go back.
    TakeMany {
        most: u8,
        wanted: u8,
    },
    Timer {
        after_ms: u8,
    },
    CancelTimer(u8),
    StopTimer(u8),
    ResetTimer {
        timer: u8,
        after_ms: u8,
    },
    Advance {
        ms: u8,
    },
    Accept,
    Connect {
        first_bytes: u8,
    },
    Receive {
        end: u8,
        room: u8,
        how: How,
    },
    Send {
        end: u8,
        bytes: u8,
        how: How,
    },
    Cancel(u8),
    CancelAll {
        end: u8,
    },
    Shutdown {
        end: u8,
        sends: bool,
        receives: bool,
    },
    Close {
        end: u8,
    },
    Abort {
        end: u8,
    },
    Drop {
        end: u8,
    },
    CloseListener,
    CancelAccepts,
    Leave,
    ClosePort,
}

/// How an operation is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Queued,
    InPlace,
    /// Of a receive: with a buffer of the pool. Of a send: as several buffers.
    Otherwise,
}

impl Script {
    pub fn of(bytes: &[u8]) -> Self {
        let (head, rest) = bytes.split_at(bytes.len().min(2));
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        let steps = rest.chunks_exact(4).take(STEPS_MAX);
        Self { seed: byte(0), capacity: byte(1), steps: steps.map(Step::of).collect() }
    }
}

impl Step {
    /// What is done often has several numbers.
    fn of(bytes: &[u8]) -> Self {
        let (end, first, second) = (bytes[1], bytes[2], bytes[3]);
        let how = match second % 3 {
            0 => How::Queued,
            1 => How::InPlace,
            _ => How::Otherwise,
        };
        match bytes[0] % 64 {
            0..=4 => Self::Post,
            5..=7 => Self::Defer,
            8..=16 => Self::Take,
            17..=19 => Self::TakeMany { most: first, wanted: second },
            20..=21 => Self::Timer { after_ms: first },
            22 => Self::CancelTimer(first),
            23 => Self::StopTimer(first),
            24 => Self::ResetTimer { timer: end, after_ms: first },
            25..=26 => Self::Advance { ms: first },
            27..=30 => Self::Accept,
            31..=33 => Self::Connect { first_bytes: first },
            34..=43 => Self::Receive { end, room: first, how },
            44..=53 => Self::Send { end, bytes: first, how },
            54 => Self::Cancel(first),
            55 => Self::CancelAll { end },
            56..=57 => Self::Shutdown { end, sends: first % 4 > 0, receives: second % 2 > 0 },
            58 => Self::Close { end },
            59 => Self::Abort { end },
            60 => Self::Drop { end },
            61 => Self::Leave,
            62 => Self::CancelAccepts,
            // What ends it all is rare.
            _ => match first % 16 {
                0 => Self::ClosePort,
                1 => Self::CloseListener,
                _ => Self::Take,
            },
        }
    }
}
