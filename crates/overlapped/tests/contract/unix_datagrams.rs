//! Unix datagram sockets: what is not as with UDP, and that the rest is.
#![cfg(target_os = "linux")]

use crate::errno;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{
    Buffer, DatagramInfo, DatagramSocket, Datagrams, OrPacket, Packet, PacketKind, Port, UdpSocket,
    is_aborted, is_timed_out,
};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::Duration;

/// A path of this test alone, at which nothing is.
fn fresh_path(test: &str) -> PathBuf {
    let name = format!("overlapped-{}-datagrams-{test}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    path
}

/// A name of this test alone, which needs no file.
fn name(test: &str) -> SocketAddr {
    let name = format!("overlapped-{}-datagrams-{test}", std::process::id());
    SocketAddr::from_abstract_name(name).expect("it is a name")
}

fn bound(port: &Port<Numbers>, address: &SocketAddr) -> UdpSocket<Numbers> {
    let socket = UnixDatagram::bind_addr(address).expect("the address is free");
    port.associate(socket, 7).expect("a socket of the standard library is associated")
}

fn unbound(port: &Port<Numbers>) -> UdpSocket<Numbers> {
    let socket = UnixDatagram::unbound().expect("a socket can be made");
    port.associate(socket, 5).expect("a socket of the standard library is associated")
}

/// One of a pair on the port, and the other one outside of it.
fn pair(port: &Port<Numbers>) -> (UdpSocket<Numbers>, UnixDatagram) {
    let (ours, peer) = UnixDatagram::pair().expect("a pair can be made");
    (port.associate(ours, 5).expect("one of a pair is associated"), peer)
}

/// Binds a socket outside of the port, whose calls do not wait for ever.
fn outside(address: &SocketAddr) -> UnixDatagram {
    let socket = UnixDatagram::bind_addr(address).expect("the address is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    socket
}

fn sent_to(port: &Port<Numbers>) -> (u64, usize, io::Result<()>) {
    match next(port) {
        Packet::SentTo { operation, transferred, result, .. } => (operation, transferred, result),
        other => panic!("the packet of a send was owed, not {other:?}"),
    }
}

fn assert_sent(port: &Port<Numbers>, number: u64, length: usize) {
    let (operation, transferred, result) = sent_to(port);
    result.expect("nothing is in its way");
    assert_eq!((operation, transferred), (number, length));
}

fn received_unix(port: &Port<Numbers>) -> (Buffer, io::Result<Box<SocketAddr>>) {
    match next(port) {
        Packet::ReceivedFromUnix { buffer, result, .. } => (buffer, result),
        other => panic!("the packet of a receive was owed, not {other:?}"),
    }
}

/// Receives one datagram and nothing else.
fn receive_one(port: &Port<Numbers>, socket: &UdpSocket<Numbers>) -> (Vec<u8>, SocketAddr) {
    socket.receive_from_unix(Buffer::with_capacity(100), 77).expect("a receive can be started");
    let (buffer, result) = received_unix(port);
    (buffer.to_vec(), *result.expect("a datagram came"))
}

/// Sends to the peer, numbered from 0, until a send finds no room; gives its number. The packets of those before it
/// are taken.
fn send_until_one_waits(port: &Port<Numbers>, client: &UdpSocket<Numbers>) -> u64 {
    let waits = (0..10_000).find(|number| {
        let queued = port.snapshot().queued;
        client.send(vec![*number as u8; 3], *number).expect("a full queue is no error");
        port.snapshot().queued == queued
    });
    let waits = waits.expect("the receiver takes everything although it does not receive");
    for number in 0..waits {
        assert_sent(port, number, 3);
    }
    waits
}

/// Fills the receiver's queue with what others send.
fn fill(address: &SocketAddr) {
    for _ in 0..1_000 {
        let other = UnixDatagram::unbound().expect("a socket can be made");
        other.set_nonblocking(true).expect("a socket need not block");
        let room = (0..1_000).take_while(|_| other.send_to_addr(b"other", address).is_ok());
        if room.count() == 0 {
            return;
        }
    }
    panic!("the receiver takes everything although it does not receive");
}

#[test]
fn datagrams_keep_their_bounds_and_name_their_sender() {
    let port = World::System.exact_port(1);
    let path = fresh_path("bounds");
    let server_at = SocketAddr::from_pathname(&path).expect("it is short");
    let client_at = name("bounds");
    let server = bound(&port, &server_at);
    let client = bound(&port, &client_at);
    let nameless = unbound(&port);
    assert_eq!(server.unix_local_addr().expect("it is bound").as_pathname(), Some(&*path));
    assert!(nameless.unix_local_addr().expect("it is open").is_unnamed());

    let parts = vec![Buffer::from(b"two "), Buffer::from(b"parts")];
    client.send_to_unix(parts, server_at.clone(), 1).expect("somebody is there");
    assert_sent(&port, 1, 9);
    client.send_to_unix((), server_at.clone(), 2).expect("an empty datagram is one");
    assert_sent(&port, 2, 0);
    nameless.send_to_unix(b"from nobody", server_at.clone(), 3).expect("somebody is there");
    assert_sent(&port, 3, 11);
    let of_client = client_at.as_abstract_name();
    let (bytes, sender) = receive_one(&port, &server);
    assert_eq!((&bytes[..], sender.as_abstract_name()), (&b"two parts"[..], of_client));
    let (bytes, sender) = receive_one(&port, &server);
    assert_eq!((&bytes[..], sender.as_abstract_name()), (&b""[..], of_client));
    server.receive_from_unix_pooled(4).expect("a receive can be started");
    let (buffer, sender) = received_unix(&port);
    assert_eq!(&buffer[..], b"from nobody");
    assert!(sender.expect("it came").is_unnamed());

    // From a path, to whoever asked, while the receive waits already.
    client.receive_from_unix(Buffer::with_capacity(10), 5).expect("a receive can be started");
    assert_nothing_comes(&port);
    server.send_to_unix(b"answer", client_at, 6).expect("somebody is there");
    assert_sent(&port, 6, 6);
    let packet = next(&port);
    assert_eq!((packet.kind(), packet.operation()), (PacketKind::ReceivedFromUnix, Some(&5)));
    let Packet::ReceivedFromUnix { socket, buffer, result, .. } = packet else { unreachable!() };
    assert_eq!((*socket.key(), &buffer[..], buffer.capacity()), (7, &b"answer"[..], 10));
    assert_eq!(result.expect("it came").as_pathname(), Some(&*path));

    // The receive of UDP tells no name.
    nameless.send_to_unix(b"plain", server_at, 8).expect("somebody is there");
    assert_sent(&port, 8, 5);
    server.receive_from(Buffer::with_capacity(10), 9).expect("a receive can be started");
    match next(&port) {
        Packet::ReceivedFrom { buffer, result, .. } => {
            assert_eq!(&buffer[..], b"plain");
            let none = "0.0.0.0:0".parse().expect("an address");
            assert_eq!(result.expect("it came"), none);
            assert_eq!(server.local_addr().expect("it is open"), none);
        }
        other => panic!("the packet of a receive was owed, not {other:?}"),
    }
    std::fs::remove_file(path).expect("the server made it");
}

#[test]
fn a_datagram_larger_than_the_buffer_is_cut_and_the_next_one_is_whole() {
    let port = World::System.exact_port(1);
    let (ours, peer) = pair(&port);
    peer.send(b"too large").expect("there is room");
    peer.send(b"fits").expect("there is room");
    ours.receive_from_unix(Buffer::with_capacity(4), 1).expect("a receive can be started");
    let (buffer, result) = received_unix(&port);
    assert_eq!((&buffer[..], code(&result)), (&b"too "[..], Some(errno::MESSAGE_TOO_LONG)));
    assert_eq!(receive_one(&port, &ours).0, b"fits");
}

#[test]
fn a_datagram_may_be_longer_than_one_of_udp_up_to_the_send_buffer() {
    let port = World::System.exact_port(1);
    let (ours, peer) = pair(&port);
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    // More buffers than one call of the system takes, and more bytes than any datagram of UDP has.
    let parts: Vec<Buffer> = (0..100).map(|part| Buffer::from(vec![part; 1_000])).collect();
    let whole: Vec<u8> = (0..100).flat_map(|part| [part; 1_000]).collect();
    ours.send(parts, 1).expect("the send buffer takes it");
    assert_sent(&port, 1, 100_000);
    let mut room = vec![0; 200_000];
    let length = peer.recv(&mut room).expect("it was sent");
    assert_eq!(&room[..length], whole);

    ours.set_send_buffer_size(8_192).expect("it can be set");
    let refused = ours.send(vec![1; 100_000], 2).expect_err("the send buffer is too small");
    assert_eq!(refused.error.raw_os_error(), Some(errno::MESSAGE_TOO_LONG));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (100_000, 2));
    ours.send(b"short", 3).expect("a refusal leaves the socket as it was");
    assert_sent(&port, 3, 5);
}

#[test]
fn a_connected_socket_sends_to_its_peer_and_receives_from_there_alone() {
    let port = World::System.exact_port(1);
    let (server_at, client_at) = (name("peer-server"), name("peer-client"));
    let server = outside(&server_at);
    let client = bound(&port, &client_at);
    let refused = client.send(b"to nobody", 1).expect_err("it is not connected");
    assert_eq!(refused.error.kind(), ErrorKind::NotConnected);
    client.connect_unix(&server_at).expect("somebody is there");
    client.send(b"hello", 2).expect("somebody is there");
    assert_sent(&port, 2, 5);
    let mut room = [0; 10];
    let (length, sender) = server.recv_from(&mut room).expect("it was sent");
    assert_eq!(
        (&room[..length], sender.as_abstract_name()),
        (&b"hello"[..], client_at.as_abstract_name())
    );

    let stranger = unbound(&port);
    let refused = stranger.send_to_unix(b"no", client_at.clone(), 3).expect_err("it has a peer");
    assert_eq!(refused.error.kind(), ErrorKind::PermissionDenied);
    server.send_to_addr(b"answer", &client_at).expect("it is its peer");
    assert_eq!(receive_one(&port, &client).0, b"answer");
}

#[test]
fn that_a_receiver_is_gone_is_the_error_of_one_send_and_the_socket_goes_on() {
    let port = World::System.exact_port(1);
    let path = fresh_path("gone");
    let gone_at = SocketAddr::from_pathname(&path).expect("it is short");
    let socket = unbound(&port);
    let send = |number| {
        let refused = socket.send_to_unix(b"lost", gone_at.clone(), number);
        let refused = refused.expect_err("nobody is there");
        assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, number));
        refused.error.kind()
    };
    assert_eq!(send(1), ErrorKind::NotFound);
    drop(outside(&gone_at));
    assert_eq!(send(2), ErrorKind::ConnectionRefused);
    let unconnected = socket.connect_unix(&gone_at).expect_err("nobody is there");
    assert_eq!(unconnected.kind(), ErrorKind::ConnectionRefused);
    let unnamed = UnixDatagram::unbound().and_then(|socket| socket.local_addr());
    let refused = socket.send_to_unix((), unnamed.expect("it is open"), 3).expect_err("no name");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);

    let peer_at = name("gone");
    let peer = outside(&peer_at);
    socket.connect_unix(&peer_at).expect("somebody is there");
    drop(peer);
    let refused = socket.send(b"lost", 4).expect_err("the peer has closed");
    assert_eq!(refused.error.kind(), ErrorKind::ConnectionRefused);

    let back = outside(&peer_at);
    socket.send_to_unix(b"found", peer_at, 5).expect("somebody is there again");
    assert_sent(&port, 5, 5);
    let mut room = [0; 10];
    assert_eq!(back.recv(&mut room).expect("it was sent"), 5);
    std::fs::remove_file(path).expect("it was made");
}

