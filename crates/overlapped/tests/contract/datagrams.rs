//! Datagrams: whole or not at all, in order, empty ones too (P10, P31-P34, P132, P133, P140, P150,
//! P153, P163, P164, F34, L14).

use crate::errno;
use crate::family;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, World};
use overlapped::simulated::{Call, Network};
use overlapped::{Buffer, Buffers, Packet, Port, UdpSocket};
use std::io;
use std::net::SocketAddr;

struct ReceivedFrom {
    socket: UdpSocket<Numbers>,
    buffer: Buffer,
    operation: u64,
    result: io::Result<SocketAddr>,
}

fn received_from(port: &Port<Numbers>) -> ReceivedFrom {
    match next(port) {
        Packet::ReceivedFrom { socket, buffer, operation, result } => {
            ReceivedFrom { socket, buffer, operation, result }
        }
        other => panic!("the packet of a receive was owed, not {other:?}"),
    }
}

struct SentTo {
    socket: UdpSocket<Numbers>,
    buffers: Buffers,
    operation: u64,
    transferred: usize,
    result: io::Result<()>,
}

fn sent_to(port: &Port<Numbers>) -> SentTo {
    match next(port) {
        Packet::SentTo { socket, buffers, operation, transferred, result } => {
            SentTo { socket, buffers, operation, transferred, result }
        }
        other => panic!("the packet of a send was owed, not {other:?}"),
    }
}

/// A socket at an address where no other test binds, so that it can be bound again.
fn datagram_of_its_own(world: &World, port: &Port<Numbers>) -> (UdpSocket<Numbers>, SocketAddr) {
    // IPv6 has one loopback address; a port of it is a stranger's a moment later only by bad luck.
    let own = if family::is_v6() { family::any() } else { ([127, 1, 2, 3], 0).into() };
    let socket = world.datagram_socket(own).expect("it can be bound");
    let address = socket.local_addr().expect("it is bound");
    (port.associate(socket, 1).expect("a datagram socket is associated"), address)
}

/// Receives one datagram of the peer's and nothing else.
fn receive_one(port: &Port<Numbers>, socket: &UdpSocket<Numbers>, room: usize) -> ReceivedFrom {
    socket.receive_from(Buffer::with_capacity(room), 77).expect("a receive can be started");
    let packet = received_from(port);
    assert_eq!(packet.operation, 77, "no other receive may be in flight here");
    packet
}

fn p10_packets_of_datagrams_carry_the_key_and_the_address_of_the_other_side(world: &World) {
    let port = world.exact_port(1);
    let (one, address_of_one) = world.datagram(&port, 1);
    let (other, address_of_other) = world.datagram(&port, 2);
    let peer = world.datagram_peer();
    peer.send_to(b"to one", address_of_one);
    let packet = receive_one(&port, &one, 100);
    assert_eq!(packet.result.expect("it came"), peer.address());
    assert_eq!((&packet.buffer[..], *packet.socket.key()), (&b"to one"[..], 1));

    one.send_to(b"to the peer", peer.address(), 3).expect("a send can be started");
    let packet = sent_to(&port);
    assert_eq!((packet.operation, packet.transferred, *packet.socket.key()), (3, 11, 1));
    assert_eq!(peer.receive_from(), (b"to the peer".to_vec(), address_of_one));

    // From one socket of the port to another one.
    packet.socket.send_to(b"across", address_of_other, 4).expect("a send can be started");
    drop(sent_to(&port));
    let packet = receive_one(&port, &other, 100);
    assert_eq!(packet.result.expect("it came"), address_of_one);
    assert_eq!(*packet.socket.key(), 2);
}

fn p31_a_datagram_that_goes_out_at_once_queues_exactly_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    socket.send_to(b"hello", peer.address(), 1).expect("a send can be started");
    assert_eq!(port.snapshot().queued, 1, "the packet is queued by the starting call");
    let packet = sent_to(&port);
    assert_eq!(&packet.buffers.into_one().expect("it was one buffer")[..], b"hello");
    assert!(packet.result.is_ok());
    assert_nothing_comes(&port);
}

