//! One operation in the hands of a backend.

use crate::sys::files::Transfer;
use std::collections::VecDeque;
use std::io;

/// Names one operation: the file it is on, by a number that the port gave it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) file: u64,
    pub(super) operation: u32,
}

/// Which operations are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    One(Tag),
    OfFile(u64),
}

impl Which {
    pub(super) fn includes(self, tag: Tag) -> bool {
        match self {
            Self::One(one) => one == tag,
            Self::OfFile(file) => file == tag.file,
        }
    }
}

/// What came of a request, for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The operation has its result.
    Complete,
    /// It is to be asked for its next request.
    GoesOn,
}

/// One operation, as a backend sees it.
pub(super) trait Job: Transfer {
    fn tag(&self) -> Tag;

    /// Tells it what came of its request: how many bytes, or an error.
    fn advance(&mut self, outcome: io::Result<usize>) -> Step;

    /// Ends it as aborted, with what it transferred before.
    fn abort(&mut self);

    /// Takes it complete, from a thread that is none of the port's.
    fn deliver(self: Box<Self>);

    /// Ends it, since the port is closed. It may panic, as the user's code does.
    fn discard(self: Box<Self>);
}

/// Jobs that came back complete.
pub(super) type Done<J> = Vec<Box<J>>;

/// Why a start gave its job back.
pub(super) type NotStarted<J> = (io::Error, Box<J>);

/// Takes the jobs that are meant out of a queue, aborted.
pub(super) fn abort_waiting<J: Job>(waiting: &mut VecDeque<Box<J>>, which: Which) -> Done<J> {
    let (mut meant, rest): (Vec<_>, Vec<_>) =
        std::mem::take(waiting).into_iter().partition(|job| which.includes(job.tag()));
    *waiting = rest.into();
    meant.iter_mut().for_each(|job| job.abort());
    meant
}
