//! What a packet holds, and what is posted (P20-P25).

use crate::crew::{Crew, Shape, poll_number, shape};
use crate::on_every_driver;
use crate::rounds::rounds;
use crate::world::{PATIENCE, World};
use overlapped::{Buffer, Packet, Port, Protocol, Received};

fn p20_a_packet_names_its_operation_and_gives_back_all_that_was_moved_in(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 11);
    stream.send(b"four", 12).expect("a send starts");
    match port.take_timeout(PATIENCE) {
        Ok(Packet::Sent { stream, buffers, operation, transferred, result: Ok(()) }) => {
            assert_eq!((*stream.key(), operation, transferred), (11, 12, 4));
            assert_eq!(&buffers.into_one().expect("one buffer went in")[..], b"four");
        }
        other => panic!("the send was owed, not {other:?}"),
    }
    stream.receive(Buffer::with_capacity(32), 13).expect("a receive starts");
    peer.send(b"seventy");
    match port.take_timeout(PATIENCE) {
        Ok(Packet::Received { stream, buffer, operation, result }) => {
            let Ok(Received::Data(length)) = result else { panic!("not {result:?}") };
            assert_eq!((*stream.key(), operation, buffer.len()), (11, 13, length));
            assert_eq!((&buffer[..], buffer.capacity()), (&b"seventy"[..length], 32));
        }
        other => panic!("the receive was owed, not {other:?}"),
    }
    port.post(14).expect("the port is open");
    assert_eq!(poll_number(&port), 14);
}

fn p22_what_is_posted_comes_back_verbatim(world: &World) {
    /// A protocol whose messages can tell whether they were touched.
    struct Letters;
    impl Protocol for Letters {
        type Key = ();
        type Operation = ();
        type Message = (Option<Box<u64>>, [u8; 5]);
    }

    let numbers = world.exact_port(1);
    for value in [0, 1, u64::from(u32::MAX) + 1, u64::MAX] {
        numbers.post(value).expect("the port is open");
        assert_eq!(poll_number(&numbers), value);
    }
    let letters: Port<Letters> = world.port(|builder| builder.concurrency(1));
    let boxed = Box::new(5);
    let address: *const u64 = &*boxed;
    letters.post((Some(boxed), *b"hello")).expect("the port is open");
    letters.post((None, [0; 5])).expect("the port is open");
    match letters.try_take() {
        Ok(Some(Packet::Posted((Some(boxed), bytes)))) => {
            assert_eq!((*boxed, &raw const *boxed, bytes), (5, address, *b"hello"));
        }
        _ => panic!("the first message was queued"),
    }
    assert!(matches!(letters.try_take(), Ok(Some(Packet::Posted((None, [0, 0, 0, 0, 0]))))));
}

fn p23_any_thread_posts_to_a_port_without_handles(world: &World) {
    let crew = Crew::new(world, 1, 1);
    let port = crew.port.clone();
    std::thread::spawn(move || port.post(1).is_ok()).join().expect("it does not panic");
    crew[0].take();
    assert_eq!(crew[0].posted(), 1, "from a thread that is not bound to it");
    crew.run(0, |port| port.post(2).is_ok());
    crew.expect(Shape { queued: 1, waiting: 0, released: 1, paused: 0 });
    crew[0].take();
    assert_eq!(crew[0].posted(), 2, "from a worker of its own");
}

fn p24_a_post_goes_to_the_tail_as_a_completion_does(world: &World) {
    let port = world.exact_port(1);
    let streams: Vec<_> = (0..4).map(|number| world.stream(&port, number)).collect();
    for (number, (stream, _peer)) in (0..4).zip(&streams) {
        port.post(number).expect("the port is open");
        // A short send completes at once, and its packet is queued at once.
        stream.send(b"x", number).expect("a send starts");
    }
    for expected in 0..4 {
        assert_eq!(poll_number(&port), expected);
        match port.try_take() {
            Ok(Some(Packet::Sent { operation, .. })) => assert_eq!(operation, expected),
            other => panic!("send {expected} was next, not {other:?}"),
        }
    }
}

fn p25_the_queue_has_no_limit(world: &World) {
    let posts = rounds(200_000);
    let port = world.exact_port(1);
    for number in 0..posts {
        port.post(number).expect("a post is not refused for want of room");
    }
    assert_eq!(shape(&port).queued as u64, posts);
    for expected in 0..posts {
        assert_eq!(poll_number(&port), expected);
    }
    let counters = port.counters();
    assert_eq!((counters.posted, counters.queued, counters.taken), (posts, posts, posts));
}

on_every_driver! {
    p20_a_packet_names_its_operation_and_gives_back_all_that_was_moved_in,
    p22_what_is_posted_comes_back_verbatim,
    p23_any_thread_posts_to_a_port_without_handles,
    p24_a_post_goes_to_the_tail_as_a_completion_does,
    p25_the_queue_has_no_limit,
}
