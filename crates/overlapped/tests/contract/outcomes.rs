//! The outcomes of a take (P100-P105, P107).

use crate::crew::{Crew, Shape, expect_shape, number, poll_number, shape};
use crate::errno;
use crate::on_every_driver_and_family;
use crate::threads::Order;
use crate::world::{PATIENCE, World};
use overlapped::{Buffer, Packet, Received, TakeError};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

const ABORTED: i32 = errno::CANCELED;

fn p100_a_successful_operation_is_a_packet_with_its_result(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 1);
    peer.send(b"x");
    stream.receive(Buffer::with_capacity(8), 2).expect("a receive starts");
    let packet = port.take_timeout(PATIENCE).expect("the receive completes");
    let Packet::Received { buffer, operation: 2, result, .. } = packet else {
        panic!("not {packet:?}")
    };
    assert_eq!((&buffer[..], result.expect("it succeeds")), (&b"x"[..], Received::Data(1)));
}

fn p100_a_failed_operation_is_a_packet_that_gives_everything_back(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 1);
    let id = stream.receive(Buffer::with_capacity(8), 2).expect("a receive starts");
    stream.cancel(id).expect("it is in flight");
    let packet = port.take_timeout(PATIENCE).expect("a failure is not an error of the take");
    let Packet::Received { stream, buffer, operation, result } = packet else {
        panic!("not {packet:?}")
    };
    assert_eq!((*stream.key(), buffer.capacity(), buffer.len(), operation), (1, 8, 0, 2));
    let error = result.expect_err("it was cancelled");
    assert_eq!(error.raw_os_error(), Some(ABORTED));
    assert!(matches!(port.try_take(), Ok(None)), "it was removed");
}

fn p100_a_post_is_a_packet_without_a_result(world: &World) {
    let port = world.exact_port(1);
    port.post(0).expect("the port is open");
    assert_eq!(poll_number(&port), 0);
}

fn p100_p102_each_failure_to_take_has_its_error_and_nothing_else(world: &World) {
    let crew = Crew::waiting(world, 1, 2);
    let timed_out = crew.port.take_timeout(Duration::from_millis(1));
    assert_eq!(timed_out.err(), Some(TakeError::TimedOut));
    crew.port.close();
    for worker in 0..2 {
        assert_eq!(crew[worker].result().err(), Some(TakeError::Abandoned));
    }
    assert_eq!(crew.port.take().err(), Some(TakeError::Closed));
    assert_eq!(crew.port.take_timeout(PATIENCE).err(), Some(TakeError::Closed));
    assert_eq!(crew.port.try_take().err(), Some(TakeError::Closed));
}

/// Two packets of failed operations among others do not stop anybody who goes on while it takes.
fn p100_failed_operations_do_not_look_like_the_end(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 1);
    for operation in 0..2 {
        stream.receive(Buffer::with_capacity(8), operation).expect("a receive starts");
    }
    assert_eq!(stream.cancel_all(), 2);
    port.post(5).expect("the port is open");
    let mut failed = 0;
    loop {
        match port.take_timeout(PATIENCE).expect("there is more") {
            Packet::Received { result: Err(_), .. } => failed += 1,
            packet => {
                assert_eq!(number(&packet), 5);
                break;
            }
        }
    }
    assert_eq!(failed, 2);
}

fn p103_errors_keep_the_code_of_the_system(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 1);
    stream.receive(Buffer::with_capacity(8), 2).expect("a receive starts");
    peer.reset();
    let packet = port.take_timeout(PATIENCE).expect("the receive completes");
    let Packet::Received { result: Err(error), .. } = packet else { panic!("not {packet:?}") };
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (ErrorKind::ConnectionReset, Some(errno::RESET))
    );
}

