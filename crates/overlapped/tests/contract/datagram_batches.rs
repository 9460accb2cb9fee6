//! Batches of datagrams, what goes with each, and connected sockets (P31, P33, P34, P46, P132, P140,
//! P150, F34).

use crate::errno;
use crate::family;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, World, wine_differs};
use overlapped::simulated::{Call, Network};
use overlapped::{Buffer, DatagramInfo, Datagrams, Ecn, Packet, Port, UdpSocket};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;

struct ReceivedBatch {
    datagrams: Datagrams,
    operation: u64,
    result: io::Result<()>,
}

fn received_batch(port: &Port<Numbers>) -> ReceivedBatch {
    match next(port) {
        Packet::ReceivedBatch { datagrams, operation, result, .. } => {
            ReceivedBatch { datagrams, operation, result }
        }
        other => panic!("the packet of a batch was owed, not {other:?}"),
    }
}

struct SentBatch {
    datagrams: Datagrams,
    operation: u64,
    sent: usize,
    result: io::Result<()>,
}

fn sent_batch(port: &Port<Numbers>) -> SentBatch {
    match next(port) {
        Packet::SentBatch { datagrams, operation, sent, result, .. } => {
            SentBatch { datagrams, operation, sent, result }
        }
        other => panic!("the packet of a batch was owed, not {other:?}"),
    }
}

fn room(count: usize) -> Datagrams {
    Datagrams::with_room(count, 100)
}

fn batch_to(to: SocketAddr, datagrams: &[&[u8]]) -> Datagrams {
    let mut batch = Datagrams::new();
    datagrams.iter().for_each(|bytes| batch.push(to, bytes));
    batch
}

fn contents(datagrams: &Datagrams) -> Vec<Vec<u8>> {
    datagrams.iter().map(|datagram| datagram.bytes.to_vec()).collect()
}

/// Receives so many datagrams, in as many batches as it takes.
fn gather(port: &Port<Numbers>, socket: &UdpSocket<Numbers>, count: usize) -> Vec<Vec<u8>> {
    let mut gathered = Vec::new();
    while gathered.len() < count {
        socket.receive_batch(room(64), 9).expect("a receive can be started");
        let ReceivedBatch { datagrams, result, .. } = received_batch(port);
        result.expect("datagrams come");
        assert!(!datagrams.is_empty(), "a batch that succeeds has a datagram");
        gathered.extend(contents(&datagrams));
    }
    gathered
}

fn p46_a_batch_of_datagrams_is_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let all: [&[u8]; 5] = [b"one", b"", b"three", b"four", b"five"];
    for bytes in all {
        peer.send_to(bytes, address);
    }
    socket.receive_batch(room(3), 1).expect("a receive can be started");
    let ReceivedBatch { datagrams, operation, result } = received_batch(&port);
    result.expect("datagrams have come");
    // A kernel that carries the operations gives one to each.
    let first = if world.is_kernel() { 1 } else { 3 };
    assert_eq!((operation, datagrams.len()), (1, first));
    for (datagram, bytes) in datagrams.iter().zip(all) {
        assert_eq!((datagram.bytes, datagram.info.peer), (bytes, Some(peer.address())));
        assert!(!datagram.is_truncated);
    }
    assert_eq!(gather(&port, &socket, 5 - first), all[first..]);
    assert_nothing_comes(&port);

    // One that waits.
    socket.receive_batch(room(3), 2).expect("a receive can be started");
    assert_nothing_comes(&port);
    peer.send_to(b"late", address);
    assert_eq!(contents(&received_batch(&port).datagrams), [b"late"]);
    assert_nothing_comes(&port);

    // Both ways.
    socket.send_batch(batch_to(peer.address(), &all), 3).expect("a send can be started");
    let SentBatch { datagrams, operation, sent, result } = sent_batch(&port);
    assert_eq!((operation, sent, contents(&datagrams)), (3, 5, all.map(<[u8]>::to_vec).to_vec()));
    result.expect("all were sent");
    for bytes in all {
        assert_eq!(peer.receive_from(), (bytes.to_vec(), address));
    }
    assert_nothing_comes(&port);
}

