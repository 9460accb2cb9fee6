//! Servers in processes of their own that are measured in turns, and the processor time that they take.

use anyhow::Context;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Measures servers that are given as `NAME=COMMAND`, each once in every round, of which each begins with another
/// one; gives their names and what was found.
///
/// # Errors
/// A server is given otherwise; or a measurement fails, in the name of its server.
pub fn in_turns<T>(
    servers: &[String],
    rounds: NonZeroUsize,
    measure: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<(String, Vec<T>)>> {
    let split = |server: &String| {
        let (name, command) = server.split_once('=').context("a server is NAME=COMMAND")?;
        anyhow::Ok((name.to_owned(), command.to_owned()))
    };
    let servers: Vec<_> = servers.iter().map(split).collect::<Result<_, _>>()?;
    let mut found: Vec<_> = servers.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    for round in 0..rounds.get() {
        for turn in 0..servers.len() {
            let place = (round + turn) % servers.len();
            let (name, command) = &servers[place];
            found[place].1.push(measure(command).with_context(|| format!("server {name}"))?);
        }
    }
    Ok(found)
}

/// A server, which ends with this.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a command whose first line is `listening on ADDRESS`, without a shell.
    ///
    /// # Errors
    /// It cannot be started, or it says something else.
    pub fn start(command: &str) -> anyhow::Result<Self> {
        let mut words = command.split_whitespace();
        let program = words.next().context("a command is needed")?;
        let child = Command::new(program).args(words).stdout(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot start {program}"))?;
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        let output = server.child.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        server.address = address.context("it does not say where it listens")?.parse()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its processor time so far, in ticks of 10 ms.
    ///
    /// # Errors
    /// It has ended.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').context("the kernel tells of the process")?.1;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let (user, system) =
            (ticks.next().context("user time")??, ticks.next().context("system time")??);
        Ok(Duration::from_millis(10 * (user + system)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