fn p32_a_receive_that_waits_queues_its_packet_when_a_datagram_comes(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    socket.receive_from(Buffer::with_capacity(10), 1).expect("a receive can be started");
    assert_nothing_comes(&port);
    world.datagram_peer().send_to(b"now", address);
    let packet = received_from(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (1, &b"now"[..]));
    assert_eq!(packet.buffer.capacity(), 10, "it is the buffer that was given");
    assert_nothing_comes(&port);
}

fn p33_a_datagram_that_cannot_be_sent_gives_everything_back_and_queues_nothing(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let length = if family::is_v6() { 65_528 } else { 65_508 };
    let too_long = vec![7; length];
    let refused = socket.send_to(too_long, address, 1).expect_err("no datagram is so long");
    assert_eq!(refused.error.raw_os_error(), Some(errno::MESSAGE_TOO_LONG));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (length, 1));
    let parts: Vec<Buffer> = (0..200).map(|_| Buffer::from(vec![7; 1_000])).collect();
    let refused = socket.send_to(parts, address, 2).expect_err("no datagram is so long");
    assert_eq!(refused.error.raw_os_error(), Some(errno::MESSAGE_TOO_LONG));
    assert_eq!(refused.returned.0.iter().count(), 200);
    let of_the_other_family = (family::other_loopback(), 9).into();
    let refused = socket.send_to(b"x", of_the_other_family, 3).expect_err("it is the other family");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    assert_nothing_comes(&port);

    socket.close();
    let refused = socket.send_to(b"late", address, 4).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    let buffer = Buffer::from(b"old");
    let refused = socket.receive_from(buffer, 5).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (3, 5));
    assert_eq!(socket.receive_from_pooled(6).expect_err("it is closed").returned, 6);
    assert_nothing_comes(&port);
}

/// It queues its packet although it fails, also when it fails at once: a datagram was taken.
fn p34_a_datagram_larger_than_its_buffer_is_an_error_of_that_receive_alone(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    // Numbers 0 and 1 wait, the others find their datagrams or wait, too.
    for number in 0..2 {
        socket.receive_from(Buffer::with_capacity(4), number).expect("a receive can be started");
    }
    for datagram in [&b"abcdefgh"[..], b"abcd", b"ijklmn", b"", b"next"] {
        peer.send_to(datagram, address);
    }
    let expected: [(&[u8], bool); 5] =
        [(b"abcd", false), (b"abcd", true), (b"ij", false), (b"", true), (b"next", true)];
    for (number, (bytes, is_whole)) in (0..).zip(expected) {
        if number >= 2 {
            let room = if number == 2 { 2 } else { 4 };
            socket.receive_from(Buffer::with_capacity(room), number).expect("it was taken");
        }
        let packet = received_from(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (number, bytes));
        if is_whole {
            assert_eq!(packet.result.expect("it fitted"), peer.address());
        } else {
            assert_eq!(code(&packet.result), Some(errno::MESSAGE_TOO_LONG));
        }
    }
    // A buffer without room takes a datagram like any other, and loses all of it.
    peer.send_to(b"lost", address);
    peer.send_to(b"kept", address);
    let packet = receive_one(&port, &socket, 0);
    assert_eq!((code(&packet.result), packet.buffer.len()), (Some(errno::MESSAGE_TOO_LONG), 0));
    assert_eq!(&receive_one(&port, &socket, 4).buffer[..], b"kept");
    assert_nothing_comes(&port);
}

fn f34_an_empty_datagram_is_one_like_any_other(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    for datagram in [&b"before"[..], b"", b"after"] {
        peer.send_to(datagram, address);
    }
    for datagram in [&b"before"[..], b"", b"after"] {
        let packet = receive_one(&port, &socket, 10);
        assert_eq!(&packet.buffer[..], datagram);
        assert_eq!(packet.result.expect("it is no error and no end"), peer.address());
    }
    socket.send_to((), peer.address(), 1).expect("a send can be started");
    socket.send_to(Vec::<u8>::new(), peer.address(), 2).expect("a send can be started");
    socket.send_to(b"x", peer.address(), 3).expect("a send can be started");
    for (number, length) in [(1, 0), (2, 0), (3, 1)] {
        let packet = sent_to(&port);
        assert_eq!((packet.operation, packet.transferred), (number, length));
        assert!(packet.result.is_ok());
        assert_eq!(peer.receive_from().0.len(), length);
    }
}

