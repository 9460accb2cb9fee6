//! Which handle is which, and sockets that come to a port from elsewhere and leave it again.

use crate::family::any;
use crate::on_every_driver;
use crate::packets::next;
use crate::world::{PATIENCE, World};
use overlapped::{AcceptWindow, Buffer, Packet, Received, Refused, TcpSocket, TcpStream};
use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};

fn handles_are_equal_if_they_are_clones_and_each_has_a_number_of_its_own(world: &World) {
    let port = world.exact_port(1);
    let (one, _peer) = world.stream(&port, 1);
    let (other, _other_peer) = world.stream(&port, 1);
    let clone = one.clone();
    assert!(one == clone && one != other);
    assert_eq!(one.id(), clone.id());
    #[allow(clippy::mutable_key_type, reason = "only the number is hashed, which does not change")]
    let all: HashSet<_> = [one.clone(), clone, other.clone()].into_iter().collect();
    assert_eq!(all.len(), 2);
    one.send(b"x", 2).expect("a send starts");
    let Packet::Sent { stream, .. } = next(&port) else { panic!("a send was owed") };
    assert_eq!(stream, one);
    let gone = other.id();
    drop((all, other));
    let (later, _later_peer) = world.stream(&port, 1);
    assert!(![one.id(), gone].contains(&later.id()), "a number is not used again");
}

/// The socket, unless the system cannot take it out, which it says then.
fn taken_out<S, H>(test: &str, taken: Result<S, Refused<H>>) -> Option<S> {
    match taken {
        Err(refused) if cfg!(windows) && refused.error.kind() == ErrorKind::Unsupported => {
            println!("skipped: {test}: {refused}");
            None
        }
        taken => Some(taken.expect("nobody else has it")),
    }
}

fn a_socket_that_is_taken_out_goes_on_in_another_port(world: &World) {
    let (port, other) = (world.exact_port(1), world.exact_port(1));
    let (stream, peer) = world.stream(&port, 1);
    let address = stream.peer_addr().expect("it is connected");
    stream.receive(Buffer::with_capacity(8), 2).expect("a receive starts");
    peer.send(b"one");
    let Packet::Received { buffer, .. } = next(&port) else { panic!("a receive was owed") };
    assert_eq!(&buffer[..], b"one");
    peer.send(b"two");
    let name = "a_socket_that_is_taken_out_goes_on_in_another_port";
    let Some(socket) = taken_out(name, stream.into_socket()) else { return };
    assert_eq!(port.snapshot().devices, 0, "it has left");
    assert_eq!(socket.peer_addr().expect("it is connected"), address);
    let stream = other.associate(socket, 3).expect("it goes to any port");
    stream.receive(Buffer::with_capacity(8), 4).expect("a receive starts");
    let Packet::Received { stream, buffer, result, .. } = next(&other) else {
        panic!("a receive was owed")
    };
    assert_eq!((result.expect("it succeeds"), &buffer[..]), (Received::Data(3), &b"two"[..]));
    stream.send(b"three", 5).expect("a send starts");
    assert_eq!(peer.receive_exact(5), b"three");
    assert!(
        port.try_take().expect("the port is open").is_none(),
        "the first port has nothing of it"
    );
}

fn a_socket_stays_while_anybody_else_has_a_handle_of_it(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 1);
    let busy = |stream: TcpStream<_>| {
        let refused = stream.into_socket().expect_err("another handle is held");
        assert_eq!(refused.error.kind(), ErrorKind::ResourceBusy, "{refused}");
        refused.returned
    };
    let clone = stream.clone();
    let stream = busy(stream);
    drop(clone);
    stream.receive(Buffer::with_capacity(8), 2).expect("a receive starts");
    let stream = busy(stream);
    peer.send(b"x");
    let packet = next(&port);
    let stream = busy(stream);
    drop(packet);
    stream.close();
    let refused = stream.into_socket().expect_err("it is closed");
    assert_ne!(refused.error.kind(), ErrorKind::ResourceBusy);

    let (listener, _) = world.listen(&port, 1);
    listener.accept_window(AcceptWindow::new(1), || 0).expect("a window can be set");
    let refused = listener.into_socket().expect_err("its window has a handle");
    assert_eq!(refused.error.kind(), ErrorKind::ResourceBusy);
}

