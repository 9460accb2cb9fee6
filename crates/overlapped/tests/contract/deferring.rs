//! What a thread of the port finds and leaves there without being handed it: the port itself, and
//! values that wake nobody (P50, P56, P72, P76-P78).

use crate::crew::{Crew, Shape, number, poll_number, until_shape};
use crate::world::{Numbers, PATIENCE, World};
use crate::{on_every_driver, on_every_driver_that_limits};
use overlapped::{Buffer, Packet, Port, Protocol, blocking};

fn p50_what_is_deferred_keeps_its_place_in_the_queue(world: &World) {
    let port = world.exact_port(1);
    port.post(0).expect("the port is open");
    assert_eq!(poll_number(&port), 0, "and the thread is bound");
    port.defer(1).expect("the port is open");
    port.defer(2).expect("the port is open");
    port.post(3).expect("the port is open");
    port.defer(4).expect("the port is open");
    for expected in 1..=4 {
        assert_eq!(poll_number(&port), expected);
    }
}

/// The thread has an event in its own queue, before what it defers; that must not bring forward what was posted later.
fn p50_what_is_deferred_comes_before_what_is_posted_later(world: &World) {
    let port = world.exact_port(1);
    port.post(0).expect("the port is open");
    assert_eq!(poll_number(&port), 0, "and the thread is bound");
    let streams: Vec<_> = (0..4).map(|key| world.stream(&port, key)).collect();
    for (stream, peer) in &streams {
        stream.receive(Buffer::with_capacity(1), 100).expect("a receive can be started");
        peer.send(b"a");
    }
    // It finds the events of all of them, if they were there in time.
    let first = port.take().expect("data has come");
    assert!(matches!(first, Packet::Received { operation: 100, .. }), "{first:?}");
    port.defer(1).expect("the port is open");
    port.post(2).expect("the port is open");
    let (mut posted, mut received) = (Vec::new(), 1);
    while posted.len() < 2 || received < streams.len() {
        match port.take().expect("more is to come") {
            Packet::Posted(number) => posted.push(number),
            _ => received += 1,
        }
    }
    assert_eq!(posted, [1, 2]);
}

/// A post hands its value to the waiter in every case (P55). How soon a waiter comes to look for what
/// was deferred is a matter of time, so one of many must have been left to its thread.
/// A batch that reaches beyond what a thread may have in a row without looking around.
fn p50_a_batch_has_what_is_deferred_before_what_is_posted_later(world: &World) {
    let port = world.exact_port(1);
    port.post(0).expect("the port is open");
    assert_eq!(poll_number(&port), 0, "and the thread is bound");
    for number in 1..=80 {
        port.defer(number).expect("the port is open");
    }
    port.post(81).expect("the port is open");
    let mut taken: Vec<_> = (0..60).map(|_| poll_number(&port)).collect();
    while taken.len() < 81 {
        let batch = port.take_many(30, Some(PATIENCE)).expect("more is there");
        taken.extend(batch.map(|packet| number(&packet)));
    }
    assert_eq!(taken, Vec::from_iter(1..=81));
}

fn p56_what_is_deferred_wakes_nobody(world: &World) {
    if world.is_kernel() {
        // There it is posted to the kernel's queue, which wakes a waiter.
        return;
    }
    let port = world.exact_port(2);
    let is_kept = std::thread::scope(|scope| {
        scope.spawn(|| while port.take().is_ok() {});
        let is_kept = (0..1_000).any(|_| {
            while port.snapshot().waiting == 0 {
                std::thread::yield_now();
            }
            port.defer(5).expect("the port is open");
            port.try_take().expect("the port is open").is_some()
        });
        port.close();
        is_kept
    });
    assert!(is_kept, "the waiter was woken each time");
}

fn p56_what_another_thread_defers_is_posted(world: &World) {
    let crew = Crew::waiting(world, 1, 1);
    crew.port.defer(7).expect("the port is open");
    assert_eq!(crew[0].posted(), 7);
}

fn p72_what_is_deferred_goes_to_another_when_its_thread_blocks(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.run(0, |port| port.defer(5).is_ok());
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 5);
    pause.release();
}

/// Nobody blocks and nothing comes, and still it is not left to a thread that stays away.
fn p72_what_is_deferred_does_not_wait_for_a_thread_that_computes(world: &World) {
    let crew = Crew::new(world, 2, 2);
    crew.busy(0);
    crew.wait(1);
    crew.run(0, |port| port.defer(5).is_ok());
    assert_eq!(crew[1].posted(), 5, "while the other one computes");
}

fn p76_a_bound_thread_finds_its_port(world: &World) {
    struct Letters;
    impl Protocol for Letters {
        type Key = ();
        type Operation = ();
        type Message = char;
    }

    let port = world.exact_port(2);
    port.post(1).expect("the port is open");
    assert!(Port::<Numbers>::current().is_none(), "no take has bound the thread");
    assert_eq!(poll_number(&port), 1);
    let found = Port::<Numbers>::current().expect("the take has bound the thread");
    found.post(2).expect("the port is open");
    assert_eq!(blocking(|| poll_number(&port)), 2, "it is the same port");
    assert!(Port::<Letters>::current().is_none(), "it is none of that protocol");
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(Port::<Numbers>::current().is_none(), "each thread has its own"));
    });

    // P77 and P78: the binding ends with another take and with leaving.
    let letters: Port<Letters> = world.port(|builder| builder.concurrency(1));
    letters.post('a').expect("the port is open");
    assert!(matches!(letters.try_take(), Ok(Some(Packet::Posted('a')))));
    assert!(Port::<Numbers>::current().is_none());
    assert!(Port::<Letters>::current().is_some());
    letters.leave();
    assert!(Port::<Letters>::current().is_none());
}

fn p121_what_a_thread_finds_does_not_keep_the_port(world: &World) {
    let port = world.exact_port(1);
    port.post(1).expect("the port is open");
    assert_eq!(poll_number(&port), 1);
    let other = Crew::on(port.clone(), 1);
    other.wait(0);
    until_shape(&port, Shape { waiting: 1, released: 1, ..Shape::EMPTY });
    drop(port);
    drop(other);
    assert!(Port::<Numbers>::current().is_none(), "its last clone is gone");
}

fn p122_a_closed_port_gives_back_what_is_deferred(world: &World) {
    let port = world.exact_port(1);
    port.post(1).expect("the port is open");
    assert_eq!(poll_number(&port), 1);
    port.close();
    let refused = port.defer(2).expect_err("the port is closed");
    assert_eq!(refused.returned, 2);
}

on_every_driver! {
    p50_a_batch_has_what_is_deferred_before_what_is_posted_later,
    p50_what_is_deferred_keeps_its_place_in_the_queue,
    p50_what_is_deferred_comes_before_what_is_posted_later,
    p56_what_another_thread_defers_is_posted,
    p72_what_is_deferred_does_not_wait_for_a_thread_that_computes,
    p76_a_bound_thread_finds_its_port,
    p121_what_a_thread_finds_does_not_keep_the_port,
    p122_a_closed_port_gives_back_what_is_deferred,
}

on_every_driver_that_limits! {
    p56_what_is_deferred_wakes_nobody,
    p72_what_is_deferred_goes_to_another_when_its_thread_blocks,
}
