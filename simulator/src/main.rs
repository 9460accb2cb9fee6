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
use ledger::Summary;
use life::Failure;
use plan::Plan;
use shrink::Shrink;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    let done = Arc::new(Done::new());
    let failed: Box<dyn Fn(&Failure) + Send + Sync> = match arguments.command {
        What::Run { operations, .. } => {
            let done = Arc::clone(&done);
            Box::new(move |failure| done.fail(failure, operations))
        }
        _ => Box::new(|failure| println!("it failed: {}", failure.what)),
    };
    life::prepare(failed);
    match arguments.command {
        What::Run { seeds, from, operations, jobs, limit_s } => {
            let jobs =
                jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
            run(&done, from, seeds, operations, jobs.max(1), limit_s.map(Duration::from_secs))
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
struct Done {
    start: Instant,
    lives: AtomicU64,
    operations: AtomicU64,
    packets: AtomicU64,
}

impl Done {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { start: Instant::now(), lives: zero(), operations: zero(), packets: zero() }
    }

    fn add(&self, life: &Summary) {
        self.lives.fetch_add(1, Ordering::Relaxed);
        self.operations.fetch_add(life.issued, Ordering::Relaxed);
        self.packets.fetch_add(life.taken, Ordering::Relaxed);
    }

    fn tell(&self) {
        println!(
            "{} lives, {} operations, {} packets, {:.1} s",
            self.lives.load(Ordering::Relaxed),
            self.operations.load(Ordering::Relaxed),
            self.packets.load(Ordering::Relaxed),
            self.start.elapsed().as_secs_f64()
        );
    }

    fn fail(&self, Failure { seed, what }: &Failure, operations: u64) {
        self.tell();
        println!("seed {seed} failed at commit {}: {what}", commit());
        println!("  again:   simulator/run replay {seed} --operations {operations}");
        println!("  smaller: simulator/run shrink {seed} --operations {operations}");
    }
}

fn run(
    done: &Arc<Done>,
    from: u64,
    seeds: u64,
    operations: u64,
    jobs: usize,
    limit: Option<Duration>,
) -> ExitCode {
    let goes_on = {
        let start = done.start;
        move |_: &u64| limit.is_none_or(|limit| start.elapsed() < limit)
    };
    let jobs: Vec<_> = (0..jobs)
        .map(|job| {
            let done = Arc::clone(done);
            let own = (from..from.saturating_add(seeds)).skip(job).step_by(jobs);
            let plan_of = move |seed| Plan::of(seed, operations);
            std::thread::spawn(move || {
                life::run(own.take_while(goes_on), plan_of, move |_, life| done.add(&life));
            })
        })
        .collect();
    let mut told = Instant::now();
    while jobs.iter().any(|job| !job.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let lives = done.lives.load(Ordering::Relaxed);
            eprintln!("{lives} of {seeds} lives in {:.0} s", done.start.elapsed().as_secs_f64());
        }
    }
    done.tell();
    ExitCode::SUCCESS
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
    println!("it went well: {:?}", life::run_one(plan));
    ExitCode::SUCCESS
}

fn shrink(plan: &Plan, limit: Duration) -> ExitCode {
    let path = PathBuf::from(format!("life-{}.json", plan.seed));
    let shrunk = Shrink::begin(plan, &path, limit).and_then(|begun| match begun {
        None => Ok(None),
        Some(begun) => {
            let (small, said) = begun.look()?;
            std::fs::write(&path, serde_json::to_vec_pretty(&small)?)?;
            Ok(Some((small, said)))
        }
    });
    match shrunk {
        Ok(None) => {
            println!("seed {} does not fail at commit {}", plan.seed, commit());
            ExitCode::SUCCESS
        }
        Ok(Some((small, said))) => {
            println!("{} of {} steps: {said}", small.steps(), plan.steps());
            println!("  again: simulator/run replay --plan {}", path.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {}: {error}", path.display());
            ExitCode::from(2)
        }
    }
}
