//! `compare`: measures the server models against each other on this machine.
//!
//! Every measurement has a server process of its own and its load in another process (`measure`).
//! The models take turns within a round, and rounds follow each other, so that a machine that is
//! slower for a while is slower for all of them; `results` keeps the medians over the rounds and
//! makes the document, `table` and `verdict` say them. Models come from the models crate's list:
//! one that is added there is measured here without a change.

mod measure;
mod results;
mod table;
mod verdict;

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use overlapped_load::limits::{self, RAISE_DESCRIPTORS_OR};
use overlapped_load::plan;
use overlapped_models::models;

use crate::commands::stress::team::Event;
use crate::exit::{Reported, Usage};
use crate::interrupt::{self, EndArguments};
use crate::{exit, output, values, words};
use measure::{Measured, Task};
use results::Results;

/// Time before a measurement during which the load runs already.
const WARM_UP: Duration = Duration::from_millis(300);

/// What starting and ending the processes of one measurement take, for the first estimate.
const AROUND: Duration = Duration::from_millis(500);

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Numbers of connections to measure at.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "16,256,1024,4096",
          value_parser = values::positive)]
    counts: Vec<u32>,
    /// Models to measure [default: all].
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',')]
    models: Vec<String>,
    /// Rounds; the medians over them are shown.
    #[arg(long, value_name = "N", default_value = "3", value_parser = values::positive)]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, value_name = "TIME", default_value = "2s",
          value_parser = values::positive_duration)]
    seconds: Duration,
    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = values::size)]
    size: usize,
    #[command(flatten)]
    end: EndArguments,
    /// Print the results as a JSON document.
    #[arg(long)]
    json: bool,
}

/// What is to be measured.
#[derive(Clone, Debug)]
struct Settings {
    counts: Vec<u32>,
    models: Vec<&'static str>,
    rounds: u32,
    duration: Duration,
    message_bytes: usize,
    descriptors: u64,
}

impl CompareArguments {
    fn resolve(&self) -> anyhow::Result<Settings> {
        let descriptors = limits::raise_descriptors()?;
        let room = plan::connections_per_process(descriptors);
        for &count in &self.counts {
            if u64::from(count) > room {
                anyhow::bail!(
                    "{count} connections are more than one server process can hold ({}): \
                     {RAISE_DESCRIPTORS_OR}give smaller --counts",
                    words::grouped(room)
                );
            }
        }
        let known = || models().iter().map(|model| model.name());
        let find = |asked: &String| {
            known().find(|name| name == asked).ok_or_else(|| {
                let names = known().collect::<Vec<_>>().join(", ");
                Usage(format!("there is no model '{asked}'; the models are {names}"))
            })
        };
        let models = if self.models.is_empty() {
            known().collect()
        } else {
            self.models.iter().map(find).collect::<Result<_, _>>()?
        };
        Ok(Settings {
            counts: self.counts.clone(),
            models,
            rounds: self.rounds,
            duration: self.seconds,
            message_bytes: self.size,
            descriptors,
        })
    }
}

impl Settings {
    /// All measurements in their order. Every other round goes backwards through the models, so
    /// that none is always the one that follows a certain other.
    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for round in 0..self.rounds {
            for &connections in &self.counts {
                let mut models = self.models.clone();
                if round % 2 == 1 {
                    models.reverse();
                }
                tasks.extend(models.into_iter().map(|model| Task {
                    model,
                    connections,
                    warm_up: WARM_UP,
                    duration: self.duration,
                    message_bytes: self.message_bytes,
                    descriptors: self.descriptors,
                }));
            }
        }
        tasks
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
    let settings = arguments.resolve()?;
    let interrupts = Arc::new(Mutex::new(Interrupts::default()));
    let told = interrupts.clone();
    interrupt::on_first_or(arguments.end, move || {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.seen = true;
        if let Some(load) = &told.load {
            let _ = load.send(Event::Interrupt);
        }
    })?;

    let tasks = settings.tasks();
    let mut results = Results::new(&settings);
    let screen = Screen::new(tasks.len());
    for (done, task) in tasks.iter().enumerate() {
        screen.announce(task, done);
        let measured = measure::measure(task, |load| {
            let mut interrupts = interrupts.lock().unwrap_or_else(PoisonError::into_inner);
            interrupts.load = Some(load);
            interrupts.seen
        });
        match measured {
            Ok(Measured::Interrupted) => break,
            Ok(Measured::Complete(measurement)) => {
                screen.note(&measurement.line(task));
                results.add(task, *measurement);
            }
            Err(error) => {
                let problem = format!("{error:#}");
                screen.note(&format!("{} at {}: {problem}", task.model, task.connections));
                results.add_problem(task, problem);
            }
        }
    }
    screen.finish();
    let document = results.document();
    if arguments.json {
        output::json_document(&document)?;
    } else {
        output::text(&table::table(&document))?;
        output::text(&verdict::words(&document))?;
    }
    if document.complete {
        return Ok(());
    }
    exit::complain(&format!(
        "{} of {} measurements were made; what is shown rests on those",
        document.measurements_made, document.measurements_planned
    ));
    Err(Reported.into())
}

/// Progress on standard error: a bar on a terminal, else a line for every measurement.
struct Screen {
    bar: ProgressBar,
    started: Instant,
    measurements: usize,
}

impl Screen {
    fn new(measurements: usize) -> Self {
        let bar = ProgressBar::new(measurements as u64);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
        let bar = match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, started: Instant::now(), measurements }
    }

    /// Says what is measured now and how long all of it will take yet.
    fn announce(&self, task: &Task, done: usize) {
        let each = match u32::try_from(done) {
            Ok(done) if done > 0 => self.started.elapsed() / done,
            _ => task.duration + task.warm_up + AROUND,
        };
        let left = each * u32::try_from(self.measurements - done).unwrap_or(u32::MAX);
        self.bar.set_position(done as u64);
        self.bar.set_message(format!(
            "{} at {} connections, about {} left",
            task.model,
            words::grouped(task.connections.into()),
            words::seconds(left)
        ));
        self.bar.tick();
    }

    fn note(&self, line: &str) {
        if self.bar.is_hidden() {
            output::status(line);
        } else {
            self.bar.println(line);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
