//! The worker processes of a load, seen from the process that started them.
//!
//! All workers open their connections and then wait; when the last of them is open, all begin.
//! So the connections of all processes are open together before the first message goes out.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_load::document::Outcome;
use overlapped_load::engine::Config;
use overlapped_load::histogram::Latencies;
use serde::{Deserialize, Serialize};

use crate::children::{Copy, Said};
use crate::platform;

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Tell the latencies of echoes as they come, too.
    Watch,
    /// Let the schedule begin.
    Begin,
    /// End the cool-down, and so the load, in good order.
    Close,
    /// End early.
    Stop,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// How far it is.
    Progress(Progress),
    /// Latencies of echoes since the last time.
    Latencies(Box<Latencies>),
    /// All its connections are open or have failed.
    Open,
    /// It records from now on.
    Recording,
    /// It has stopped recording, and messages go on.
    CoolDown,
    /// Its connections end.
    Closing,
    /// What it has seen; the last that it says.
    Outcome(Box<Outcome>),
}

/// Counts of a run that is under way.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Connections that are open.
    pub connected: u64,
    /// Connections that have failed.
    pub failed: u64,
    /// Messages that came back right.
    pub messages_echoed: u64,
    /// True once all connections of all workers are open or have failed.
    #[serde(default)]
    pub open: bool,
}

/// What happens to a team.
#[derive(Debug)]
pub enum Event {
    /// The user wants to end.
    Interrupt,
    /// A worker said something.
    Said(usize, Said),
}

/// A moment at which the owner of a team may look around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A worker has told how far it is.
    Progress,
    /// The connections of all workers are open or have failed, and no message was sent yet.
    Open,
    /// The first worker has begun to record.
    Recording,
    /// The last worker has stopped recording, and messages go on.
    CoolDown,
    /// The first worker has begun to end its connections.
    Closing,
}

/// What the owner of a team wants after a look around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The load shall go on.
    GoOn,
    /// The cool-down shall end.
    Close,
    /// The load shall end early.
    Stop,
}

/// How long workers that were told to stop may take before they are given up.
const GRACE: Duration = Duration::from_secs(5);

struct Member {
    process: Copy,
    progress: Progress,
    open: bool,
    cooling: bool,
    ended: bool,
}

/// The worker processes of one load.
pub struct Team {
    members: Vec<Member>,
    events: Receiver<Event>,
    outcome: Outcome,
    watcher: Option<Sender<Latencies>>,
}

impl Team {
    /// Starts one worker for each of `configs`. Interrupts come through `events` too.
    pub fn start(
        configs: &[Config],
        sender: Sender<Event>,
        events: Receiver<Event>,
    ) -> anyhow::Result<Self> {
        let mut members = Vec::with_capacity(configs.len());
        for (number, config) in configs.iter().enumerate() {
            let mut process = Copy::start(&["internal-load"], None, sender.clone(), move |said| {
                Event::Said(number, said)
            })?;
            process.tell(&serde_json::to_string(config)?);
            members.push(Member {
                process,
                progress: Progress::default(),
                open: false,
                cooling: false,
                ended: false,
            });
        }
        Ok(Self { members, events, outcome: Outcome::default(), watcher: None })
    }

