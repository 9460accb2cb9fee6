//! What a scheduler counts, and how long packets lie in its queue.

use crate::sync;
use crate::sync::unmodelled::AtomicU64;
use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What has been counted since the scheduler was made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) queued: u64,
    pub(crate) taken: u64,
    pub(crate) released_on_block: u64,
    pub(crate) over_limit_moments: u64,
    pub(crate) monitor_looks: u64,
}

impl Counts {
    /// One more was taken. The sum over the threads is what counts: of what a thread queued for itself
    /// and another took, each knows one half.
    pub(super) fn count_taken(&mut self) {
        self.taken = self.taken.wrapping_add(1);
    }

    /// Adds what a thread has queued and taken past the shared queue.
    pub(super) fn add(&mut self, (queued, taken): (u64, u64)) {
        self.queued += queued;
        self.taken = self.taken.wrapping_add(taken);
    }
}

const BUCKETS: usize = 64;
pub(super) const SAMPLE_EVERY: u32 = 16;

/// How often a delay fell between two powers of two of nanoseconds.
#[derive(Debug, Clone)]
pub struct DelayHistogram {
    counts: [u64; BUCKETS],
}

impl DelayHistogram {
    /// The buckets that are not empty: upper bound (exclusive) and count, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(power, count)| {
            let bound_ns = 1u64.checked_shl(power as u32 + 1).unwrap_or(u64::MAX);
            (Duration::from_nanos(bound_ns), *count)
        })
    }

    /// How many delays were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// An upper bound for the delay that `share` (0 to 1) of the measured packets did not exceed;
    /// `None` when none was measured.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (share.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.buckets().find_map(|(bound, count)| {
            seen += count;
            (seen >= wanted).then_some(bound)
        })
    }
}

/// Measures the delay of a sample of packets: reading the clock for each would cost more than the
/// rest of the queue.
#[derive(Debug)]
pub(crate) struct DelayRecorder {
    epoch: Instant,
    counts: [AtomicU64; BUCKETS],
}

/// A packet in the queue.
#[derive(Debug)]
pub(crate) struct Queued<T> {
    packet: T,
    /// When it was queued, in nanoseconds of the recorder's time, if its delay is measured.
    at_ns: Option<NonZeroU64>,
}

impl<T> Queued<T> {
    pub(super) fn unmeasured(packet: T) -> Self {
        Self { packet, at_ns: None }
    }

    pub(crate) fn into_packet(self) -> T {
        self.packet
    }
}

impl DelayRecorder {
    pub(crate) fn new() -> Self {
        Self { epoch: sync::now(), counts: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(sync::now().saturating_duration_since(self.epoch).as_nanos())
            .unwrap_or(u64::MAX)
    }

    /// A packet about to be queued, with the time if it is one of the sample.
    pub(crate) fn sampled<T>(&self, packet: T) -> Queued<T> {
        sync::thread_local! {
            static UNTIL_NEXT: Cell<u32> = const { Cell::new(0) };
        }
        let until_next = UNTIL_NEXT.try_with(|count| count.replace(count.get().wrapping_sub(1)));
        if until_next != Ok(0) {
            return Queued::unmeasured(packet);
        }
        let _ = UNTIL_NEXT.try_with(|count| count.set(SAMPLE_EVERY - 1));
        self.measured_if(true, packet)
    }

    /// A packet about to be queued, with the time if its delay is to be measured.
    #[inline(always)]
    pub(super) fn measured_if<T>(&self, is_measured: bool, packet: T) -> Queued<T> {
        let at_ns = if is_measured { NonZeroU64::new(self.now_ns()) } else { None };
        Queued { packet, at_ns }
    }

    /// The packet, which a thread has taken.
    #[inline(always)]
    pub(crate) fn taken<T>(&self, queued: Queued<T>) -> T {
        if let Some(at_ns) = queued.at_ns {
            self.add(at_ns);
        }
        queued.packet
    }

    #[inline(never)]
    fn add(&self, at_ns: NonZeroU64) {
        let ns = self.now_ns().saturating_sub(at_ns.get()).max(1);
        self.counts[ns.ilog2() as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn histogram(&self) -> DelayHistogram {
        DelayHistogram { counts: std::array::from_fn(|i| self.counts[i].load(Ordering::Relaxed)) }
    }
}
