//! What is seen while a file is fetched: a bar where standard error is a terminal, and a line for what
//! the user should know.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overlapped_file_transfer::{Stage, Watch};

use crate::{interrupt, output};

pub struct Screen {
    bar: ProgressBar,
    quiet: bool,
    resume: bool,
}

const TEMPLATE: &str = "{msg}{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";

impl Screen {
    pub fn new(quiet: bool, resume: bool) -> Self {
        let bar = ProgressBar::new(0);
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let bar = match ProgressStyle::with_template(TEMPLATE) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, quiet, resume }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Screen {
    fn found(&self, path: &Path, bytes: u64) {
        let _ = path;
        self.bar.set_length(bytes);
    }

    fn begun(&self, temporary: &Path) {
        if !self.resume {
            interrupt::remove_when_forced(temporary);
        }
    }

    fn stage(&self, stage: Stage, from: u64, bytes: u64) {
        self.bar.set_message(match stage {
            Stage::Checking => "checking what is there ",
            Stage::Waiting => "the sender makes its checksum ",
            Stage::Receiving => "",
            Stage::Verifying => "verifying ",
        });
        if stage == Stage::Waiting {
            return;
        }
        self.bar.set_length(bytes);
        self.bar.set_position(from);
        // What was there before says nothing of the rate.
        self.bar.reset_eta();
    }

    fn advanced(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::status(text));
        }
    }
}
