//! The threads of a server and their end.

use crate::world::{PATIENCE, Serving, Stream, World, patience};
use overlapped::{Packet, Port, Received, RunningWorkers};
use overlapped_serving::{Errors, workers};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Echoes until the client ends, and panics at what says so.
fn echo(world: &World, packet: Packet<Serving>) {
    match packet {
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            assert!(&buffer[..] != b"panic", "the handler panics, as it is to");
            drop(stream.send(buffer, ()));
        }
        Packet::Received { stream, .. } => assert!(world.list.remove(&stream, None)),
        Packet::Sent { stream, .. } => drop(stream.receive_pooled(())),
        _ => {}
    }
}

fn start(world: &Arc<World>, most: usize) -> RunningWorkers<Serving> {
    let serving = Arc::clone(world);
    let make = move || {
        let world = Arc::clone(&serving);
        move |_: &Port<Serving>, packet| echo(&world, packet)
    };
    workers::start(&world.port, "handler", most, &world.list, make).expect("threads")
}

/// A connection that is listed and waits for its client.
fn begin(world: &World) -> (Stream, std::net::TcpStream) {
    let (stream, client) = world.connection();
    world.list.add(&stream);
    stream.receive_pooled(()).expect("it is connected");
    (stream, client)
}

fn expect_echo(mut client: &std::net::TcpStream) {
    client.write_all(b"hello").expect("connected");
    let mut back = [0; 5];
    client.read_exact(&mut back).expect("the thread is there");
    assert_eq!(&back, b"hello");
}

#[test]
fn a_stop_serves_every_client_to_its_end() {
    let world = World::new();
    let running = start(&world, 3);
    let said = workers::describe(&running);
    assert!(said.starts_with(world.port.driver().name), "{said}");
    assert!(said.contains(" threads now of which "), "{said}");
    assert!(running.threads() <= 3, "{running:?}");
    // The list's own handle is the last one, so that taking it out closes the connection.
    let mut clients: Vec<_> = (0..5).map(|_| begin(&world).1).collect();
    let clients = std::thread::spawn(move || {
        for mut client in clients.drain(..) {
            expect_echo(&client);
            client.shutdown(Shutdown::Write).expect("connected");
            assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0);
        }
    });
    assert_eq!(workers::stop(running, &world.list, patience()), 0);
    clients.join().expect("each was served");
    assert_eq!((world.list.open(), world.list.errors()), (0, Errors::default()));
    world.port.post(()).expect_err("the port is closed");
}

#[test]
fn at_the_deadline_the_rest_is_ended_by_force_and_a_busy_thread_is_left_to_itself() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    world.list.add(&stream);
    let (begins, begun) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (freed, is_freed) = channel();
    let make = move || {
        let (begins, freed, released) = (begins.clone(), freed.clone(), Arc::clone(&released));
        move |_: &Port<Serving>, packet| {
            begins.send(()).expect("somebody waits");
            let released = released.lock().expect("no panic").recv_timeout(PATIENCE);
            drop(packet);
            freed.send(released.is_ok()).expect("somebody waits");
        }
    };
    let running = workers::start(&world.port, "handler", 1, &world.list, make).expect("a thread");
    client.write_all(b"hello").expect("connected");
    stream.receive_pooled(()).expect("it is connected");
    begun.recv_timeout(PATIENCE).expect("the thread is busy");
    let deadline = Some(Instant::now());
    assert_eq!(workers::stop(running, &world.list, deadline), 1);
    assert!(is_freed.try_recv().is_err(), "nobody has waited for the thread");
    assert_eq!(world.list.errors(), Errors { aborted: 1, ..Errors::default() });
    client.read(&mut [0; 1]).expect_err("it was ended by force");
    release.send(()).expect("the thread is there still");
    assert_eq!(is_freed.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_panic_costs_the_connection_of_its_packet_and_neither_another_nor_the_thread() {
    const MANY: u64 = 10;
    let world = World::new();
    // One, which all of them meet.
    let running = start(&world, 1);
    let (_, stays) = begin(&world);
    for count in 1..=MANY {
        let (_, mut client) = begin(&world);
        client.write_all(b"panic").expect("connected");
        // A reset: half an answer must not look like a whole one.
        client.read(&mut [0; 1]).expect_err("it was ended by force");
        expect_echo(&stays);
        assert_eq!((world.list.errors().other, world.list.open()), (count, 1));
    }
    drop(stays);
    assert_eq!(workers::stop(running, &world.list, patience()), 0);
}

#[test]
fn each_thread_has_a_handler_of_its_own() {
    let world = World::new();
    let made = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&made);
    let make = move || {
        counts.fetch_add(1, Ordering::SeqCst);
        |_: &Port<Serving>, _| {}
    };
    let running = workers::start(&world.port, "handler", 1, &world.list, make).expect("a thread");
    world.port.post(()).expect("the port is open");
    assert_eq!(workers::stop(running, &world.list, patience()), 0);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}