fn listeners_and_datagram_sockets_leave_as_well(world: &World) {
    let (port, other) = (world.exact_port(1), world.exact_port(1));
    let name = "listeners_and_datagram_sockets_leave_as_well";
    let (listener, address) = world.listen(&port, 1);
    let Some(socket) = taken_out(name, listener.into_socket()) else { return };
    let listener = other.associate(socket, 2).expect("it goes to any port");
    listener.accept(3).expect("an accept is posted");
    let _peer = world.connect(address);
    let Packet::Accepted { result: Ok(_), .. } = next(&other) else { panic!("an accept was owed") };

    let (datagrams, address) = world.datagram(&port, 1);
    let Some(socket) = taken_out(name, datagrams.into_socket()) else { return };
    let datagrams = other.associate(socket, 2).expect("it goes to any port");
    datagrams.receive_from(Buffer::with_capacity(8), 4).expect("a receive starts");
    world.datagram_peer().send_to(b"x", address);
    let Packet::ReceivedFrom { result: Ok(_), .. } = next(&other) else {
        panic!("a receive was owed")
    };
}

on_every_driver! {
    handles_are_equal_if_they_are_clones_and_each_has_a_number_of_its_own,
    a_socket_that_is_taken_out_goes_on_in_another_port,
    a_socket_stays_while_anybody_else_has_a_handle_of_it,
    listeners_and_datagram_sockets_leave_as_well,
}

#[test]
fn sockets_of_the_standard_library_are_associated_as_they_are() {
    let port = World::System.exact_port(1);
    let listener = TcpListener::bind(any()).expect("one can listen");
    let address = listener.local_addr().expect("it is bound");
    let listener = port.associate(listener, 1).expect("it is associated");
    listener.accept(2).expect("an accept is posted");
    let client = std::net::TcpStream::connect(address).expect("the listener is there");
    let client = port.associate(client, 3).expect("it is associated");
    let Packet::Accepted { result, .. } = next(&port) else { panic!("an accept was owed") };
    let mut served = std::net::TcpStream::try_from(result.expect("a client has come").socket)
        .expect("it is one of the system's");
    served.set_read_timeout(Some(PATIENCE)).expect("an option can be set");
    client.send(b"ping", 4).expect("a send starts");
    let mut room = [0; 4];
    served.read_exact(&mut room).expect("it blocks until all is there");
    client.receive(Buffer::with_capacity(8), 5).expect("a receive starts");
    served.write_all(&room).expect("the client is there");
    let mut packets = [next(&port), next(&port)];
    packets.sort_by_key(|packet| matches!(packet, Packet::Received { .. }));
    let Packet::Received { buffer, .. } = &packets[1] else { panic!("a receive was owed") };
    assert_eq!(&buffer[..], b"ping");

    let datagrams = UdpSocket::bind(any()).expect("it can be bound");
    port.associate(datagrams, 6)
        .expect("it is associated")
        .receive_from_pooled(7)
        .expect("it starts");
}

#[test]
fn a_socket_of_the_standard_library_that_is_refused_comes_back_whole() {
    let port = World::System.exact_port(1);
    port.close();
    let listener = TcpListener::bind(any()).expect("one can listen");
    let address = listener.local_addr().expect("it is bound");
    let refused = port.associate(listener, 7).expect_err("the port is closed");
    let (listener, key) = refused.returned;
    assert_eq!((key, listener.local_addr().expect("it is bound")), (7, address));
    let client = std::net::TcpStream::connect(address).expect("it listens still");
    let (accepted, _) = listener.accept().expect("a client is there");
    let refused = port.associate(client, 8).expect_err("the port is closed");
    let (mut client, _) = refused.returned;
    client.set_read_timeout(Some(PATIENCE)).expect("an option can be set");
    #[cfg(target_os = "linux")]
    {
        let modes = rustix::fs::fcntl_getfl(&client).expect("it is open");
        assert!(!modes.contains(rustix::fs::OFlags::NONBLOCK), "it blocks as it did");
    }
    // On a socket that does not block, this would fail when nothing has come yet.
    let reader = std::thread::spawn(move || client.read(&mut [0; 8]));
    (&accepted).write_all(b"late").expect("the client is there");
    assert_eq!(reader.join().expect("it does not panic").expect("it waits"), 4);
}

#[test]
fn a_simulated_socket_is_none_of_the_standard_librarys() {
    let world = World::simulated();
    let (socket, _peer) = world.connected_socket();
    let refused = std::net::TcpStream::try_from(socket).expect_err("it is none of the system's");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_stream_that_left_its_port_is_one_of_the_standard_library() {
    let port = World::System.exact_port(1);
    let (socket, peer) = World::System.connected_socket();
    let stream = port.associate(socket, 1).expect("it is associated");
    peer.send(b"early");
    let name = "a_stream_that_left_its_port_is_one_of_the_standard_library";
    let Some(socket) = taken_out(name, stream.into_socket()) else { return };
    let mut stream = std::net::TcpStream::try_from(socket).expect("it is one of the system's");
    let mut room = [0; 5];
    stream.read_exact(&mut room).expect("it is all there");
    assert_eq!(&room, b"early");
    let socket = TcpSocket::try_from(stream).expect("it may come back");
    port.associate(socket, 2).expect("it is associated again");
}
