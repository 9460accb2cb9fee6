//! What of a message the threads of one port can only do one after the other, measured on this machine: a
//! write to a cache line that another processor has just written, an event that is put into a shared epoll set,
//! and an event that is taken out of one. Medians over rounds that measure all of them, as one line of JSON.
//!
//! An event is taken out under the set's lock. What a call costs beside its events is paid by each thread for
//! itself, so calls with one event and with many are told apart by a line through both.

use std::hint::black_box;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use overlapped_bench::statistics::median;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use serde_json::json;

/// What the threads of one port do one after the other.
#[derive(Parser)]
#[command(name = "serial-part", version)]
struct Arguments {
    /// Rounds; each measures everything once.
    #[arg(long, default_value_t = 9, value_name = "N")]
    rounds: usize,
}

/// Descriptors in the set.
const SOURCES: usize = 64;

/// How often every descriptor has an event in a round.
const REPEATS: u32 = 2_000;

/// Writes to the line that a round makes.
const WRITES: u64 = 20_000_000;

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut figures: [Vec<f64>; 5] = Default::default();
    for _ in 0..arguments.rounds.max(1) {
        let alone = shared_line(1);
        let contended = shared_line(2);
        let put_in = Sources::new(true)?.writes()? - Sources::new(false)?.writes()?;
        let sources = Sources::new(true)?;
        let (one, many) = (sources.harvests(1)?, sources.harvests(SOURCES)?);
        for (all, figure) in figures.iter_mut().zip([alone, contended, put_in, one, many]) {
            all.push(figure);
        }
    }
    let [alone, contended, put_in, one, many] = figures.map(median);
    let events = SOURCES as f64;
    // A call with n events takes what every call does, and n times what an event does.
    let event = (many * events - one) / (events - 1.0);
    println!(
        "{}",
        json!({
            "write_alone_ns": alone,
            "write_contended_ns": contended,
            "event_put_in_ns": put_in,
            "event_taken_out_ns": event,
            "call_with_one_event_ns": one,
        })
    );
    Ok(())
}

/// Nanoseconds between two read-modify-writes of one cache line, whichever of so many threads makes them.
fn shared_line(threads: u64) -> f64 {
    let (line, start) = (AtomicU64::new(0), Barrier::new(threads as usize + 1));
    let elapsed = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..WRITES / threads {
                        line.fetch_add(1, Ordering::AcqRel);
                    }
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        for thread in running {
            // A thread that adds numbers does not panic.
            let _ = thread.join();
        }
        begun.elapsed()
    });
    each(elapsed, black_box(line.into_inner()))
}

fn each(elapsed: Duration, count: u64) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

/// Descriptors whose events are made by writing, each for one event at a time.
struct Sources {
    set: OwnedFd,
    sources: Vec<OwnedFd>,
}

impl Sources {
    fn new(are_in_set: bool) -> anyhow::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let sources: Vec<OwnedFd> =
            (0..SOURCES).map(|_| eventfd(0, EventfdFlags::CLOEXEC)).collect::<Result<_, _>>()?;
        for (number, source) in sources.iter().enumerate().filter(|_| are_in_set) {
            let interest = EventFlags::IN | EventFlags::ET;
            epoll::add(&set, source, EventData::new_u64(number as u64), interest)?;
        }
        Ok(Self { set, sources })
    }

    fn make_events(&self) -> anyhow::Result<()> {
        for source in &self.sources {
            write(source, &1_u64.to_ne_bytes())?;
        }
        Ok(())
    }

    fn take_back(&self) -> anyhow::Result<()> {
        for source in &self.sources {
            read(source, &mut [0_u8; 8])?;
        }
        Ok(())
    }

    /// Nanoseconds of a write, which makes an event where the descriptors are in the set.
    fn writes(&self) -> anyhow::Result<f64> {
        let mut elapsed = Duration::ZERO;
        let mut events = Vec::with_capacity(SOURCES);
        for _ in 0..REPEATS {
            let begun = Instant::now();
            self.make_events()?;
            elapsed += begun.elapsed();
            epoll::wait(
                &self.set,
                spare_capacity(&mut events),
                Some(&rustix::time::Timespec::default()),
            )?;
            events.clear();
            self.take_back()?;
        }
        Ok(each(elapsed, u64::from(REPEATS) * SOURCES as u64))
    }

    /// Nanoseconds for an event where a call takes at most so many out.
    fn harvests(&self, at_most: usize) -> anyhow::Result<f64> {
        let mut elapsed = Duration::ZERO;
        for _ in 0..REPEATS {
            self.make_events()?;
            let begun = Instant::now();
            let mut left = SOURCES;
            while left > 0 {
                let mut events = [const { std::mem::MaybeUninit::uninit() }; SOURCES];
                let (found, _) = epoll::wait(&self.set, &mut events[..at_most], None)?;
                left -= black_box(found.len()).min(left);
            }
            elapsed += begun.elapsed();
            self.take_back()?;
        }
        Ok(each(elapsed, u64::from(REPEATS) * SOURCES as u64))
    }
}
