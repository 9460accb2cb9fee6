//! What is seen while a file is sent: a line of progress where standard error is a terminal, and a line
//! for each fetcher that has ended.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overlapped_file_transfer::{Ended, Outcome, SendStatus, SendWatch};

use crate::exit::complain;
use crate::output;
use crate::words::{grouped, megabytes_per_second, size};

/// The line of progress.
pub struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{spinner} {msg}, {bytes} sent, {bytes_per_sec}";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar }
    }

    /// A line above it.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| output::status(line));
    }

    pub fn draw(&self, status: &SendStatus) {
        let (connected, deliveries) = (status.connected, status.deliveries);
        self.bar.set_message(format!(
            "{} connected, {} deliveries",
            grouped(connected),
            grouped(deliveries)
        ));
        self.bar.set_position(status.bytes);
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Tells of each fetcher's end.
pub struct Told {
    bar: ProgressBar,
    quiet: bool,
}

impl Told {
    pub fn new(screen: &Screen, quiet: bool) -> Self {
        Self { bar: screen.bar.clone(), quiet }
    }
}

impl SendWatch for Told {
    fn ended(&self, ended: &Ended) {
        let peer = ended.peer;
        match &ended.outcome {
            Outcome::Failed(text) => self.bar.suspend(|| complain(&format!("{peer}: {text}"))),
            Outcome::Delivered { changed, from } => {
                if *changed {
                    self.bar.suspend(|| {
                        complain(&format!(
                            "{peer}: the file was changed while it was sent: what arrived may be a \
                             mixture; it is well to fetch it again"
                        ));
                    });
                }
                if !self.quiet {
                    let line = delivered(ended, *from);
                    self.bar.suspend(|| output::status(&line));
                }
            }
            Outcome::Inquired => {}
        }
    }
}

fn delivered(ended: &Ended, from: u64) -> String {
    let rest = if from > 0 { format!(" from byte {} on", grouped(from)) } else { String::new() };
    format!(
        "{}: delivered{rest}: {} in {}, {} MB/s",
        ended.peer,
        size(ended.bytes as f64),
        short(ended.time),
        grouped(megabytes_per_second(ended.bytes, ended.time).round() as u64)
    )
}

fn short(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