fn p104_a_timeout_of_0_does_not_wait(world: &World) {
    let port = world.exact_port(1);
    assert_eq!(port.take_timeout(Duration::ZERO).err(), Some(TakeError::TimedOut));
    let batch = port.take_many(8, Some(Duration::ZERO));
    assert_eq!(batch.err(), Some(TakeError::TimedOut));
    port.post(1).expect("the port is open");
    assert_eq!(port.take_timeout(Duration::ZERO).map(|packet| number(&packet)), Ok(1));
}

fn p104_a_wait_lasts_as_long_as_it_was_told_to(world: &World) {
    // The first waits in the driver; the second is parked, since no slot is free.
    let crew = Crew::new(world, 1, 1);
    for timeout in [Duration::from_millis(3), Duration::from_micros(100), Duration::from_nanos(1)] {
        let start = Instant::now();
        assert_eq!(crew.port.take_timeout(timeout).err(), Some(TakeError::TimedOut));
        assert!(start.elapsed() >= timeout, "{timeout:?} was over after {:?}", start.elapsed());
        let elapsed = crew.run(0, move |port| {
            let start = Instant::now();
            assert_eq!(port.take_timeout(timeout).err(), Some(TakeError::TimedOut));
            let elapsed = start.elapsed();
            port.leave();
            elapsed
        });
        assert!(elapsed >= timeout, "{timeout:?} was over after {elapsed:?}");
    }
}

fn p104_the_longest_timeout_is_for_ever(world: &World) {
    let crew = Crew::new(world, 1, 2);
    for worker in 0..2 {
        crew[worker].order(Order::Take(Some(Duration::MAX)));
        crate::threads::until(&crew.port, "it waits", |snapshot| snapshot.waiting == worker + 1);
        crew.settle();
    }
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    crew.run(1, |port| port.leave());
    crew.post([2]);
    assert_eq!(crew[0].posted(), 2);
}

fn p107_what_was_taken_is_gone(world: &World) {
    let port = world.exact_port(1);
    port.post(1).expect("the port is open");
    drop(port.take().expect("a packet is queued"));
    expect_shape(&port, Shape { released: 1, ..Shape::EMPTY });
    assert!(matches!(port.try_take(), Ok(None)));
}

fn p107_the_rest_of_a_dropped_batch_returns_to_the_head(world: &World) {
    let port = world.exact_port(1);
    (0..5).for_each(|number| port.post(number).expect("the port is open"));
    let mut batch = port.take_many(4, None).expect("packets are queued");
    assert_eq!(batch.next().map(|packet| number(&packet)), Some(0));
    port.post(5).expect("the port is open");
    expect_shape(&port, Shape { queued: 2, released: 1, ..Shape::EMPTY });
    drop(batch);
    assert_eq!(shape(&port).queued, 5);
    (1..=5).for_each(|expected| assert_eq!(poll_number(&port), expected));
    let counters = port.counters();
    assert_eq!((counters.queued, counters.taken), (6, 6), "nothing is counted twice");
}

fn p107_the_rest_of_a_dropped_batch_releases_who_waits(world: &World) {
    let crew = Crew::new(world, 4, 4);
    crew.post([1, 2, 3]);
    let batch = crew.port.take_many(3, None).expect("packets are queued");
    (0..4).for_each(|worker| crew.wait(worker));
    drop(batch);
    crew.expect(Shape { waiting: 1, released: 4, ..Shape::EMPTY });
}

on_every_driver_and_family! {
    p100_a_successful_operation_is_a_packet_with_its_result,
    p100_a_failed_operation_is_a_packet_that_gives_everything_back,
    p100_a_post_is_a_packet_without_a_result,
    p100_p102_each_failure_to_take_has_its_error_and_nothing_else,
    p100_failed_operations_do_not_look_like_the_end,
    p103_errors_keep_the_code_of_the_system,
    p104_a_timeout_of_0_does_not_wait,
    p104_a_wait_lasts_as_long_as_it_was_told_to,
    p104_the_longest_timeout_is_for_ever,
    p107_what_was_taken_is_gone,
    p107_the_rest_of_a_dropped_batch_returns_to_the_head,
    p107_the_rest_of_a_dropped_batch_releases_who_waits,
}
