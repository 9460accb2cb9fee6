//! What a server counts. Each worker counts on lines of its own.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has counted since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Connections open now.
    pub connected: u64,
    /// The most connections that were open at once.
    pub peak_connected: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Responses that were sent to their end.
    pub responses: u64,
    /// Of these, how many had a status from 400 on.
    pub refusals: u64,
    /// Bytes of bodies that were sent.
    pub body_bytes: u64,
    /// Connections that ended before their time, by kind.
    pub errors: Errors,
    /// Lines of the access log that were not written.
    pub log_lines_dropped: u64,
    /// How often accepting was put off for want of descriptors or memory.
    pub accept_deferrals: u64,
    /// What the threads do now.
    pub threads: Threads,
}

/// Connections that ended before their time, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Errors {
    /// Reset by the client.
    pub reset: u64,
    /// The head of a request came too late, or a response was not taken.
    pub timed_out: u64,
    /// Ended by force when the server was stopped.
    pub aborted: u64,
    /// Anything else: a file that became shorter while it was sent, other errors of the system.
    pub other: u64,
}

/// What the threads of a server do at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Threads {
    /// Waiting for something to do.
    pub waiting: usize,
    /// Running.
    pub released: usize,
    /// Released, and blocked elsewhere since.
    pub paused: usize,
}

/// Why a connection ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Reset,
    TimedOut,
    Aborted,
    Other,
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
                Self::Reset
            }
            // On Windows that is a reset that came while the connection was busy.
            ErrorKind::ConnectionAborted => Self::Reset,
            ErrorKind::TimedOut => Self::TimedOut,
            _ if is_aborted(error) => Self::Aborted,
            _ => Self::Other,
        }
    }
}

/// Whether an operation was cancelled, or its handle closed.
pub(crate) fn is_aborted(error: &Error) -> bool {
    const ABORTED: i32 = if cfg!(windows) { 995 } else { 125 };
    error.raw_os_error() == Some(ABORTED)
}

/// One worker's counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Own {
    accepted: AtomicU64,
    responses: AtomicU64,
    refusals: AtomicU64,
    body_bytes: AtomicU64,
    failures: [AtomicU64; 4],
}

fn add(counter: &AtomicU64, count: u64) {
    // Nobody else writes it, save while a server is being stopped.
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Own {
    pub(crate) fn accepted(&self) {
        add(&self.accepted, 1);
    }

    pub(crate) fn responded(&self, status: u16) {
        add(&self.responses, 1);
        if status >= 400 {
            add(&self.refusals, 1);
        }
    }

    pub(crate) fn sent(&self, bytes: u64) {
        add(&self.body_bytes, bytes);
    }

    pub(crate) fn failed(&self, failure: Failure, count: u64) {
        add(&self.failures[failure as usize], count);
    }

    pub(crate) fn add_to(&self, sum: &mut Status) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sum.accepted += get(&self.accepted);
        sum.responses += get(&self.responses);
        sum.refusals += get(&self.refusals);
        sum.body_bytes += get(&self.body_bytes);
        let [reset, timed_out, aborted, other] = &self.failures;
        sum.errors.reset += get(reset);
        sum.errors.timed_out += get(timed_out);
        sum.errors.aborted += get(aborted);
        sum.errors.other += get(other);
    }
}
