//! `compare`: measures the server models, and servers of others, against each other on this machine.
//!
//! - `settings` turns the options into the measurements in their order; `contender` is who is measured;
//!   `measure` makes one measurement, with server and load in processes of their own.
//! - `rounds` goes on measuring in pairs until `paired` says that enough is known.
//! - `collect` gathers them into the `document`, with the medians and ranges of `statistics`.
//! - `report` derives everything else from the document: the tables, CSV, Markdown, HTML and the
//!   closing words. It knows nothing of measuring, so that a document of another day will do.
//! - `files` writes what was asked for; `screen` says how far the comparison is.
//!
//! The models take turns within a round, and rounds follow each other, so that a machine that is slower
//! for a while is slower for all of them. Models come from the models crate's list: one that is added
//! there is measured here without a change.

mod collect;
mod contender;
mod document;
mod files;
mod measure;
mod paired;
mod report;
mod rounds;
mod screen;
mod settings;
mod statistics;

pub use report::Course;

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use crate::commands::stress::team::Event;
use crate::exit::Reported;
use crate::interrupt::{self, EndArguments};
use crate::{exit, output, platform, values};
use collect::Results;
use contender::Contender;
use document::{Document, Figure, Goal, PaceName};
use files::{Files, Form};
use measure::guard::Guard;
use measure::stall::StallProbe;
use measure::{Measured, Task};
use rounds::Ended;
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
    /// Models to measure [default: all, and none beside a --server].
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',')]
    models: Vec<String>,
    /// Another echo server to measure, of one process; may be given several times. COMMAND is quoted as
    /// in a shell. Either it has {address} where the address to listen on belongs, or the server begins
    /// its standard output with a line 'listening on ADDRESS'.
    #[arg(long = "server", value_name = "NAME=COMMAND", value_parser = Contender::parse)]
    servers: Vec<Contender>,
    /// Rounds; the medians over them are shown [default: 2, with --against 30 at most].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    rounds: Option<u32>,
    /// Compare the others with this model or server in pairs: every case has rounds until the 95 %
    /// interval of the ratio leaves 1 after three rounds in a row, or is narrower than 3 % each way, or
    /// --rounds are over.
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
    /// With --against: rounds of a case at least, also when it is decided before [default: 6].
    #[arg(long, value_name = "N", value_parser = values::positive, requires = "against")]
    least_rounds: Option<u32>,
    /// With --against: a program that runs beside the rounds and sees when the machine stands still. It
    /// answers every line of its standard input with one that says how many microseconds too late it woke
    /// at the most since the last.
    #[arg(long, value_name = "COMMAND", value_parser = contender::command, requires = "against")]
    stall_probe: Option<contender::Command>,
    /// A round in which the stall probe woke later than this is made again.
    #[arg(long, value_name = "TIME", default_value = "1.5ms", value_parser = values::positive_duration,
          requires = "stall_probe")]
    stall_limit: Duration,
    /// The figure to compare in pairs [default: processor; p99 at a fixed rate and with skew; memory
    /// with idle].
    #[arg(long, value_enum)]
    figure: Option<Figure>,
    /// What a server is held to: at most so many times the figure of --against (mine=1.05x), or at most
    /// so much (mine=400).
    #[arg(long, value_name = "NAME=NUMBER[x]", value_parser = goal)]
    goal: Option<Goal>,
    /// Processors for the servers, on Linux [default: any].
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    server_processors: Vec<u32>,
    /// Processors for the load, on Linux [default: any].
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    load_processors: Vec<u32>,
    /// With --against: leave the nice values as they are [default: -10 for servers and -20 for the load,
    /// where Linux permits it].
    #[arg(long)]
    no_priority: bool,
    /// Go before the programs of all other sessions, on Linux as root; they nearly stand still meanwhile.
    #[arg(long)]
    urgent: bool,
    /// Time before each measurement during which the load runs already.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = values::duration)]
    warm_up: Duration,
    /// Length of one measurement.
    #[arg(long, visible_alias = "seconds", value_name = "TIME", default_value = "600ms",
          value_parser = values::positive_duration)]
    duration: Duration,
    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = values::size)]
    size: usize,
    /// Whether a message is sent when the last came back (closed-loop), or at its time (fixed-rate), or
    /// first so and then so (both); on a new connection for each message (churn); by a few connections as
    /// in a closed loop beside others at a fixed rate, of which the latencies are (skew); or once by each
    /// connection (idle).
    #[arg(long, value_enum, default_value_t = Paces::Both)]
    pace: Paces,
    /// Messages of a connection that are under way at once in a closed loop.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::positive)]
    depth: u32,
    /// How many of the connections are hot with --pace skew; their messages begin with H, the others'
    /// with L [default: 1].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    hot: Option<u32>,
    /// Messages in a second, of all connections together that are not hot, at the fixed rate [default:
    /// half of what the slowest model does in a closed loop].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    rate: Option<u32>,
    /// Measure nothing, and take a document that --json has written.
    #[arg(long, value_name = "FILE", conflicts_with_all =
          ["counts", "models", "servers", "rounds", "against", "figure", "goal", "server_processors",
           "load_processors", "no_priority", "urgent", "least_rounds", "stall_probe", "stall_limit", "warm_up", "duration", "size", "pace", "depth", "hot",
           "rate", "hgrm"])]
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
    /// Write medians and paired comparison as a section in Markdown, for a page of several.
    #[arg(long, value_name = "FILE")]
    section: Option<PathBuf>,
    /// Heading of the section.
    #[arg(long, value_name = "TEXT", default_value = "The comparison")]
    title: String,
    /// Write the latencies of each row into this folder, in the format of HdrHistogram (.hgrm).
    #[arg(long, value_name = "FOLDER")]
    hgrm: Option<PathBuf>,
}

