//! Sees when the machine stands still: on each processor a thread that sleeps in short ticks and notes how
//! late it wakes. Every line of standard input is answered with the most microseconds that any of them was
//! late since the last line.
//!
//! A thread that waits for its turn is late, too, so it has to run before all others:
//! `chrt --fifo 99 stall-probe`. At an ordinary priority it sees a busy machine as one that stands still.

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Tells how late a thread wakes at the most.
#[derive(Parser)]
#[command(name = "stall-probe", version)]
struct Arguments {
    /// Microseconds of a tick.
    #[arg(long, default_value_t = 250, value_name = "U")]
    tick_us: u64,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let tick = Duration::from_micros(arguments.tick_us.max(1));
    let allowed = sched_getaffinity(None).context("cannot read which processors there are")?;
    let longest_us = Arc::new(AtomicU64::new(0));
    for processor in (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)) {
        let longest_us = Arc::clone(&longest_us);
        std::thread::Builder::new().spawn(move || watch(processor, tick, &longest_us))?;
    }
    for line in stdin().lock().lines() {
        line.context("cannot read standard input")?;
        let mut stdout = stdout().lock();
        writeln!(stdout, "{}", longest_us.swap(0, Ordering::Relaxed))
            .and_then(|()| stdout.flush())
            .context("cannot write to standard output")?;
    }
    Ok(())
}

/// Sleeps and wakes on one processor for ever.
fn watch(processor: usize, tick: Duration, longest_us: &AtomicU64) {
    let mut here = CpuSet::new();
    here.set(processor);
    // Where it may not be tied to it, it sees the processors that it runs on.
    let _ = sched_setaffinity(None, &here);
    loop {
        let due = Instant::now() + tick;
        std::thread::sleep(tick);
        let late = Instant::now().saturating_duration_since(due);
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        longest_us.fetch_max(late_us, Ordering::Relaxed);
    }
}
