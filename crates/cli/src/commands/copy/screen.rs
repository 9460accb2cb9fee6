//! What is seen while files are copied: a bar where standard error is a terminal, and a line for
//! everything that went wrong.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overlapped_copy::{Failure, Plan, Watch};

use crate::exit::complain;

/// The bar counts bytes, or files where these are small, so that it moves evenly.
pub struct Screen {
    bar: ProgressBar,
    counts_files: bool,
}

/// Below so many bytes each, it is the number of files that takes the time.
const SMALL_FILE_BYTES: u64 = 64 << 10;

impl Screen {
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let counts_files = plan.bytes() < plan.files() * SMALL_FILE_BYTES;
        let (length, template) = match counts_files {
            true => (plan.files(), "{bar:30} {human_pos}/{human_len} files, {per_sec}, {eta} left"),
            false => (plan.bytes(), "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"),
        };
        let bar = ProgressBar::new(length);
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, counts_files }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Screen {
    fn advanced(&self, bytes: u64, files: u64) {
        self.bar.inc(if self.counts_files { files } else { bytes });
    }

    fn failed(&self, failure: &Failure) {
        self.bar.suspend(|| complain(&failure.to_string()));
    }
}
