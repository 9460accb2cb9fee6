//! `stress --live`: the load on a thread of its own, and its screen on this one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;
use overlapped_load::document::Outcome;
use overlapped_load::engine::Config;
use overlapped_load::histogram::Latencies;

use super::held::HeldMemory;
use super::team::{Event, Moment, Progress, Team};
use super::{StressArguments, of_processes, report};
use crate::live;
use crate::live::load::{Load, LoadScreen, Now, Told};

/// Where an interrupt goes: to the team that runs now.
pub type Interrupts = Arc<Mutex<Option<Sender<Event>>>>;

/// What a load gave: its outcome, and whether it was ended early.
type Ended = anyhow::Result<(Outcome, bool)>;

/// Runs the load, and again as often as the user wants, until the screen is left or `is_over`. Gives what the
/// last run gave.
pub fn run(
    arguments: &StressArguments,
    configs: &[Config],
    interrupts: Interrupts,
    is_over: impl FnMut() -> bool,
) -> Ended {
    let processes = configs.len();
    let mut watched = Watched {
        configs: configs.to_vec(),
        describe: describe(arguments, processes),
        memory_before: Box::new(HeldMemory::looker(arguments)),
        interrupts,
        told: None,
        thread: None,
        ended: None,
    };
    watched.start()?;
    let name = format!("load on {}, from {}", arguments.address, of_processes(processes));
    let total = u64::from(arguments.connections);
    let mut screen = LoadScreen::new(watched, name, total, arguments.total_messages());
    let shown = live::show(&mut screen, is_over);
    let mut watched = screen.into_load();
    watched.stop();
    watched.join();
    shown?;
    watched.ended.context("the load has not begun")?
}

/// How a result is told.
type Describe = Box<dyn Fn(&(Outcome, bool)) -> Told>;

fn describe(arguments: &StressArguments, processes: usize) -> Describe {
    let (target, advice) = (arguments.address.to_string(), super::explain_target(arguments));
    Box::new(move |(outcome, is_early)| {
        let complaint = match (outcome.is_clean(), is_early) {
            (true, _) => None,
            (false, true) => Some("it was ended early".to_owned()),
            (false, false) => Some(report::complaint(outcome, &target, advice.clone())),
        };
        Told::Ended { result: report::text(outcome, &target, &of_processes(processes)), complaint }
    })
}

/// A load, as often as it is run.
struct Watched {
    configs: Vec<Config>,
    describe: Describe,
    memory_before: Box<dyn Fn() -> anyhow::Result<HeldMemory>>,
    interrupts: Interrupts,
    told: Option<(Receiver<Progress>, Receiver<Latencies>)>,
    thread: Option<JoinHandle<Ended>>,
    ended: Option<Ended>,
}

impl Watched {
    /// Waits for the end of the run, if there is one.
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            self.ended =
                Some(ended.unwrap_or_else(|_| Err(anyhow::anyhow!("the load has panicked"))));
        }
    }
}

impl Load for Watched {
    fn told(&mut self) -> Vec<Told> {
        let Some((progress, latencies)) = &self.told else { return Vec::new() };
        let last = progress.try_iter().last().map(|it| {
            Told::Now(Now {
                connected: it.connected,
                failed: it.failed,
                echoed: it.messages_echoed,
                is_open: it.open,
            })
        });
        let mut told: Vec<Told> = last.into_iter().collect();
        told.extend(latencies.try_iter().map(Told::Latencies));
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
            told.push(match &self.ended {
                Some(Ok(ended)) => (self.describe)(ended),
                Some(Err(error)) => {
                    Told::Ended { result: String::new(), complaint: Some(format!("{error:#}")) }
                }
                None => return told,
            });
        }
        told
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let (tell, progress) = channel();
        let (watcher, latencies) = channel();
        self.told = Some((progress, latencies));
        let (sender, events) = channel();
        *self.interrupts.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        let configs = self.configs.clone();
        let mut memory = (self.memory_before)()?;
        // Workers end with the thread that has started them, so that it stays until they have.
        let thread = std::thread::Builder::new().name("team".to_owned()).spawn(move || {
            let mut team = Team::start(&configs, sender, events)?;
            team.watch(watcher)?;
            let processes = team.process_ids();
            let result = team.run(None, |moment, sum| {
                if moment == Moment::Progress {
                    // Who has left the screen needs none.
                    let _ = tell.send(*sum);
                }
                memory.look(moment, sum, &processes)
            });
            result.map(|(outcome, interrupted)| (memory.add_to(outcome), interrupted))
        });
        self.thread = Some(thread.context("cannot start a thread for the load")?);
        Ok(())
    }

    fn stop(&mut self) {
        let interrupts = self.interrupts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupts) = &*interrupts {
            // A run that has ended hears nothing.
            let _ = interrupts.send(Event::Interrupt);
        }
    }
}
