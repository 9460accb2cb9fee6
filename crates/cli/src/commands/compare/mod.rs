//! `compare`: measures the server models against each other on this machine.
//!
//! - `settings` turns the options into the measurements in their order; `measure` makes one of them,
//!   with server and load in processes of their own.
//! - `collect` gathers them into the `document`, with the medians and ranges of `statistics`.
//! - `report` derives everything else from the document: the tables, CSV, Markdown, HTML and the
//!   closing words. It knows nothing of measuring, so that a document of another day will do.
//! - `files` writes what was asked for; `screen` says how far the comparison is.
//!
//! The models take turns within a round, and rounds follow each other, so that a machine that is slower
//! for a while is slower for all of them. Models come from the models crate's list: one that is added
//! there is measured here without a change.

mod collect;
mod document;
mod files;
mod measure;
mod report;
mod screen;
mod settings;
mod statistics;

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use crate::commands::stress::team::Event;
use crate::exit::Reported;
use crate::interrupt::{self, EndArguments};
use crate::{exit, output, values};
use collect::Results;
use document::{Document, PaceName};
use files::{Files, Form};
use measure::Measured;
use measure::guard::Guard;
use screen::Screen;
use settings::{Paces, Settings};

/// How long the servers and the load of a measurement may take to end, one after the other.
const DRAIN: Duration = Duration::from_secs(10);

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Numbers of connections to measure at.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "16,256,2048",
          value_parser = values::positive)]
    counts: Vec<u32>,
    /// Models to measure [default: all].
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',')]
    models: Vec<String>,
    /// Rounds; the medians over them are shown.
    #[arg(long, value_name = "N", default_value = "2", value_parser = values::positive)]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, visible_alias = "seconds", value_name = "TIME", default_value = "600ms",
          value_parser = values::positive_duration)]
    duration: Duration,
    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = values::size)]
    size: usize,
    /// Whether a message is sent when the last came back, or at its time, or first so and then so.
    #[arg(long, value_enum, default_value_t = Paces::Both)]
    pace: Paces,
    /// Messages in a second, of all connections together, at the fixed rate [default: half of what the
    /// slowest model does in a closed loop].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    rate: Option<u32>,
    /// Measure nothing, and take a document that --json has written.
    #[arg(long, value_name = "FILE", conflicts_with_all =
          ["counts", "models", "rounds", "duration", "size", "pace", "rate"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    end: EndArguments,
    /// Write the results as a JSON document, to standard output without FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = files::STDOUT)]
    json: Option<PathBuf>,
    /// Write the results as comma-separated values; - is standard output, here and below.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a report in Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a report with plots, as one HTML file that needs no other.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl CompareArguments {
    fn files(&self) -> anyhow::Result<Files> {
        let asked = [
            (Form::Json, &self.json),
            (Form::Csv, &self.csv),
            (Form::Markdown, &self.markdown),
            (Form::Html, &self.html),
        ];
        Files::open(asked.into_iter().filter_map(|(form, path)| Some((form, path.as_deref()?))))
    }
}

/// Where an interrupt is told to, and whether there was one.
#[derive(Default)]
struct Interrupts {
    seen: bool,
    load: Option<Sender<Event>>,
}

/// Runs the command.
pub fn run(arguments: CompareArguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.from {
        let document = Document::read(path)?;
        return say(&document, arguments.files()?);
    }
    let settings = settings::resolve(&arguments)?;
    let files = arguments.files()?;
    let document = measure_all(&settings, arguments.end)?;
    say(&document, files)?;
    if document.complete {
        return Ok(());
    }
    exit::complain(&report::partial(&document));
    Err(Reported.into())
}

/// Writes all that was asked for, and the table and the closing words unless something else goes to
/// standard output.
fn say(document: &Document, files: Files) -> anyhow::Result<()> {
    let screen_is_free = !files.use_stdout();
    files.write(document)?;
    if screen_is_free {
        output::text(&report::screen(document))?;
    }
    Ok(())
}

fn measure_all(settings: &Settings, end: EndArguments) -> anyhow::Result<Document> {
    let interrupts = Arc::new(Mutex::new(Interrupts::default()));
    let told = interrupts.clone();
    interrupt::on_first_or(end, DRAIN, move || {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.seen = true;
        if let Some(load) = &told.load {
            let _ = load.send(Event::Interrupt);
        }
    })?;
    let steps = settings.steps();
    let mut results = Results::new(settings);
    let mut screen = Screen::new(&steps);
    let guard = Guard::new();
    for step in &steps {
        if step.pace == PaceName::FixedRate {
            results.choose_rate();
        }
        screen.announce(step);
        let measured = match results.task(settings, step) {
            Ok(task) => measure::measure(&task, &guard, |load| {
                let mut interrupts = interrupts.lock().unwrap_or_else(PoisonError::into_inner);
                interrupts.load = Some(load);
                interrupts.seen
            }),
            Err(reason) => Ok(Measured::Skipped(reason)),
        };
        match measured {
            Ok(Measured::Interrupted) => {
                results.interrupted();
                break;
            }
            Ok(Measured::Complete(measurement)) => {
                screen.note(step, &measurement.line());
                results.add(step, *measurement);
            }
            Ok(Measured::Skipped(reason)) => {
                screen.note(step, &reason);
                results.skip(step, reason);
            }
            Err(error) => {
                let problem = format!("{error:#}");
                screen.note(step, &problem);
                results.add_problem(step, problem);
            }
        }
        screen.advance(step);
    }
    screen.finish();
    Ok(results.document())
}
