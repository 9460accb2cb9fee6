//! What a server counts, in a form that adds up over processes and travels as JSON.

use std::time::Duration;

use overlapped_models::Status;
use serde::{Deserialize, Serialize};

/// Counts of one or several servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Connections now.
    pub connected: u64,
    /// The most connections at one moment. Over several processes it is the sum of each one's.
    pub peak_connected: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Messages received.
    pub messages: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Errors of connections, by kind.
    pub errors: ErrorCounts,
    /// How often an accept was put off for lack of a descriptor.
    pub accept_deferrals: u64,
    /// Connections closed at once, since their client had as many as it may.
    pub refused: u64,
    /// Lines of the access log, or of --print and --log, that were lost.
    pub log_lines_lost: u64,
    /// Threads of the port.
    pub threads: ThreadCounts,
    /// Processor time the server has used.
    pub processor_time: Duration,
    /// Worker processes that died.
    pub workers_lost: u64,
}

/// Errors of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// The client reset the connection.
    pub reset: u64,
    /// The client was silent for too long.
    pub timed_out: u64,
    /// Operations of connections that the server itself ended.
    pub aborted: u64,
    /// Anything else.
    pub other: u64,
}

impl ErrorCounts {
    /// The counts with the names they are reported by.
    pub fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("reset", self.reset),
            ("timed out", self.timed_out),
            ("aborted", self.aborted),
            ("other", self.other),
        ]
    }
}

/// Threads that take packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadCounts {
    /// Waiting for a packet.
    pub waiting: u64,
    /// Running.
    pub released: u64,
    /// Blocked while they handle a packet.
    pub paused: u64,
}

impl Figures {
    /// The figures of a server in this process.
    pub fn of(status: &Status) -> Self {
        Self {
            connected: status.connected,
            peak_connected: status.peak_connected,
            accepted: status.accepted,
            messages: status.messages,
            bytes: status.bytes,
            errors: ErrorCounts {
                reset: status.errors.reset,
                timed_out: status.errors.timed_out,
                aborted: status.errors.aborted,
                other: status.errors.other,
            },
            accept_deferrals: status.accept_deferrals,
            refused: status.refused,
            log_lines_lost: status.log_lines_lost,
            threads: ThreadCounts {
                waiting: status.threads.waiting as u64,
                released: status.threads.released as u64,
                paused: status.threads.paused as u64,
            },
            processor_time: overlapped_load::process_figures::own_processor_time(),
            workers_lost: 0,
        }
    }

    /// Adds the figures of another process.
    pub fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.peak_connected += other.peak_connected;
        self.accepted += other.accepted;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.errors.reset += other.errors.reset;
        self.errors.timed_out += other.errors.timed_out;
        self.errors.aborted += other.errors.aborted;
        self.errors.other += other.errors.other;
        self.accept_deferrals += other.accept_deferrals;
        self.refused += other.refused;
        self.log_lines_lost += other.log_lines_lost;
        self.threads.waiting += other.threads.waiting;
        self.threads.released += other.threads.released;
        self.threads.paused += other.threads.paused;
        self.processor_time += other.processor_time;
        self.workers_lost += other.workers_lost;
    }

    /// What stays of a process that has died: what it had counted, and nothing that was its state.
    #[cfg_attr(windows, expect(dead_code, reason = "one process serves there"))]
    pub fn of_the_dead(self) -> Self {
        Self {
            connected: 0,
            threads: ThreadCounts::default(),
            workers_lost: self.workers_lost + 1,
            ..self
        }
    }

    /// The figures of a process together with those of the ones before it in its place, of which it
    /// only ever was one at a time.
    #[cfg_attr(windows, expect(dead_code, reason = "one process serves there"))]
    pub fn after(mut self, before: &Self) -> Self {
        let peak_connected = self.peak_connected.max(before.peak_connected);
        self.add(before);
        Self { peak_connected, ..self }
    }
}
