//! What is kept per connection, and what travels with its operations.

use crate::cache::File;
use overlapped::{Protocol, TransmissionProgress};
use overlapped_serving::{Listed, Place, lock};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) type Stream = overlapped::TcpStream<Serving>;
pub(crate) type Connections = overlapped_serving::Connections<Stream>;

/// The protocol of the server.
#[derive(Debug)]
pub(crate) struct Serving;

impl Protocol for Serving {
    type Key = Connection;
    type Operation = Work;
    type Message = ();
}

/// What an operation is part of. A connection has one operation in flight or is in one worker's
/// hands, so what is known of its request travels with the operation.
#[derive(Debug)]
pub(crate) enum Work {
    /// A receive that waits for a request's first byte.
    Waits,
    /// The same, for a last time, while the server is being stopped.
    LastLook,
    /// A receive for the rest of a request, which must be whole at this tick and has at least so
    /// many bytes, if that is known.
    Head { bytes: Vec<u8>, until: u32, needs: u32 },
    /// A response is on its way.
    Answer(Box<Answer>),
    /// What still comes is thrown away, so that the client can read our last answer.
    Discard { until: u32 },
    /// Of the listener and of the timer.
    Other,
}

/// A response on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What of the head is not sent yet, where a file follows it.
    pub(crate) head_left: usize,
    pub(crate) file: Option<Part>,
    pub(crate) body_sent: u64,
    pub(crate) after: After,
    /// The first line of the request, if there is a log.
    pub(crate) line: Option<Box<[u8]>>,
}

/// What of a file is still to be sent.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What comes after a response.
#[derive(Debug)]
pub(crate) enum After {
    /// The next request, of which so much has come already.
    Next(Vec<u8>),
    /// The end, when the client has read.
    End,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// A request.
    Request,
    /// The rest of a head.
    Head,
    /// That the client takes a response.
    Answer,
    /// The client's end.
    Discard,
}

/// The completion key of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// None for the listener.
    pub(crate) client: Option<SocketAddr>,
    place: AtomicU32,
    /// The tick at which its time is over, or a mark; [`super::deadline`] keeps it.
    pub(crate) until: AtomicU32,
    phase: AtomicU8,
    /// How far the response is, where that is a file.
    progress: Mutex<Option<TransmissionProgress>>,
    /// How far it was when the sweep looked last.
    pub(crate) seen: AtomicU64,
    /// The tick at which the response began to be sent.
    pub(crate) began: AtomicU32,
    /// How much of it the system had taken before the part that is sent now.
    before: AtomicU64,
    /// Its place among the connections of its client, held as long as it is there.
    _place_of_client: Option<Place>,
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
    pub(crate) fn new(client: Option<SocketAddr>, place_of_client: Option<Place>) -> Self {
        Self {
            client,
            place: AtomicU32::new(0),
            until: AtomicU32::new(u32::MAX),
            phase: AtomicU8::new(Phase::Request as u8),
            progress: Mutex::new(None),
            seen: AtomicU64::new(0),
            began: AtomicU32::new(0),
            before: AtomicU64::new(0),
            _place_of_client: place_of_client,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        const PHASES: [Phase; 4] = [Phase::Request, Phase::Head, Phase::Answer, Phase::Discard];
        PHASES[usize::from(self.phase.load(Ordering::SeqCst)) % PHASES.len()]
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    /// Keeps what tells how far a part of a response is, before which there were `before` bytes.
    pub(crate) fn set_progress(&self, before: u64, progress: Option<TransmissionProgress>) {
        self.before.store(before, Ordering::Relaxed);
        self.seen.store(0, Ordering::Relaxed);
        *lock(&self.progress) = progress;
    }

    /// How many bytes of the response the system has taken.
    pub(crate) fn progress(&self) -> u64 {
        let of_part = lock(&self.progress).as_ref().map_or(0, TransmissionProgress::bytes);
        self.before.load(Ordering::Relaxed) + of_part
    }
}
