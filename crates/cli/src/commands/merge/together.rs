//! Which runs were at the same time: only what those have seen adds up to what the server did at once.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::words::grouped;

/// How many runs are told by name.
const NAMED: usize = 3;

/// The spans of runs, and the most of them that were at one moment.
pub struct Together<'a> {
    /// From the first beginning to the last.
    begun_within: Duration,
    runs: usize,
    /// Those that were not at that moment.
    apart: Vec<&'a str>,
}

impl<'a> Together<'a> {
    /// Of spans with their names.
    pub fn of(spans: Vec<(SystemTime, SystemTime, &'a str)>) -> Self {
        let begins = || spans.iter().map(|(since, ..)| *since);
        let begun_within = begins()
            .max()
            .zip(begins().min())
            .and_then(|(last, first)| last.duration_since(first).ok())
            .unwrap_or_default();
        let moment = busiest(&spans);
        let is_apart = |(since, until): (SystemTime, SystemTime)| {
            moment.is_some_and(|moment| moment < since || moment >= until)
        };
        let apart = spans.iter().filter(|span| is_apart((span.0, span.1)));
        Self { begun_within, runs: spans.len(), apart: apart.map(|span| span.2).collect() }
    }

    /// What to tell if some were apart.
    pub fn warning(&self) -> Option<String> {
        let named = self.apart.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match self.apart.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!self.apart.is_empty()).then(|| {
            format!(
                "{} of {} runs were not at the time of the others, so that the sums of connections \
                 and rates were never there at once: {named}{more}",
                grouped(self.apart.len() as u64),
                grouped(self.runs as u64)
            )
        })
    }
}

impl fmt::Display for Together<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_once = self.runs - self.apart.len();
        let within = self.begun_within.as_secs_f64();
        write!(
            formatter,
            "{} at the same time, begun within {within:.1} s",
            grouped(at_once as u64)
        )
    }
}

/// A moment at which the most of the spans were.
fn busiest(spans: &[(SystemTime, SystemTime, &str)]) -> Option<SystemTime> {
    let ends = spans.iter().map(|(_, until, _)| (*until, false));
    let mut changes: Vec<_> = spans.iter().map(|(since, ..)| (*since, true)).chain(ends).collect();
    // One that ends when another begins was not there at the same time.
    changes.sort_unstable();
    let (mut count, mut most, mut moment) = (0_usize, 0, None);
    for (time, begins) in changes {
        count = if begins { count + 1 } else { count.saturating_sub(1) };
        if count > most {
            (most, moment) = (count, Some(time));
        }
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(seconds: &[(u64, u64)]) -> Together<'static> {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let spans = seconds.iter().zip(NAMES);
        Together::of(spans.map(|(span, name)| (at(span.0), at(span.1), name)).collect())
    }

    #[test]
    fn those_that_were_apart_are_named_and_no_others() {
        assert_eq!(spans(&[]).warning(), None);
        let together = spans(&[(10, 20), (12, 22), (19, 29)]);
        assert_eq!(together.warning(), None);
        assert_eq!(together.to_string(), "3 at the same time, begun within 9.0 s");
        let one_after_another = spans(&[(10, 20), (20, 30)]).warning().expect("apart");
        assert!(one_after_another.starts_with("1 of 2 runs"), "{one_after_another}");
        let warning = spans(&[(10, 20), (40, 50), (11, 21), (60, 70), (0, 5), (80, 81)]);
        let warning = warning.warning().expect("apart");
        assert!(warning.ends_with(": b, d, e and 1 more"), "{warning}");
    }
}
