//! What tasks cost on the runtime and on tokio: spawning, yielding, waking each other, timers. Both in one
//! process, in turns.

use clap::Parser;
use overlapped_bench::paired::text_of;
use overlapped_bench::statistics::median;
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Measures what tasks cost, beside tokio.
#[derive(Parser)]
#[command(name = "task-costs", version)]
struct Arguments {
    /// Rounds; each measures everything once on both runtimes, in turns.
    #[arg(long, default_value = "9", value_name = "N")]
    rounds: NonZeroUsize,

    /// Threads that run tasks, on both.
    #[arg(long, default_value = "2", value_name = "N")]
    threads: NonZeroUsize,
}

const COSTS: [&str; 6] = [
    "spawn and join",
    "yield, one task",
    "yield, 64 tasks",
    "round trip through channels, one pair",
    "round trip through channels, 32 pairs",
    "timer started and dropped",
];

/// The same on either runtime: nanoseconds of each cost, in the order of [`COSTS`].
macro_rules! measure {
    ($spawn:path, $yield_now:path, $sleep:path) => {{
        async fn pair(rounds: u32) {
            let (question, mut asked) = mpsc::channel::<u32>(1);
            let (answer, mut answered) = mpsc::channel::<u32>(1);
            let other = $spawn(async move {
                while let Some(number) = asked.recv().await {
                    if answer.send(number).await.is_err() {
                        break;
                    }
                }
            });
            for number in 0..rounds {
                if question.send(number).await.is_err() || answered.recv().await.is_none() {
                    break;
                }
            }
            drop(question);
            // It ends when there are no questions any more.
            drop(other.await);
        }

        let mut costs = [0.0; COSTS.len()];

        let start = Instant::now();
        let tasks: Vec<_> = (0..100_000).map(|number| $spawn(async move { number })).collect();
        for task in tasks {
            drop(task.await);
        }
        costs[0] = each(start, 100_000);

        let start = Instant::now();
        for _ in 0..200_000 {
            $yield_now().await;
        }
        costs[1] = each(start, 200_000);

        let start = Instant::now();
        let yields = || async {
            for _ in 0..5_000 {
                $yield_now().await;
            }
        };
        let tasks: Vec<_> = (0..64).map(|_| $spawn(yields())).collect();
        for task in tasks {
            drop(task.await);
        }
        costs[2] = each(start, 64 * 5_000);

        let start = Instant::now();
        drop($spawn(pair(100_000)).await);
        costs[3] = each(start, 100_000);

        let start = Instant::now();
        let tasks: Vec<_> = (0..32).map(|_| $spawn(pair(5_000))).collect();
        for task in tasks {
            drop(task.await);
        }
        costs[4] = each(start, 32 * 5_000);

        let start = Instant::now();
        for _ in 0..200_000 {
            poll_once($sleep(Duration::from_secs(30))).await;
        }
        costs[5] = each(start, 200_000);
        costs
    }};
}

async fn poll_once(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
}

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    use overlapped_runtime as ours;

    let threads = arguments.threads.get();
    let runtime = ours::Runtime::builder().concurrency(threads).build()?;
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds.get() {
        let on_ours = || {
            let task = async { measure!(ours::spawn, ours::yield_now, ours::time::sleep) };
            runtime.block_on(runtime.spawn(task))
        };
        let on_tokio = || {
            let task = async { measure!(tokio::spawn, tokio::task::yield_now, tokio::time::sleep) };
            tokio.block_on(tokio.spawn(task))
        };
        // The first of a round may find the machine in another state.
        rounds.push(if round % 2 == 0 {
            let own = on_ours()?;
            (own, on_tokio()?)
        } else {
            let peer = on_tokio()?;
            (on_ours()?, peer)
        });
    }
    println!("| | overlapped, ns | tokio, ns | ratio |\n|---|---:|---:|---:|");
    for (number, name) in COSTS.iter().enumerate() {
        let own: Vec<f64> = rounds.iter().map(|(own, _)| own[number]).collect();
        let peer: Vec<f64> = rounds.iter().map(|(_, peer)| peer[number]).collect();
        let ratios: Vec<f64> = own.iter().zip(&peer).map(|(own, peer)| own / peer).collect();
        let ratio = text_of(&ratios);
        println!("| {name} | {:.0} | {:.0} | {ratio} |", median(own), median(peer));
    }
    println!("\n{} rounds, {threads} threads each.", arguments.rounds);
    Ok(())
}