    /// The processes of the workers.
    pub fn process_ids(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.process.id()).collect()
    }

    /// Has the latencies of echoes told as they come.
    pub fn watch(&mut self, watcher: Sender<Latencies>) -> anyhow::Result<()> {
        self.watcher = Some(watcher);
        self.tell_all(&Order::Watch)
    }

    /// Runs the load to its end, or to the first interrupt. `look` is called at every moment with
    /// the sum over the workers, and says how to go on. At `deadline` the load is told to stop, and
    /// a worker that does not is an error a little later. Gives what all of them saw, and whether
    /// it was interrupted.
    pub fn run(
        &mut self,
        deadline: Option<Instant>,
        mut look: impl FnMut(Moment, &Progress) -> anyhow::Result<Then>,
    ) -> anyhow::Result<(Outcome, bool)> {
        let mut sum = Progress::default();
        let mut interrupted = false;
        let mut stopped = false;
        let mut deadline = deadline;
        let (mut recording, mut cooling, mut closing) = (false, false, false);
        while self.members.iter().any(|member| !member.ended) {
            let Some(event) = self.next_event(deadline)? else {
                anyhow::ensure!(!stopped, "the load did not end when it was told to");
                stopped = true;
                deadline = Some(Instant::now() + GRACE);
                self.tell_all(&Order::Stop)?;
                continue;
            };
            let (number, line) = match event {
                Event::Interrupt => {
                    interrupted = true;
                    stopped = true;
                    deadline = Some(Instant::now() + GRACE);
                    self.tell_all(&Order::Stop)?;
                    continue;
                }
                Event::Said(number, Said::Line(line)) => (number, line),
                Event::Said(number, Said::End) => {
                    let member = &mut self.members[number];
                    if !member.ended {
                        let ending = platform::ending(member.process.wait(GRACE)?);
                        anyhow::bail!(
                            "process {} of the load has died ({ending}) before it had a result; \
                             without it there is none",
                            member.process.id()
                        );
                    }
                    continue;
                }
            };
            let report = serde_json::from_str(&line).context("a worker was not understood")?;
            let mut moment = None;
            match report {
                Report::Progress(progress) => {
                    self.members[number].progress = progress;
                    sum = self.sum(sum.open);
                    moment = Some(Moment::Progress);
                }
                Report::Open => {
                    self.members[number].open = true;
                    if self.members.iter().all(|member| member.open) {
                        sum.open = true;
                        moment = Some(Moment::Open);
                    }
                }
                Report::Recording if !std::mem::replace(&mut recording, true) => {
                    moment = Some(Moment::Recording);
                }
                Report::CoolDown => self.members[number].cooling = true,
                Report::Closing if recording && !std::mem::replace(&mut closing, true) => {
                    moment = Some(Moment::Closing);
                }
                Report::Latencies(latencies) => {
                    if let Some(watcher) = &self.watcher {
                        // Who has stopped looking needs none.
                        let _ = watcher.send(*latencies);
                    }
                }
                Report::Recording | Report::Closing => {}
                Report::Outcome(outcome) => {
                    self.outcome.merge(&outcome);
                    self.members[number].ended = true;
                }
            }
            let all_cool = self.members.iter().all(|member| member.cooling || member.ended)
                && self.members.iter().any(|member| member.cooling);
            if all_cool && !std::mem::replace(&mut cooling, true) {
                moment = Some(Moment::CoolDown);
            }
            let then = moment.map_or(Ok(Then::GoOn), |moment| look(moment, &sum))?;
            if moment == Some(Moment::Open) {
                self.tell_all(&Order::Begin)?;
            }
            match then {
                Then::GoOn => {}
                Then::Close => self.tell_all(&Order::Close)?,
                Then::Stop if stopped => {}
                Then::Stop => {
                    stopped = true;
                    deadline = Some(Instant::now() + GRACE);
                    self.tell_all(&Order::Stop)?;
                }
            }
        }
        Ok((std::mem::take(&mut self.outcome), interrupted))
    }

    /// The next event; None when the deadline came first.
    fn next_event(&self, deadline: Option<Instant>) -> anyhow::Result<Option<Event>> {
        const GONE: &str = "all workers have gone";
        let Some(deadline) = deadline else {
            return Ok(Some(self.events.recv().context(GONE)?));
        };
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!(GONE),
        }
    }

    fn tell_all(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)?;
        for member in &mut self.members {
            member.process.tell(&line);
        }
        Ok(())
    }

    fn sum(&self, open: bool) -> Progress {
        self.members.iter().fold(Progress { open, ..Progress::default() }, |sum, member| Progress {
            connected: sum.connected + member.progress.connected,
            failed: sum.failed + member.progress.failed,
            messages_echoed: sum.messages_echoed + member.progress.messages_echoed,
            open,
        })
    }
}