fn p150_datagrams_come_and_go_in_the_order_in_which_they_were_started(world: &World) {
    const COUNT: u64 = 100;
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    // Half of the receives wait, the others are started behind them when datagrams are there.
    for number in 0..COUNT / 2 {
        socket.receive_from(Buffer::with_capacity(8), number).expect("a receive can be started");
    }
    for number in 0..COUNT {
        peer.send_to(&number.to_be_bytes(), address);
    }
    for number in COUNT / 2..COUNT {
        socket.receive_from(Buffer::with_capacity(8), number).expect("a receive can be started");
    }
    for number in 0..COUNT {
        let packet = received_from(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (number, &number.to_be_bytes()[..]));
    }
    for number in 0..COUNT {
        socket
            .send_to(number.to_be_bytes().to_vec(), peer.address(), number)
            .expect("it can be started");
    }
    for number in 0..COUNT {
        assert_eq!(sent_to(&port).operation, number);
        assert_eq!(peer.receive_from().0, number.to_be_bytes());
    }
    assert_nothing_comes(&port);
}

fn p153_several_buffers_are_one_datagram(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    // All but the first are more buffers than one call of some system takes.
    for (count, room) in [(3_usize, 7), (1_025, 7), (1_100, 1), (3_000, 5)] {
        let parts: Vec<Buffer> =
            (0..count).map(|n| Buffer::from(vec![n as u8; 1 + n % room])).collect();
        let expected: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        socket.send_to(Buffers::from(parts), peer.address(), 1).expect("it can be started");
        let packet = sent_to(&port);
        assert_eq!(packet.transferred, expected.len());
        assert_eq!(packet.buffers.iter().count(), count, "each buffer comes back");
        assert_eq!(peer.receive_from().0, expected);
    }
    // However many buffers it has, no datagram is longer than the network takes.
    for count in [1, 1_100] {
        let parts: Vec<Buffer> = (0..count).map(|_| vec![0; 65_536 / count + 1].into()).collect();
        let refused = socket.send_to(Buffers::from(parts), peer.address(), 1);
        let refused = refused.expect_err("it is too long for a datagram");
        assert_eq!(refused.error.raw_os_error(), Some(errno::MESSAGE_TOO_LONG));
        assert_eq!(refused.returned.0.iter().count(), count, "each buffer comes back");
    }
}

