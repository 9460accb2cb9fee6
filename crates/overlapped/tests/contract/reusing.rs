//! One stream for one connection after another: connect again, accept into (X19, X21, X34, X64, X65,
//! P46, P136, P163).

use crate::disconnecting::{
    accepted_stream, assert_ends, assert_speak, disconnect, disconnected, receive_all,
};
use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{accepted, assert_nothing_comes, code, connected, next, outcome, sent};
use crate::rounds::rounds;
use crate::world::{Numbers, World};
#[cfg(target_os = "linux")]
use overlapped::TcpSocket;
use overlapped::simulated::{Call, Network};
use overlapped::{AcceptWindow, Packet, Port, TcpListener, TcpStream};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

struct AcceptedInto {
    listener: TcpListener<Numbers>,
    stream: TcpStream<Numbers>,
    operation: u64,
    result: io::Result<Box<(SocketAddr, SocketAddr)>>,
}

fn accepted_into(port: &Port<Numbers>) -> AcceptedInto {
    match next(port) {
        Packet::AcceptedInto { listener, stream, operation, result } => {
            AcceptedInto { listener, stream, operation, result }
        }
        other => panic!("the packet of an accept into a stream was owed, not {other:?}"),
    }
}

/// A stream under `key` that was accepted and disconnected.
fn free_stream(
    world: &World,
    port: &Port<Numbers>,
    listener: &TcpListener<Numbers>,
    key: u64,
) -> TcpStream<Numbers> {
    let (stream, _peer) = accepted_stream(world, port, listener, key);
    disconnect(port, &stream);
    stream
}

fn x65_a_stream_that_connected_connects_again_under_the_same_key(world: &World) {
    let port = world.exact_port(1);
    let stream = port.associate(world.socket(), 7).expect("it is associated");
    for round in 0..20_u64 {
        let outside = world.peer_listener();
        stream.connect(outside.address(), b"hello", round).expect("it may connect");
        let peer = outside.accept();
        let packet = connected(&port);
        assert_eq!((packet.operation, packet.transferred), (round, 5));
        packet.result.expect("somebody listens");
        assert_eq!((*packet.stream.key(), port.snapshot().devices), (7, 1));
        assert_eq!(peer.receive_exact(5), b"hello");
        assert_speak(&port, &stream, &peer);
        assert!(stream.connected_for().is_some());
        assert_eq!(stream.peer_addr().expect("it is connected"), outside.address());
        stream.send(b"bye", 3).expect("it is connected");
        assert!(sent(&port).result.is_ok());
        disconnect(&port, &stream);
        assert_eq!(peer.receive_exact(3), b"bye");
        assert_ends(&peer);
    }
    assert_nothing_comes(&port);
}

fn x34_x65_a_stream_that_was_accepted_is_accepted_into_under_the_same_key(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let (stream, mut peer) = accepted_stream(world, &port, &listener, 7);
    for round in 0..20_u64 {
        assert_speak(&port, &stream, &peer);
        disconnect(&port, &stream);
        assert_ends(&peer);
        // The client comes before the accept is posted, or after it.
        if round % 2 == 0 {
            listener.accept_into(&stream, round).expect("it may be accepted into");
            assert_nothing_comes(&port);
            assert_eq!(listener.posted(), 1);
            peer = world.connect(address);
        } else {
            peer = world.connect(address);
            listener.accept_into(&stream, round).expect("it may be accepted into");
        }
        let packet = accepted_into(&port);
        assert_eq!((packet.operation, *packet.listener.key()), (round, 1));
        assert_eq!((*packet.stream.key(), port.snapshot().devices), (7, 2));
        let (local, remote) = *packet.result.expect("a client has come");
        assert_eq!((local, remote), (address, peer.address()));
        assert_eq!(stream.peer_addr().expect("it is connected"), remote);
        assert!(stream.connected_for().is_some());
    }
    assert_speak(&port, &stream, &peer);
    assert_nothing_comes(&port);
}

