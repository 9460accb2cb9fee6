//! Progress on standard error: a bar on a terminal, else a line for every measurement.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::document::PaceName;
use super::settings::Step;
use crate::{output, words};

pub struct Screen {
    bar: ProgressBar,
    started: Instant,
    /// What all measurements are expected to take, and those that are done.
    expected: Duration,
    expected_done: Duration,
}

impl Screen {
    /// A bar over `steps`; without any, their number is not known.
    pub fn new(steps: &[Step]) -> Self {
        let (bar, template) = match steps.len() {
            0 => (ProgressBar::new_spinner(), "{spinner} {elapsed} {msg}"),
            count => (ProgressBar::new(count as u64), "{bar:24} {pos}/{len} {msg}"),
        };
        let style = ProgressStyle::with_template(template);
        let bar = match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        let expected = steps.iter().map(|step| step.expected).sum();
        Self { bar, started: Instant::now(), expected, expected_done: Duration::ZERO }
    }

    /// Says what is measured now and how long all of it will take yet.
    pub fn announce(&self, step: &Step) {
        self.bar.set_message(match self.expected.is_zero() {
            true => name(step),
            false => format!("{}, about {} left", name(step), words::seconds(self.left())),
        });
        self.bar.tick();
    }

    /// The expectation for what is left, corrected by how wrong it was so far.
    fn left(&self) -> Duration {
        let left = self.expected.saturating_sub(self.expected_done);
        if self.expected_done.is_zero() {
            return left;
        }
        left.mul_f64(self.started.elapsed().as_secs_f64() / self.expected_done.as_secs_f64())
    }

    /// Says how a measurement ended.
    pub fn note(&self, step: &Step, text: &str) {
        self.say(&format!("{}: {text}", name(step)));
    }

    /// Says anything else.
    pub fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            output::status(line);
        } else {
            self.bar.println(words::plain(line));
        }
    }

    /// The measurement is done, however it ended.
    pub fn advance(&mut self, step: &Step) {
        self.expected_done += step.expected;
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn name(step: &Step) -> String {
    let pace = match step.pace {
        PaceName::ClosedLoop => "closed loop",
        PaceName::FixedRate => "fixed rate",
        PaceName::Churn => "churn",
        PaceName::Skew => "skew",
        PaceName::Idle => "idle",
    };
    format!(
        "{} at {} connections, {pace}",
        step.contender.name,
        words::grouped(step.connections.into())
    )
}
