//! The place of one worker: the process that has it now, or when the next one will.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::super::figures::Figures;
use super::super::settings::Settings;
use super::Event;
use crate::children::Copy;
use crate::{exit, platform};

/// How long after its death a worker is replaced; twice as long each time, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A worker that lived this long has the first delay again.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How long a worker that has closed its output may take until it has ended.
const GRACE: Duration = Duration::from_secs(3);

/// The place of one worker.
pub struct WorkerSlot {
    number: usize,
    /// The worker, until it has ended.
    process: Option<Copy>,
    /// Which of the workers of this place it is: what a former one said is of no account.
    generation: u64,
    started: Instant,
    /// When it is replaced, and the delay until then.
    due: Option<Instant>,
    delay: Duration,
    /// What the worker has counted, and what those before it had.
    figures: Figures,
    before: Figures,
    left: u64,
    /// It serves, or has served.
    pub ready: bool,
}

impl WorkerSlot {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            process: None,
            generation: 0,
            started: Instant::now(),
            due: None,
            delay: Duration::ZERO,
            figures: Figures::default(),
            before: Figures::default(),
            left: 0,
            ready: false,
        }
    }

    /// Starts a worker for this place. What it says goes to `sender`.
    pub fn start(
        &mut self,
        settings: &Settings,
        listener: &TcpListener,
        sender: &Sender<Event>,
    ) -> anyhow::Result<()> {
        self.due = None;
        self.generation += 1;
        self.started = Instant::now();
        let (number, generation) = (self.number, self.generation);
        let socket = Stdio::from(OwnedFd::from(listener.try_clone()?));
        let text = serde_json::to_string(settings)?;
        let arguments = ["internal-serve", "--", &text];
        let wrap = move |said| Event::Said { number, generation, said };
        self.process = Some(Copy::start(&arguments, Some(socket), sender.clone(), wrap)?);
        Ok(())
    }

    /// Whether `generation` is that of the worker of now.
    pub fn is_now(&self, generation: u64) -> bool {
        self.generation == generation
    }

    pub fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    /// When the next worker is to be started, if there is none.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn tells(&mut self, figures: Figures, left: u64) {
        self.figures = figures;
        self.left = left;
    }

    /// What all workers of this place have counted, and what the last one left.
    pub fn figures(&self) -> (Figures, u64) {
        (self.figures.after(&self.before), self.left)
    }

    /// Asks the worker to end.
    pub fn interrupt(&self) {
        if let Some(process) = &self.process {
            process.interrupt();
        }
    }

    /// Ends the worker at once.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        match &mut self.process {
            Some(process) => process.wait(Duration::ZERO).map(drop),
            None => Ok(()),
        }
    }

    /// Takes note that the worker has ended as it was told to.
    pub fn has_ended(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.wait(GRACE)?;
        }
        self.figures = Figures { connected: 0, ..self.figures };
        Ok(())
    }

    /// Takes note that the worker has died; gives its process id and how it ended, in words.
    pub fn has_died(&mut self) -> anyhow::Result<String> {
        let Some(mut process) = self.process.take() else {
            return Ok("worker process".to_owned());
        };
        let ending = platform::ending(process.wait(GRACE)?);
        self.before = self.figures.after(&self.before).of_the_dead();
        self.figures = Figures::default();
        Ok(format!("worker process {} has died ({ending})", process.id()))
    }

    /// Has the next worker started after a while, and says so after `what` has happened.
    pub fn replace_after(&mut self, what: &str) {
        self.delay = match self.started.elapsed() {
            long if long >= LONG_LIFE => FIRST_DELAY,
            _ => (self.delay * 2).clamp(FIRST_DELAY, LONGEST_DELAY),
        };
        self.due = Some(Instant::now() + self.delay);
        exit::complain(&format!("{what}; another one is started in {} ms", self.delay.as_millis()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_longest_and_is_short_again_after_a_long_life() {
        let mut slot = WorkerSlot::new(0);
        let mut delay_ms = || {
            slot.replace_after("a worker has died");
            slot.delay.as_millis()
        };
        assert_eq!([(); 3].map(|()| delay_ms()), [100, 200, 400]);
        assert_eq!([(); 6].map(|()| delay_ms()).last(), Some(&10_000));
        slot.started = Instant::now().checked_sub(LONG_LIFE).expect("the clock has run so long");
        slot.replace_after("a worker has died");
        assert_eq!(slot.delay, FIRST_DELAY);
    }
}
