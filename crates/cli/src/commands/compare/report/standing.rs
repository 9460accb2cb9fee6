//! Who is best at what, among the rows of one pace and one number of connections.

use super::super::document::{Document, Measurement, PaceName, Range, Ranges, Row};
use crate::words::{grouped, latency, size};

/// Differences smaller than this are called level: the machine's own noise is of that size.
const LEVEL: f64 = 0.05;

/// Ranges that overlap make two rows level only up to this difference of their medians.
const LEVEL_BY_RANGE: f64 = 0.25;

/// A row with fewer of its connections established is not held against the others.
const REACHED: f64 = 0.99;

/// A fixed rate that is kept to this part is kept.
const KEPT: f64 = 0.97;

/// Something that one model is better at than another.
pub struct Figure {
    pub higher_is_better: bool,
    value: fn(&Measurement) -> Option<f64>,
    range: fn(&Ranges) -> Option<Range>,
    /// A value in words.
    pub say: fn(f64) -> String,
    /// What a model does that is so many times worse than the best, whose name is given, too.
    pub falls_short: fn(f64, &str) -> String,
}

pub const THROUGHPUT: Figure = Figure {
    higher_is_better: true,
    value: |it| Some(it.messages_per_second),
    range: |it| it.messages_per_second,
    say: |value| format!("{} messages/s", grouped(value.round() as u64)),
    falls_short: |times, best| {
        format!("moves {:.0} % fewer messages than {best}", (1.0 - 1.0 / times) * 100.0)
    },
};

pub const COST: Figure = Figure {
    higher_is_better: false,
    value: |it| it.processor_us_per_message,
    range: |it| it.processor_us_per_message,
    say: |value| format!("{value:.1} us a message"),
    falls_short: |times, best| takes_more(times, "processor time", best),
};

pub const TAIL: Figure = Figure {
    higher_is_better: false,
    value: |it| it.p99_us,
    range: |it| it.p99_us,
    say: latency,
    falls_short: |times, best| format!("has {times:.1} times the p99 of {best}"),
};

pub const MEMORY: Figure = Figure {
    higher_is_better: false,
    value: |it| it.resident_kib.map(|kib| kib as f64),
    range: |it| it.resident_kib,
    say: |kib| size(kib * 1_024.0),
    falls_short: |times, best| takes_more(times, "memory", best),
};

fn takes_more(times: f64, what: &str, best: &str) -> String {
    let joined = if times < 2.0 { "than" } else { "as" };
    format!("takes {} {what} {joined} {best}", more(times))
}

/// The rows that reached their connections and kept their rate, so that they can be held against each
/// other.
pub fn comparable(document: &Document, pace: PaceName, connections: u32) -> Vec<&Row> {
    let fits = |row: &&Row| {
        row.median.as_ref().is_some_and(|median| {
            let least = document.rate_per_second.filter(|_| pace == PaceName::FixedRate);
            median.established as f64 >= f64::from(row.connections) * REACHED
                && (median.messages_per_second > 0.0 || pace == PaceName::Idle)
                && median.messages_per_second >= least.unwrap_or(0.0) * KEPT
        })
    };
    document.rows_at(pace, Some(connections)).into_iter().filter(fits).collect()
}

/// How rows stand at one figure.
pub struct Standing<'a> {
    figure: &'static Figure,
    /// From the best to the worst.
    order: Vec<(&'a Row, f64)>,
}

impl<'a> Standing<'a> {
    /// None when no row has the figure.
    pub fn of(rows: &[&'a Row], figure: &'static Figure) -> Option<Self> {
        let value = |row: &'a Row| {
            let value = (figure.value)(row.median.as_ref()?)?;
            (value > 0.0 && value.is_finite()).then_some((row, value))
        };
        let mut order: Vec<_> = rows.iter().copied().filter_map(value).collect();
        order.sort_by(|first, second| match figure.higher_is_better {
            true => second.1.total_cmp(&first.1),
            false => first.1.total_cmp(&second.1),
        });
        (!order.is_empty()).then_some(Self { figure, order })
    }

    /// The best row and its value.
    pub fn best(&self) -> (&'a Row, f64) {
        self.order[0]
    }

    /// The worst row and its value, when there are several.
    pub fn worst(&self) -> Option<(&'a Row, f64)> {
        self.order.get(1..).and_then(<[_]>::last).copied()
    }

