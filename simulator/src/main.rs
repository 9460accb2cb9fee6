//! Runs the library on simulated threads, time and sockets, and checks what it promises.
#![allow(missing_docs, reason = "a program, of which nothing is used elsewhere")]

mod ledger;
mod life;
mod outside;
mod plan;
mod protocol;
mod random;
mod schedule;
mod shrink;
mod starter;
mod streams;
mod taker;
mod trace;
mod world;

use clap::{Parser, Subcommand};
use life::Failure;
use plan::Plan;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs the library on simulated threads, time and sockets, by seeds, and checks what it promises.
///
/// A seed is one life: a port, threads that take from it, threads that start operations, peers, and a schedule of
/// all of them. The same seed at the same commit is the same life. It ends with 0 when every life went well, with 1
/// when one failed, and with 2 when it was called wrongly.
#[derive(Parser)]
#[command(name = "overlapped-simulator", version)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Lives through many seeds, until one fails.
    Run {
        /// How many seeds.
        #[arg(default_value_t = 10_000)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many operations each life has at least.
        #[arg(long, default_value_t = 1_000)]
        operations: u64,
        /// How many threads share the seeds; all processors unless given.
        #[arg(long)]
        jobs: Option<usize>,
        /// Begin no more lives after so many seconds.
        #[arg(long)]
        limit_s: Option<u64>,
    },
    /// Lives through one seed, or through a life that `shrink` has written, and tells what happens.
    Replay {
        /// The seed.
        #[arg(required_unless_present = "plan")]
        seed: Option<u64>,
        /// As for `run`.
        #[arg(long, default_value_t = 1_000)]
        operations: u64,
        /// A file with a life.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// Only the end.
        #[arg(long)]
        quiet: bool,
    },
    /// Looks for a smaller life that fails like that of a seed, and writes it into a file.
    Shrink {
        /// The seed.
        seed: u64,
        /// As for `run`.
        #[arg(long, default_value_t = 1_000)]
        operations: u64,
        /// For how long to look, in seconds.
        #[arg(long, default_value_t = 60)]
        limit_s: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    life::prepare();
    match arguments.command {
        What::Run { seeds, from, operations, jobs, limit_s } => {
            let jobs =
                jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
            run(from, seeds, operations, jobs.max(1), limit_s.map(Duration::from_secs))
        }
        What::Replay { seed, operations, plan, quiet } => match (plan, seed) {
            (Some(path), _) => match read(&path) {
                Ok(plan) => replay(&plan, quiet),
                Err(error) => {
                    eprintln!("error: {}: {error}", path.display());
                    ExitCode::from(2)
                }
            },
            (None, Some(seed)) => replay(&Plan::of(seed, operations), quiet),
            (None, None) => unreachable!("one of them is required"),
        },
        What::Shrink { seed, operations, limit_s } => {
            shrink(&Plan::of(seed, operations), Duration::from_secs(limit_s))
        }
    }
}

fn read(path: &std::path::Path) -> Result<Plan, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// What the lives of a run were about.
#[derive(Default)]
struct Done {
    lives: AtomicU64,
    operations: AtomicU64,
    packets: AtomicU64,
    ends: AtomicBool,
}

fn run(from: u64, seeds: u64, operations: u64, jobs: usize, limit: Option<Duration>) -> ExitCode {
    let start = Instant::now();
    let done = Arc::new(Done::default());
    let failures = Mutex::new(Vec::<Failure>::new());
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs as u64)
            .map(|job| {
                let (done, failures) = (Arc::clone(&done), &failures);
                scope.spawn(move || {
                    let goes_on = {
                        let done = Arc::clone(&done);
                        move |_: &u64| {
                            !done.ends.load(Ordering::Relaxed)
                                && limit.is_none_or(|limit| start.elapsed() < limit)
                        }
                    };
                    let own = (from..from.saturating_add(seeds)).skip(job as usize).step_by(jobs);
                    let counted = Arc::clone(&done);
                    let ran = life::run(
                        own.take_while(goes_on),
                        move |seed| Plan::of(seed, operations),
                        move |_, summary| {
                            counted.lives.fetch_add(1, Ordering::Relaxed);
                            counted.operations.fetch_add(summary.issued, Ordering::Relaxed);
                            counted.packets.fetch_add(summary.taken, Ordering::Relaxed);
                        },
                    );
                    if let Err(failure) = ran {
                        done.ends.store(true, Ordering::Relaxed);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                })
            })
            .collect();
        let mut told = Instant::now();
        while jobs.iter().any(|job| !job.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let lives = done.lives.load(Ordering::Relaxed);
                eprintln!("{lives} of {seeds} lives in {:.0} s", start.elapsed().as_secs_f64());
            }
        }
    });
    println!(
        "{} lives, {} operations, {} packets, {:.1} s",
        done.lives.load(Ordering::Relaxed),
        done.operations.load(Ordering::Relaxed),
        done.packets.load(Ordering::Relaxed),
        start.elapsed().as_secs_f64()
    );
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    for failure in &failures {
        println!("seed {} failed at commit {}: {}", failure.seed, commit(), failure.what);
        println!("  again:   simulator/run replay {} --operations {operations}", failure.seed);
        println!("  smaller: simulator/run shrink {} --operations {operations}", failure.seed);
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is checked out, as far as git can tell.
fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
    let said = git.output().ok().filter(|output| output.status.success());
    said.and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn replay(plan: &Plan, quiet: bool) -> ExitCode {
    trace::tell(!quiet);
    match life::run_one(plan) {
        Ok(summary) => {
            println!("it went well: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("it failed: {}", failure.what);
            ExitCode::FAILURE
        }
    }
}

fn shrink(plan: &Plan, limit: Duration) -> ExitCode {
    let Err(failure) = life::run_one(plan) else {
        println!("seed {} does not fail at commit {}", plan.seed, commit());
        return ExitCode::SUCCESS;
    };
    println!("{} steps: {}", plan.steps(), failure.what);
    let (small, failure) = shrink::shrink(plan, &failure, limit);
    let path = PathBuf::from(format!("life-{}.json", plan.seed));
    let text = serde_json::to_string_pretty(&small).expect("a plan is a document");
    if let Err(error) = std::fs::write(&path, text) {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::from(2);
    }
    println!("{} steps: {}", small.steps(), failure.what);
    println!("  again:   simulator/run replay --plan {}", path.display());
    ExitCode::FAILURE
}