fn p132_no_datagram_is_lost_by_a_cancelled_receive(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let first = socket.receive_from(Buffer::with_capacity(9), 1).expect("it can be started");
    socket.receive_from(Buffer::with_capacity(8), 2).expect("a receive can be started");
    socket.cancel(first).expect("it waits");
    let packet = received_from(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!((packet.buffer.len(), packet.buffer.capacity()), (0, 9));
    peer.send_to(b"whole", address);
    let packet = received_from(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (2, &b"whole"[..]));
    let error = socket.cancel(first).expect_err("it was cancelled");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

fn p140_closing_aborts_every_receive_of_a_datagram(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = datagram_of_its_own(world, &port);
    for number in 0..3 {
        socket.receive_from_pooled(number).expect("a receive can be started");
    }
    assert_eq!(socket.cancel_all(), 3);
    for number in 0..3 {
        assert_eq!(outcome(next(&port)), (number, Some(errno::CANCELED)));
    }
    for number in 3..6 {
        socket.receive_from(Buffer::with_capacity(5), number).expect("it can be started");
    }
    socket.clone().close();
    for number in 3..6 {
        let packet = received_from(&port);
        assert_eq!((packet.operation, code(&packet.result)), (number, Some(errno::CANCELED)));
        assert_eq!(packet.buffer.capacity(), 5);
    }
    assert_eq!(port.snapshot().devices, 0);
    assert!(socket.local_addr().is_err(), "it is closed for every handle");
    let again = world.datagram_socket(address).expect("the address is free");
    assert_eq!(again.local_addr().expect("it is bound"), address);
}

fn p164_a_pooled_receive_takes_its_buffer_with_the_datagram(world: &World) {
    let port: Port<Numbers> =
        world.port(|builder| builder.concurrency(1).buffer_size(6).blocked_thread_monitor(false));
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    for number in 0..3 {
        socket.receive_from_pooled(number).expect("a receive can be started");
    }
    for datagram in [&b"fits"[..], b"does not fit", b""] {
        peer.send_to(datagram, address);
    }
    let packet = received_from(&port);
    assert_eq!((&packet.buffer[..], packet.buffer.capacity()), (&b"fits"[..], 6));
    let packet = received_from(&port);
    assert_eq!(code(&packet.result), Some(errno::MESSAGE_TOO_LONG));
    assert_eq!(&packet.buffer[..], b"does n");
    let packet = received_from(&port);
    assert!(packet.result.is_ok() && packet.buffer.is_empty());
}

fn l14_that_nobody_is_at_the_address_is_no_error_of_a_receive(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let gone = world.datagram_peer().address();
    socket.receive_from(Buffer::with_capacity(8), 1).expect("a receive can be started");
    for number in 2..5 {
        socket.send_to(b"anybody?", gone, number).expect("a send can be started");
        let packet = sent_to(&port);
        assert_eq!((packet.operation, packet.transferred), (number, 8));
        assert!(packet.result.is_ok(), "it was sent; nobody was there");
    }
    socket.receive_from(Buffer::with_capacity(8), 5).expect("a receive can be started");
    let peer = world.datagram_peer();
    peer.send_to(b"one", address);
    peer.send_to(b"two", address);
    for (number, bytes) in [(1, b"one"), (5, b"two")] {
        let packet = received_from(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (number, &bytes[..]));
        assert_eq!(packet.result.expect("no error came before it"), peer.address());
    }
    assert_nothing_comes(&port);
}

fn dropping_the_last_handle_of_a_datagram_socket_closes_it(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = datagram_of_its_own(world, &port);
    socket.receive_from_pooled(1).expect("a receive can be started");
    drop(socket);
    assert_eq!(port.snapshot().devices, 1, "the operation holds it");
    world.datagram_peer().send_to(b"last", address);
    let packet = received_from(&port);
    assert_eq!(&packet.buffer[..], b"last");
    drop(packet);
    assert_eq!(port.snapshot().devices, 0);
    world.datagram_socket(address).expect("the address is free again");
}

#[test]
fn epoll_sending_to_everybody_must_be_allowed_first() {
    let port = World::System.exact_port(1);
    let (socket, _) = World::System.datagram(&port, 1);
    let everybody = ([127, 255, 255, 255], 9).into();
    let refused = socket.send_to(b"all", everybody, 1).expect_err("it is not allowed");
    assert_eq!(refused.error.kind(), io::ErrorKind::PermissionDenied);
    socket.set_broadcast(true).expect("an option can be set");
    socket.send_to(b"all", everybody, 2).expect("it is allowed");
    assert!(sent_to(&port).result.is_ok());
}

/// On a socket that finds no room, a later send waits behind the earlier one.
#[test]
fn p150_a_send_that_waits_is_not_overtaken_and_fails_alone() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    network.faults().fail_next(Call::SendTo, 1, errno::WOULD_BLOCK);
    socket.send_to(b"first", peer.address(), 1).expect("it waits");
    socket.send_to(vec![0; 70_000], peer.address(), 2).expect("it waits behind the first");
    socket.send_to(b"third", peer.address(), 3).expect("it waits behind the second");
    assert_eq!(port.snapshot().queued, 0);
    for (number, transferred, error) in
        [(1, 5, None), (2, 0, Some(errno::MESSAGE_TOO_LONG)), (3, 5, None)]
    {
        let packet = sent_to(&port);
        assert_eq!(
            (packet.operation, packet.transferred, code(&packet.result)),
            (number, transferred, error)
        );
    }
    assert_eq!(peer.receive_from().0, b"first");
    assert_eq!(peer.receive_from().0, b"third");
}

#[test]
fn p163_a_shortage_gives_a_datagram_back_or_is_reported_by_its_packet() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let faults = network.faults();
    faults.fail_next(Call::SendTo, 1, errno::NO_BUFFERS);
    let refused = socket.send_to(b"mine", address, 1).expect_err("memory is short");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NO_BUFFERS));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 1));
    faults.fail_next(Call::ReceiveFrom, 1, errno::NO_BUFFERS);
    let refused = socket.receive_from(Buffer::with_capacity(3), 2).expect_err("memory is short");
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (3, 2));
    assert_nothing_comes(&port);

    faults.fail(Call::ReceiveFrom, faults.calls(Call::ReceiveFrom) + 2, errno::NO_BUFFERS);
    socket.receive_from(Buffer::with_capacity(3), 3).expect("it waits");
    world.datagram_peer().send_to(b"abc", address);
    let packet = received_from(&port);
    assert_eq!((packet.operation, code(&packet.result)), (3, Some(errno::NO_BUFFERS)));
    assert_eq!((packet.buffer.capacity(), packet.buffer.len()), (3, 0));
    assert_eq!(&receive_one(&port, &socket, 3).buffer[..], b"abc", "the datagram is still there");
}

