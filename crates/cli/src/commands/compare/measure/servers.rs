//! The server of one measurement: as many processes of a model as its connections need, all of them
//! listening on one port, or one process of a foreign server.
//!
//! # Platform
//! On Linux the kernel spreads connections over the processes by a hash, so each is given some room
//! beyond its share. On Windows a server is one process.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_load::plan;

use super::Task;
use super::foreign::Foreign;
use crate::children::{Copy, Said};
use crate::commands::model_server::ModelReport;
use crate::platform;

/// How long a server may take until it listens, and until it has ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may accept nothing before it is taken to have all that it will have, and how often
/// it is asked.
const STANDSTILL: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(10);

/// The part of what a process can hold that is its share of the connections, in percent.
const SHARE_PERCENT: u64 = 90;

/// Connections that a server is allowed beyond those of the load, so that its admission is not what is
/// measured.
const SPARE: u64 = 64;

/// The running server.
pub enum Server {
    /// A model of this tool.
    Model(Servers),
    /// Another program.
    Foreign(Foreign),
}

impl Server {
    /// Starts it. `threads` is how many connections its threads allow, if they are limited.
    pub fn start(task: &Task, threads: Option<u64>) -> anyhow::Result<Self> {
        task.server_place.start(|| match &task.contender.command {
            Some(words) => Foreign::start(words).map(Self::Foreign),
            None => Servers::start(task, threads).map(Self::Model),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Model(servers) => servers.address,
            Self::Foreign(foreign) => foreign.address(),
        }
    }

    /// The server in its own words, or how it was started.
    pub fn description(&self, task: &Task) -> String {
        match self {
            Self::Model(servers) => servers.description.clone(),
            Self::Foreign(_) => {
                let words = task.contender.command.iter().flatten().map(String::as_str);
                shlex::try_join(words).unwrap_or_default()
            }
        }
    }

    /// Its processes.
    pub fn ids(&self) -> Vec<u32> {
        match self {
            Self::Model(servers) => servers.ids(),
            Self::Foreign(foreign) => vec![foreign.id()],
        }
    }

    /// Waits until it holds `connections`, which a foreign server cannot be asked.
    pub fn wait_until_accepted(&mut self, connections: u64) -> anyhow::Result<()> {
        match self {
            Self::Model(servers) => servers.wait_until_accepted(connections),
            Self::Foreign(_) => Ok(()),
        }
    }

    /// Ends it.
    pub fn stop(self) -> anyhow::Result<Ended> {
        match self {
            Self::Model(servers) => servers.stop(),
            Self::Foreign(foreign) => {
                foreign.stop()?;
                Ok(Ended { processes: 1, ..Ended::default() })
            }
        }
    }
}

/// The running processes of a model.
pub struct Servers {
    processes: Vec<Process>,
    address: SocketAddr,
    description: String,
}

struct Process {
    process: Copy,
    said: Receiver<Said>,
}

/// What the processes of a server said at their end, together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ended {
    pub processes: u64,
    pub left: u64,
    /// None where the server does not tell it.
    pub peak_connected: Option<u64>,
    pub accept_deferrals: u64,
    pub other_errors: u64,
}

impl Servers {
    /// Starts the processes. `threads` is how many connections they may hold together, if that is
    /// limited.
    fn start(task: &Task, threads: Option<u64>) -> anyhow::Result<Self> {
        let connections = u64::from(task.connections);
        let room = plan::connections_per_process(task.descriptors).max(1);
        let count = if connections <= room && connections + SPARE <= room {
            1
        } else {
            connections.div_ceil((room * SHARE_PERCENT / 100).max(1))
        };
        let each = if count == 1 { connections + SPARE } else { room };
        let each = threads.map_or(each, |threads| each.min((threads / count).max(1)));
        let (first, address, description) = Process::start(task, each, count > 1, None)?;
        let mut servers = Self { processes: vec![first], address, description };
        for _ in 1..count {
            let (process, _, _) = Process::start(task, each, true, Some(address))?;
            servers.processes.push(process);
        }
        Ok(servers)
    }

    fn ids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.process.id()).collect()
    }

    /// Waits until the server holds `connections`, as long as it goes on accepting. Some wait in the
    /// kernel until it does, and their clients take them for open.
    fn wait_until_accepted(&mut self, connections: u64) -> anyhow::Result<()> {
        let mut most = 0;
        let mut grown = Instant::now();
        loop {
            let connected = self.connected()?;
            if connected >= connections {
                return Ok(());
            }
            if connected > most {
                (most, grown) = (connected, Instant::now());
            }
            if grown.elapsed() > STANDSTILL {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How many connections it holds now.
    fn connected(&mut self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for process in &mut self.processes {
            process.process.tell("status");
            match next_report(&process.said, Instant::now() + PATIENCE)? {
                Some(ModelReport::Status { connected }) => sum += connected,
                _ => anyhow::bail!("the server has ended"),
            }
        }
        Ok(sum)
    }

    /// Ends the server, all processes at the same time.
    fn stop(mut self) -> anyhow::Result<Ended> {
        for process in &mut self.processes {
            process.process.close_input();
        }
        let end = Instant::now() + PATIENCE;
        let mut sum = Ended { processes: self.processes.len() as u64, ..Ended::default() };
        for process in &mut self.processes {
            let report = next_report(&process.said, end)?;
            let status = process.process.wait(end.saturating_duration_since(Instant::now()))?;
            let Some(ModelReport::Stopped {
                left,
                peak_connected,
                accept_deferrals,
                other_errors,
                ..
            }) = report.filter(|_| status.success())
            else {
                anyhow::bail!("the server ended badly ({})", platform::ending(status));
            };
            sum.left += left;
            sum.peak_connected = Some(sum.peak_connected.unwrap_or(0) + peak_connected);
            sum.accept_deferrals += accept_deferrals;
            sum.other_errors += other_errors;
        }
        Ok(sum)
    }
}

impl Process {
    /// Starts a process that may hold `connections`; with `join` it listens where the first one does.
    fn start(
        task: &Task,
        connections: u64,
        shared: bool,
        join: Option<SocketAddr>,
    ) -> anyhow::Result<(Self, SocketAddr, String)> {
        let (sender, said) = channel();
        let connections = connections.to_string();
        let join = join.map(|address| address.to_string());
        let mut arguments =
            vec!["internal-model", "--model", &task.contender.name, "--connections", &connections];
        if shared {
            arguments.push("--shared");
        }
        if let Some(join) = &join {
            arguments.extend(["--join", join]);
        }
        let mut process = Copy::start(&arguments, None, sender, |said| said)?;
        match next_report(&said, Instant::now() + PATIENCE)? {
            Some(ModelReport::Listening { address, description }) => {
                Ok((Self { process, said }, address, description))
            }
            _ => {
                let status = process.wait(Duration::ZERO)?;
                anyhow::bail!("the server did not start ({})", platform::ending(status))
            }
        }
    }
}

/// The next thing a server says; None when it has ended.
fn next_report(said: &Receiver<Said>, end: Instant) -> anyhow::Result<Option<ModelReport>> {
    match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(Said::Line(line)) => {
            Ok(Some(serde_json::from_str(&line).context("the server was not understood")?))
        }
        Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => Ok(None),
        Err(RecvTimeoutError::Timeout) => {
            anyhow::bail!("the server said nothing for {} s", PATIENCE.as_secs())
        }
    }
}
