//! How often the threads of a server wake while nothing happens: context switches of all of them over a
//! while, after connections have echoed and are silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

/// Counts the wake-ups of an idle server.
#[derive(Parser)]
#[command(name = "idle-wakes", version)]
struct Arguments {
    /// Seconds to observe.
    #[arg(long, default_value_t = 10, value_name = "S")]
    seconds: u64,

    /// Connections that have echoed and are silent.
    #[arg(long, default_value_t = 100, value_name = "N")]
    connections: usize,

    /// The server, which says where it listens.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Messages of each connection.
const MESSAGES: usize = 20;

/// How long the threads may take to come to rest, and how long none of them must have run for that.
const PATIENCE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

/// Ends the server with this program.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (program, options) = arguments.command.split_first().context("no server is named")?;
    let started = Command::new(program).args(options).stdout(Stdio::piped()).spawn();
    let mut server = Server(started.with_context(|| format!("cannot start {program}"))?);
    let output = server.0.stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on ");
    let address = address.context("the server does not say where it listens")?;

    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        connections.push(TcpStream::connect(address)?);
    }
    for _ in 0..MESSAGES {
        for connection in &mut connections {
            connection.write_all(&[b'L'; 64])?;
        }
        for connection in &mut connections {
            connection.read_exact(&mut [0; 64])?;
        }
    }

    let id = server.0.id();
    let start = Instant::now();
    let mut before = switches(id)?;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < REST {
        std::thread::sleep(REST / 10);
        let now = switches(id)?;
        if now != before {
            quiet_since = Instant::now();
        }
        before = now;
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (threads, count) = switches(id)?;
    println!(
        "{} context switches of {threads} threads in {} s, {} silent connections",
        count - before.1,
        arguments.seconds,
        connections.len()
    );
    Ok(())
}

/// How many threads a process has, and how often they went to sleep or were interrupted.
fn switches(id: u32) -> anyhow::Result<(usize, u64)> {
    let mut sum = (0, 0);
    for task in std::fs::read_dir(format!("/proc/{id}/task")).context("the server has ended")? {
        let status = std::fs::read_to_string(task?.path().join("status"))?;
        let of = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.rsplit(char::is_whitespace).next()?.parse().ok()
        };
        let both = of("voluntary_ctxt_switches:").zip(of("nonvoluntary_ctxt_switches:"));
        let (voluntary, other) = both.context("the kernel does not count context switches")?;
        sum = (sum.0 + 1, sum.1 + voluntary + other);
    }
    Ok(sum)
}
