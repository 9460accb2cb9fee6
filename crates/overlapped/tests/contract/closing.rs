//! Closing the port, and stopping its threads (P120-P128).

use crate::crew::{Crew, Shape, number, until_shape};
use crate::on_every_driver;
use crate::world::{PATIENCE, World};
use overlapped::{Buffer, Packet, Port, Protocol, TakeError};
use std::sync::{Arc, Mutex};

const STOP: u64 = u64::MAX;

/// A protocol of which each value can be seen to be dropped.
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Arc<()>;
    type Message = Arc<()>;
}

fn p120_every_waiter_is_told_that_the_port_was_closed(world: &World) {
    for (running, waiting) in [(0, 1), (0, 6), (2, 4)] {
        // Some wait in the driver and some are parked; with both slots taken all are parked.
        let crew = Crew::new(world, 2, running + waiting);
        (0..running).for_each(|worker| crew.busy(worker));
        (running..running + waiting).for_each(|worker| crew.wait(worker));
        crew.port.close();
        for worker in running..running + waiting {
            assert_eq!(crew[worker].result().err(), Some(TakeError::Abandoned));
        }
    }
}

fn p121_a_take_after_the_close_is_told_so(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.port.close();
    for worker in 0..2 {
        crew[worker].take();
        assert_eq!(crew[worker].result().err(), Some(TakeError::Closed));
    }
    crew.port.close();
    assert_eq!(crew.port.try_take().err(), Some(TakeError::Closed), "closing twice is no harm");
}

fn p122_what_was_queued_is_dropped_and_reported_to_nobody(world: &World) {
    let port: Port<Counted> = world.port(|builder| builder.concurrency(1));
    let message = Arc::new(());
    (0..10).for_each(|_| port.post(Arc::clone(&message)).expect("the port is open"));
    assert_eq!(Arc::strong_count(&message), 11);
    port.close();
    assert_eq!(Arc::strong_count(&message), 1, "dropped by the close");
    assert_eq!(port.try_take().err(), Some(TakeError::Closed));
    assert_eq!(port.snapshot().queued, 0);
}

fn p122_p123_what_is_in_flight_is_dropped_and_the_handle_stays_open(world: &World) {
    let port: Port<Counted> = world.port(|builder| builder.concurrency(1));
    let (socket, peer) = world.connected_socket();
    let (key, operation) = (Arc::new(()), Arc::new(()));
    let stream = port.associate(socket, Arc::clone(&key)).expect("a socket is associated");
    stream.receive(Buffer::with_capacity(8), Arc::clone(&operation)).expect("a receive starts");
    stream.receive_pooled(Arc::clone(&operation)).expect("a receive starts");
    port.timer(PATIENCE, Arc::clone(&operation)).expect("a timer starts");
    assert_eq!(Arc::strong_count(&operation), 4);
    port.close();
    assert_eq!(Arc::strong_count(&operation), 1, "dropped by the close");
    assert_eq!(port.snapshot().devices, 1, "the handle is the user's");
    peer.send(b"still connected");
    let started = stream.receive(Buffer::with_capacity(8), Arc::clone(&operation));
    let given_back = started.map_err(|refused| refused.returned);
    let (buffer, returned) = given_back.expect_err("nothing starts on a closed port");
    assert_eq!((buffer.capacity(), Arc::strong_count(&operation)), (8, 2));
    drop((buffer, returned));
    assert_eq!(Arc::strong_count(&key), 2);
    drop(stream);
    assert_eq!((Arc::strong_count(&key), port.snapshot().devices), (1, 0));
    // Data was left unread, so the end is a reset; that there is one is what counts.
    assert!(!matches!(peer.receive(&mut [0]), Ok(1..)));
}

fn p124_a_post_to_a_closed_port_gives_the_value_back(world: &World) {
    let port: Port<Counted> = world.port(|builder| builder.concurrency(1));
    port.close();
    let message = Arc::new(());
    let refused = port.post(Arc::clone(&message)).expect_err("the port is closed");
    assert!(Arc::ptr_eq(&refused.returned, &message));
    assert_eq!(port.counters().posted, 0);
}

fn p124_so_does_everything_else_that_starts(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 0);
    let (listener, _) = world.listen(&port, 0);
    port.close();
    assert_eq!(stream.send(b"x", 1).expect_err("closed").returned.1, 1);
    assert_eq!(stream.receive_pooled(2).expect_err("closed").returned, 2);
    assert_eq!(listener.accept(3).expect_err("closed").returned, 3);
    assert_eq!(port.timer(PATIENCE, 4).expect_err("closed").returned, 4);
    assert_eq!(port.associate(world.socket(), 5).expect_err("closed").returned.1, 5);
}

