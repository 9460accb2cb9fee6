//! The latency of a cheap route beside clients of a slow one: an open loop of so many requests a second,
//! whatever the answers take, each counted from the moment at which it was due. Servers take turns.

use anyhow::{Context, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use overlapped_bench::child::{Server, in_turns};
use overlapped_bench::paired::text_of;
use overlapped_bench::statistics;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Measures a cheap route beside clients of a slow one. The first server is what the others are compared with.
#[derive(Parser)]
#[command(name = "beside-slow", version)]
struct Arguments {
    /// A server, by a name and its command, whose first line is `listening on ADDRESS`.
    #[arg(long, required = true, value_name = "NAME=COMMAND")]
    server: Vec<String>,

    /// Clients of the slow route, each of which asks again as soon as it is answered.
    #[arg(long, default_value_t = 8, value_name = "N")]
    slow: usize,

    /// Requests a second on the cheap route, in all.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    rate: u32,

    /// Connections that carry them.
    #[arg(long, default_value = "50", value_name = "N")]
    connections: NonZeroUsize,

    /// Seconds of a measurement.
    #[arg(long, default_value_t = 3, value_name = "S")]
    seconds: u32,

    /// Rounds; each measures every server once, and begins with another one.
    #[arg(long, default_value = "7", value_name = "N")]
    rounds: NonZeroUsize,
}

/// What one measurement has found.
#[derive(Clone, Copy)]
struct Found {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    slow_per_s: f64,
    /// Processor time of the server, as a share of one processor.
    cpu: f64,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let found =
        in_turns(&arguments.server, arguments.rounds, |command| measure(arguments, command))?;
    let (first, of_first) = found.first().context("a server is needed")?;
    println!(
        "| server | p50, ms | p99, ms | p99, times {} | max, ms | slow answers/s | processors |",
        first
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, of_server) in &found {
        let median = |figure: fn(&Found) -> f64| statistics::median(of_server.iter().map(figure));
        let ratios = of_server.iter().zip(of_first).map(|(own, first)| own.p99_ms / first.p99_ms);
        let ratio =
            if name == first { "-".to_owned() } else { text_of(&ratios.collect::<Vec<_>>()) };
        println!(
            "| {name} | {:.3} | {:.3} | {ratio} | {:.2} | {:.0} | {:.2} |",
            median(|found| found.p50_ms),
            median(|found| found.p99_ms),
            median(|found| found.max_ms),
            median(|found| found.slow_per_s),
            median(|found| found.cpu),
        );
    }
    println!(
        "\n{} rounds of {} s; {} requests/s on {} connections, beside {} clients of the slow route; medians.",
        arguments.rounds, arguments.seconds, arguments.rate, arguments.connections, arguments.slow
    );
    Ok(())
}

fn measure(arguments: &Arguments, command: &str) -> anyhow::Result<Found> {
    let server = Server::start(command)?;
    let address = server.address();
    let (is_over, slow_answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let connections = arguments.connections.get();
    std::thread::scope(|scope| {
        for _ in 0..arguments.slow {
            scope.spawn(|| -> anyhow::Result<()> {
                let mut client = Client::connect(address)?;
                while !is_over.load(Ordering::Relaxed) {
                    client.ask("/slow")?;
                    slow_answers.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        // What a server needs until it has its threads does not count.
        std::thread::sleep(Duration::from_millis(500));
        let cpu_before = server.processor_time()?;
        let slow_before = slow_answers.load(Ordering::Relaxed);
        let start = Instant::now();
        let end = start + Duration::from_secs(arguments.seconds.into());
        let period = Duration::from_secs_f64(connections as f64 / f64::from(arguments.rate));
        let cheap: Vec<_> = (0..connections)
            .map(|number| {
                let first = start + period.mul_f64(number as f64 / connections as f64);
                scope.spawn(move || pace(address, first, period, end))
            })
            .collect();
        let mut all = Histogram::<u64>::new(3)?;
        let mut failure = None;
        for one in cheap {
            match one.join() {
                Ok(Ok(histogram)) => all.add(histogram)?,
                Ok(Err(error)) => failure = Some(error),
                Err(_) => bail!("a client has panicked"),
            }
        }
        let taken = start.elapsed().as_secs_f64();
        let cpu = server.processor_time()? - cpu_before;
        let slow = slow_answers.load(Ordering::Relaxed) - slow_before;
        is_over.store(true, Ordering::Relaxed);
        if let Some(error) = failure {
            return Err(error);
        }
        let ms = |micros: u64| micros as f64 / 1e3;
        Ok(Found {
            p50_ms: ms(all.value_at_quantile(0.5)),
            p99_ms: ms(all.value_at_quantile(0.99)),
            max_ms: ms(all.max()),
            slow_per_s: slow as f64 / taken,
            cpu: cpu.as_secs_f64() / taken,
        })
    })
}

/// Asks at fixed moments, and counts each answer in microseconds from the moment at which it was due.
fn pace(
    address: SocketAddr,
    mut due: Instant,
    period: Duration,
    end: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    let mut client = Client::connect(address)?;
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        client.ask("/cheap")?;
        latencies.record(u64::try_from(due.elapsed().as_micros())?)?;
        due += period;
    }
    Ok(latencies)
}

/// A connection that stays.
struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    fn ask(&mut self, path: &str) -> anyhow::Result<()> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes())?;
        self.answer.clear();
        let mut piece = [0; 1_024];
        loop {
            let count = self.stream.read(&mut piece)?;
            ensure!(count > 0, "the connection ended within an answer");
            self.answer.extend_from_slice(&piece[..count]);
            if is_whole(&self.answer)? {
                ensure!(
                    self.answer.starts_with(b"HTTP/1.1 200"),
                    "{path} was not answered with 200"
                );
                return Ok(());
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("the answer has no length")?.trim().parse()?;
    Ok(answer.len() >= head + 4 + length)
}
