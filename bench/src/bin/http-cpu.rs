//! The processor time that servers take for an HTTP request, in rounds in which they take turns. `wrk` asks
//! them, in a closed loop; servers run on processor 0 and `wrk` on processor 1.

use anyhow::{Context, ensure};
use clap::Parser;
use overlapped_bench::child::{Server, in_turns};
use overlapped_bench::paired::text_of;
use overlapped_bench::statistics;
use std::num::NonZeroUsize;
use std::process::{Command, ExitCode};

/// Measures servers of HTTP. The last one is what the others are compared with.
#[derive(Parser)]
#[command(name = "http-cpu", version)]
struct Arguments {
    /// A server, by a name and its command, whose first line is `listening on ADDRESS`.
    #[arg(long, required = true, value_name = "NAME=COMMAND")]
    server: Vec<String>,

    /// What is asked for.
    #[arg(long, default_value = "/cheap", value_name = "PATH")]
    path: String,

    /// Connections, each with one request under way.
    #[arg(long, default_value = "128", value_name = "N")]
    connections: NonZeroUsize,

    /// Seconds of a measurement, after one that does not count.
    #[arg(long, default_value_t = 3, value_name = "S")]
    seconds: u32,

    /// Rounds; each measures every server once, and begins with another one.
    #[arg(long, default_value = "16", value_name = "N")]
    rounds: NonZeroUsize,
}

/// What one measurement has found.
#[derive(Clone, Copy)]
struct Found {
    us_per_request: f64,
    p99_ms: f64,
    per_s: f64,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let found =
        in_turns(&arguments.server, arguments.rounds, |command| measure(arguments, command))?;
    let (base, of_base) = found.last().context("a server is needed")?;
    println!(
        "| server | us/request | times {base} | p99, ms | p99, times {base} | requests/s |\n|---|---:|---:|---:|---:|---:|"
    );
    for (name, of_server) in &found {
        let median = |figure: fn(&Found) -> f64| statistics::median(of_server.iter().map(figure));
        let ratio = |figure: fn(&Found) -> f64| {
            let ratios = of_server.iter().zip(of_base);
            let ratios = ratios.map(|(own, base)| figure(own) / figure(base));
            if name == base { "-".to_owned() } else { text_of(&ratios.collect::<Vec<_>>()) }
        };
        println!(
            "| {name} | {:.2} | {} | {:.2} | {} | {:.0} |",
            median(|found| found.us_per_request),
            ratio(|found| found.us_per_request),
            median(|found| found.p99_ms),
            ratio(|found| found.p99_ms),
            median(|found| found.per_s),
        );
    }
    println!(
        "\n{} rounds of {} s; {} connections; medians, and ratios within the rounds.",
        arguments.rounds, arguments.seconds, arguments.connections
    );
    Ok(())
}

fn measure(arguments: &Arguments, command: &str) -> anyhow::Result<Found> {
    let server = Server::start(&format!("taskset -c 0 {command}"))?;
    let url = format!("http://{}{}", server.address(), arguments.path);
    let connections = arguments.connections.to_string();
    let ask = |seconds: u32| -> anyhow::Result<String> {
        let mut wrk = Command::new("taskset");
        wrk.args(["-c", "1", "wrk", "-t", "1", "-c", &connections, "--latency"]);
        let output = wrk.args(["-d", &format!("{seconds}s"), &url]).output();
        let output = output.context("cannot start taskset and wrk")?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "wrk: {}", String::from_utf8_lossy(&output.stderr));
        ensure!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "wrk: {said}");
        Ok(said)
    };
    ask(1)?;
    let before = server.processor_time()?;
    let said = ask(arguments.seconds)?;
    let taken = server.processor_time()? - before;
    let line = |mark: &str| said.lines().find(|line| line.contains(mark)).context("wrk says less");
    let requests: f64 =
        line(" requests in ")?.split_whitespace().next().context("how many")?.parse()?;
    let p99 = line(" 99%")?.split_whitespace().nth(1).context("a time")?;
    Ok(Found {
        us_per_request: taken.as_secs_f64() * 1e6 / requests,
        p99_ms: in_ms(p99)?,
        per_s: requests / f64::from(arguments.seconds),
    })
}

/// A time as `wrk` writes it.
fn in_ms(time: &str) -> anyhow::Result<f64> {
    for (unit, ms) in [("us", 0.001), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = time.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * ms);
        }
    }
    anyhow::bail!("{time} is not a time")
}