fn p120_the_last_clone_closes_the_port(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 0);
    let clone = port.clone();
    drop(port);
    stream.receive(Buffer::with_capacity(8), 1).expect("a clone is left");
    drop(clone);
    let refused = stream.receive(Buffer::with_capacity(8), 2).expect_err("none is left");
    assert_eq!(refused.returned.1, 2);
}

/// Runs `size` threads that each work until their first sentinel, and returns what each took.
fn until_their_first_sentinel(
    port: &Port<crate::world::Numbers>,
    size: usize,
    meanwhile: impl FnOnce(),
) -> Vec<Vec<u64>> {
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..size {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let packet = port.take_timeout(PATIENCE).expect("a sentinel comes");
                    match number(&packet) {
                        STOP => break,
                        number => mine.push(number),
                    }
                }
                taken.lock().expect("nobody panics").push(mine);
            });
        }
        meanwhile();
    });
    taken.into_inner().expect("nobody panics")
}

fn p125_one_sentinel_per_thread_ends_all_threads(world: &World) {
    for concurrency in [1, 2, 8] {
        let port = world.exact_port(concurrency);
        let taken = until_their_first_sentinel(&port, 8, || {
            (0..8).for_each(|_| port.post(STOP).expect("the port is open"));
        });
        assert_eq!(taken.len(), 8);
        // Nothing is left over. A thread is unbound a moment after its scope has ended.
        until_shape(&port, Shape::EMPTY);
    }
}

fn p126_a_thread_that_takes_two_sentinels_leaves_another_waiting(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.post([STOP, STOP]);
    for _ in 0..2 {
        crew[0].take();
        assert_eq!(crew[0].posted(), STOP);
    }
    crew.run(0, |port| port.leave());
    crew.wait(1);
    crew.expect(Shape { waiting: 1, ..Shape::EMPTY });
    // Closing ends it, whoever took what.
    crew.port.close();
    assert_eq!(crew[1].result().err(), Some(TakeError::Abandoned));
}

fn p127_a_sentinel_that_is_passed_on_ends_all_threads_and_is_left_over(world: &World) {
    let port = world.exact_port(2);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let packet = port.take_timeout(PATIENCE).expect("the sentinel comes round");
                assert_eq!(number(&packet), STOP);
                port.post(STOP).expect("the port is open");
            });
        }
        port.post(STOP).expect("the port is open");
    });
    until_shape(&port, Shape { queued: 1, ..Shape::EMPTY });
}

fn p128_what_was_queued_before_the_sentinels_is_finished_first(world: &World) {
    let port = world.exact_port(2);
    let (stream, _peer) = world.stream(&port, 0);
    (0..1_000).for_each(|number| port.post(number).expect("the port is open"));
    stream.send(b"x", 0).expect("a send starts");
    (0..4).for_each(|_| port.post(STOP).expect("the port is open"));
    let sends = Mutex::new(0);
    let numbers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match port.take_timeout(PATIENCE).expect("a sentinel comes") {
                        Packet::Posted(STOP) => break,
                        Packet::Sent { .. } => *sends.lock().expect("nobody panics") += 1,
                        packet => numbers.lock().expect("nobody panics").push(number(&packet)),
                    }
                }
            });
        }
    });
    let mut numbers = numbers.into_inner().expect("nobody panics");
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1_000));
    assert_eq!(sends.into_inner().expect("nobody panics"), 1);
    until_shape(&port, Shape::EMPTY);
}

on_every_driver! {
    p120_every_waiter_is_told_that_the_port_was_closed,
    p120_the_last_clone_closes_the_port,
    p121_a_take_after_the_close_is_told_so,
    p122_what_was_queued_is_dropped_and_reported_to_nobody,
    p122_p123_what_is_in_flight_is_dropped_and_the_handle_stays_open,
    p124_a_post_to_a_closed_port_gives_the_value_back,
    p124_so_does_everything_else_that_starts,
    p125_one_sentinel_per_thread_ends_all_threads,
    p126_a_thread_that_takes_two_sentinels_leaves_another_waiting,
    p127_a_sentinel_that_is_passed_on_ends_all_threads_and_is_left_over,
    p128_what_was_queued_before_the_sentinels_is_finished_first,
}