fn p150_batches_and_single_datagrams_keep_one_order(world: &World) {
    const COUNT: u64 = 200;
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    for number in 0..COUNT {
        match number % 2 {
            0 => drop(socket.receive_batch(room(1), number).expect("it can be started")),
            _ => drop(socket.receive_from(Buffer::with_capacity(8), number).expect("it can be")),
        }
    }
    for number in 0..COUNT {
        peer.send_to(&number.to_be_bytes(), address);
    }
    for number in 0..COUNT {
        let (operation, bytes) = match next(&port) {
            Packet::ReceivedBatch { datagrams, operation, .. } => {
                (operation, contents(&datagrams).concat())
            }
            Packet::ReceivedFrom { buffer, operation, .. } => (operation, buffer.to_vec()),
            other => panic!("the packet of a receive was owed, not {other:?}"),
        };
        assert_eq!((operation, bytes), (number, number.to_be_bytes().to_vec()));
    }
    // More than one call takes, to two peers in turn, with single ones in between.
    let other = world.datagram_peer();
    let mut batch = Datagrams::new();
    for number in 0..COUNT {
        let to = if number % 2 == 0 { &peer } else { &other };
        batch.push(to.address(), &number.to_be_bytes());
    }
    socket.send_batch(batch, 1).expect("a send can be started");
    socket.send_to(b"behind it", peer.address(), 2).expect("a send can be started");
    assert_eq!(outcome(next(&port)), (1, None));
    assert_eq!(outcome(next(&port)), (2, None));
    for number in 0..COUNT {
        let to = if number % 2 == 0 { &peer } else { &other };
        assert_eq!(to.receive_from().0, number.to_be_bytes());
    }
    assert_eq!(peer.receive_from().0, b"behind it");
}

fn p34_a_datagram_larger_than_its_room_in_a_batch_says_so(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    for bytes in [&b"fits"[..], b"does not fit", b"next"] {
        peer.send_to(bytes, address);
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        socket.receive_batch(Datagrams::with_room(3, 4), 1).expect("it can be started");
        let ReceivedBatch { datagrams, result, .. } = received_batch(&port);
        result.expect("a truncated datagram is no error of the batch");
        let each = datagrams.iter().map(|one| (one.bytes.to_vec(), one.is_truncated));
        seen.extend(each.collect::<Vec<_>>());
    }
    let expected = [(&b"fits"[..], false), (b"does", true), (b"next", false)];
    assert_eq!(seen, expected.map(|(bytes, truncated)| (bytes.to_vec(), truncated)));
}