#[test]
fn a_send_waits_for_room_at_its_peer_and_goes_on_when_that_receives() {
    let port = World::System.exact_port(1);
    let address = name("peer-full");
    let server = outside(&address);
    let client = unbound(&port);
    client.connect_unix(&address).expect("somebody is there");
    let waits = send_until_one_waits(&port, &client);
    assert_nothing_comes(&port);
    let mut room = [0; 10];
    assert_eq!(server.recv(&mut room).expect("it was sent"), 3);
    assert_sent(&port, waits, 3);
    assert_eq!(port.counters().accept_deferrals, 0, "the system says when there is room");
    for number in 1..=waits {
        assert_eq!(server.recv(&mut room).expect("it was sent"), 3);
        assert_eq!(room[..3], [number as u8; 3], "in order");
    }

    // The peer goes while a send waits for it.
    let waits = send_until_one_waits(&port, &client);
    drop(server);
    let (operation, transferred, result) = sent_to(&port);
    assert_eq!((operation, transferred), (waits, 0));
    let kind = result.expect_err("the peer is gone").kind();
    assert!(matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::NotConnected), "{kind:?}");
}

#[test]
fn a_send_to_a_name_whose_queue_others_have_filled_waits_and_may_be_given_up() {
    let port = World::System.exact_port(1);
    let address = name("full");
    let server = outside(&address);
    fill(&address);
    let client = unbound(&port);
    let send = |number| {
        client.send_to_unix(b"late", address.clone(), number).expect("a full queue is no error")
    };
    let id = send(1);
    assert_nothing_comes(&port);
    client.set_limit(id, Some(Duration::from_millis(1))).expect("it is in flight");
    assert!(is_timed_out(&sent_to(&port).2.expect_err("there was no room")));
    let id = send(2);
    client.cancel(id).expect("it is in flight");
    assert!(is_aborted(&sent_to(&port).2.expect_err("it was cancelled")));

    send(3);
    assert_nothing_comes(&port);
    let mut room = [0; 10];
    let length = server.recv(&mut room).expect("others have sent");
    assert_eq!(&room[..length], b"other");
    assert_sent(&port, 3, 4);
    assert!(port.counters().accept_deferrals > 0, "it was tried again by the time");
    while room[..4] != *b"late" {
        server.recv(&mut room).expect("it was sent, and once");
    }
    server.set_nonblocking(true).expect("a socket need not block");
    let none = server.recv(&mut room).expect_err("what was given up was not sent");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);

    fill(&address);
    send(4);
    client.close();
    assert!(is_aborted(&sent_to(&port).2.expect_err("it was closed")));
}

