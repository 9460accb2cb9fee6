//! A port that is waited for in a loop of the user's, with other descriptors.
#![cfg(target_os = "linux")]

use crate::world::{Numbers, PATIENCE, World};
use overlapped::{Buffer, Packet, Port, TakeError};
use rustix::event::{PollFd, PollFlags, poll};
use std::time::Duration;

/// The loop of somebody else, who waits for one port and polls it until it has nothing.
struct Outside(Port<Numbers>);

impl Outside {
    fn new(concurrency: usize) -> Self {
        Self(World::System.exact_port(concurrency))
    }

    /// Whether the descriptor becomes readable in this time.
    fn is_readable(&self, within: Duration) -> bool {
        let descriptor = self.0.descriptor().expect("a port of the system's has one");
        let mut waits = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        let within = within.try_into().expect("it is a time");
        poll(&mut waits, Some(&within)).expect("it can be waited for") > 0
    }

    /// All that there is until the port has nothing.
    fn drain(&self) -> Vec<Packet<Numbers>> {
        std::iter::from_fn(|| self.0.try_take().expect("the port is open")).collect()
    }

    /// Waits outside, as often as it takes, until this many packets were taken.
    fn take(&self, count: usize) -> Vec<Packet<Numbers>> {
        let mut taken = self.drain();
        while taken.len() < count {
            assert!(self.is_readable(PATIENCE), "{} of {count} were seen", taken.len());
            taken.extend(self.drain());
        }
        taken
    }

    /// Nothing is left: after a few rounds there is nothing to be waited for.
    fn expect_quiet(&self) {
        for _ in 0..100 {
            assert!(self.drain().is_empty());
            if !self.is_readable(Duration::ZERO) {
                return;
            }
        }
        panic!("it is readable and has nothing");
    }
}

#[test]
fn whatever_a_take_would_find_makes_the_port_readable() {
    let outside = Outside::new(1);
    let port = &outside.0;
    port.post(1).expect("the port is open");
    assert_eq!(outside.take(1).len(), 1, "what was posted before the descriptor was asked for");
    outside.expect_quiet();

    port.post(2).expect("the port is open");
    port.post(3).expect("the port is open");
    assert!(outside.is_readable(PATIENCE));
    assert_eq!(outside.drain().len(), 2);
    outside.expect_quiet();

    let (stream, peer) = World::System.stream(port, 1);
    outside.expect_quiet();
    // This thread runs in the port, so the packet could lie where only this thread looks.
    stream.send(b"x", 4).expect("a send starts");
    assert!(outside.is_readable(PATIENCE), "it completed while it was started");
    assert!(matches!(outside.drain()[..], [Packet::Sent { operation: 4, .. }]));

    stream.receive(Buffer::with_capacity(8), 5).expect("a receive starts");
    outside.expect_quiet();
    peer.send(b"y");
    assert!(matches!(outside.take(1)[..], [Packet::Received { operation: 5, .. }]));
    outside.expect_quiet();

    port.timer(Duration::from_millis(1), 6).expect("a timer starts");
    assert!(matches!(outside.take(1)[..], [Packet::Timer { operation: 6, .. }]));
    outside.expect_quiet();

    stream.receive(Buffer::with_capacity(8), 7).expect("a receive starts");
    outside.expect_quiet();
    stream.cancel_all();
    assert!(outside.is_readable(PATIENCE));
    assert!(matches!(outside.drain()[..], [Packet::Received { operation: 7, .. }]));
}

#[test]
fn posts_of_other_threads_are_all_seen_from_outside() {
    const THREADS: u64 = 4;
    const POSTS: u64 = 500;
    let outside = Outside::new(1);
    outside.expect_quiet();
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let port = outside.0.clone();
            threads.spawn(move || {
                for number in 0..POSTS {
                    port.post(thread * POSTS + number).expect("the port is open");
                }
            });
        }
        let taken = outside.take((THREADS * POSTS) as usize);
        let mut numbers: Vec<_> = taken
            .iter()
            .map(|packet| match packet {
                Packet::Posted(number) => *number,
                other => panic!("nobody started {other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..THREADS * POSTS).collect::<Vec<_>>());
    });
    outside.expect_quiet();
}

#[test]
fn what_is_left_of_a_batch_is_seen_from_outside() {
    let outside = Outside::new(1);
    outside.expect_quiet();
    for number in 0..3 {
        outside.0.post(number).expect("the port is open");
    }
    let batch = outside.0.take_many(3, None).expect("three are queued");
    outside.expect_quiet();
    drop(batch);
    assert!(outside.is_readable(PATIENCE));
    assert_eq!(outside.drain().len(), 3);
}

#[test]
fn what_a_thread_that_ends_has_not_performed_is_seen_from_outside() {
    let outside = Outside::new(2);
    outside.expect_quiet();
    let both = [World::System.stream(&outside.0, 1), World::System.stream(&outside.0, 2)];
    outside.expect_quiet();
    for (stream, peer) in &both {
        stream.receive(Buffer::with_capacity(8), 3).expect("a receive starts");
        peer.send(b"x");
    }
    // It has the events of both, as a rule, and goes with one of them.
    let port = outside.0.clone();
    let other = std::thread::spawn(move || port.take_timeout(PATIENCE));
    let first = other.join().expect("it does not panic").expect("data is there");
    assert!(matches!(first, Packet::Received { .. }));
    assert!(outside.is_readable(PATIENCE));
    assert_eq!(outside.take(1).len(), 1);
}

#[test]
fn the_close_of_the_port_is_seen_from_outside() {
    let outside = Outside::new(1);
    outside.expect_quiet();
    outside.0.close();
    assert!(outside.is_readable(PATIENCE));
    assert_eq!(outside.0.try_take().err(), Some(TakeError::Closed));
}

#[test]
fn a_port_on_a_simulated_network_has_no_descriptor() {
    let port = World::simulated().exact_port(1);
    let refused = port.descriptor().expect_err("it has none");
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}
