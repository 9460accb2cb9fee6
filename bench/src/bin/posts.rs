//! How posting scales: N threads that post to a port and N that take from it, for N of 1, 2, 4 and 8, in
//! rounds that measure all of them once. Throughput is compared with that of the first N in the same round.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use overlapped::{Packet, Port, Protocol};
use overlapped_bench::paired::Interval;
use overlapped_bench::statistics::Summary;

/// Posts and takes.
#[derive(Parser)]
#[command(name = "posts", version)]
struct Arguments {
    /// Threads that post, and as many that take.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8", value_name = "N,N,...")]
    threads: Vec<NonZeroUsize>,

    /// Rounds; each measures every number of threads once, and begins with another one.
    #[arg(long, default_value = "9", value_name = "N")]
    rounds: NonZeroUsize,

    /// Posts of a measurement, of all threads together.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    posts: u64,

    /// Threads that the port lets run [default: as many as there are processors].
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,
}

struct Numbers;

impl Protocol for Numbers {
    type Key = ();
    type Operation = ();
    type Message = u64;
}

/// A message that ends the thread that takes it.
const END: u64 = u64::MAX;

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let numbers = &arguments.threads;
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); numbers.len()];
    for round in 0..arguments.rounds.get() {
        for turn in 0..numbers.len() {
            let place = (round + turn) % numbers.len();
            rates[place].push(measure(arguments, numbers[place].get())?);
        }
    }
    println!("| threads that post and that take | posts a second | times that of {} |", numbers[0]);
    println!("|---|---:|---:|");
    for (number, own) in numbers.iter().zip(&rates) {
        let median = Summary::of(own.clone()).context("there is a round")?.median;
        let ratios: Vec<f64> = own.iter().zip(&rates[0]).map(|(own, first)| own / first).collect();
        let shown = match Interval::of(&ratios) {
            Some(interval) if number != &numbers[0] => interval.to_string(),
            _ => "-".to_owned(),
        };
        println!("| {number} and {number} | {median:.0} | {shown} |");
    }
    println!("\n{} rounds of {} posts each.", arguments.rounds, arguments.posts);
    Ok(())
}

/// Posts a second, until all are taken.
fn measure(arguments: &Arguments, threads: usize) -> anyhow::Result<f64> {
    let mut builder = Port::<Numbers>::builder();
    if let Some(concurrency) = arguments.concurrency {
        builder = builder.concurrency(concurrency.get());
    }
    let port = builder.build().context("cannot create the completion port")?;
    let each = arguments.posts / threads as u64;
    let ready = Barrier::new(2 * threads + 1);
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..threads).map(|_| scope.spawn(|| take(&port, &ready))).collect();
        let posters: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    ready.wait();
                    (0..each)
                        .try_for_each(|number| port.post(number).map_err(|refused| refused.error))
                })
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        for poster in posters {
            poster.join().expect("a thread that posts does not panic")?;
        }
        for _ in 0..threads {
            port.post(END).map_err(|refused| refused.error)?;
        }
        let mut taken = (0, 0);
        for taker in takers {
            let (count, sum) = taker.join().expect("a thread that takes does not panic")?;
            taken = (taken.0 + count, taken.1 + sum);
        }
        let elapsed = start.elapsed();
        let posted = each * threads as u64;
        let sum = each * each.saturating_sub(1) / 2 * threads as u64;
        anyhow::ensure!(taken == (posted, sum), "posts were lost, doubled or mixed up: {taken:?}");
        Ok(posted as f64 / elapsed.as_secs_f64())
    })
}

/// Takes until told to end: how many, and their sum.
fn take(port: &Port<Numbers>, ready: &Barrier) -> anyhow::Result<(u64, u64)> {
    ready.wait();
    let (mut count, mut sum) = (0, 0);
    loop {
        match port.take().context("a thread can take no more")? {
            Packet::Posted(END) => return Ok((count, sum)),
            Packet::Posted(number) => (count, sum) = (count + 1, sum + number),
            _ => anyhow::bail!("a packet that nobody posted"),
        }
    }
}