#[test]
fn receives_are_cancelled_and_closed_as_those_of_udp_and_no_datagram_is_lost() {
    let port = World::System.exact_port(1);
    let (ours, peer) = pair(&port);
    let id = ours.receive_from_unix(Buffer::with_capacity(9), 1).expect("a receive starts");
    ours.receive_from_unix_pooled(2).expect("a receive starts");
    ours.cancel(id).expect("it is in flight");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    peer.send(b"first").expect("there is room");
    peer.send(b"second").expect("there is room");
    assert_eq!(&received_unix(&port).0[..], b"first");
    assert_eq!(receive_one(&port, &ours).0, b"second");

    ours.set_receive_limit(Some(Duration::from_millis(1)));
    ours.receive_from_unix_pooled(3).expect("a receive starts");
    let late = received_unix(&port).1.expect_err("nothing came");
    assert!(is_timed_out(&late));
    ours.set_receive_limit(None);
    ours.receive_from_unix_pooled(4).expect("a receive starts");
    ours.close();
    assert_eq!(outcome(next(&port)), (4, Some(errno::CANCELED)));
    assert_eq!(ours.receive_from_unix_pooled(5).or_packet(), None);
    let packet = next(&port);
    assert_eq!(packet.kind(), PacketKind::ReceivedFromUnix);
    assert_eq!(outcome(packet), (5, Some(errno::BAD_DESCRIPTOR)));
    assert_eq!(code(&ours.unix_local_addr()), Some(errno::BAD_DESCRIPTOR));
}

