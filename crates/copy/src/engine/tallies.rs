//! What is counted while files are copied.

use crate::settings::{Settings, Unbuffered};
use crate::summary::{Failure, Summary};
use crate::transfer::{Phase, Transfer};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Tallies {
    files: AtomicU64,
    files_kept: AtomicU64,
    files_unbuffered: AtomicU64,
    folders: AtomicU64,
    links: AtomicU64,
    bytes: AtomicU64,
    hole_bytes: AtomicU64,
    resumed_bytes: AtomicU64,
    verified_bytes: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    flushes: AtomicU64,
    in_flight: AtomicU64,
    peak_in_flight: AtomicU64,
    /// The first file system that had no unbuffered access.
    without_unbuffered: Mutex<Option<String>>,
    failures: Mutex<Vec<Failure>>,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Tallies {
    fn starts(&self) {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_in_flight.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn starts_read(&self) {
        self.starts();
        add(&self.reads, 1);
    }

    pub(super) fn starts_write(&self) {
        self.starts();
        add(&self.writes, 1);
    }

    pub(super) fn starts_flush(&self) {
        self.starts();
        add(&self.flushes, 1);
    }

    /// The packet of an operation was taken.
    pub(super) fn completed(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// An operation was refused at its start: no packet will come.
    pub(super) fn refused(&self) {
        self.completed();
    }

    pub(super) fn wrote(&self, bytes: usize) {
        add(&self.bytes, bytes as u64);
    }

    pub(super) fn looked(&self, phase: Phase, bytes: usize) {
        if phase == Phase::Verifying {
            add(&self.verified_bytes, bytes as u64);
        }
    }

    pub(super) fn resumed(&self, bytes: u64) {
        add(&self.resumed_bytes, bytes);
    }

    pub(super) fn finished(&self, transfer: &Transfer) {
        add(&self.files, 1);
        add(&self.hole_bytes, transfer.hole_bytes);
        add(&self.files_unbuffered, u64::from(transfer.unbuffered));
    }

    pub(super) fn kept(&self) {
        add(&self.files_kept, 1);
    }

    pub(super) fn folders(&self, count: u64) {
        add(&self.folders, count);
    }

    pub(super) fn linked(&self) {
        add(&self.links, 1);
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }

    /// A file system has no unbuffered access, as `which` says.
    pub(super) fn cannot_be_unbuffered(&self, which: impl FnOnce() -> String) {
        let mut noted = self.without_unbuffered.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_none() {
            *noted = Some(which());
        }
    }

    pub(super) fn summary(&self, settings: &Settings) -> Summary {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let without = self.without_unbuffered.lock().unwrap_or_else(PoisonError::into_inner);
        let buffering = match (&*without, settings.unbuffered) {
            (Some(which), _) => which.clone(),
            (None, Unbuffered::Always) => "unbuffered was asked for".to_owned(),
            (None, Unbuffered::Never) => "buffered was asked for".to_owned(),
            (None, Unbuffered::Auto) if get(&self.files_unbuffered) > 0 => {
                "a file was larger than half of the memory".to_owned()
            }
            (None, Unbuffered::Auto) => "no file is larger than half of the memory".to_owned(),
        };
        Summary {
            files: get(&self.files),
            files_kept: get(&self.files_kept),
            folders: get(&self.folders),
            links: get(&self.links),
            bytes: get(&self.bytes),
            hole_bytes: get(&self.hole_bytes),
            resumed_bytes: get(&self.resumed_bytes),
            verified_bytes: get(&self.verified_bytes),
            reads: get(&self.reads),
            writes: get(&self.writes),
            flushes: get(&self.flushes),
            peak_in_flight: get(&self.peak_in_flight),
            files_unbuffered: get(&self.files_unbuffered),
            buffering,
            failures: self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Summary::default()
        }
    }
}
