//! What happens when even the most threads of a server are blocked, in each of the ways that a program
//! can choose.

use crate::crew::{AtTheEnd, number, until};
use crate::on_every_driver;
use crate::workers::{BLOCKS, Gate, gated};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{AcceptWindow, Port, Workers, WorkersEvent};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What a pool has told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Exhausted(usize),
    Recovered,
    Other(String),
}

fn listened(workers: Workers<Numbers>) -> (Workers<Numbers>, Receiver<Told>) {
    let (tell, told) = channel();
    let workers = workers.on_event(move |event| {
        let event = match event {
            WorkersEvent::Exhausted { threads, .. } => Told::Exhausted(*threads),
            WorkersEvent::Recovered => Told::Recovered,
            // They are blocked for long, as the tests of stalls look at.
            WorkersEvent::HandlerStalled { .. } => return,
            other => Told::Other(format!("{:?}", other)),
        };
        let _ = tell.send(event);
    });
    (workers, told)
}

/// Two threads at most, both of which block, while one more packet waits.
fn exhaust(port: &Port<Numbers>, gate: &Gate, events: &Receiver<Told>) {
    for blocked in 1..=2 {
        port.post(BLOCKS).expect("it is open");
        until(|| gate.inside() == blocked, || format!("{:?}", port.snapshot()));
    }
    assert!(events.try_recv().is_err(), "nothing waits yet");
    port.post(1).expect("it is open");
    assert_eq!(events.recv_timeout(PATIENCE), Ok(Told::Exhausted(2)));
}

fn packets_wait_for_a_thread_and_the_program_is_told(world: &World) {
    let port = world.port(|builder| builder.concurrency(2));
    let (workers, events) = listened(Workers::new(&port).most(2));
    let (running, gate, told) = gated(workers, true);
    let _opens = AtTheEnd(|| gate.open());
    exhaust(&port, &gate, &events);
    assert!(told.try_recv().is_err(), "it waits");
    gate.open();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
    assert_eq!(events.recv_timeout(PATIENCE), Ok(Told::Recovered));
    let counters = running.counters();
    assert_eq!((counters.exhausted, counters.shed, counters.started), (1, 0, 2));
    running.stop(PATIENCE);
}

fn what_waits_is_shed_until_a_thread_is_back(world: &World) {
    let port = world.port(|builder| builder.concurrency(2));
    let (shed, was_shed) = channel();
    let workers = Workers::new(&port).most(2);
    let workers = workers.shed_when_exhausted(Duration::from_millis(10), move |_, packet| {
        let _ = shed.send(number(&packet));
        assert!(number(&packet) != 3, "it panics with that one");
    });
    let (workers, events) = listened(workers);
    let (running, gate, told) = gated(workers, true);
    let _opens = AtTheEnd(|| gate.open());
    exhaust(&port, &gate, &events);
    assert_eq!(was_shed.recv_timeout(PATIENCE), Ok(1));
    for number in 2..=4 {
        port.post(number).expect("it is open");
        assert_eq!(was_shed.recv_timeout(PATIENCE), Ok(number));
    }
    let panicked = events.recv_timeout(PATIENCE).expect("it panicked");
    assert!(matches!(&panicked, Told::Other(text) if text.contains("with that one")));
    gate.open();
    assert_eq!(events.recv_timeout(PATIENCE), Ok(Told::Recovered));
    assert!(told.try_recv().is_err(), "what was shed is not handled");
    port.post(5).expect("it is open");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(5));
    let counters = running.counters();
    assert_eq!((counters.exhausted, counters.shed, counters.panicked), (1, 4, 1));
    assert_eq!(counters.handled, 3);
    running.stop(PATIENCE);
}

/// The accept that is posted already completes for the thread that takes it; no other is posted until a
/// thread of the pool is back.
fn accepts_pause_until_a_thread_is_back(world: &World) {
    if world.is_kernel() {
        println!(
            "skipped: accepts_pause_until_a_thread_is_back: a thread that polls counts as one that waits"
        );
        return;
    }
    let port = world.port(|builder| builder.concurrency(2));
    let (listener, address) = world.listen(&port, 0);
    let workers = Workers::new(&port).most(2).pause_accepts_when_exhausted();
    let (workers, events) = listened(workers);
    let (running, gate, told) = gated(workers.name("paused"), true);
    let _opens = AtTheEnd(|| gate.open());
    exhaust(&port, &gate, &events);
    listener.accept_window(AcceptWindow::new(1), || 0).expect("it is the first");
    let _clients = [world.connect(address), world.connect(address)];
    assert_eq!(
        number(&port.try_take().expect("the port is open").expect("what waited is first")),
        1
    );
    assert!(port.try_take().expect("the port is open").is_none(), "nothing is accepted");
    gate.open();
    port.leave();
    drop(told);
    // The handler of these tests knows numbers only, so each accept that comes panics there.
    let (mut accepted, mut recovered) = (0, 0);
    while accepted < 2 || recovered == 0 {
        match events.recv_timeout(PATIENCE) {
            Ok(Told::Other(text)) if text.contains("Accepted") => accepted += 1,
            Ok(Told::Recovered) => recovered += 1,
            other => panic!("an accept was to come, not {other:?}"),
        }
    }
    drop(listener);
    running.stop(PATIENCE);
}

on_every_driver! {
    packets_wait_for_a_thread_and_the_program_is_told,
    what_waits_is_shed_until_a_thread_is_back,
    accepts_pause_until_a_thread_is_back,
}