#[test]
fn what_only_udp_has_is_refused_by_a_line_that_says_so() {
    let port = World::System.exact_port(1);
    let (ours, peer) = pair(&port);
    peer.send(b"here").expect("there is room");
    let group = "224.0.0.251".parse().expect("an address");
    let mut batch = Datagrams::new();
    batch.push(DatagramInfo::default(), b"one");
    let receive = ours.receive_batch(Datagrams::with_room(2, 100), 1);
    let errors = [
        receive.expect_err("it is no socket of UDP").error,
        ours.send_batch(batch, 2).expect_err("it is no socket of UDP").error,
        ours.set_broadcast(true).expect_err("it is no socket of UDP"),
        ours.join_multicast(group, 0).expect_err("it is no socket of UDP"),
        ours.leave_multicast(group, 0).expect_err("it is no socket of UDP"),
        ours.set_multicast_interface(0).expect_err("it is no socket of UDP"),
        ours.set_multicast_loop(true).expect_err("it is no socket of UDP"),
        ours.set_multicast_ttl(1).expect_err("it is no socket of UDP"),
        ours.set_fragmentation(true).expect_err("it is no socket of UDP"),
        ours.set_coalescing(true).expect_err("it is no socket of UDP"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let line = error.to_string();
        assert!(line.contains("of UDP, and this is a Unix socket"), "{line}");
    }
    assert_eq!(receive_one(&port, &ours).0, b"here", "none of them took anything");
}

#[test]
fn the_family_of_a_socket_must_be_that_of_the_address_and_of_the_receive() {
    let port = World::System.exact_port(1);
    let address = name("family");
    let unix = bound(&port, &address);
    let internet = crate::family::any();
    let not_supported = Some(errno::FAMILY_NOT_SUPPORTED);
    let refused = unix.send_to((), internet, 1).expect_err("it is a Unix socket");
    assert_eq!(refused.error.raw_os_error(), not_supported);
    assert_eq!(code(&unix.connect(internet)), not_supported);

    for world in [World::System, World::simulated()] {
        let port = world.exact_port(1);
        let (udp, _) = world.datagram(&port, 5);
        let refused = udp.send_to_unix(b"no", address.clone(), 2).expect_err("it is of UDP");
        assert_eq!(refused.error.raw_os_error(), not_supported);
        assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (2, 2));
        let refused = udp.receive_from_unix(Buffer::with_capacity(9), 3).expect_err("of UDP");
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        assert_eq!((refused.returned.0.capacity(), refused.returned.1), (9, 3));
        let refused = udp.receive_from_unix_pooled(4).expect_err("it is of UDP");
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        udp.connect_unix(&address).expect_err("it is of UDP");
        let kind = udp.unix_local_addr().expect_err("it is of UDP").kind();
        assert_eq!(kind, ErrorKind::Unsupported);
    }
}

