//! Making a port and associating handles with it (P1-P19).

use crate::crew::{Crew, Shape, expect_shape, poll_number, until, until_shape};
use crate::world::{Numbers, PATIENCE, World};
use crate::{on_every_driver_and_family, on_every_driver_that_limits};
use overlapped::{Buffer, Packet, Port, Received, TcpSocket};

fn p1_a_port_is_whole_without_any_handle(world: &World) {
    let port = world.exact_port(1);
    assert_eq!(port.snapshot().devices, 0);
    assert!(matches!(port.try_take(), Ok(None)));
    port.post(7).expect("it takes posts");
    assert_eq!(poll_number(&port), 7);
}

fn p5_the_concurrency_is_set_at_creation_and_association_does_not_change_it(world: &World) {
    let crew = Crew::waiting(world, 1, 2);
    let streams: Vec<_> = (0..8).map(|key| world.stream(&crew.port, key)).collect();
    assert_eq!(crew.port.concurrency(), 1);
    assert_eq!(crew.port.snapshot().devices, streams.len());
    crew.post([1, 2]);
    // A thread may be looking at the first events of the sockets, which yield no packet.
    until_shape(&crew.port, Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
}

fn p6_a_concurrency_of_0_means_the_processors(world: &World) {
    let processors = std::thread::available_parallelism().expect("it can be told").get();
    assert_eq!(world.port::<Numbers>(|builder| builder).concurrency(), processors);
    let port: Port<Numbers> =
        world.port(|builder| builder.concurrency(0).blocked_thread_monitor(false));
    assert_eq!(port.concurrency(), processors);
    let crew = Crew::on(port, processors + 1);
    for worker in 0..=processors {
        crew.wait(worker);
    }
    crew.post(0..=processors as u64);
    crew.expect(Shape { queued: 1, waiting: 1, released: processors, paused: 0 });
}

fn p7_a_socket_that_the_driver_cannot_carry_is_refused_and_given_back(world: &World) {
    let other_world = match world {
        World::System => World::simulated(),
        World::Simulated(_) => World::System,
    };
    let port = world.exact_port(1);
    let refused = port.associate(other_world.socket(), 5).expect_err("it cannot be carried");
    assert_eq!(refused.error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(port.snapshot().devices, 0, "nothing is left of the attempt");
    let (socket, key) = refused.returned;
    assert_eq!(key, 5);
    let its_own = other_world.exact_port(1);
    its_own.associate(socket, key).expect("the socket that came back is whole");
}

fn p7_a_socket_that_was_made_to_block_is_overlapped_all_the_same(world: &World) {
    let World::System = world else { panic!("only the system has sockets that block") };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let peer = world.connect(listener.local_addr().expect("it has an address"));
    let (blocking_stream, _) = listener.accept().expect("the peer has connected");
    let port = world.exact_port(1);
    let socket = TcpSocket::try_from(blocking_stream).expect("it is converted");
    let stream = port.associate(socket, 1).expect("it is associated");
    // On a socket that blocks this call would never return.
    stream.receive(Buffer::with_capacity(8), 2).expect("it starts and does not wait");
    peer.send(b"x");
    let packet = port.take_timeout(PATIENCE).expect("the receive completes");
    assert!(matches!(packet, Packet::Received { result: Ok(Received::Data(1)), .. }));
}

/// That a second association cannot be written is shown by types; this is the rest of it.
fn p8_p9_only_the_last_handle_ends_an_association(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 3);
    assert_eq!(port.snapshot().devices, 1);
    let second = stream.clone();
    drop(stream);
    assert_eq!(port.snapshot().devices, 1, "another handle is held");
    second.receive(Buffer::with_capacity(8), 4).expect("a receive starts");
    drop(second);
    assert_eq!(port.snapshot().devices, 1, "the operation in flight holds one");
    peer.send(b"x");
    let packet = port.take_timeout(PATIENCE).expect("the receive completes");
    let Packet::Received { stream, result, .. } = packet else { panic!("not {packet:?}") };
    assert_eq!(result.expect("it succeeds"), Received::Data(1));
    assert_eq!((*stream.key(), port.snapshot().devices), (3, 1));
    drop(stream);
    assert_eq!(port.snapshot().devices, 0);
    assert_eq!(peer.receive(&mut [0]).expect("the connection ends"), 0);
}

fn p10_keys_come_back_verbatim_and_may_be_the_same(world: &World) {
    let port = world.exact_port(1);
    for key in [u64::MAX, 0, u64::MAX] {
        let (stream, _peer) = world.stream(&port, key);
        stream.send(b"x", 1).expect("a send starts");
        let packet = port.take_timeout(PATIENCE).expect("the send completes");
        let Packet::Sent { stream: of_packet, .. } = packet else { panic!("not {packet:?}") };
        assert_eq!((*stream.key(), *of_packet.key()), (key, key));
    }
    let twins = [world.stream(&port, u64::MAX), world.stream(&port, u64::MAX)];
    for (operation, (stream, _)) in twins.iter().enumerate() {
        stream.send(b"x", operation as u64).expect("a send starts");
    }
    for expected in 0..2 {
        let packet = port.take_timeout(PATIENCE).expect("the send completes");
        let Packet::Sent { stream, operation, .. } = packet else { panic!("not {packet:?}") };
        assert_eq!((*stream.key(), operation), (u64::MAX, expected));
    }
}

/// A socket has no operation in flight before its association; what it has is data.
fn p13_what_reached_the_socket_before_its_association_is_reported_after_it(world: &World) {
    let port = world.exact_port(1);
    let (socket, peer) = world.connected_socket();
    peer.send(b"early");
    peer.shut_down_sending();
    let stream = port.associate(socket, 1).expect("a socket is associated");
    let mut received = Vec::new();
    loop {
        stream.receive(Buffer::with_capacity(16), 2).expect("a receive starts");
        match port.take_timeout(PATIENCE).expect("the receive completes") {
            Packet::Received { buffer, result: Ok(Received::Data(_)), .. } => {
                received.extend_from_slice(&buffer);
            }
            Packet::Received { result: Ok(Received::End), .. } => break,
            other => panic!("a receive was owed, not {other:?}"),
        }
    }
    assert_eq!(received, b"early");
}

fn p18_an_accepted_socket_belongs_to_no_port_until_it_is_associated(world: &World) {
    let (port, other) = (world.exact_port(1), world.exact_port(1));
    let (listener, address) = world.listen(&port, 1);
    listener.accept(2).expect("an accept is posted");
    let peer = world.connect(address);
    peer.send(b"x");
    let packet = port.take_timeout(PATIENCE).expect("the accept completes");
    let Packet::Accepted { listener: of_packet, result, .. } = packet else {
        panic!("not {packet:?}")
    };
    assert_eq!(*of_packet.key(), 1, "the packet carries the listener's key");
    let socket = result.expect("the accept succeeds").socket;
    assert_eq!(port.snapshot().devices, 1, "the listener alone is associated");
    assert!(matches!(port.try_take(), Ok(None)), "its data queues no packet");
    let stream = other.associate(socket, 9).expect("it goes to any port");
    stream.receive(Buffer::with_capacity(8), 3).expect("a receive starts");
    let packet = other.take_timeout(PATIENCE).expect("the receive completes there");
    let Packet::Received { stream, .. } = packet else { panic!("not {packet:?}") };
    assert_eq!(*stream.key(), 9);
    assert!(matches!(port.try_take(), Ok(None)), "and not here");
}

fn p19_association_queues_no_packet(world: &World) {
    let port = world.exact_port(1);
    let (socket, peer) = world.connected_socket();
    peer.send(b"x");
    let _stream = port.associate(socket, 1).expect("a socket is associated");
    let (_listener, address) = world.listen(&port, 2);
    let _waits_in_the_backlog = world.connect(address);
    until(|| port.snapshot().devices == 2, || format!("{:?}", port.snapshot()));
    for _ in 0..100 {
        assert!(matches!(port.try_take(), Ok(None)));
    }
    expect_shape(&port, Shape { released: 1, ..Shape::EMPTY });
    assert_eq!(port.counters().queued, 0);
}

on_every_driver_and_family! {
    p1_a_port_is_whole_without_any_handle,
    p7_a_socket_that_the_driver_cannot_carry_is_refused_and_given_back,
    p8_p9_only_the_last_handle_ends_an_association,
    p10_keys_come_back_verbatim_and_may_be_the_same,
    p13_what_reached_the_socket_before_its_association_is_reported_after_it,
    p18_an_accepted_socket_belongs_to_no_port_until_it_is_associated,
    p19_association_queues_no_packet,
}

/// The simulated network has no sockets that block.
#[test]
fn epoll_p7_a_socket_that_was_made_to_block_is_overlapped_all_the_same() {
    p7_a_socket_that_was_made_to_block_is_overlapped_all_the_same(&World::System);
}

on_every_driver_that_limits! {
    p5_the_concurrency_is_set_at_creation_and_association_does_not_change_it,
    p6_a_concurrency_of_0_means_the_processors,
}
