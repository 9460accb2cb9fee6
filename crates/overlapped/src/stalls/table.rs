//! What was seen to hold a thread for long, by name.

use super::{StallKind, Stalls};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// So many names are remembered. Beyond them the one that was seen least lately is forgotten.
const NAMES_MAX: usize = 64;

/// How often work of one name held its thread for long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StallSummary {
    /// What it is called; see [`Stall::name`](crate::Stall::name).
    pub name: Cow<'static, str>,
    /// What its thread did meanwhile.
    pub kind: StallKind,
    /// The system call in which its thread was seen asleep, if it was.
    pub asleep_in: Option<String>,
    /// How often.
    pub count: u64,
    /// The longest time. Times are measured by looks, so each is somewhat uncertain.
    pub longest: Duration,
    /// All times together.
    pub total: Duration,
    /// When the last one was seen last.
    pub last: Instant,
}

/// Work that is held for long at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StalledThread {
    /// The name of the thread.
    pub thread: String,
    /// What its work is called.
    pub name: Cow<'static, str>,
    /// What the thread did when it was told of.
    pub kind: StallKind,
    /// The system call in which it was seen asleep, if it was.
    pub asleep_in: Option<String>,
    /// For how long it has held its thread so far.
    pub lasted: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    summaries: Vec<StallSummary>,
    pub(super) counts: Stalls,
    /// Those that last.
    pub(super) now: Vec<StalledThread>,
}

impl Table {
    /// One more stall, told of for the first time.
    pub(super) fn add(&mut self, stall: &StalledThread, now: Instant) {
        match stall.kind {
            StallKind::Blocks => self.counts.blocked += 1,
            StallKind::Computes => self.counts.computed += 1,
            StallKind::Unknown => self.counts.unknown += 1,
        }
        let summary = self.of(stall, now);
        summary.count += 1;
        summary.total += stall.lasted;
        summary.longest = summary.longest.max(stall.lasted);
        summary.last = now;
    }

    /// It has gone on since it had lasted for `before`.
    pub(super) fn goes_on(&mut self, stall: &StalledThread, before: Duration, now: Instant) {
        let summary = self.of(stall, now);
        summary.total += stall.lasted.saturating_sub(before);
        summary.longest = summary.longest.max(stall.lasted);
        summary.last = now;
    }

    fn of(&mut self, stall: &StalledThread, now: Instant) -> &mut StallSummary {
        let is_it = |summary: &StallSummary| {
            summary.kind == stall.kind
                && summary.name == stall.name
                && summary.asleep_in == stall.asleep_in
        };
        let index = self.summaries.iter().position(is_it).unwrap_or_else(|| {
            if self.summaries.len() == NAMES_MAX {
                let ages = self.summaries.iter().enumerate().map(|(i, summary)| (summary.last, i));
                if let Some((_, oldest)) = ages.min() {
                    self.summaries.swap_remove(oldest);
                }
            }
            self.summaries.push(StallSummary {
                name: stall.name.clone(),
                kind: stall.kind,
                asleep_in: stall.asleep_in.clone(),
                count: 0,
                longest: Duration::ZERO,
                total: Duration::ZERO,
                last: now,
            });
            self.summaries.len() - 1
        });
        &mut self.summaries[index]
    }

    /// The last seen first.
    pub(super) fn summaries(&self) -> Vec<StallSummary> {
        let mut summaries = self.summaries.clone();
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.last));
        summaries
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn stall(name: &str, lasted_ms: u64) -> StalledThread {
        StalledThread {
            thread: "worker-1".to_owned(),
            name: Cow::Owned(name.to_owned()),
            kind: StallKind::Blocks,
            asleep_in: Some("fsync".to_owned()),
            lasted: Duration::from_millis(lasted_ms),
        }
    }

    #[test]
    fn stalls_of_one_name_add_up() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.add(&stall("report", 30), now);
        table.goes_on(&stall("report", 50), Duration::from_millis(30), now);
        table.add(&stall("report", 40), now);
        let computing = StalledThread { kind: StallKind::Computes, ..stall("report", 7) };
        table.add(&computing, now);
        let summaries = table.summaries();
        let of = |kind| summaries.iter().find(|summary| summary.kind == kind).expect("it is there");
        let blocks = of(StallKind::Blocks);
        assert_eq!(blocks.count, 2);
        assert_eq!(blocks.longest, Duration::from_millis(50));
        assert_eq!(blocks.total, Duration::from_millis(90));
        assert_eq!(of(StallKind::Computes).count, 1);
        assert_eq!((table.counts.blocked, table.counts.computed), (2, 1));
    }

    #[test]
    fn the_name_that_was_seen_least_lately_is_forgotten() {
        let (mut table, begin) = (Table::default(), Instant::now());
        for number in 0..=NAMES_MAX {
            let now = begin + Duration::from_secs(number as u64);
            table.add(&stall(&number.to_string(), 30), now);
        }
        let summaries = table.summaries();
        assert_eq!(summaries.len(), NAMES_MAX);
        assert_eq!(summaries[0].name, NAMES_MAX.to_string());
        assert!(!summaries.iter().any(|summary| summary.name == "0"));
        assert_eq!(table.counts.blocked, NAMES_MAX as u64 + 1);
    }
}