/// Reads `NAME=NUMBER`, or `NAME=NUMBERx` for a ratio.
fn goal(text: &str) -> Result<Goal, String> {
    let hint = "give NAME=NUMBER, or NAME=NUMBERx for a ratio";
    let (server, bound) = text.split_once('=').ok_or(hint)?;
    let (number, of_ratio) = match bound.strip_suffix('x') {
        Some(number) => (number, true),
        None => (bound, false),
    };
    match number.parse::<f64>() {
        Ok(at_most) if at_most.is_finite() && at_most > 0.0 => {
            Ok(Goal { server: server.to_owned(), at_most, of_ratio })
        }
        _ => Err(hint.to_owned()),
    }
}

impl CompareArguments {
    fn files(&self) -> anyhow::Result<Files> {
        let asked = [
            (Form::Json, &self.json),
            (Form::Csv, &self.csv),
            (Form::Markdown, &self.markdown),
            (Form::Html, &self.html),
            (Form::Section(self.title.clone()), &self.section),
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
    let document = {
        let _urgent = arguments.urgent.then(platform::urgent).transpose()?;
        measure_all(&settings, &arguments)?
    };
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

fn measure_all(settings: &Settings, arguments: &CompareArguments) -> anyhow::Result<Document> {
    let interrupts = Arc::new(Mutex::new(Interrupts::default()));
    let told = interrupts.clone();
    interrupt::on_first_or(arguments.end, DRAIN, move || {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.seen = true;
        if let Some(load) = &told.load {
            let _ = load.send(Event::Interrupt);
        }
    })?;
    let guard = Guard::new();
    let probe = settings.stall_probe.as_deref().map(StallProbe::start).transpose()?;
    let measure = |task: &Task| {
        measure::measure(task, &guard, probe.as_ref(), |load| {
            let mut interrupts = interrupts.lock().unwrap_or_else(PoisonError::into_inner);
            interrupts.load = Some(load);
            interrupts.seen
        })
    };
    let mut results = Results::new(settings);
    if settings.against.is_some() {
        let mut screen = Screen::new(&[]);
        if let Ended::Interrupted = rounds::run(settings, &mut results, &mut screen, measure) {
            results.interrupted();
        }
        screen.finish();
    } else {
        in_turns(settings, &mut results, measure);
    }
    let latencies = results.take_latencies();
    let document = results.document();
    if let Some(folder) = &arguments.hgrm {
        files::write_latencies(folder, &document, &latencies)?;
    }
    Ok(document)
}

/// Measures as many rounds as were asked for.
fn in_turns(
    settings: &Settings,
    results: &mut Results,
    mut measure: impl FnMut(&Task) -> anyhow::Result<Measured>,
) {
    let steps = settings.steps();
    let mut screen = Screen::new(&steps);
    for step in &steps {
        if step.pace == PaceName::FixedRate {
            results.choose_rate();
        }
        screen.announce(step);
        let measured = match results.task(settings, step) {
            Ok(task) => measure(&task),
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
}