    /// The best that is not level with the first.
    pub fn next(&self) -> Option<(&'a Row, f64)> {
        self.order.iter().skip(1).find(|(row, value)| !self.is_level(row, *value)).copied()
    }

    /// Those that are level with the best.
    pub fn level(&self) -> Vec<&'a Row> {
        let others = self.order.iter().skip(1);
        others.filter(|(row, value)| self.is_level(row, *value)).map(|(row, _)| *row).collect()
    }

    /// How many times worse than the best the model is; None when it is not here.
    pub fn times_worse(&self, model: &str) -> Option<f64> {
        let (_, value) = self.order.iter().find(|(row, _)| row.model == model)?;
        Some(self.ratio(*value))
    }

    /// Whether the model is the best or level with it.
    pub fn is_at_the_top(&self, model: &str) -> bool {
        self.best().0.model == model || self.level().iter().any(|row| row.model == model)
    }

    fn ratio(&self, value: f64) -> f64 {
        let best = self.best().1;
        if self.figure.higher_is_better { best / value } else { value / best }
    }

    fn is_level(&self, row: &Row, value: f64) -> bool {
        let ratio = self.ratio(value);
        if ratio <= 1.0 + LEVEL {
            return true;
        }
        let range = |row: &Row| row.range.as_ref().and_then(self.figure.range);
        let overlap = match (range(self.best().0), range(row)) {
            (Some(best), Some(other)) if row.rounds.len() > 1 => {
                best.least <= other.greatest && other.least <= best.greatest
            }
            _ => false,
        };
        overlap && ratio <= 1.0 + LEVEL_BY_RANGE
    }
}

/// A ratio in words: percent up to double, then times.
fn more(ratio: f64) -> String {
    if ratio < 2.0 {
        format!("{:.0} % more", (ratio - 1.0) * 100.0)
    } else {
        format!("{ratio:.1} times as much")
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    const PACE: PaceName = PaceName::ClosedLoop;

    #[test]
    fn the_best_is_found_by_each_figure() {
        let document = examples::usual();
        let rows = comparable(&document, PACE, 1_024);
        let fastest = Standing::of(&rows, &THROUGHPUT).expect("figures");
        assert_eq!(fastest.best().0.model, "completion-port");
        assert_eq!(fastest.times_worse("blocking"), Some(1.4));
        let tail = Standing::of(&rows, &TAIL).expect("figures");
        assert_eq!(tail.best().0.model, "blocking");
        assert!(!tail.is_at_the_top("completion-port"));
    }

    #[test]
    fn small_differences_and_overlapping_ranges_are_level() {
        let row = |model, rate| examples::row(PACE, 4, model, (rate, 1.0, 1.0, 1));
        let mut document =
            examples::document(vec![row("a", 104.0), row("b", 100.0), row("c", 90.0)]);
        let level = |document: &Document| -> Vec<String> {
            let rows = comparable(document, PACE, 4);
            let standing = Standing::of(&rows, &THROUGHPUT).expect("figures");
            standing.level().iter().map(|row| row.model.clone()).collect()
        };
        assert_eq!(level(&document), ["b"]);
        // With a second round whose ranges overlap the third is level, too.
        for row in &mut document.rows {
            let again = row.rounds[0].clone();
            row.rounds.push(again);
            row.range.as_mut().expect("a range").messages_per_second =
                Some(Range { least: 80.0, greatest: 110.0 });
        }
        assert_eq!(level(&document), ["b", "c"]);
    }

    #[test]
    fn a_row_that_did_not_reach_its_connections_or_its_rate_is_not_held_against_others() {
        let mut document = examples::usual();
        let models = |document: &Document, pace| -> usize { comparable(document, pace, 16).len() };
        assert_eq!(models(&document, PACE), 2);
        for row in &mut document.rows {
            let median = row.median.as_mut().expect("a median");
            match row.pace {
                PaceName::FixedRate => median.messages_per_second = 9_000.0,
                _ => median.established = 15,
            }
        }
        assert_eq!(models(&document, PACE), 0);
        assert_eq!(models(&document, PaceName::FixedRate), 0);
    }

    #[test]
    fn a_ratio_reads_as_percent_or_as_times() {
        assert_eq!(more(1.2), "20 % more");
        assert_eq!(more(3.04), "3.0 times as much");
    }
}
