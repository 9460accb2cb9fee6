//! What a sender is allowed, and what it tells.

use crate::rate::LEAST_RATE;
use std::net::SocketAddr;
use std::time::Duration;

/// What a sender is allowed.
#[derive(Clone, Debug)]
pub struct SendSettings {
    /// The name that the fetcher is told; None is the file's own.
    pub name: Option<String>,
    /// Connections that may be open; more wait in the backlog.
    pub connections: usize,
    /// How long a fetcher may take for its request.
    pub request_time: Duration,
    /// How long a fetcher may take nothing of the file, and how long it may take to end its side after
    /// the last byte.
    ///
    /// # Platform
    /// On Windows it is seen every 64 MiB how far a transmission is, so a limit must leave time for
    /// that many.
    pub stall_time: Duration,
    /// How many bytes of the file a fetcher must take a second, on average over `rate_time`; 0 is any. One
    /// that takes a little now and then would hold its place for ever.
    pub least_rate: u64,
    /// For how long a fetcher's rate is measured.
    ///
    /// # Platform
    /// See `stall_time`.
    pub rate_time: Duration,
    /// How often is looked at the time, and how often a fetcher is told that its checksum takes longer.
    pub tick: Duration,
}

impl Default for SendSettings {
    fn default() -> Self {
        Self {
            name: None,
            connections: 64,
            request_time: Duration::from_secs(10),
            stall_time: Duration::from_secs(if cfg!(windows) { 600 } else { 60 }),
            least_rate: LEAST_RATE,
            rate_time: Duration::from_secs(if cfg!(windows) { 600 } else { 60 }),
            tick: Duration::from_secs(1),
        }
    }
}

/// What a sender has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStatus {
    /// Connections that are open.
    pub connected: u64,
    /// Files, or the rests that were asked for, that went out whole, and whose fetcher ended in order
    /// after that.
    pub deliveries: u64,
    /// Heads that were asked for without the file.
    pub inquiries: u64,
    /// Bytes of the file that the system has taken, for all connections.
    pub bytes: u64,
    /// What did not end well.
    pub errors: SendErrors,
}

/// Connections that did not end well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendErrors {
    /// The fetcher went, or reset the connection, before the end.
    pub cut: u64,
    /// The fetcher was too slow: no request, or nothing taken.
    pub timed_out: u64,
    /// What was asked was no request of this protocol.
    pub not_understood: u64,
    /// The file could not be read, or became shorter while it was sent.
    pub file: u64,
    /// Ended by force: when the sender was stopped, or what served it panicked.
    pub aborted: u64,
}

impl SendErrors {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.cut + self.timed_out + self.not_understood + self.file + self.aborted
    }
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The fetcher.
    pub peer: SocketAddr,
    /// Bytes of the file that the system took for it.
    pub bytes: u64,
    /// Since it was accepted.
    pub time: Duration,
    /// Well or not.
    pub outcome: Outcome,
}

/// Whether a connection ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The fetcher has all that it asked for.
    Delivered {
        /// Where in the file that began.
        from: u64,
        /// The file was changed meanwhile, so what was sent may be a mixture.
        changed: bool,
    },
    /// It asked for the head only.
    Inquired,
    /// In words, why not.
    Failed(String),
}

/// Who is told of each connection's end, on a thread of the sender's.
pub trait SendWatch: Send + Sync {
    /// A connection has ended.
    fn ended(&self, ended: &Ended) {
        let _ = ended;
    }
}

/// Nobody looks on.
impl SendWatch for () {}
