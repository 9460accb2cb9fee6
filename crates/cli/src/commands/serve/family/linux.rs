//! Linux: each worker inherits the socket.
//!
//! It is the worker's standard input. Each worker keeps its own limit of connections, and
//! leaves connections to the others while it is full. It says its figures once a second as a line
//! of JSON; the parent adds them up, passes Ctrl-C on, and tells when a worker dies.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::super::figures::Figures;
use super::super::reporter::Reporter;
use super::super::service;
use super::super::settings::Settings;
use crate::children::{Copy, Said};
use crate::interrupt::{self, EndArguments};
use crate::{exit, output, platform};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Ready { driver: String },
    Status(Figures),
    Stopped { figures: Figures, left: u64 },
}

/// What the parent hears.
#[derive(Debug)]
enum Event {
    Interrupt,
    Said(usize, Said),
}

/// How long a worker may take after the drain's deadline before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// How often the parent looks at workers that are ending.
const LOOK: Duration = Duration::from_millis(100);

/// How often a worker reports; below the parent's period, so that its sums are fresh.
const REPORT_PERIOD: Duration = Duration::from_millis(500);

struct Member {
    process: Copy,
    figures: Figures,
    left: u64,
    ready: bool,
    ended: bool,
}

/// Any number of processes that the command line lets through will do.
pub fn check(_processes: u32) -> anyhow::Result<()> {
    Ok(())
}

/// Serves by worker processes until Ctrl-C or until all of them have died.
pub fn run(settings: &Settings, listener: TcpListener, end: EndArguments) -> anyhow::Result<()> {
    let (sender, events) = channel();
    let interrupted = sender.clone();
    // Workers that do not end in time are killed after this.
    interrupt::on_first_or(end, settings.drain + GRACE, move || {
        let _ = interrupted.send(Event::Interrupt);
    })?;
    let address = listener.local_addr()?;
    let mut members = (0..settings.processes as usize)
        .map(|number| start_member(settings, &listener, number, &sender))
        .collect::<anyhow::Result<Vec<_>>>()?;
    drop(listener);
    let mut reporter: Option<Reporter> = None;
    let mut stopping: Option<Instant> = None;
    while members.iter().any(|member| !member.ended) {
        let wait = match &reporter {
            Some(reporter) if stopping.is_none() => reporter.wait(),
            _ => LOOK,
        };
        match events.recv_timeout(wait) {
            Ok(Event::Interrupt) => {
                stopping = Some(Instant::now());
                for member in members.iter().filter(|member| !member.ended) {
                    member.process.interrupt();
                }
            }
            Ok(Event::Said(number, Said::Line(line))) => {
                hear(&mut members[number], number, &line, settings);
                if reporter.is_none() && members.iter().all(|member| member.ready) {
                    output::line(&format!("listening on {address}"))?;
                    reporter =
                        Some(Reporter::new(settings.quiet, settings.json, settings.processes));
                }
            }
            Ok(Event::Said(number, Said::End)) => {
                bury(&mut members[number], stopping.is_some())?;
            }
            Err(RecvTimeoutError::Timeout) => match (stopping, reporter.as_mut()) {
                (None, Some(reporter)) => reporter.status(&sum(&members).0),
                (Some(since), _) if since.elapsed() > settings.drain + GRACE => {
                    for member in members.iter_mut().filter(|member| !member.ended) {
                        member.process.wait(Duration::ZERO)?;
                    }
                }
                _ => {}
            },
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let (mut figures, left) = sum(&members);
    figures.processor_time += overlapped_load::process_figures::own_processor_time();
    if let Some(reporter) = &reporter {
        reporter.summary(&figures, left)?;
    }
    anyhow::ensure!(stopping.is_some(), "all worker processes have ended by themselves");
    Ok(())
}

fn start_member(
    settings: &Settings,
    listener: &TcpListener,
    number: usize,
    sender: &Sender<Event>,
) -> anyhow::Result<Member> {
    let socket = Stdio::from(OwnedFd::from(listener.try_clone()?));
    let text = serde_json::to_string(settings)?;
    let process =
        Copy::start(&["internal-serve", "--", &text], Some(socket), sender.clone(), move |said| {
            Event::Said(number, said)
        })?;
    Ok(Member { process, figures: Figures::default(), left: 0, ready: false, ended: false })
}

fn hear(member: &mut Member, number: usize, line: &str, settings: &Settings) {
    match serde_json::from_str(line) {
        Ok(Report::Ready { driver }) => {
            member.ready = true;
            if number == 0 && !settings.quiet && !settings.json {
                output::status(&driver);
            }
        }
        Ok(Report::Status(figures)) => member.figures = figures,
        Ok(Report::Stopped { figures, left }) => {
            member.figures = figures;
            member.left = left;
        }
        Err(error) => exit::complain(&format!("worker {number} was not understood: {error}")),
    }
}

/// Takes note of the end of a worker. What it had counted stays counted, save its connections.
fn bury(member: &mut Member, expected: bool) -> anyhow::Result<()> {
    member.ended = true;
    let status = member.process.wait(GRACE)?;
    member.figures.connected = 0;
    member.figures.threads = Default::default();
    if !expected {
        exit::complain(&format!(
            "worker process {} has died ({}); its connections are lost, the others go on",
            member.process.id(),
            platform::ending(status)
        ));
    }
    Ok(())
}

fn sum(members: &[Member]) -> (Figures, u64) {
    let mut figures = Figures::default();
    let mut left = 0;
    for member in members {
        figures.add(&member.figures);
        left += member.left;
    }
    (figures, left)
}

/// Serves in a worker process.
pub fn run_worker(settings: &Settings) -> anyhow::Result<()> {
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
    let stopped = server.stop(settings.drain);
    let figures = Figures::of(&stopped.status);
    output::json_line(&Report::Stopped { figures, left: stopped.left })
}
