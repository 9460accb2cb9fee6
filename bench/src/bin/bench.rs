//! The one command of the comparison.

use std::process::ExitCode;

use clap::Parser;
use overlapped_bench::runner::{self, Options};

fn main() -> ExitCode {
    overlapped_bench::exit_code(runner::run(&Options::parse()))
}
