//! What is kept per connection.

use super::settings::{Outcome, SendSettings};
use crate::rate::is_below;
use crate::wire::{REQUEST_BYTES, Reason, Request};
use overlapped::{OpenFile, Protocol, TransmissionProgress};
use overlapped_serving::{Listed, lock};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) type Stream = overlapped::TcpStream<Sending>;

/// The types that travel through the sender's port.
pub(crate) struct Sending;

impl Protocol for Sending {
    type Key = Connection;
    type Operation = Work;
    type Message = Message;
}

/// What is posted.
pub(crate) enum Message {
    /// The checksum that this fetcher waits for is known.
    Known(Stream, Request),
    /// There is no checksum, for this reason, and in words.
    Unknown(Stream, Reason, String),
}

/// What an operation is part of.
pub(crate) enum Work {
    /// A receive for the rest of a request, of which so much has come.
    Request([u8; REQUEST_BYTES], usize),
    /// A word that the checksum takes a while.
    Wait,
    /// A file on its way.
    Body(Box<Body>),
    /// An answer without a file.
    Refusal,
    /// A receive for the end of the fetcher's side.
    Farewell(Outcome),
    /// Of the listener and of the timer.
    Other,
}

/// A file on its way.
pub(crate) struct Body {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) identity: crate::wire::Identity,
    pub(crate) request: Request,
    pub(crate) from: u64,
    pub(crate) head_bytes: u64,
    pub(crate) body_bytes: u64,
}

/// The completion key of a connection.
pub(crate) struct Connection {
    place: AtomicU32,
    /// None for the listener.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) begun: Instant,
    /// A word of patience is on its way.
    pub(crate) is_told: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waits_for: Waits,
    /// When its time is over, unless it moves.
    until: Option<Instant>,
    /// Why the sweep has ended it.
    late: Option<Late>,
    progress: Option<TransmissionProgress>,
    head_bytes: u64,
    /// How far it was when the sweep looked last.
    seen: u64,
    /// Since when its rate is measured, and how far it was then.
    measured: Option<(Instant, u64)>,
    /// Bytes of the file that are counted already.
    counted: u64,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The fetcher's request.
    #[default]
    Request,
    /// Our checksum.
    Checksum,
    /// That the fetcher takes the file.
    Body,
    /// The fetcher's end.
    Farewell,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    Request,
    /// Nothing of the file was taken.
    Body,
    /// The file was taken, at less than the least rate.
    Rate,
    Farewell,
}

impl Listed for Connection {
    fn place(&self) -> u32 {
        self.place.load(Ordering::Relaxed)
    }

    fn keep_place(&self, place: u32) {
        self.place.store(place, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(peer: Option<SocketAddr>) -> Self {
        Self {
            place: AtomicU32::new(0),
            peer,
            begun: Instant::now(),
            is_told: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// It waits for this, until then.
    pub(crate) fn waits(&self, waits_for: Waits, limit: Option<Duration>) {
        let mut state = lock(&self.state);
        state.waits_for = waits_for;
        state.until = limit.and_then(|limit| Instant::now().checked_add(limit));
    }

    /// A transmission begins, whose head has so many bytes.
    pub(crate) fn transmits(
        &self,
        progress: TransmissionProgress,
        head_bytes: u64,
        limit: Duration,
    ) {
        self.waits(Waits::Body, Some(limit));
        let mut state = lock(&self.state);
        state.progress = Some(progress);
        state.head_bytes = head_bytes;
        state.measured = Some((Instant::now(), 0));
    }

    pub(crate) fn waits_for(&self) -> Waits {
        lock(&self.state).waits_for
    }

    /// Has `tell` start to say that the checksum takes a while, if that is waited for and not being said,
    /// and gives what came of it.
    ///
    /// The answer begins only after the connection has stopped waiting, for which it needs the lock
    /// that is held here: so nothing can come behind the answer.
    pub(crate) fn tell_to_wait(&self, tell: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let state = lock(&self.state);
        let is_due =
            state.waits_for == Waits::Checksum && !self.is_told.swap(true, Ordering::AcqRel);
        let outcome = if is_due { tell() } else { Ok(()) };
        drop(state);
        outcome
    }

    pub(crate) fn late(&self) -> Option<Late> {
        lock(&self.state).late
    }

    /// Bytes of the file that the system has taken.
    pub(crate) fn bytes(&self) -> u64 {
        let state = lock(&self.state);
        let sent = state.progress.as_ref().map_or(0, TransmissionProgress::bytes);
        sent.saturating_sub(state.head_bytes)
    }

    /// How many of them were not counted before.
    pub(crate) fn count(&self) -> u64 {
        let bytes = self.bytes();
        let mut state = lock(&self.state);
        bytes.saturating_sub(std::mem::replace(&mut state.counted, bytes))
    }

    /// Marks it if its time is over now.
    pub(crate) fn is_over(&self, now: Instant, settings: &SendSettings) -> bool {
        let bytes = self.bytes();
        let mut state = lock(&self.state);
        if state.late.is_some() {
            return true;
        }
        if state.waits_for == Waits::Body && bytes != state.seen {
            state.seen = bytes;
            state.until = now.checked_add(settings.stall_time);
        }
        if state.waits_for == Waits::Body
            && let Some((since, had)) = state.measured
        {
            let time = now.saturating_duration_since(since);
            if time >= settings.rate_time {
                state.measured = Some((now, bytes));
                if is_below(settings.least_rate, bytes - had, time) {
                    state.late = Some(Late::Rate);
                    return true;
                }
            }
        }
        if state.until.is_none_or(|until| now < until) {
            return false;
        }
        state.late = Some(match state.waits_for {
            Waits::Request => Late::Request,
            Waits::Body => Late::Body,
            Waits::Farewell => Late::Farewell,
            // That is our own time.
            Waits::Checksum => return false,
        });
        true
    }
}
