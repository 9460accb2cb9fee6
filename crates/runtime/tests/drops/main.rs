//! Futures that are dropped at any moment: no byte is lost or doubled, no client is lost, and nothing is left.
//!
//! `DROPS=1000000` drops some hundred thousand futures in each test of many; without it there are fewer, so that they
//! take seconds, and where `OVERLAPPED_SHORT_TESTS` is set a tenth of those. Sockets are those of the system's driver; files
//! are carried by each backend.

mod datagrams;
mod files;
mod scripted;
mod streams;
#[path = "../world/mod.rs"]
mod world;

use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Builder, JoinHandle, Runtime, yield_now};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

fn drops_wanted() -> u64 {
    let is_short = std::env::var_os("OVERLAPPED_SHORT_TESTS").is_some();
    let ordinary = if is_short { 2_000 } else { 20_000 };
    std::env::var("DROPS").map_or(ordinary, |text| text.parse().expect("DROPS is a number"))
}

/// Runs a test of many drops, and fails it when it leaves a task, a socket or a file, or takes for ever.
fn run_with(settings: Builder, test: impl Future<Output = ()>) {
    let patience = world::PATIENCE + Duration::from_millis(10) * drops_wanted() as u32;
    world::run_with(settings, patience, test);
}

fn run(test: impl Future<Output = ()>) {
    run_with(Runtime::builder(), test);
}

/// The result of a task that the test awaits.
async fn ended<T>(task: JoinHandle<T>) -> T {
    task.await.expect("no panic")
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    /// How often a future is polled before it is dropped; one of so many is awaited.
    fn polls(&mut self, awaited: u64) -> u64 {
        if self.below(awaited) == 0 { u64::MAX } else { self.below(3) }
    }
}

/// Polls a future so often, and others in between, and then drops it.
async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// The byte at this place of a stream or file.
fn byte(place: u64) -> u8 {
    (place % 251) as u8
}

/// So many bytes from a place on.
fn bytes(place: u64, count: u64) -> Vec<u8> {
    (place..place + count).map(byte).collect()
}

/// Whether these are the bytes from a place on.
fn assert_bytes(place: u64, found: &[u8]) {
    for (place, found) in (place..).zip(found) {
        assert_eq!(*found, byte(place), "the byte at {place}");
    }
}

#[test]
fn timers_that_are_dropped_at_any_moment_leave_nothing() {
    run(async {
        let mut random = Random(7);
        for _ in 0..drops_wanted() / 4 {
            let after = Duration::from_micros(random.below(300));
            polled(sleep(after), random.below(4)).await;
            polled(timeout(after, sleep(after)), random.below(4)).await;
        }
    });
}
