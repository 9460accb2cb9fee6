//! Taking several packets at once (P110-P114).

use crate::crew::{Crew, Shape, number, poll_number, shape};
use crate::on_every_driver;
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{Batch, Buffer, Packet, Port, TakeError};
use std::time::Duration;

fn numbers(batch: Batch<Numbers>) -> Vec<u64> {
    batch.map(|packet| number(&packet)).collect()
}

fn p110_a_batch_is_taken_in_queue_order(world: &World) {
    let port = world.exact_port(1);
    (0..100).for_each(|number| port.post(number).expect("the port is open"));
    let batch = port.take_many(64, None).expect("packets are queued");
    assert_eq!(batch.len(), 64);
    assert!(numbers(batch).into_iter().eq(0..64));
    let batch = port.take_many(64, None).expect("packets are queued");
    assert!(numbers(batch).into_iter().eq(64..100), "as many as there are");
}

fn p110_a_batch_never_waits_to_fill(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.post([1]);
    // It would wait for ever if it waited.
    let first = crew.run(0, |port| port.take_many(64, None).map(numbers));
    assert_eq!(first, Ok(vec![1]));
    // Nor when the first packet is handed to a thread that waits.
    let port = crew.port.clone();
    let (done, is_done) = std::sync::mpsc::channel();
    crew[0].order(crate::threads::Order::Run(Box::new(move |port| {
        let _ = done.send(port.take_many(64, None).map(numbers));
    })));
    crate::threads::until(&port, "it waits", |snapshot| snapshot.waiting == 1);
    crew.post([2]);
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(Ok(vec![2])));
}

fn p110_a_batch_holds_posts_and_completions_alike(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 0);
    port.post(1).expect("the port is open");
    stream.send(b"x", 2).expect("a send starts");
    port.post(3).expect("the port is open");
    let kinds: Vec<u64> = port
        .take_many(3, Some(PATIENCE))
        .expect("packets are queued")
        .map(|packet| match packet {
            Packet::Sent { operation, .. } => operation + 100,
            other => number(&other),
        })
        .collect();
    assert_eq!(kinds, [1, 102, 3]);
}

fn p111_a_batch_of_failures_is_a_batch(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 0);
    for operation in 0..3 {
        stream.receive(Buffer::with_capacity(8), operation).expect("a receive starts");
    }
    assert_eq!(stream.cancel_all(), 3);
    let batch = port.take_many(8, Some(PATIENCE)).expect("they were queued");
    assert_eq!(batch.len(), 3);
    let outcomes = batch.map(|packet| match packet {
        Packet::Received { operation, result, .. } => (operation, result.is_err()),
        other => panic!("not {other:?}"),
    });
    let mut outcomes: Vec<_> = outcomes.collect();
    if world.is_kernel() {
        // What is cancelled together ends in no particular order.
        outcomes.sort_unstable();
    }
    assert_eq!(outcomes, [(0, true), (1, true), (2, true)], "each has its own result");
}

fn p112_a_batch_fails_as_a_single_take_does(world: &World) {
    let crew = Crew::new(world, 1, 1);
    let take_many = |port: &Port<Numbers>, timeout| port.take_many(8, timeout).map(numbers);
    let brief = Some(Duration::from_millis(1));
    assert_eq!(take_many(&crew.port, brief), Err(TakeError::TimedOut));
    crew.port.leave();
    let (done, is_done) = std::sync::mpsc::channel();
    crew[0].order(crate::threads::Order::Run(Box::new(move |port| {
        let _ = done.send(take_many(port, None));
    })));
    crate::threads::until(&crew.port, "it waits", |snapshot| snapshot.waiting == 1);
    crew.port.close();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(Err(TakeError::Abandoned)));
    assert_eq!(take_many(&crew.port, None), Err(TakeError::Closed));
}

fn p113_a_batch_is_one_running_thread(world: &World) {
    let crew = Crew::new(world, 4, 4);
    crew.post(0..64);
    let batch = crew.port.take_many(64, None).expect("packets are queued");
    assert_eq!(batch.len(), 64);
    (0..4).for_each(|worker| crew.wait(worker));
    crew.expect(Shape { waiting: 4, released: 1, ..Shape::EMPTY });
    assert!(numbers(batch).into_iter().eq(0..64), "all on this thread, though others are idle");
}

fn p114_a_batch_of_nothing_is_a_mistake(world: &World) {
    let port = world.exact_port(1);
    port.post(1).expect("the port is open");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(port.take_many(0, None));
    }));
    assert!(caught.is_err());
    assert_eq!(shape(&port).queued, 1, "and harms nothing");
    assert_eq!(poll_number(&port), 1);
}

on_every_driver! {
    p110_a_batch_is_taken_in_queue_order,
    p110_a_batch_never_waits_to_fill,
    p110_a_batch_holds_posts_and_completions_alike,
    p111_a_batch_of_failures_is_a_batch,
    p112_a_batch_fails_as_a_single_take_does,
    p113_a_batch_is_one_running_thread,
    p114_a_batch_of_nothing_is_a_mistake,
}