fn x64_a_stream_is_used_again_only_as_it_came(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let refuses_accept = |stream: &TcpStream<Numbers>| {
        let refused = listener.accept_into(stream, 5).expect_err("it must not be accepted into");
        assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::InvalidInput, 5));
        refused.error.to_string()
    };
    let fresh = port.associate(world.socket(), 7).expect("it is associated");
    assert!(refuses_accept(&fresh).contains("never accepted"));

    let outside = world.peer_listener();
    fresh.connect(outside.address(), (), 1).expect("it may connect");
    let _peer = outside.accept();
    connected(&port).result.expect("somebody listens");
    assert!(refuses_accept(&fresh).contains("disconnect it first"));
    disconnect(&port, &fresh);
    assert!(refuses_accept(&fresh).contains("connect again"));

    let came_from_accept = free_stream(world, &port, &listener, 8);
    let refused = came_from_accept.connect(address, b"mine", 6).expect_err("it was accepted");
    assert_eq!((refused.error.kind(), refused.returned.1), (ErrorKind::InvalidInput, 6));
    assert!(refused.error.to_string().contains("accept_into"));
    assert_eq!(refused.returned.0.byte_len(), 4);

    let other = world.exact_port(1);
    let (foreign, _) = world.listen(&other, 1);
    let refused = foreign.accept_into(&came_from_accept, 7).expect_err("they belong together");
    assert!(refused.error.to_string().contains("another port"));
    came_from_accept.close();
    let refused = listener.accept_into(&came_from_accept, 8).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    assert_eq!(listener.posted(), 0);
    assert_nothing_comes(&port);
}

fn x19_nobody_else_uses_a_stream_that_waits_in_an_accept(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let (second, _) = world.listen(&port, 2);
    let stream = free_stream(world, &port, &listener, 7);
    listener.accept_into(&stream, 1).expect("it may be accepted into");
    for listener in [&listener, &second] {
        let refused = listener.accept_into(&stream, 2).expect_err("it waits already");
        assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    }
    let refused = stream.connect(address, (), 3).expect_err("it waits in an accept");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    for error in [
        stream.send(b"x", 4).expect_err("it is not connected").error,
        stream.receive_pooled(5).expect_err("it is not connected").error,
        stream.disconnect(6).expect_err("it is not connected").error,
    ] {
        assert_eq!(error.raw_os_error(), Some(errno::NOT_CONNECTED));
    }
    assert_nothing_comes(&port);
    let peer = world.connect(address);
    accepted_into(&port).result.expect("none of that has hurt the accept");
    assert_speak(&port, &stream, &peer);
}

fn x21_accepts_into_streams_are_served_in_their_order_among_the_others(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let streams = [7, 8].map(|key| free_stream(world, &port, &listener, key));
    listener.accept(0).expect("an accept can be posted");
    listener.accept_into(&streams[0], 1).expect("it may be accepted into");
    listener.accept(2).expect("an accept can be posted");
    listener.accept_into(&streams[1], 3).expect("it may be accepted into");
    let clients: Vec<_> = (0..4).map(|_| world.connect(address)).collect();
    for (number, client) in (0..).zip(&clients) {
        let remote = match next(&port) {
            Packet::Accepted { operation, result, .. } if number % 2 == 0 => {
                assert_eq!(operation, number);
                result.expect("a client has come").remote
            }
            Packet::AcceptedInto { operation, result, stream, .. } => {
                assert_eq!((operation, *stream.key()), (number, 7 + number / 2));
                result.expect("a client has come").1
            }
            other => panic!("accept {number} was owed, not {other:?}"),
        };
        assert_eq!(remote, client.address());
    }
}

