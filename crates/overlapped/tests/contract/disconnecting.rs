//! Disconnect: everything sent, then a clean end, and the handle is free (X61, X63, P140, P160, F31).
//! What becomes of the handle then is in [`reusing`](crate::reusing).

use crate::errno;
use crate::family::loopback;
use crate::on_every_driver_and_family;
use crate::packets::{
    accepted, assert_nothing_comes, code, next, outcome, received, send_until_one_waits, sent,
    wait_for_data,
};
use crate::world::{Numbers, Peer, World};
use overlapped::simulated::{Call, Network};
use overlapped::{AcceptWindow, Buffer, Packet, Port, Received, TcpListener, TcpStream};
use std::io;
use std::net::Shutdown;

pub fn disconnected(port: &Port<Numbers>) -> (TcpStream<Numbers>, u64, io::Result<()>) {
    match next(port) {
        Packet::Disconnected { stream, operation, result } => (stream, operation, result),
        other => panic!("the packet of a disconnect was owed, not {other:?}"),
    }
}

/// A stream under `key` that `listener` accepted, and its peer.
pub fn accepted_stream(
    world: &World,
    port: &Port<Numbers>,
    listener: &TcpListener<Numbers>,
    key: u64,
) -> (TcpStream<Numbers>, Peer) {
    listener.accept(900).expect("an accept can be posted");
    let peer = world.connect(listener.local_addr().expect("it listens"));
    let socket = accepted(port).result.expect("a client has come").socket;
    (port.associate(socket, key).expect("it is associated"), peer)
}

pub fn disconnect(port: &Port<Numbers>, stream: &TcpStream<Numbers>) {
    stream.disconnect(901).expect("it is connected");
    let (_, operation, result) = disconnected(port);
    assert_eq!(operation, 901);
    result.expect("it is disconnected");
}

pub fn assert_speak(port: &Port<Numbers>, stream: &TcpStream<Numbers>, peer: &Peer) {
    stream.send(b"to the peer", 1).expect("it is connected");
    assert!(sent(port).result.is_ok());
    assert_eq!(peer.receive_exact(11), b"to the peer");
    stream.receive(Buffer::with_capacity(100), 2).expect("it is connected");
    peer.send(b"from the peer");
    let packet = received(port);
    assert_eq!(&packet.buffer[..], b"from the peer");
    assert_eq!(packet.stream.key(), stream.key());
}

/// Everything that the peer receives until a clean end; a reset is a failure.
pub fn receive_all(peer: &Peer) -> usize {
    let mut part = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match peer.receive(&mut part).expect("the peer sees no reset") {
            0 => return total,
            length => total += length,
        }
    }
}

pub fn assert_ends(peer: &Peer) {
    assert_eq!(receive_all(peer), 0, "the peer sees the end and nothing else");
}

fn x61_a_stream_that_is_not_connected_cannot_be_disconnected(world: &World) {
    let port = world.exact_port(1);
    let fresh = port.associate(world.socket(), 1).expect("it is associated");
    let refused = fresh.disconnect(5).expect_err("it was never connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_eq!(refused.returned, 5);
    let (stream, _peer) = world.stream(&port, 2);
    disconnect(&port, &stream);
    let refused = stream.disconnect(6).expect_err("it is disconnected already");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    let refused = stream.send(b"x", 7).expect_err("it is connected to nobody");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    let refused = stream.receive_pooled(8).expect_err("it is connected to nobody");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert!(stream.peer_addr().is_err() && stream.connected_for().is_none());
    stream.close();
    let refused = stream.disconnect(9).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    assert_nothing_comes(&port);
}

fn x63_a_disconnect_waits_for_the_sends_before_it_and_not_for_the_peer(world: &World) {
    const LENGTH: usize = 100_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, LENGTH) + 1;
    stream.disconnect(500).expect("it queues behind the sends");
    let refused = stream.send(b"late", 1).expect_err("it is to be disconnected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    let refused = stream.receive_pooled(2).expect_err("it is to be disconnected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    let refused = stream.disconnect(3).expect_err("one disconnect is enough");
    assert_eq!(refused.error.raw_os_error(), Some(errno::ALREADY));
    let refused = stream.connect((loopback(), 1).into(), (), 4).expect_err("it is connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::IS_CONNECTED));
    assert_eq!(port.snapshot().queued as u64, sends - 1, "one send and the disconnect wait");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receive_all(&peer));
        for number in 0..sends {
            let packet = sent(&port);
            assert_eq!((packet.operation, packet.transferred), (number, LENGTH));
        }
        // The peer never ends its own direction.
        let (stream, operation, result) = disconnected(&port);
        assert_eq!((*stream.key(), operation), (7, 500));
        result.expect("everything was sent before the end");
        let total = reader.join().expect("the peer receives until the end");
        assert_eq!(total, sends as usize * LENGTH);
    });
    assert_eq!(port.snapshot().devices, 1, "the handle is still associated");
}

