//! Counters that everybody may read while a run goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::document::Counts;

/// Counters of a run. Each is exact by itself; they are not read at one instant.
#[derive(Debug, Default)]
pub struct Progress {
    attempted: AtomicU64,
    established: AtomicU64,
    failed: AtomicU64,
    completed: AtomicU64,
    connected: AtomicU64,
    peak_connected: AtomicU64,
    messages_sent: AtomicU64,
    messages_echoed: AtomicU64,
    bytes_echoed: AtomicU64,
    recording: AtomicBool,
    closing: AtomicBool,
}

impl Progress {
    /// Connections that were tried so far.
    pub fn attempted(&self) -> u64 {
        self.attempted.load(Ordering::Relaxed)
    }

    /// Connections that were established so far.
    pub fn established(&self) -> u64 {
        self.established.load(Ordering::Relaxed)
    }

    /// Connections that have failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }

    /// Messages whose echo has come back whole so far.
    pub fn messages_echoed(&self) -> u64 {
        self.messages_echoed.load(Ordering::Relaxed)
    }

    pub(crate) fn connection_tried(&self) {
        self.attempted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_established(&self) {
        self.established.fetch_add(1, Ordering::Relaxed);
        let connected = self.connected.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_connected.fetch_max(connected, Ordering::Relaxed);
    }

    /// One established connection is open no more.
    pub(crate) fn connection_closed(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_completed(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn message_sent(&self) {
        self.messages_sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn message_echoed(&self, bytes: usize) {
        self.messages_echoed.fetch_add(1, Ordering::Relaxed);
        self.bytes_echoed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_recording(&self, recording: bool) {
        self.recording.store(recording, Ordering::Release);
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    pub(crate) fn set_closing(&self, closing: bool) {
        self.closing.store(closing, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The counts so far; `messages_recorded` is kept elsewhere and left at zero.
    pub fn counts(&self) -> Counts {
        Counts {
            attempted: self.attempted(),
            established: self.established(),
            peak_connected: self.peak_connected.load(Ordering::Relaxed),
            completed: self.completed.load(Ordering::Relaxed),
            messages_sent: self.messages_sent.load(Ordering::Relaxed),
            messages_echoed: self.messages_echoed(),
            messages_recorded: 0,
            bytes_echoed: self.bytes_echoed.load(Ordering::Relaxed),
        }
    }
}
