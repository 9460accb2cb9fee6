//! A pool of threads that run jobs: the port is the queue of jobs.
//!
//! ```sh
//! cargo run -p overlapped --example worker_pool
//! ```
//!
//! It runs jobs that compute, jobs that sleep, and one that panics. No more jobs compute at a time
//! than there are processors, and up to 32 sleep at a time, since the port lets another thread run
//! for each.

use overlapped::{Packet, Port, Protocol, Workers, WorkersEvent};
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What is posted is a job.
struct Jobs;

impl Protocol for Jobs {
    type Key = ();
    type Operation = ();
    type Message = Box<dyn FnOnce() + Send>;
}

fn submit(port: &Port<Jobs>, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // A job that is refused, since the port is closed, comes back in the error and is dropped here.
    Ok(port.post(Box::new(job))?)
}

/// Runs so many jobs of each kind, and one that panics. Gives how many told that they were done.
pub fn run(jobs_of_each: usize) -> io::Result<usize> {
    let port = Port::<Jobs>::new()?;
    let workers = Workers::new(&port)
        .name("job")
        .most(32)
        .on_event(|event| {
            if let WorkersEvent::HandlerPanicked { message, .. } = event {
                eprintln!("a job has panicked: {message}");
            }
        })
        .start(|_, packet| {
            if let Packet::Posted(job) = packet {
                job();
            }
        })?;

    let (done, all_done) = mpsc::channel();
    submit(&port, || panic!("nobody else notices"))?;
    for number in 0..jobs_of_each as u64 {
        let (slept, computed) = (done.clone(), done.clone());
        submit(&port, move || {
            // The port sees for itself that this thread sleeps; `overlapped::blocking` says it.
            thread::sleep(Duration::from_millis(10));
            slept.send(number).ok();
        })?;
        submit(&port, move || {
            computed.send((0..100_000).fold(number, u64::wrapping_add)).ok();
        })?;
    }
    drop(done);
    let count = all_done.iter().count();
    let report = workers.stop(Duration::from_secs(10));
    println!("jobs that were left at the end: {}", report.discarded + report.in_handler);
    Ok(count)
}

fn main() -> io::Result<()> {
    let start = Instant::now();
    println!("{} jobs took {} ms", run(100)?, start.elapsed().as_millis());
    Ok(())
}