fn p33_a_batch_that_cannot_begin_gives_everything_back(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let refused = socket.receive_batch(Datagrams::new(), 1).expect_err("it has no room");
    assert_eq!(refused.error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(refused.returned.1, 1);
    let refused = socket.send_batch(Datagrams::new(), 1).expect_err("there is nothing in it");
    assert_eq!(refused.error.kind(), io::ErrorKind::InvalidInput);
    let too_long = vec![7; 70_000];
    let refused = socket.send_batch(batch_to(address, &[&too_long, b"x"]), 2);
    let refused = refused.expect_err("no datagram is so long");
    assert_eq!(refused.error.raw_os_error(), Some(errno::MESSAGE_TOO_LONG));
    assert_eq!((refused.returned.0.len(), refused.returned.1), (2, 2));
    let of_the_other_family = (family::other_loopback(), 9).into();
    let refused = socket.send_batch(batch_to(of_the_other_family, &[b"x"]), 3);
    let refused = refused.expect_err("it is the other family");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    assert_nothing_comes(&port);
    socket.close();
    let refused = socket.receive_batch(room(1), 4).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    let refused = socket.send_batch(batch_to(address, &[b"x"]), 5).expect_err("it is closed");
    assert_eq!((refused.returned.0.len(), refused.returned.1), (1, 5));
    assert_nothing_comes(&port);
}

/// What went out is said, and the rest can be sent on.
fn p34_a_batch_that_fails_in_the_middle_says_how_many_went_out(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let too_long = vec![7; 70_000];
    let batch = batch_to(peer.address(), &[b"one", b"two", &too_long, b"four"]);
    socket.send_batch(batch, 1).expect("it can begin");
    let SentBatch { mut datagrams, operation, sent, result } = sent_batch(&port);
    assert_eq!((operation, sent), (1, 2));
    assert_eq!(code(&result), Some(errno::MESSAGE_TOO_LONG));
    datagrams.remove_first(sent + 1);
    assert_eq!(contents(&datagrams), [b"four"]);
    socket.send_batch(datagrams, 2).expect("it can be started");
    assert_eq!(outcome(next(&port)), (2, None));
    for bytes in [&b"one"[..], b"two", b"four"] {
        assert_eq!(peer.receive_from().0, bytes);
    }
}

fn p132_no_datagram_is_lost_by_a_cancelled_batch(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let first = socket.receive_batch(room(2), 1).expect("it can be started");
    socket.receive_batch(room(2), 2).expect("it can be started");
    socket.cancel(first).expect("it waits");
    let packet = received_batch(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert!(packet.datagrams.is_empty());
    peer.send_to(b"whole", address);
    let packet = received_batch(&port);
    assert_eq!((packet.operation, contents(&packet.datagrams)), (2, vec![b"whole".to_vec()]));
}

fn p140_closing_aborts_every_batch(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    for number in 0..3 {
        socket.receive_batch(room(2), number).expect("it can be started");
    }
    socket.close();
    for number in 0..3 {
        assert_eq!(outcome(next(&port)), (number, Some(errno::CANCELED)));
    }
    assert_eq!(port.snapshot().devices, 0);
}

/// Its own address, the interface and the bits of congestion notification, and an answer that goes
/// out the same way.
fn what_goes_with_a_datagram_is_told_and_can_be_chosen(world: &World) {
    let port = world.exact_port(1);
    let (one, address) = world.datagram(&port, 1);
    let (other, address_of_other) = world.datagram(&port, 2);
    let wine = "what Wine does of this was not looked at";
    if wine_differs(world, "what_goes_with_a_datagram_is_told_and_can_be_chosen", wine) {
        return;
    }
    let mut interface = None;
    for ecn in [Ecn::NotCapable, Ecn::Capable0, Ecn::Capable1, Ecn::Experienced] {
        let mut batch = Datagrams::new();
        let local = Some(address_of_other.ip());
        batch.push(DatagramInfo { ecn, local, interface, ..address.into() }, b"marked");
        other.send_batch(batch, 1).expect("a send can be started");
        sent_batch(&port).result.expect("it was sent");
        one.receive_batch(room(1), 2).expect("a receive can be started");
        let batch = received_batch(&port).datagrams;
        let datagram = batch.iter().next().expect("it has come");
        assert_eq!(datagram.info.peer, Some(address_of_other));
        assert_eq!(datagram.info.local, Some(address.ip()));
        assert_eq!(datagram.info.ecn, ecn);
        interface = datagram.info.interface;
        assert!(interface.is_some_and(|index| index > 0), "the system says by which it came");

        let mut answer = Datagrams::new();
        answer.push(datagram.info.reply(), b"answer");
        one.send_batch(answer, 3).expect("a send can be started");
        sent_batch(&port).result.expect("it was sent");
        assert_eq!(gather(&port, &other, 1), [b"answer"]);
    }
    // An address that is not ours is not sent from.
    let stranger = if family::is_v6() { "2001:db8::1" } else { "192.0.2.1" };
    let mut batch = Datagrams::new();
    let local = Some(stranger.parse().expect("an address"));
    batch.push(DatagramInfo { local, ..address.into() }, b"x");
    other.send_batch(batch, 4).expect_err("it is not ours");
    assert_nothing_comes(&port);
}

/// Whether the system cuts it, or each goes out alone.
fn a_run_of_datagrams_arrives_as_each_of_them(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let bytes: Vec<u8> = (0..1_000).map(|number| (number % 251) as u8).collect();
    let mut batch = Datagrams::new();
    let in_runs = |size| DatagramInfo {
        segment_size: NonZeroU16::new(size),
        ..DatagramInfo::from(peer.address())
    };
    batch.push(in_runs(300), &bytes);
    batch.push(peer.address(), b"alone");
    batch.push(in_runs(10), &bytes);
    assert_eq!(batch.len(), 4 + 1 + 100);
    socket.send_batch(batch, 1).expect("a send can be started");
    let SentBatch { sent, result, .. } = sent_batch(&port);
    result.expect("all were sent");
    assert_eq!(sent, 105);
    for expected in bytes.chunks(300).chain([&b"alone"[..]]).chain(bytes.chunks(10)) {
        assert_eq!(peer.receive_from().0, expected);
    }
}

fn a_connected_socket_exchanges_datagrams_with_its_peer_alone(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let stranger = world.datagram_peer();
    socket.send(b"to nobody", 1).expect_err("it is not connected yet");
    socket.connect(peer.address()).expect("it can be connected");
    socket.send(b"alone", 2).expect("a send can be started");
    assert_eq!(outcome(next(&port)), (2, None));
    let mut batch = Datagrams::new();
    batch.push(DatagramInfo::default(), b"in");
    batch.push(DatagramInfo::default(), b"batch");
    socket.send_batch(batch, 3).expect("a send can be started");
    assert_eq!(outcome(next(&port)), (3, None));
    for bytes in [&b"alone"[..], b"in", b"batch"] {
        assert_eq!(peer.receive_from().0, bytes);
    }
    stranger.send_to(b"strange", address);
    peer.send_to(b"known", address);
    assert_eq!(gather(&port, &socket, 1), [b"known"]);
    socket.connect(stranger.address()).expect("it can be connected to another one");
    stranger.send_to(b"no longer strange", address);
    assert_eq!(gather(&port, &socket, 1), [b"no longer strange"]);
}

fn that_nobody_is_at_the_peers_address_ends_one_operation_and_never_the_socket(world: &World) {
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let wine = "what Wine does of this was not looked at";
    let name = "that_nobody_is_at_the_peers_address_ends_one_operation_and_never_the_socket";
    if wine_differs(world, name, wine) {
        return;
    }
    let gone = world.datagram_peer().address();
    socket.connect(gone).expect("it asks nobody");
    for number in 0..3 {
        socket.receive_batch(room(1), number).expect("a receive can be started");
        socket.send(b"anybody?", 10).expect("nothing was told yet");
        let mut outcomes = [outcome(next(&port)), outcome(next(&port))];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(number, Some(errno::REFUSED)), (10, None)]);
    }
    let peer = world.datagram_peer();
    socket.connect(peer.address()).expect("it can be connected to another one");
    socket.send(b"somebody", 11).expect("the socket goes on");
    assert_eq!(outcome(next(&port)), (11, None));
    assert_eq!(peer.receive_from().0, b"somebody");
}