fn p136_closing_the_stream_ends_its_accept_and_cancelling_on_it_does_not(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let stream = free_stream(world, &port, &listener, 7);
    listener.accept_into(&stream, 1).expect("it may be accepted into");
    assert_eq!(stream.cancel_all(), 0, "the accept is the listener's");
    assert_eq!(listener.posted(), 1);
    stream.close();
    let packet = accepted_into(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!(listener.posted(), 0);
    drop((packet, stream));
    // The listener goes on, and has lost no client.
    let _client = world.connect(address);
    listener.accept(2).expect("an accept can be posted");
    assert!(accepted(&port).result.is_ok());
    assert_eq!(port.snapshot().devices, 1);
}

fn a_stream_whose_accept_was_cancelled_may_wait_again(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let stream = free_stream(world, &port, &listener, 7);
    let id = listener.accept_into(&stream, 1).expect("it may be accepted into");
    listener.cancel(id).expect("it waits");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    listener.accept_into(&stream, 2).expect("it may be accepted into again");
    assert_eq!(listener.cancel_all(), 1);
    assert_eq!(outcome(next(&port)), (2, Some(errno::CANCELED)));
    listener.accept_into(&stream, 3).expect("it may be accepted into again");
    listener.close();
    assert_eq!(outcome(next(&port)), (3, Some(errno::CANCELED)));
    let refused = listener.accept_into(&stream, 4).expect_err("the listener is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));

    let (another, another_address) = world.listen(&port, 2);
    assert_ne!(another_address, address);
    another.accept_into(&stream, 5).expect("a refusal keeps it for nobody");
    let peer = world.connect(another_address);
    accepted_into(&port).result.expect("a client has come");
    assert_speak(&port, &stream, &peer);
}

fn a_window_and_accepts_into_streams_exclude_each_other(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 1);
    let (windowed, _) = world.listen(&port, 2);
    let stream = free_stream(world, &port, &listener, 7);
    windowed.accept_window(AcceptWindow::new(2), || 1).expect("it listens");
    let refused = windowed.accept_into(&stream, 2).expect_err("it keeps a window");
    assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::InvalidInput, 2));
    listener.accept_into(&stream, 3).expect("the refusal keeps it for nobody");
    let error = listener.accept_window(AcceptWindow::new(2), || 1).expect_err("one is posted");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn p46_each_accept_into_a_stream_completes_once_whoever_closes_or_cancels(world: &World) {
    const ROUNDS: u64 = 300;
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let (mut served, mut aborted) = (0, 0);
    let mut stream = free_stream(world, &port, &listener, 7);
    for round in 0..ROUNDS {
        let start = std::sync::Barrier::new(3);
        let client = std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                start.wait();
                world.connect(address)
            });
            scope.spawn(|| {
                start.wait();
                if round % 2 == 0 {
                    stream.close();
                } else {
                    listener.cancel_all();
                }
            });
            start.wait();
            let posted = listener.accept_into(&stream, round);
            if let Err(refused) = &posted {
                assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
            }
            let client = client.join().expect("the listener is there");
            (posted.is_ok(), client)
        });
        if client.0 {
            // Nobody may have cancelled it, and then the client ends it.
            let packet = accepted_into(&port);
            assert_eq!(packet.operation, round);
            match packet.result {
                Ok(_) => served += 1,
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
                    aborted += 1;
                }
            }
        }
        assert_nothing_comes(&port);
        let was_closed = round % 2 == 0;
        assert!(!was_closed || stream.local_addr().is_err(), "a closed stream stays closed");
        stream.close();
        // A client that was not taken is still in the backlog.
        drop(client);
        while listener.accept(800).is_ok() && port.snapshot().queued > 0 {
            drop(accepted(&port));
        }
        listener.cancel_all();
        while port.snapshot().queued > 0 {
            drop(next(&port));
        }
        stream = free_stream(world, &port, &listener, 7);
    }
    // Every second one is posted; of the others the close may always come first on a busy machine.
    assert!(served + aborted >= ROUNDS / 2, "{served} served, {aborted} aborted");
}

/// No client comes here, so nobody else would ever end the accept.
fn p136_a_stream_that_is_closed_while_its_accept_is_posted_ends_it(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 1);
    for round in 0..rounds(1_000) {
        let stream = free_stream(world, &port, &listener, 7);
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                stream.close();
            });
            start.wait();
            match listener.accept_into(&stream, round) {
                Ok(_) => assert_eq!(outcome(next(&port)), (round, Some(errno::CANCELED))),
                Err(refused) => {
                    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
                }
            }
        });
        assert_eq!(listener.posted(), 0);
    }
    assert_nothing_comes(&port);
}

