//! What a port counts.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counted by the turnstile, under its lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct TurnstileCounters {
    pub(crate) queued: u64,
    pub(crate) taken: u64,
    pub(crate) released_on_block: u64,
    pub(crate) over_limit_moments: u64,
    pub(crate) doorman_looks: u64,
}

/// What a port has counted since it was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that came into being: queued, or given straight to the thread that performed their
    /// operation.
    pub queued: u64,
    /// Packets that were taken.
    pub taken: u64,
    /// Packets that were posted.
    pub posted: u64,
    /// How often a thread was let in because another one blocked.
    pub released_on_block: u64,
    /// How often a thread began to run that made more than the port's concurrency (P70).
    pub over_limit_moments: u64,
    /// How often the doorman looked whether the running threads really run.
    pub doorman_looks: u64,
    /// How often accepting, or a disconnect, was put off for want of descriptors or memory, or an
    /// accept of a window since its closure panicked.
    pub accept_deferrals: u64,
    /// The time from a packet's completion to its taking, of every sixteenth queued packet.
    pub queue_delay: DelayHistogram,
}

const BUCKETS: usize = 64;
const SAMPLE_EVERY: u32 = 16;

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

/// When a packet of the sample was queued, in nanoseconds of the recorder's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample(NonZeroU64);

impl DelayRecorder {
    pub(crate) fn new() -> Self {
        Self { epoch: Instant::now(), counts: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The time now, if the packet about to be queued is one of the sample.
    pub(crate) fn sample(&self) -> Option<Sample> {
        thread_local! {
            static UNTIL_NEXT: Cell<u32> = const { Cell::new(0) };
        }
        let until_next = UNTIL_NEXT.try_with(|count| count.replace(count.get().wrapping_sub(1)));
        if until_next != Ok(0) {
            return None;
        }
        let _ = UNTIL_NEXT.try_with(|count| count.set(SAMPLE_EVERY - 1));
        NonZeroU64::new(self.now_ns()).map(Sample)
    }

    pub(crate) fn record(&self, at: Option<Sample>) {
        let Some(Sample(at_ns)) = at else { return };
        let ns = self.now_ns().saturating_sub(at_ns.get()).max(1);
        self.counts[ns.ilog2() as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn histogram(&self) -> DelayHistogram {
        DelayHistogram { counts: std::array::from_fn(|i| self.counts[i].load(Ordering::Relaxed)) }
    }
}
