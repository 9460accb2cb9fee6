//! What a server counts, and the places of its connections.

use futures_util::task::AtomicWaker;
use hyper::Error as HttpError;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    peak: AtomicUsize,
    accepted: AtomicU64,
    failed_handshakes: AtomicU64,
    reset: AtomicU64,
    timed_out: AtomicU64,
    failed: AtomicU64,
    accept_errors: AtomicU64,
    at_limit: AtomicU64,
    /// The server, when it waits for a connection to end.
    waits_for_room: AtomicWaker,
}

/// What a server has counted so far, to be read while it runs and after it; from
/// [`Serve::metrics`](super::Serve::metrics). Clones show the same figures.
#[derive(Clone, Default)]
pub struct ServeMetrics(Arc<Counts>);

impl ServeMetrics {
    /// Connections that are open now, with those in their handshake and those that were upgraded.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    pub fn peak(&self) -> usize {
        self.0.peak.load(Ordering::Relaxed)
    }

    /// Connections that were accepted.
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Handshakes of TLS that failed or were not ended in time. Those that the stop of the server gave up
    /// are not among them.
    pub fn failed_handshakes(&self) -> u64 {
        self.0.failed_handshakes.load(Ordering::Relaxed)
    }

    /// Connections that their clients reset.
    pub fn reset(&self) -> u64 {
        self.0.reset.load(Ordering::Relaxed)
    }

    /// Connections that were ended since nothing came, or nothing was taken, in time.
    pub fn timed_out(&self) -> u64 {
        self.0.timed_out.load(Ordering::Relaxed)
    }

    /// Connections that ended early for another reason: what came was no HTTP, or a body failed.
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// How often the system could not accept a connection, for want of descriptors or memory.
    pub fn accept_errors(&self) -> u64 {
        self.0.accept_errors.load(Ordering::Relaxed)
    }

    /// How often the last free place was taken
    /// ([`Serve::max_connections`](super::Serve::max_connections)), so that nothing was accepted for a while.
    pub fn at_limit(&self) -> u64 {
        self.0.at_limit.load(Ordering::Relaxed)
    }

    /// Waits until fewer than `most` connections are open.
    pub(super) fn poll_room(&self, most: usize, context: &Context<'_>) -> Poll<()> {
        if self.open() < most {
            return Poll::Ready(());
        }
        self.0.waits_for_room.register(context.waker());
        // One may have ended before it was registered.
        if self.open() < most { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes a place for a connection that was accepted. Only the server itself does so, after it has
    /// seen that there is one of `most`.
    pub(super) fn take_place(&self, most: usize) -> Place {
        let counts = &self.0;
        let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
        counts.peak.fetch_max(open, Ordering::Relaxed);
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        if open == most {
            counts.at_limit.fetch_add(1, Ordering::Relaxed);
        }
        Place { counts: Arc::clone(counts), most }
    }

    #[cfg(feature = "tls")]
    pub(super) fn handshake_failed(&self) {
        self.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accept_failed(&self) {
        self.0.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that ended with an error. [`Place::timed_out`] has counted those whose time was
    /// over, of which hyper does not tell always.
    pub(super) fn connection_failed(&self, error: &(dyn Error + 'static)) {
        let counts = &self.0;
        let count = match reason_of(error) {
            Reason::Counted => return,
            Reason::TimedOut => &counts.timed_out,
            Reason::Reset => &counts.reset,
            Reason::Other => &counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a connection ended with an error.
enum Reason {
    /// It is counted already, or is none to count.
    Counted,
    TimedOut,
    Reset,
    Other,
}

fn reason_of(error: &(dyn Error + 'static)) -> Reason {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => Reason::Reset,
                ErrorKind::TimedOut if error.raw_os_error().is_none() => Reason::Counted,
                ErrorKind::TimedOut => Reason::TimedOut,
                // Many clients end TLS without saying so, between requests as well.
                ErrorKind::UnexpectedEof => Reason::Counted,
                _ => Reason::Other,
            };
        }
        if error.downcast_ref::<HttpError>().is_some_and(HttpError::is_timeout) {
            return Reason::TimedOut;
        }
        next = error.source();
    }
    Reason::Other
}

impl fmt::Debug for ServeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeMetrics")
            .field("open", &self.open())
            .field("peak", &self.peak())
            .field("accepted", &self.accepted())
            .field("failed_handshakes", &self.failed_handshakes())
            .field("reset", &self.reset())
            .field("timed_out", &self.timed_out())
            .field("failed", &self.failed())
            .field("accept_errors", &self.accept_errors())
            .field("at_limit", &self.at_limit())
            .finish()
    }
}

/// The place of a connection among those that may be open. It is free again when this is dropped.
pub(super) struct Place {
    counts: Arc<Counts>,
    most: usize,
}

impl Place {
    /// Counts that the time of the connection is over.
    pub(super) fn timed_out(&self) {
        self.counts.timed_out.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.counts.open.fetch_sub(1, Ordering::SeqCst) == self.most {
            self.counts.waits_for_room.wake();
        }
    }
}