fn f31_a_disconnect_with_unread_data_is_no_reset(world: &World) {
    const LENGTH: usize = 1 << 20;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    peer.send(&[1; 20_000]);
    wait_for_data(&port, &stream);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receive_all(&peer));
        stream.send(vec![2; LENGTH], 1).expect("it is connected");
        stream.disconnect(2).expect("it is connected");
        assert!(sent(&port).result.is_ok());
        disconnected(&port).2.expect("it is disconnected");
        assert_eq!(reader.join().expect("the peer receives"), LENGTH);
    });
}

fn receives_in_flight_are_aborted_before_the_disconnect_completes(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    for number in 0..3 {
        stream.receive(Buffer::with_capacity(9), number).expect("it is connected");
    }
    stream.disconnect(3).expect("it is connected");
    let mut packets: Vec<_> = (0..3).map(|_| received(&port)).collect();
    if world.is_kernel() {
        // What is cancelled together ends in no particular order.
        packets.sort_by_key(|packet| packet.operation);
    }
    for (packet, number) in packets.into_iter().zip(0..) {
        assert_eq!((packet.operation, code(&packet.result)), (number, Some(errno::CANCELED)));
        assert_eq!(packet.buffer.capacity(), 9);
    }
    assert_eq!(outcome(next(&port)), (3, None));
    assert_ends(&peer);
    assert_nothing_comes(&port);
}

fn x63_the_end_goes_out_behind_finished_sends_though_nobody_takes_their_packets(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send(b"all of it", 1).expect("a send can be started");
    stream.disconnect(2).expect("it is connected");
    assert_eq!(receive_all(&peer), 9);
    assert_eq!(outcome(next(&port)), (1, None));
    assert_eq!(outcome(next(&port)), (2, None));
}

fn x63_after_a_shutdown_and_the_peers_end_a_disconnect_succeeds(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 1);
    for peer_ends_first in [false, true] {
        let (stream, peer) = accepted_stream(world, &port, &listener, 7);
        if peer_ends_first {
            peer.shut_down_sending();
            stream.receive_pooled(1).expect("it is connected");
            assert_eq!(received(&port).result.expect("no error"), Received::End);
            stream.shutdown(Shutdown::Write).expect("it is connected");
            assert_ends(&peer);
        } else {
            stream.shutdown(Shutdown::Write).expect("it is connected");
            assert_ends(&peer);
            peer.shut_down_sending();
            stream.receive_pooled(1).expect("it is connected");
            assert_eq!(received(&port).result.expect("no error"), Received::End);
        }
        disconnect(&port, &stream);
        listener.accept_into(&stream, 2).expect("it may be accepted into");
        let peer = world.connect(listener.local_addr().expect("it listens"));
        assert_eq!(outcome(next(&port)), (2, None), "a client has come");
        assert_speak(&port, &stream, &peer);
    }
}

fn a_disconnect_gives_the_place_under_the_limit_back(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    listener.accept_window(AcceptWindow::new(4).connections(1), || 1).expect("it listens");
    let first = world.connect(address);
    let socket = accepted(&port).result.expect("a client has come").socket;
    let stream = port.associate(socket, 7).expect("it is associated");
    let _second = world.connect(address);
    assert_nothing_comes(&port);
    disconnect(&port, &stream);
    assert_ends(&first);
    assert!(accepted(&port).result.is_ok(), "there is room for the second");
}

fn a_cancelled_disconnect_leaves_the_connection_as_it_is(world: &World) {
    const LENGTH: usize = 100_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, LENGTH) + 1;
    let id = stream.disconnect(500).expect("it queues behind the sends");
    stream.cancel(id).expect("it waits");
    stream.send(vec![9; LENGTH], sends).expect("the connection goes on");
    stream.shutdown(Shutdown::Write).expect("the connection goes on");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receive_all(&peer));
        let mut packets: Vec<_> = (0..sends + 2).map(|_| outcome(next(&port))).collect();
        packets.retain(|packet| *packet != (500, Some(errno::CANCELED)));
        assert!(packets.into_iter().eq((0..=sends).map(|number| (number, None))));
        let total = reader.join().expect("the peer receives until the end");
        assert_eq!(total, (sends as usize + 1) * LENGTH);
    });
    peer.send(b"still here");
    stream.receive(Buffer::with_capacity(20), 1).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"still here");
}

