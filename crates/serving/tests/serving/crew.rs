//! The worker threads and their end.

use crate::world::{PATIENCE, Serving, Stream, World, patience};
use overlapped::{Packet, Received};
use overlapped_serving::{Crew, End, Errors, take_until_end, worker_threads};
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
        take_until_end(&of_worker.port, &of_worker.list, nothing_comes);
        of_worker.list.add(&stream);
        stream.receive_pooled(()).expect("it is connected");
    };
    crew.start(1, work).expect("a thread");
    crew
}

/// Stops the crew; nothing that was served has panicked.
fn stop(
    world: &World,
    crew: &mut Crew,
    deadline: Option<Instant>,
    serve: impl Fn(Packet<Serving>),
) -> u64 {
    let left = crew.stop(&world.port, &world.list, deadline, serve);
    assert_eq!(world.list.errors().other, 0, "something has panicked");
    left
}

#[test]
fn every_worker_ends_and_is_waited_for() {
    let world = World::new();
    let mut crew = Crew::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (of_workers, sees) = (Arc::clone(&world), Arc::clone(&seen));
    let work = move |number| {
        take_until_end(&of_workers.port, &of_workers.list, nothing_comes);
        let name = std::thread::current().name().map(str::to_owned);
        sees.lock().expect("no panic").push((number, name));
    };
    crew.start(3, work).expect("threads");
    assert!(crew.describe(&world.port).contains(", 3 threads of which "));
    assert!(crew.describe(&world.port).starts_with(world.port.driver().name));
    let begun = Instant::now();
    assert_eq!(stop(&world, &mut crew, patience(), nothing_comes), 0);
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
    assert_eq!(stop(&world, &mut crew, patience(), nothing_comes), 0);
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
            Received::End => assert!(world.list.remove(&stream, None)),
            _ => drop(stream.receive_pooled(()).expect("it is connected")),
        }
    };
    assert_eq!(stop(&world, &mut crew, patience(), serve), 0);
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
        if begun.elapsed() > PATIENCE {
            // It goes on for ever: without a connection it ends, with nothing to be ended by force.
            world.list.take_all(drop);
        } else {
            world.port.timer(Duration::ZERO, ()).expect("the port is open");
        }
    };
    assert_eq!(stop(&world, &mut crew, deadline, serve), 1);
    client.read(&mut [0; 1]).expect_err("it was ended by force");
}

#[test]
fn at_the_deadline_the_rest_is_ended_by_force_and_a_busy_worker_is_left_to_itself() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    world.list.add(&stream);
    let (begins, begun) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let freed = Arc::new(AtomicUsize::new(0));
    let (of_worker, frees) = (Arc::clone(&world), Arc::clone(&freed));
    let mut crew = Crew::default();
    let work = move |_| {
        let serve = |packet| {
            begins.send(()).expect("somebody waits");
            let released = released.lock().expect("no panic").recv_timeout(PATIENCE);
            frees.fetch_add(usize::from(released.is_ok()), Ordering::SeqCst);
            drop(packet);
        };
        take_until_end(&of_worker.port, &of_worker.list, serve);
    };
    crew.start(1, work).expect("a thread");
    client.write_all(b"hello").expect("connected");
    stream.receive_pooled(()).expect("it is connected");
    begun.recv_timeout(PATIENCE).expect("the worker is busy");

    let deadline = Some(Instant::now());
    assert_eq!(stop(&world, &mut crew, deadline, nothing_comes), 1);
    assert_eq!(freed.load(Ordering::SeqCst), 0, "nobody has waited for the worker");
    assert_eq!(world.list.errors(), Errors { aborted: 1, ..Errors::default() });
    client.read(&mut [0; 1]).expect_err("it was ended by force");
    release.send(()).expect("the worker is there still");
    // Now the port is closed, so that it ends.
    assert_eq!(stop(&world, &mut crew, patience(), nothing_comes), 0);
    assert_eq!(freed.load(Ordering::SeqCst), 1);
}

#[test]
fn there_are_two_workers_for_each_that_may_run_and_one_unless_it_is_said() {
    assert_eq!(worker_threads(7, 2), 7);
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    assert_eq!(worker_threads(0, 0), 2 * processors + 1);
    assert_eq!(worker_threads(0, processors + 5), 2 * (processors + 5) + 1);
}

/// Echoes, and panics at what says so.
fn echo(packet: Packet<Serving>) {
    match packet {
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            assert!(&buffer[..] != b"panic", "the handler panics, as it is to");
            drop(stream.send(buffer, ()));
        }
        Packet::Sent { stream, .. } => drop(stream.receive_pooled(())),
        _ => {}
    }
}

fn expect_echo(mut client: &std::net::TcpStream) {
    client.write_all(b"hello").expect("connected");
    let mut back = [0; 5];
    client.read_exact(&mut back).expect("the worker is there");
    assert_eq!(&back, b"hello");
}

#[test]
fn a_panic_costs_the_connection_of_its_packet_and_neither_another_nor_the_worker() {
    const MANY: u64 = 10;
    let world = World::new();
    let of_worker = Arc::clone(&world);
    let mut crew = Crew::default();
    let work = move |_| {
        take_until_end(&of_worker.port, &of_worker.list, echo);
    };
    // One, which all of them meet.
    crew.start(1, work).expect("a thread");
    let begin = || {
        let (stream, client) = world.connection();
        world.list.add(&stream);
        stream.receive_pooled(()).expect("it is connected");
        client
    };
    let stays = begin();
    for count in 1..=MANY {
        let mut client = begin();
        client.write_all(b"panic").expect("connected");
        // A reset: half an answer must not look like a whole one.
        client.read(&mut [0; 1]).expect_err("it was ended by force");
        expect_echo(&stays);
        assert_eq!((world.list.errors().other, world.list.open()), (count, 1));
    }
    drop(stays);
    assert!(world.list.take_all(|stream| stream.close()) <= 1);
    assert_eq!(crew.stop(&world.port, &world.list, patience(), echo), 0);
}

#[test]
fn a_panic_of_the_thread_that_stops_costs_that_connection_alone() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    client.write_all(b"panic").expect("connected");
    let mut crew = late(&world, stream);
    assert_eq!(crew.stop(&world.port, &world.list, patience(), echo), 0);
    assert_eq!(world.list.errors(), Errors { other: 1, ..Errors::default() });
    client.read(&mut [0; 1]).expect_err("it was ended by force");
}
