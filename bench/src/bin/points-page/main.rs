//! Writes the tables and plots of a page from the points that `bench/growth` has measured. They
//! go between the marks `<!-- points: SERIES FIGURE -->` and `<!-- points: end -->`, and what is plotted into a
//! folder of the page's name beside it.

mod model;
mod plot;
mod points;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use points::Points;

/// Writes tables and plots into a page.
#[derive(Parser)]
#[command(name = "points-page", version)]
struct Arguments {
    /// Folder with the files of points.
    #[arg(long, value_name = "FOLDER")]
    points: PathBuf,

    /// The page, in Markdown.
    #[arg(long, value_name = "FILE")]
    page: PathBuf,
}

const BEGIN: &str = "<!-- points: ";
const END: &str = "<!-- points: end -->";

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let points = Points::read(&arguments.points)?;
    let place = arguments.page.display();
    let page =
        fs::read_to_string(&arguments.page).with_context(|| format!("cannot read {place}"))?;
    let plots = arguments.page.with_extension("");
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let written = filled(&page, &points, &plots)?;
    fs::write(&arguments.page, written).with_context(|| format!("cannot write {place}"))?;
    println!("written: {place}");
    Ok(())
}

/// The page with what stands between its marks made anew.
fn filled(page: &str, points: &Points, plots: &Path) -> anyhow::Result<String> {
    let mut written = String::with_capacity(page.len());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        writeln!(written, "{line}")?;
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let old: Vec<&str> = lines.by_ref().take_while(|line| *line != END).collect();
        match made(name, points, plots)? {
            Some(made) => written.push_str(&made),
            // Not measured this time: it stays as it was.
            None => old.iter().try_for_each(|line| writeln!(written, "{line}"))?,
        }
        writeln!(written, "{END}")?;
    }
    Ok(written)
}

/// What belongs between the marks of this name; None where nothing was measured.
fn made(name: &str, points: &Points, plots: &Path) -> anyhow::Result<Option<String>> {
    if name == "model" {
        return model::table(points);
    }
    let Some((series, figure)) = name.split_once(' ') else {
        bail!("the mark {name:?} names no series and figure");
    };
    let axis = plot::Axis::of(series).with_context(|| format!("there is no series {series:?}"))?;
    let unit = plot::unit_of(figure).with_context(|| format!("there is no figure {figure:?}"))?;
    let chosen = points.of(series, figure);
    if chosen.is_empty() {
        return Ok(None);
    }
    let file = plots.join(format!("{series}-{figure}.svg"));
    plot::draw(&file, &chosen, &axis, unit)?;
    let folder = plots.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!("\n{}\n", chosen.table(axis.name));
    writeln!(text, "![{unit}, over {}]({folder}/{series}-{figure}.svg)\n", axis.name)?;
    Ok(Some(text))
}