#[test]
fn a_socket_of_the_standard_library_comes_and_goes_with_what_it_has() {
    let port = World::System.exact_port(1);
    let (ours, peer) = pair(&port);
    peer.send(b"kept").expect("there is room");
    let socket = ours.into_socket().expect("it is the last handle");
    let ours = UnixDatagram::try_from(socket).expect("it is a Unix socket");
    ours.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut room = [0; 10];
    assert_eq!(ours.recv(&mut room).expect("it blocks, and has a datagram"), 4);

    let socket = DatagramSocket::try_from(ours).expect("it is taken over");
    let wrong = std::net::UdpSocket::try_from(socket).expect_err("it is a Unix socket");
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    let udp = World::System.datagram_socket(crate::family::any()).expect("it can be bound");
    let wrong = UnixDatagram::try_from(udp).expect_err("it is a socket of UDP");
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);

    port.close();
    let refused = port.associate(peer, 6).expect_err("the port is closed");
    assert_eq!(refused.returned.1, 6);
    let unsent = refused.returned.0.send(b"x").expect_err("its peer was closed");
    assert_eq!(unsent.kind(), ErrorKind::ConnectionRefused, "it is the socket that was given");
}

#[test]
fn a_sender_with_a_name_that_no_address_has_room_for_is_an_error_of_one_receive() {
    let port = World::System.exact_port(1);
    let address = name("long");
    let server = bound(&port, &address);
    let mut path = fresh_path("long").into_os_string().into_vec();
    // No room is left for the zero that ends a path.
    path.resize(108, b'x');
    let path = PathBuf::from(OsString::from_vec(path));
    let _ = std::fs::remove_file(&path);
    let client = UnixDatagram::unbound().expect("a socket can be made");
    let long = rustix::net::SocketAddrUnix::new(&path).expect("the system takes it");
    rustix::net::bind(&client, &long).expect("nothing is there");
    client.send_to_addr(b"long", &address).expect("somebody is there");
    server.receive_from_unix_pooled(1).expect("a receive can be started");
    let (buffer, result) = received_unix(&port);
    assert_eq!(&buffer[..], b"long");
    assert_eq!(result.expect_err("it has no address").kind(), ErrorKind::InvalidData);
    unbound(&port).send_to_unix(b"next", address, 2).expect("somebody is there");
    assert_sent(&port, 2, 4);
    assert_eq!(receive_one(&port, &server).0, b"next");
    std::fs::remove_file(path).expect("the client made it");
}