/// A send that has to wait in the middle goes on where it was, and a cancel says how far it came.
#[test]
fn p132_a_cancelled_batch_says_how_many_it_has_sent() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (socket, _) = world.datagram(&port, 1);
    let peer = world.datagram_peer();
    let faults = network.faults();
    let batch = || batch_to(peer.address(), &[b"one", b"two", b"three"]);
    faults.fail(Call::SendTo, 2, errno::WOULD_BLOCK);
    socket.send_batch(batch(), 1).expect("it can be started");
    let SentBatch { sent, result, .. } = sent_batch(&port);
    assert!(result.is_ok() && sent == 3);
    let made = faults.calls(Call::SendTo);
    faults.fail(Call::SendTo, made + 2, errno::WOULD_BLOCK);
    let id = socket.send_batch(batch(), 2).expect("it can be started");
    socket.cancel(id).expect("it waits");
    let SentBatch { datagrams, sent, result, .. } = sent_batch(&port);
    assert_eq!((sent, code(&result), datagrams.len()), (1, Some(errno::CANCELED), 3));
    for bytes in [&b"one"[..], b"two", b"three", b"one"] {
        assert_eq!(peer.receive_from().0, bytes);
    }
}

/// The kernel hands over in one piece what came in one, and the batch takes it apart.
#[cfg(target_os = "linux")]
#[test]
fn epoll_coalesced_datagrams_are_taken_apart() {
    let world = World::System;
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    let (sender, _) = world.datagram(&port, 2);
    if let Err(error) = socket.set_coalescing(true) {
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        println!("skipped: epoll_coalesced_datagrams_are_taken_apart: the kernel has no UDP_GRO");
        return;
    }
    let refused = socket.receive_from_pooled(1).expect_err("it may come several as one");
    assert_eq!(refused.error.kind(), io::ErrorKind::Unsupported);
    let bytes: Vec<u8> = (0..1_000).map(|number| (number % 251) as u8).collect();
    let mut batch = Datagrams::new();
    let segment_size = NonZeroU16::new(300);
    batch.push(DatagramInfo { segment_size, ..address.into() }, &bytes);
    sender.send_batch(batch, 2).expect("a send can be started");
    assert_eq!(outcome(next(&port)), (2, None));
    socket.receive_batch(Datagrams::with_room(4, 65_535), 3).expect("it can be started");
    let batch = received_batch(&port).datagrams;
    assert_eq!(contents(&batch), bytes.chunks(300).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let size = batch.iter().next().and_then(|first| first.info.segment_size);
    println!("the kernel said the size of a run: {size:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn epoll_groups_are_joined_and_left() {
    let world = World::System;
    let port = world.exact_port(1);
    let everywhere = world.datagram_socket(([0, 0, 0, 0], 0).into()).expect("it can be bound");
    let number = everywhere.local_addr().expect("it is bound").port();
    let socket = port.associate(everywhere, 1).expect("it is associated");
    let (sender, _) = world.datagram(&port, 2);
    // The loopback interface has the first index.
    let group = [239, 255, 7, 9];
    sender.set_multicast_interface(1).expect("there is a loopback interface");
    sender.set_multicast_loop(true).expect("it is on");
    sender.set_multicast_ttl(1).expect("an option can be set");
    socket.join_multicast(group.into(), 1).expect("a group can be joined");
    let to_group = || batch_to((group, number).into(), &[b"to all"]);
    sender.send_batch(to_group(), 1).expect("a send can be started");
    assert_eq!(outcome(next(&port)), (1, None));
    socket.receive_batch(room(1), 2).expect("a receive can be started");
    let batch = received_batch(&port).datagrams;
    let info = batch.iter().next().expect("it has come").info;
    assert_eq!((info.local, info.interface), (Some(group.into()), Some(1)));
    assert_eq!(info.reply().local, None, "nobody sends from the address of a group");
    socket.leave_multicast(group.into(), 1).expect("it was joined");
    let error = socket.leave_multicast(group.into(), 1).expect_err("it was left");
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}

fn the_options_of_a_socket_are_set(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 1);
    socket.set_fragmentation(false).expect("an option can be set");
    socket.set_fragmentation(true).expect("an option can be set");
    let is_simulated = matches!(world, World::Simulated(_));
    if let Err(error) = socket.set_coalescing(false) {
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    }
    if is_simulated {
        let error = socket.join_multicast(address.ip(), 0).expect_err("there are no groups");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
    socket.close();
    let error = socket.set_fragmentation(true).expect_err("it is closed");
    assert_eq!(error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
}

on_every_driver_and_family! {
    p33_a_batch_that_cannot_begin_gives_everything_back,
    p34_a_batch_that_fails_in_the_middle_says_how_many_went_out,
    p34_a_datagram_larger_than_its_room_in_a_batch_says_so,
    p46_a_batch_of_datagrams_is_one_packet,
    p132_no_datagram_is_lost_by_a_cancelled_batch,
    p140_closing_aborts_every_batch,
    p150_batches_and_single_datagrams_keep_one_order,
    a_connected_socket_exchanges_datagrams_with_its_peer_alone,
    a_run_of_datagrams_arrives_as_each_of_them,
    that_nobody_is_at_the_peers_address_ends_one_operation_and_never_the_socket,
    the_options_of_a_socket_are_set,
    what_goes_with_a_datagram_is_told_and_can_be_chosen,
}
