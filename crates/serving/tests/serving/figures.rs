//! What is counted of a port and its operations.

use crate::world::{PATIENCE, World};
use overlapped::{Packet, is_aborted};
use overlapped_serving::{Failure, Threads};
use std::time::Duration;

#[test]
fn a_cancelled_operation_is_aborted_and_a_failed_one_is_not() {
    let world = World::new();
    let (stream, client) = world.connection();
    let result = || match world.port.take_timeout(PATIENCE).expect("a packet") {
        Packet::Received { result, .. } => result.expect_err("nothing comes"),
        packet => panic!("it is only received: {packet:?}"),
    };
    stream.receive_pooled(()).expect("it is connected");
    stream.cancel_all();
    let error = result();
    assert!(is_aborted(&error), "{error}");
    assert_eq!(Failure::of(&error), Failure::Aborted);

    stream.receive_pooled(()).expect("it is connected");
    // Whoever goes without having read what has come resets the connection.
    stream.send(b"unread".to_vec(), ()).expect("it is connected");
    match world.port.take_timeout(PATIENCE).expect("a packet") {
        Packet::Sent { result, .. } => result.expect("the system takes it"),
        packet => panic!("nothing is received: {packet:?}"),
    }
    client.peek(&mut [0; 6]).expect("it has come");
    drop(client);
    let error = result();
    assert!(!is_aborted(&error), "{error}");
    assert_eq!(Failure::of(&error), Failure::Reset);
}

#[test]
fn the_threads_are_those_of_the_port() {
    let world = World::new();
    assert_eq!(Threads::from(world.port.snapshot()), Threads::default());
    world.port.take_timeout(Duration::ZERO).expect_err("nothing is queued");
    let threads = Threads { released: 1, ..Threads::default() };
    assert_eq!(Threads::from(world.port.snapshot()), threads);
}