#[test]
fn datagrams_that_find_the_inbox_full_are_lost_and_others_are_not() {
    let network = Network::new(0);
    network.set_capacity(10);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    for datagram in [&b"12345"[..], b"", b"67890", b"lost", b""] {
        peer.send_to(datagram, address);
    }
    assert_eq!(network.bytes_in_flight(), 10);
    for datagram in [&b"12345"[..], b"", b"67890"] {
        assert_eq!(&receive_one(&port, &socket, 10).buffer[..], datagram);
    }
    peer.send_to(b"again", address);
    assert_eq!(&receive_one(&port, &socket, 10).buffer[..], b"again");
}

#[test]
fn a_seed_lets_datagrams_overtake_each_other_and_loses_none() {
    let mut overtaken = 0;
    for seed in 1..=20 {
        let world = World::Simulated(Network::new(seed));
        let port = world.exact_port(1);
        let (socket, address) = world.datagram(&port, 1);
        let peer = world.datagram_peer();
        for number in 0..50_u8 {
            peer.send_to(&vec![number; usize::from(number)], address);
        }
        for _ in 0..50 {
            socket.receive_from(Buffer::with_capacity(50), 1).expect("it can be started");
        }
        let mut lengths: Vec<usize> = (0..50).map(|_| received_from(&port).buffer.len()).collect();
        overtaken += usize::from(!lengths.is_sorted());
        lengths.sort_unstable();
        assert!(lengths.into_iter().eq(0..50), "seed {seed}");
    }
    assert!(overtaken > 0, "no seed changed the order");
}

on_every_driver_and_family! {
    p10_packets_of_datagrams_carry_the_key_and_the_address_of_the_other_side,
    p31_a_datagram_that_goes_out_at_once_queues_exactly_one_packet,
    p32_a_receive_that_waits_queues_its_packet_when_a_datagram_comes,
    p33_a_datagram_that_cannot_be_sent_gives_everything_back_and_queues_nothing,
    p34_a_datagram_larger_than_its_buffer_is_an_error_of_that_receive_alone,
    f34_an_empty_datagram_is_one_like_any_other,
    p132_no_datagram_is_lost_by_a_cancelled_receive,
    p140_closing_aborts_every_receive_of_a_datagram,
    p150_datagrams_come_and_go_in_the_order_in_which_they_were_started,
    p153_several_buffers_are_one_datagram,
    p164_a_pooled_receive_takes_its_buffer_with_the_datagram,
    l14_that_nobody_is_at_the_address_is_no_error_of_a_receive,
    dropping_the_last_handle_of_a_datagram_socket_closes_it,
}
