//! What is kept per connection.

use overlapped::Protocol;
use overlapped_serving::Listed;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) type Stream = overlapped::TcpStream<Serving>;
pub(super) type Connections = overlapped_serving::Connections<Stream>;

/// The protocol of the server.
#[derive(Debug)]
pub(super) struct Serving;

impl Protocol for Serving {
    type Key = Connection;
    type Operation = Receive;
    type Message = ();
}

/// What a receive is for; other operations carry it without meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receive {
    /// It waits for the client, as long as that takes.
    Waits,
    /// It looks a last time whether something came before the server closes the connection.
    LastLook,
}

/// The completion key of a connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Its place in the list, and [`HAS_SPOKEN`].
    place: AtomicU32,
    /// When something last happened on it, kept by [`super::sweep`].
    pub(super) last: AtomicU32,
}

/// Beside the place: the client has sent something. There are not so many places.
const HAS_SPOKEN: u32 = 1 << 31;

impl Listed for Connection {
    fn place(&self) -> u32 {
        self.place.load(Ordering::Relaxed) & !HAS_SPOKEN
    }

    fn keep_place(&self, place: u32) {
        self.place.fetch_or(place, Ordering::Relaxed);
    }
}

impl Connection {
    /// The client has sent something.
    pub(super) fn speaks(&self) {
        // Mostly it has before, and then nobody's cache line is taken away.
        if !self.has_spoken() {
            self.place.fetch_or(HAS_SPOKEN, Ordering::Relaxed);
        }
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.place.load(Ordering::Relaxed) & HAS_SPOKEN != 0
    }
}
