//! The worker threads and their end.

use crate::world::{PATIENCE, Serving, Stream, World, patience};
use overlapped::{Packet, Received};
use overlapped_serving::{Crew, End, take_until_end, worker_threads};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

fn nothing_comes(packet: Packet<Serving>) {
    panic!("nothing is under way: {packet:?}");
}

/// A crew of one, whose worker lists the connection and starts a receive after it has taken its
/// end, as if it had been accepted at the last moment.
fn late(world: &Arc<World>, stream: Stream) -> Crew {
    let mut crew = Crew::default();
    let of_worker = Arc::clone(world);
    let work = move |_| {
        take_until_end(&of_worker.port, nothing_comes);
        of_worker.list.add(&stream, 0);
        stream.receive_pooled(()).expect("it is connected");
    };
    crew.start(1, work).expect("a thread");
    crew
}

#[test]
fn every_worker_ends_and_is_waited_for() {
    let world = World::new();
    let mut crew = Crew::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (of_workers, sees) = (Arc::clone(&world), Arc::clone(&seen));
    let work = move |number| {
        take_until_end(&of_workers.port, nothing_comes);
        let name = std::thread::current().name().map(str::to_owned);
        sees.lock().expect("no panic").push((number, name));
    };
    crew.start(3, work).expect("threads");
    assert!(crew.describe(&world.port).contains(", 3 threads of which "));
    assert!(crew.describe(&world.port).starts_with(world.port.driver().name));
    let begun = Instant::now();
    assert_eq!(crew.stop(&world.port, &world.list, patience(), nothing_comes), 0);
    assert!(begun.elapsed() < PATIENCE, "each was told");
    assert_eq!(Arc::strong_count(&seen), 1, "no thread is left");
    let mut seen = seen.lock().expect("no panic").clone();
    seen.sort();
    let named = |number| (number, Some(format!("worker {number}")));
    assert_eq!(seen, [named(0), named(1), named(2)]);
    world.port.post(End).expect_err("the port is closed");
}

#[test]
fn a_worker_that_panics_is_not_waited_for() {
    let world = World::new();
    let mut crew = Crew::default();
    crew.start(2, |number| assert_eq!(number, 0, "the other fails")).expect("threads");
    let begun = Instant::now();
    assert_eq!(crew.stop(&world.port, &world.list, patience(), nothing_comes), 0);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn what_comes_last_is_served_by_the_thread_that_stops() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    client.write_all(b"hello").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    let mut crew = late(&world, stream);
    let served: Mutex<Vec<(ThreadId, Vec<u8>)>> = Mutex::default();
    let serve = |packet| {
        let Packet::Received { stream, buffer, result, .. } = packet else {
            panic!("it is only received: {packet:?}");
        };
        served.lock().expect("no panic").push((std::thread::current().id(), buffer.to_vec()));
        match result.expect("data, then the end") {
            Received::End => assert!(world.list.remove(&stream)),
            _ => drop(stream.receive_pooled(()).expect("it is connected")),
        }
    };
    assert_eq!(crew.stop(&world.port, &world.list, patience(), serve), 0);
    let here = std::thread::current().id();
    let served = served.into_inner().expect("no panic");
    assert_eq!(served, [(here, b"hello".to_vec()), (here, Vec::new())]);
    assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0);
}

#[test]
fn the_deadline_holds_also_while_packets_never_end() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    client.write_all(b"hello").expect("connected");
    let mut crew = late(&world, stream);
    let begun = Instant::now();
    let deadline = begun.checked_add(Duration::from_millis(100));
    let serve = |_| {
        assert!(begun.elapsed() < PATIENCE, "it goes on for ever");
        world.port.timer(Duration::ZERO, ()).expect("the port is open");
    };
    assert_eq!(crew.stop(&world.port, &world.list, deadline, serve), 1);
    client.read(&mut [0; 1]).expect_err("it was ended by force");
}

#[test]
fn at_the_deadline_the_rest_is_ended_by_force_and_a_busy_worker_is_left_to_itself() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    world.list.add(&stream, 0);
    let (begins, begun) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let freed = Arc::new(AtomicUsize::new(0));
    let (of_worker, frees) = (Arc::clone(&world), Arc::clone(&freed));
    let mut crew = Crew::default();
    let work = move |_| {
        take_until_end(&of_worker.port, |packet| {
            begins.send(()).expect("somebody waits");
            let released = released.lock().expect("no panic").recv_timeout(PATIENCE);
            frees.fetch_add(usize::from(released.is_ok()), Ordering::SeqCst);
            drop(packet);
        });
    };
    crew.start(1, work).expect("a thread");
    client.write_all(b"hello").expect("connected");
    stream.receive_pooled(()).expect("it is connected");
    begun.recv_timeout(PATIENCE).expect("the worker is busy");

    let deadline = Some(Instant::now());
    assert_eq!(crew.stop(&world.port, &world.list, deadline, nothing_comes), 1);
    assert_eq!(freed.load(Ordering::SeqCst), 0, "nobody has waited for the worker");
    client.read(&mut [0; 1]).expect_err("it was ended by force");
    release.send(()).expect("the worker is there still");
    // Now the port is closed, so that it ends.
    assert_eq!(crew.stop(&world.port, &world.list, patience(), nothing_comes), 0);
    assert_eq!(freed.load(Ordering::SeqCst), 1);
}

#[test]
fn there_are_two_workers_for_each_that_may_run_and_one_unless_it_is_said() {
    assert_eq!(worker_threads(7, 2), 7);
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    assert_eq!(worker_threads(0, 0), 2 * processors + 1);
    assert_eq!(worker_threads(0, processors + 5), 2 * (processors + 5) + 1);
}
