//! Linux: each worker inherits the socket.
//!
//! It is the worker's standard input. Each worker keeps its own limit of connections, and
//! leaves connections to the others while it is full. It says its figures twice a second as a line
//! of JSON; the parent adds them up, passes Ctrl-C on, and replaces a worker that has died. A
//! worker that cannot even start ends the server, unless it was to replace another one.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_observe::Observer;
use serde::{Deserialize, Serialize};

use super::super::figures::Figures;
use super::super::observing::Places;
use super::super::reporter::Reporter;
use super::super::service;
use super::super::settings::Settings;
use super::super::showing::Showing;
use super::Event;
use super::worker_slot::WorkerSlot;
use crate::children::Said;
use crate::exit::Reported;
use crate::interrupt::{self, EndArguments};
use crate::{exit, output, platform};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Ready {
        driver: String,
    },
    Status(Figures),
    Stopped {
        figures: Figures,
        left: u64,
    },
    /// It cannot serve.
    Failed {
        reason: String,
    },
}

/// How long a worker may take after the drain's deadline before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// How often the parent looks at workers that are ending.
const LOOK: Duration = Duration::from_millis(100);

/// How often a worker reports; below the parent's period, so that its sums are fresh.
const REPORT_PERIOD: Duration = Duration::from_millis(500);

/// Any number of processes that the command line lets through will do.
pub fn check(_processes: u32) -> anyhow::Result<()> {
    Ok(())
}

struct Family<'a> {
    settings: &'a Settings,
    /// For workers to come; closed when the server is to end.
    listener: Option<TcpListener>,
    slots: Vec<WorkerSlot>,
    sender: Sender<Event>,
    /// There once all workers serve.
    reporter: Option<Reporter>,
    showing: Arc<Showing>,
    /// Where it is to be shown once all workers serve.
    places: Option<Places>,
    observer: Option<Observer>,
    stopping: Option<Instant>,
}

/// Serves by worker processes until Ctrl-C.
pub fn run(
    settings: &Settings,
    listener: TcpListener,
    places: Places,
    end: EndArguments,
) -> anyhow::Result<()> {
    let (sender, events) = channel();
    let interrupted = sender.clone();
    // Workers that do not end in time are killed after this.
    interrupt::on_first_or(end, settings.drain + GRACE, move || {
        let _ = interrupted.send(Event::Interrupt);
    })?;
    let name = settings.shown_as(listener.local_addr()?);
    let showing = Showing::of_processes(name, settings.processes);
    let mut slots: Vec<WorkerSlot> =
        (0..settings.processes as usize).map(WorkerSlot::new).collect();
    for slot in &mut slots {
        slot.start(settings, &listener, &sender)?;
    }
    let mut family = Family {
        settings,
        listener: Some(listener),
        slots,
        sender,
        reporter: None,
        showing,
        places: Some(places),
        observer: None,
        stopping: None,
    };
    family.watch(&events)?;
    let (mut figures, left) = family.sum();
    figures.processor_time += overlapped_load::process_figures::own_processor_time();
    match &family.reporter {
        Some(reporter) => reporter.summary(&figures, left),
        None => Ok(()),
    }
}

