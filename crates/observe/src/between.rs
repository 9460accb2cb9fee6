//! What happened between two views: rates, and how long packets waited.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::view::View;

/// Rates over the time between two views.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Between {
    /// Messages in a second.
    pub messages: f64,
    /// Bytes in a second.
    pub bytes: f64,
    /// Connections accepted in a second.
    pub accepted: f64,
    /// Errors of connections in a second.
    pub errors: f64,
    /// How many processors were busy with it.
    pub processors: f64,
    /// How long packets waited; none where no packet was looked at.
    pub wait: Option<Wait>,
}

/// How long packets waited in the queue, as upper bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Half of them waited less.
    pub p50: Duration,
    /// 99 % of them waited less.
    pub p99: Duration,
}

/// Whether `after` is of the same server as `before`, and later.
pub fn goes_on(before: &View, after: &View) -> bool {
    after.name == before.name && after.uptime_ms >= before.uptime_ms
}

/// How much a count has grown. A sum over processes shrinks when one of them has died.
pub fn grown(before: u64, after: u64) -> u64 {
    after.saturating_sub(before)
}

impl Between {
    /// None where no time has passed.
    pub fn of(before: &View, after: &View) -> Option<Self> {
        let ms = grown(before.uptime_ms, after.uptime_ms);
        if ms == 0 {
            return None;
        }
        let seconds = ms as f64 / 1e3;
        let rate = |before: u64, after: u64| grown(before, after) as f64 / seconds;
        let processor = (after.processor_seconds - before.processor_seconds).max(0.0);
        Some(Self {
            messages: rate(before.traffic.messages, after.traffic.messages),
            bytes: rate(before.traffic.bytes, after.traffic.bytes),
            accepted: rate(before.connections.accepted, after.connections.accepted),
            errors: rate(errors(before), errors(after)),
            processors: processor / seconds,
            wait: wait(before, after),
        })
    }
}

/// All errors of connections so far.
pub fn errors(view: &View) -> u64 {
    let errors = &view.errors;
    errors.reset + errors.timed_out + errors.aborted + errors.other
}

fn wait(before: &View, after: &View) -> Option<Wait> {
    let (before, after) = (before.port.as_ref()?, after.port.as_ref()?);
    let former: BTreeMap<u64, u64> = before.queue_delay_ns.iter().copied().collect();
    let mut steps: Vec<(u64, u64)> = after
        .queue_delay_ns
        .iter()
        .map(|(bound, count)| (*bound, grown(former.get(bound).copied().unwrap_or(0), *count)))
        .collect();
    steps.sort_unstable();
    let all: u64 = steps.iter().map(|(_, count)| count).sum();
    let below = |percent: u64| {
        // The least count that is so many percent of all.
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let step = steps.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        step.map(|(bound, _)| Duration::from_nanos(*bound))
    };
    Some(Wait { p50: below(50)?, p99: below(99)? })
}
