//! What a view shows of a pool of threads and its port.

use crate::view::{BusyThread, PortView, StallKind, StallLine};
use overlapped::{PoolSnapshot, StallSummary, StalledThread};
use std::time::{Duration, Instant};

impl From<&PoolSnapshot> for PortView {
    fn from(pool: &PoolSnapshot) -> Self {
        let nanoseconds = |bound: Duration| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Self {
            devices: pool.port.devices as u64,
            queued: pool.port.queued as u64,
            waiting: pool.port.waiting as u64,
            released: pool.port.released as u64,
            paused: pool.port.paused as u64,
            concurrency: pool.port.concurrency as u64,
            most_threads: pool.most as u64,
            packets: pool.counters.taken + pool.counters.completed_in_place,
            released_on_block: pool.counters.released_on_block,
            exhausted: pool.workers.exhausted,
            panicked: pool.workers.panicked,
            queue_delay_ns: (pool.counters.queue_delay.buckets())
                .map(|(bound, count)| (nanoseconds(bound), count))
                .collect(),
        }
    }
}

impl From<overlapped::StallKind> for StallKind {
    fn from(kind: overlapped::StallKind) -> Self {
        match kind {
            overlapped::StallKind::Blocks => Self::Blocks,
            overlapped::StallKind::Computes => Self::Computes,
            _ => Self::Unknown,
        }
    }
}

impl StallLine {
    /// The same at the time `now`.
    pub fn of(stall: &StallSummary, now: Instant) -> Self {
        Self {
            name: stall.name.clone().into_owned(),
            kind: stall.kind.into(),
            asleep_in: stall.asleep_in.clone(),
            count: stall.count,
            longest_ms: milliseconds(stall.longest),
            total_ms: milliseconds(stall.total),
            last_ms_ago: whole_milliseconds(now.saturating_duration_since(stall.last)),
        }
    }
}

impl From<&StalledThread> for BusyThread {
    fn from(stalled: &StalledThread) -> Self {
        Self {
            thread: stalled.thread.clone(),
            name: stalled.name.clone().into_owned(),
            kind: stalled.kind.into(),
            asleep_in: stalled.asleep_in.clone(),
            for_ms: whole_milliseconds(stalled.lasted),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