impl Family<'_> {
    /// Goes on until the server was told to end and all workers have ended.
    fn watch(&mut self, events: &Receiver<Event>) -> anyhow::Result<()> {
        while self.stopping.is_none() || self.slots.iter().any(WorkerSlot::is_alive) {
            match events.recv_timeout(self.wait()) {
                Ok(Event::Interrupt) => self.stop(),
                Ok(Event::Said { number, generation, said })
                    if self.slots[number].is_now(generation) =>
                {
                    match said {
                        Said::Line(line) => self.hear(number, &line)?,
                        Said::End => self.bury(number)?,
                    }
                }
                Ok(Event::Said { .. }) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.look_around()?;
        }
        Ok(())
    }

    /// How long until there is something to do.
    fn wait(&self) -> Duration {
        let mut wait = match &self.reporter {
            Some(reporter) if self.stopping.is_none() => reporter.wait(),
            _ => LOOK,
        };
        for due in self.slots.iter().filter_map(WorkerSlot::due) {
            wait = wait.min(due.saturating_duration_since(Instant::now()));
        }
        wait
    }

    fn stop(&mut self) {
        self.stopping = Some(Instant::now());
        self.listener = None;
        self.showing.drains();
        self.slots.iter().for_each(WorkerSlot::interrupt);
    }

    fn hear(&mut self, number: usize, line: &str) -> anyhow::Result<()> {
        match serde_json::from_str(line) {
            Ok(Report::Ready { driver }) => {
                self.slots[number].ready = true;
                if self.reporter.is_some() || self.slots.iter().any(|slot| !slot.ready) {
                    return Ok(());
                }
                if let Some(listener) = &self.listener {
                    output::listening(listener.local_addr()?, self.settings.json)?;
                }
                let Settings { quiet, json, processes, .. } = *self.settings;
                if !quiet && !json {
                    output::status(&driver);
                }
                if let Some(places) = self.places.take() {
                    self.observer = places.show(&self.showing, json)?;
                }
                self.reporter = Some(Reporter::new(quiet, json, processes));
            }
            Ok(Report::Status(figures)) => self.slots[number].tells(figures, 0),
            Ok(Report::Stopped { figures, left }) => self.slots[number].tells(figures, left),
            Ok(Report::Failed { reason }) if self.reporter.is_none() => anyhow::bail!(reason),
            Ok(Report::Failed { reason }) => exit::complain(&reason),
            Err(error) => exit::complain(&format!("worker {number} was not understood: {error}")),
        }
        Ok(())
    }

    /// A worker has ended. What it had told stays counted, save its connections.
    fn bury(&mut self, number: usize) -> anyhow::Result<()> {
        let slot = &mut self.slots[number];
        if self.stopping.is_some() {
            return slot.has_ended();
        }
        let died = slot.has_died()?;
        anyhow::ensure!(self.reporter.is_some(), "{died} before it served");
        slot.replace_after(&format!(
            "{died}; its connections are lost, and what it had counted in the last half second"
        ));
        Ok(())
    }

    /// Does what is due.
    fn look_around(&mut self) -> anyhow::Result<()> {
        let sum = self.sum().0;
        self.showing.tell(sum);
        if let Some(since) = self.stopping {
            if since.elapsed() > self.settings.drain + GRACE {
                self.slots.iter_mut().try_for_each(WorkerSlot::kill)?;
            }
            return Ok(());
        }
        let now = Instant::now();
        for slot in self.slots.iter_mut().filter(|slot| slot.due().is_some_and(|due| due <= now)) {
            let Some(listener) = &self.listener else { break };
            if let Err(error) = slot.start(self.settings, listener, &self.sender) {
                slot.replace_after(&format!("{error:#}"));
            }
        }
        if let Some(reporter) = self.reporter.as_mut().filter(|it| it.wait().is_zero()) {
            reporter.status(&sum);
        }
        Ok(())
    }

    fn sum(&self) -> (Figures, u64) {
        let mut figures = Figures::default();
        let mut left = 0;
        for slot in &self.slots {
            let (of_slot, of_slot_left) = slot.figures();
            figures.add(&of_slot);
            left += of_slot_left;
        }
        (figures, left)
    }
}

/// Serves in a worker process. What keeps it from serving is told by the parent.
pub fn run_worker(settings: &Settings) -> anyhow::Result<()> {
    serve(settings).or_else(|error| {
        output::json_line(&Report::Failed { reason: format!("{error:#}") })?;
        Err(Reported.into())
    })
}

fn serve(settings: &Settings) -> anyhow::Result<()> {
    platform::end_with_parent();
    let (interrupted, interrupts) = channel();
    interrupt::on_first(settings.drain, move || {
        let _ = interrupted.send(());
    })?;
    let listener = TcpListener::from(
        std::io::stdin().as_fd().try_clone_to_owned().context("no listening socket inherited")?,
    );
    let server = service::start(settings, listener)?;
    output::json_line(&Report::Ready { driver: server.describe() })?;
    while interrupts.recv_timeout(REPORT_PERIOD) == Err(RecvTimeoutError::Timeout) {
        output::json_line(&Report::Status(Figures::of(&server.status())))?;
    }
    let stopped = service::end(server, settings);
    let figures = Figures::of(&stopped.status);
    output::json_line(&Report::Stopped { figures, left: stopped.left })
}