fn p140_closing_aborts_a_disconnect_in_flight(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, world.long_send());
    stream.disconnect(500).expect("it queues behind the sends");
    stream.close();
    for number in 0..sends {
        assert_eq!(outcome(next(&port)), (number, None));
    }
    assert_eq!(outcome(next(&port)), (sends, Some(errno::CANCELED)));
    assert_eq!(outcome(next(&port)), (500, Some(errno::CANCELED)));
    assert_nothing_comes(&port);
}

fn p160_a_reset_fails_a_disconnect_in_flight(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, world.long_send());
    stream.disconnect(500).expect("it queues behind the sends");
    for _ in 0..sends {
        assert!(sent(&port).result.is_ok());
    }
    peer.reset();
    assert_eq!(outcome(next(&port)), (sends, Some(errno::RESET)));
    assert_eq!(outcome(next(&port)), (500, Some(errno::RESET)));
    let refused = stream.disconnect(501).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_nothing_comes(&port);
}

#[test]
fn x63_a_disconnect_waits_for_a_descriptor_and_the_peer_does_not() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    network.faults().fail_next(Call::Open, 2, errno::SHORTAGES[0]);
    stream.receive_pooled(1).expect("it is connected");
    stream.disconnect(2).expect("it waits for a descriptor");
    assert_ends(&peer);
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert_eq!(outcome(next(&port)), (2, None));
    assert!(port.counters().accept_deferrals > 0);
    assert_nothing_comes(&port);

    let (stream, peer) = world.stream(&port, 8);
    network.faults().fail_next(Call::Open, u64::MAX, errno::SHORTAGES[0]);
    let id = stream.disconnect(3).expect("it waits for a descriptor");
    assert_ends(&peer);
    stream.cancel(id).expect("it waits");
    assert_eq!(outcome(next(&port)), (3, Some(errno::CANCELED)));
    let refused = stream.send(b"late", 4).expect_err("the peer was told the end");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    peer.send(b"heard");
    stream.receive(Buffer::with_capacity(9), 5).expect("the other direction is open");
    assert_eq!(&received(&port).buffer[..], b"heard");
}

/// Whoever goes on receiving misses nothing of what came while the disconnect was tried.
#[test]
fn x63_a_disconnect_that_fails_or_is_cancelled_has_discarded_nothing() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let expect = |stream: &TcpStream<Numbers>, operation| {
        stream.receive(Buffer::with_capacity(9), operation).expect("the other direction is open");
        assert_eq!(&received(&port).buffer[..], b"here");
    };

    let (stream, peer) = world.stream(&port, 7);
    peer.send(b"here");
    network.faults().fail_next(Call::Open, u64::MAX, errno::SHORTAGES[0]);
    let id = stream.disconnect(1).expect("it waits for a descriptor");
    stream.cancel(id).expect("it waits");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    expect(&stream, 2);
    network.faults().clear();

    let (stream, peer) = world.stream(&port, 8);
    peer.send(b"here");
    network.faults().fail_next(Call::Register, 1, errno::SHORTAGES[0]);
    stream.disconnect(3).expect("it can be started");
    assert_eq!(outcome(next(&port)), (3, Some(errno::SHORTAGES[0])));
    expect(&stream, 4);
}

on_every_driver_and_family! {
    x61_a_stream_that_is_not_connected_cannot_be_disconnected,
    x63_a_disconnect_waits_for_the_sends_before_it_and_not_for_the_peer,
    x63_after_a_shutdown_and_the_peers_end_a_disconnect_succeeds,
    x63_the_end_goes_out_behind_finished_sends_though_nobody_takes_their_packets,
    f31_a_disconnect_with_unread_data_is_no_reset,
    receives_in_flight_are_aborted_before_the_disconnect_completes,
    a_disconnect_gives_the_place_under_the_limit_back,
    a_cancelled_disconnect_leaves_the_connection_as_it_is,
    p140_closing_aborts_a_disconnect_in_flight,
    p160_a_reset_fails_a_disconnect_in_flight,
}
