//! The views of the last minute, and the lines of the log.

use std::collections::VecDeque;

use overlapped_observe::View;
use overlapped_observe::between::{Between, goes_on};

/// How many views are kept: a minute's, if there is one a second.
pub const VIEWS: usize = 61;

/// How many lines of the log are kept.
const LINES: usize = 1_000;

/// What was seen of one server.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The oldest first; their logs are taken out.
    views: VecDeque<View>,
    lines: VecDeque<Line>,
    last_number: u64,
}

/// A line of the log, or one of the tool's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In milliseconds since 1970.
    pub at_ms: u64,
    pub text: String,
}

impl History {
    /// Takes a view. One of another server, or of one that was started anew, begins a new history.
    pub fn add(&mut self, mut view: View) {
        if self.views.back().is_some_and(|last| !goes_on(last, &view)) {
            self.views.clear();
            self.last_number = 0;
            self.say(view.at_ms, "the server was started anew".to_owned());
        }
        for line in std::mem::take(&mut view.log) {
            if line.number <= self.last_number {
                continue;
            }
            // Of what was written before the first view nothing is missing.
            let missing = line.number - self.last_number - 1;
            if missing > 0 && self.last_number > 0 {
                self.say(line.at_ms, format!("({missing} lines are missing here)"));
            }
            self.last_number = line.number;
            self.say(line.at_ms, line.text);
        }
        if self.views.len() == VIEWS {
            self.views.pop_front();
        }
        self.views.push_back(view);
    }

    /// Adds a line to the log.
    pub fn say(&mut self, at_ms: u64, text: String) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at_ms, text });
    }

    /// The latest view.
    pub fn last(&self) -> Option<&View> {
        self.views.back()
    }

    /// The log, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// Rates between the last two views.
    pub fn now(&self) -> Option<Between> {
        let before = self.views.len().checked_sub(2)?;
        Between::of(&self.views[before], self.views.back()?)
    }

    /// Rates between each view and the one before it, oldest first.
    pub fn rates(&self) -> impl DoubleEndedIterator<Item = Option<Between>> {
        self.views.iter().zip(self.views.iter().skip(1)).map(|(one, next)| Between::of(one, next))
    }

    /// All views, oldest first.
    pub fn views(&self) -> impl DoubleEndedIterator<Item = &View> {
        self.views.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use overlapped_observe::between::Wait;

    use crate::live::fixture::{self, line, view};

    #[test]
    fn rates_are_what_happened_between_two_views() {
        let mut history = History::default();
        history.add(view(10));
        assert_eq!(history.now(), None, "one view has no rates");
        history.add(view(12));
        let now = history.now().expect("two seconds have passed");
        let expected = Between {
            messages: 1_000.0,
            bytes: 64_000.0,
            accepted: 2.0,
            errors: 0.0,
            processors: 0.25,
            wait: Some(Wait { p50: Duration::from_nanos(1_024), p99: Duration::from_nanos(2_048) }),
        };
        assert_eq!(now, expected);
        history.add(view(12));
        assert_eq!(history.now(), None, "no time has passed");
    }

    #[test]
    fn a_minute_of_views_is_kept() {
        let mut history = History::default();
        for second in 10..210 {
            history.add(view(second));
        }
        assert_eq!(history.views().count(), VIEWS);
        assert_eq!(history.views().next().map(|first| first.uptime_ms), Some(149_000));
    }

    #[test]
    fn a_server_that_was_started_anew_has_no_rates_below_zero() {
        let mut history = fixture::history(|_, view| view.log = vec![line(7, "old")]);
        let mut anew = view(1);
        anew.log = vec![line(1, "new")];
        history.add(anew);
        assert_eq!((history.now(), history.views().count()), (None, 1));
        let texts: Vec<_> = history.lines().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["old", "the server was started anew", "new"]);
    }

    #[test]
    fn lines_of_the_log_come_once_and_lost_ones_are_told_and_only_the_last_are_kept() {
        let mut history = History::default();
        for (second, numbers) in [(1, 5..=6), (2, 6..=7), (3, 10..=11)] {
            let mut view = view(second);
            view.log = numbers.map(|number| line(number, &format!("line {number}"))).collect();
            history.add(view);
        }
        let texts: Vec<_> = history.lines().map(|line| line.text.as_str()).collect();
        let missing = "(2 lines are missing here)";
        assert_eq!(texts, ["line 5", "line 6", "line 7", missing, "line 10", "line 11"]);

        let mut view = view(4);
        view.log = (12..5_000).map(|number| line(number, "more")).collect();
        history.add(view);
        assert_eq!(history.lines().count(), LINES);
    }
}
