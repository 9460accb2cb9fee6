//! A port as a queue of jobs beside a channel: jobs that sleep, and jobs that do nothing, so that the queue
//! is all that is measured.

use clap::Parser;
use overlapped::{Packet, Port, Protocol, Workers, blocking};
use overlapped_bench::paired::text_of;
use overlapped_bench::statistics::median;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Measures jobs on a channel, and on a port whose handler says that it blocks, or does not.
#[derive(Parser)]
#[command(name = "jobs", version)]
struct Arguments {
    /// Rounds; each measures everything once, and begins with another one.
    #[arg(long, default_value = "9", value_name = "N")]
    rounds: NonZeroUsize,

    /// Threads that do the jobs.
    #[arg(long, default_value = "16", value_name = "N")]
    threads: NonZeroUsize,

    /// Jobs that sleep.
    #[arg(long, default_value_t = 3_000, value_name = "N")]
    sleeping: u32,

    /// Jobs that do nothing, which one thread puts in and one takes out.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    empty: u32,
}

/// How long a job sleeps.
const SLEEP: Duration = Duration::from_millis(1);

struct Jobs;

impl Protocol for Jobs {
    type Key = ();
    type Operation = ();
    type Message = mpsc::Sender<()>;
}

/// What a job is: it tells that it is done by dropping this.
type Done = mpsc::Sender<()>;

#[derive(Clone, Copy)]
enum Way {
    Channel,
    Said,
    Unsaid,
}

const WAYS: [(&str, Way); 3] = [
    ("a channel and threads of its own", Way::Channel),
    ("a port, the handler says `blocking`", Way::Said),
    ("a port, nothing is said", Way::Unsaid),
];

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut times: [Vec<f64>; WAYS.len()] = Default::default();
    let mut rates: [Vec<f64>; 2] = Default::default();
    for round in 0..arguments.rounds.get() {
        for turn in 0..WAYS.len() {
            let place = (round + turn) % WAYS.len();
            times[place].push(sleeping(arguments, WAYS[place].1)?);
        }
        for turn in 0..2 {
            let place = (round + turn) % 2;
            let rate =
                if place == 0 { through_channel(arguments) } else { through_port(arguments)? };
            rates[place].push(rate);
        }
    }
    println!(
        "| {} jobs that sleep 1 ms, {} threads | ms | times the channel |",
        arguments.sleeping, arguments.threads
    );
    println!("|---|---:|---:|");
    for ((name, _), own) in WAYS.iter().zip(&times) {
        let ratios: Vec<f64> = own.iter().zip(&times[0]).map(|(own, first)| own / first).collect();
        let is_first = std::ptr::eq(own, &raw const times[0]);
        let ratio = if is_first { "-".to_owned() } else { text_of(&ratios) };
        println!("| {name} | {:.0} | {ratio} |", median(own.iter().copied()));
    }
    println!("\n| empty jobs, one thread puts in, one takes out | millions a second |\n|---|---:|");
    for (name, own) in ["a channel", "a port"].iter().zip(&rates) {
        println!("| {name} | {:.1} |", median(own.iter().copied()) / 1e6);
    }
    println!("\n{} rounds.", arguments.rounds);
    Ok(())
}

/// Milliseconds until all jobs are done.
fn sleeping(arguments: &Arguments, way: Way) -> anyhow::Result<f64> {
    let (done, all_done) = mpsc::channel::<()>();
    let threads = arguments.threads.get();
    let wait = || {
        // It ends when the last job has dropped its end.
        let _ = all_done.recv();
    };
    match way {
        Way::Channel => {
            let (sender, receiver) = crossbeam_channel::unbounded::<Done>();
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let receiver = receiver.clone();
                    std::thread::spawn(move || {
                        for done in receiver {
                            std::thread::sleep(SLEEP);
                            drop(done);
                        }
                    })
                })
                .collect();
            let start = Instant::now();
            for _ in 0..arguments.sleeping {
                sender.send(done.clone())?;
            }
            drop(done);
            wait();
            let taken = start.elapsed();
            drop(sender);
            workers.into_iter().for_each(|worker| drop(worker.join()));
            Ok(taken.as_secs_f64() * 1e3)
        }
        Way::Said | Way::Unsaid => {
            let says = matches!(way, Way::Said);
            let port = Port::<Jobs>::new()?;
            let workers =
                Workers::new(&port).least(threads).most(threads).start(move |_, packet| {
                    if let Packet::Posted(done) = packet {
                        match says {
                            true => blocking(|| std::thread::sleep(SLEEP)),
                            false => std::thread::sleep(SLEEP),
                        }
                        drop(done);
                    }
                })?;
            let start = Instant::now();
            for _ in 0..arguments.sleeping {
                port.post(done.clone()).map_err(|refused| refused.error)?;
            }
            drop(done);
            wait();
            let taken = start.elapsed();
            workers.stop(Duration::from_secs(10));
            Ok(taken.as_secs_f64() * 1e3)
        }
    }
}

/// Empty jobs a second.
fn through_channel(arguments: &Arguments) -> f64 {
    let (sender, receiver) = crossbeam_channel::unbounded::<u32>();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..arguments.empty).all(|number| sender.send(number).is_ok()));
        receiver.iter().for_each(drop);
    });
    f64::from(arguments.empty) / start.elapsed().as_secs_f64()
}

fn through_port(arguments: &Arguments) -> anyhow::Result<f64> {
    struct Numbers;
    impl Protocol for Numbers {
        type Key = ();
        type Operation = ();
        type Message = u32;
    }
    let port = Port::<Numbers>::new()?;
    let start = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        scope.spawn(|| (0..arguments.empty).all(|number| port.post(number).is_ok()));
        for _ in 0..arguments.empty {
            drop(port.take()?);
        }
        Ok(())
    })?;
    Ok(f64::from(arguments.empty) / start.elapsed().as_secs_f64())
}
