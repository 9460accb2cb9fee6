//! What a server counts. Each worker counts on lines of its own.

use overlapped_serving::{Count, Errors, Meter, Threads};

/// What a server has counted since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Connections open now.
    pub connected: u64,
    /// The most connections that were open at once.
    pub peak_connected: u64,
    /// Connections accepted, without those that were refused.
    pub accepted: u64,
    /// Connections closed at once, since their client had as many as it may.
    pub refused: u64,
    /// Responses that were sent to their end.
    pub responses: u64,
    /// Of these, how many had a status from 400 on.
    pub refusals: u64,
    /// Bytes of bodies that were sent.
    pub body_bytes: u64,
    /// Connections that ended before their time, by kind. One is timed out also when its response
    /// was not taken, or too slowly, or the head of a request came too late; other is also a file that became
    /// shorter while it was sent.
    pub errors: Errors,
    /// Lines of the access log that were lost. What waits to be written is not lost yet; at the end
    /// of a server it is.
    pub log_lines_lost: u64,
    /// How often accepting was put off for want of descriptors or memory.
    pub accept_deferrals: u64,
    /// What the threads do now.
    pub threads: Threads,
}

/// One worker's counts. Nobody else writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Own {
    refused: Count,
    responses: Count,
    refusals: Count,
    body_bytes: Count,
}

impl Meter for Own {
    fn absorb(&self, ended: &Self) {
        self.refused.add(ended.refused.get());
        self.responses.add(ended.responses.get());
        self.refusals.add(ended.refusals.get());
        self.body_bytes.add(ended.body_bytes.get());
    }
}

impl Own {
    pub(crate) fn refused(&self) {
        self.refused.add(1);
    }

    pub(crate) fn responded(&self, status: u16) {
        self.responses.add(1);
        if status >= 400 {
            self.refusals.add(1);
        }
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.body_bytes.add(bytes);
    }

    pub(crate) fn add_to(&self, sum: &mut Status) {
        sum.refused += self.refused.get();
        sum.responses += self.responses.get();
        sum.refusals += self.refusals.get();
        sum.body_bytes += self.body_bytes.get();
    }
}