/// Where a socket of the system's came from nobody has said.
#[cfg(target_os = "linux")]
#[test]
fn x64_a_stream_that_was_the_systems_is_used_again_in_either_way() {
    let world = World::System;
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let adopted = || {
        let outside = std::net::TcpListener::bind("127.0.0.1:0").expect("one can listen");
        let peer = world.connect(outside.local_addr().expect("it has an address"));
        let (stream, _) = outside.accept().expect("the peer has connected");
        let socket = TcpSocket::try_from(stream).expect("it becomes non-blocking");
        let stream = port.associate(socket, 7).expect("it is associated");
        assert_speak(&port, &stream, &peer);
        disconnect(&port, &stream);
        stream
    };
    let stream = adopted();
    listener.accept_into(&stream, 1).expect("it may have been accepted");
    let peer = world.connect(address);
    accepted_into(&port).result.expect("a client has come");
    assert_speak(&port, &stream, &peer);

    let stream = adopted();
    let outside = world.peer_listener();
    stream.connect(outside.address(), (), 2).expect("it may have connected");
    let peer = outside.accept();
    connected(&port).result.expect("somebody listens");
    assert_speak(&port, &stream, &peer);
}

#[test]
fn p163_a_stream_that_cannot_be_used_again_says_so_by_its_packet() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    let (stream, peer) = accepted_stream(&world, &port, &listener, 7);
    network.faults().fail_next(Call::Register, 1, errno::NO_BUFFERS);
    stream.disconnect(1).expect("it is connected");
    let (_, _, result) = disconnected(&port);
    assert_eq!(code(&result), Some(errno::NO_BUFFERS));
    assert_ends(&peer);
    let refused = stream.send(b"late", 2).expect_err("the peer was told the end");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    // A second one, which finds no shortage, does it.
    disconnect(&port, &stream);

    network.faults().fail_next(Call::Register, 1, errno::NO_BUFFERS);
    listener.accept_into(&stream, 3).expect("it may be accepted into");
    let lost = world.connect(address);
    let packet = accepted_into(&port);
    assert_eq!((packet.operation, code(&packet.result)), (3, Some(errno::NO_BUFFERS)));
    assert_ends(&lost);
    listener.accept_into(&stream, 4).expect("it may be accepted into again");
    let peer = world.connect(address);
    accepted_into(&port).result.expect("a client has come");
    assert_speak(&port, &stream, &peer);
}

#[test]
fn x65_streams_are_used_again_whatever_the_seed() {
    for seed in 1..=30 {
        let world = World::Simulated(Network::new(seed));
        let port = world.exact_port(1);
        let (listener, address) = world.listen(&port, 1);
        let (accepting, mut peer) = accepted_stream(&world, &port, &listener, 7);
        for round in 0..10 {
            std::thread::scope(|scope| {
                let reader = scope.spawn(|| receive_all(&peer));
                peer.send(&[1; 3_000]);
                accepting.send(vec![2; 100_000], round).expect("it is connected");
                accepting.disconnect(round).expect("it is connected");
                assert!(sent(&port).result.is_ok(), "seed {seed}");
                disconnected(&port).2.expect("it is disconnected");
                assert_eq!(reader.join().expect("it receives"), 100_000, "seed {seed}");
            });
            listener.accept_into(&accepting, round).expect("it may be accepted into");
            peer = world.connect(address);
            accepted_into(&port).result.expect("a client has come");
        }
    }
}

on_every_driver_and_family! {
    x65_a_stream_that_connected_connects_again_under_the_same_key,
    x34_x65_a_stream_that_was_accepted_is_accepted_into_under_the_same_key,
    x64_a_stream_is_used_again_only_as_it_came,
    x19_nobody_else_uses_a_stream_that_waits_in_an_accept,
    x21_accepts_into_streams_are_served_in_their_order_among_the_others,
    p136_closing_the_stream_ends_its_accept_and_cancelling_on_it_does_not,
    p136_a_stream_that_is_closed_while_its_accept_is_posted_ends_it,
    a_stream_whose_accept_was_cancelled_may_wait_again,
    a_window_and_accepts_into_streams_exclude_each_other,
    p46_each_accept_into_a_stream_completes_once_whoever_closes_or_cancels,
}
