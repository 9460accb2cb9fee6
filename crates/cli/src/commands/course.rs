//! `internal-course`: turns figures over the time into a page with plots, as `compare` makes its report,
//! for the scripts that measure for hours.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::compare::Course;
use crate::output;

/// Options of `internal-course`.
#[derive(Args, Debug)]
pub struct CourseArguments {
    /// File with the figures, in JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Writes the page to standard output.
pub fn run(arguments: &CourseArguments) -> anyhow::Result<()> {
    let place = arguments.file.display();
    let text = fs::read(&arguments.file).with_context(|| format!("cannot read {place}"))?;
    let course: Course = serde_json::from_slice(&text)
        .with_context(|| format!("{place} has no figures over the time"))?;
    output::text(&course.page())
}
