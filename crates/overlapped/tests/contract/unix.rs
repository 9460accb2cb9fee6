//! Unix stream sockets: what is not as with TCP, and that the rest is.
#![cfg(target_os = "linux")]

use crate::disconnecting::disconnected;
use crate::errno;
use crate::packets::{
    accepted, assert_nothing_comes, code, connected, received, send_until_one_waits, sent,
    wait_for_data,
};
use crate::world::{Numbers, PATIENCE, World};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use overlapped::{
    AcceptWindow, Buffer, Buffers, KeepAlive, ListenSocket, Packet, Port, Received, TcpListener,
    TcpSocket, TcpStream, is_aborted, is_reset, is_timed_out,
};
use std::ffi::OsString;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// A path of this test alone, at which nothing is.
fn fresh_path(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("overlapped-{}-{test}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// A name of this test alone, which needs no file.
fn name(test: &str) -> SocketAddr {
    let name = format!("overlapped-{}-{test}", std::process::id());
    SocketAddr::from_abstract_name(name).expect("it is a name")
}

fn listen(port: &Port<Numbers>, address: &SocketAddr, backlog: u32) -> TcpListener<Numbers> {
    let socket = ListenSocket::bind_unix(address, backlog).expect("the address is free");
    port.associate(socket, 7).expect("a listener is associated")
}

fn fresh(port: &Port<Numbers>) -> TcpStream<Numbers> {
    let socket = TcpSocket::unix().expect("a socket can be made");
    port.associate(socket, 5).expect("a fresh socket is associated")
}

/// A stream of the port, and its peer outside, whose calls do not wait for ever.
fn pair(port: &Port<Numbers>) -> (TcpStream<Numbers>, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair can be made");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    (port.associate(ours, 5).expect("a stream of the standard library is associated"), peer)
}

fn refusal(stream: &TcpStream<Numbers>, to: &SocketAddr) -> io::Error {
    let refused = stream.connect_unix(to.clone(), vec![1], 9).expect_err("nobody listens there");
    let (buffers, operation) = refused.returned;
    assert_eq!((buffers.byte_len(), operation), (1, 9), "all is given back");
    refused.error
}

#[test]
fn a_path_is_listened_on_and_both_sides_are_streams_as_of_tcp() {
    let port = World::System.exact_port(1);
    let path = fresh_path("path");
    let address = SocketAddr::from_pathname(&path).expect("it is short");
    let listener = listen(&port, &address, 16);
    assert_eq!(listener.unix_local_addr().expect("it listens").as_pathname(), Some(&*path));
    listener.accept_window(AcceptWindow::new(2), || 3).expect("a window can be kept");
    let client = fresh(&port);
    client.connect_unix(address, vec![8; 4], 1).expect("there is room in the backlog");
    let packet = connected(&port);
    assert!(packet.result.is_ok());
    assert_eq!((packet.operation, packet.transferred), (1, 4));
    let accepted = accepted(&port).result.expect("somebody has connected");
    let none = "0.0.0.0:0".parse().expect("an address");
    assert_eq!((accepted.local, accepted.remote), (none, none), "it has none of the internet");
    let server = port.associate(accepted.socket, 6).expect("a connection is associated");
    assert_eq!(server.peer_addr().expect("it is connected"), none);
    assert_eq!(server.unix_local_addr().expect("it is connected").as_pathname(), Some(&*path));
    assert!(server.unix_peer_addr().expect("it is connected").is_unnamed());
    assert_eq!(client.unix_peer_addr().expect("it is connected").as_pathname(), Some(&*path));
    let peer = server.unix_peer_credentials().expect("it is connected");
    let us = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    assert_eq!((peer.process, (peer.user, peer.group)), (std::process::id(), us));

    server.receive_pooled(2).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], [8; 4]);
    server.send(b"answer", 3).expect("it is connected");
    assert_eq!(sent(&port).transferred, 6);
    server.shutdown(Shutdown::Write).expect("it is connected");
    client.receive_pooled(4).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"answer");
    client.receive_pooled(5).expect("it is connected");
    assert_eq!(received(&port).result.expect("the end is none"), Received::End);
    client.send(b"more", 6).expect("only the other direction has ended");
    assert_eq!(sent(&port).transferred, 4);
    server.receive_pooled(7).expect("it receives on");
    assert_eq!(&received(&port).buffer[..], b"more");
    std::fs::remove_file(path).expect("the listener made it");
}

#[test]
fn a_path_that_was_left_is_in_use_and_refuses_clients_until_it_is_removed() {
    let port = World::System.exact_port(1);
    let path = fresh_path("left");
    let address = SocketAddr::from_pathname(&path).expect("it is short");
    let stream = fresh(&port);
    assert_eq!(refusal(&stream, &address).kind(), ErrorKind::NotFound);
    listen(&port, &address, 16).close();
    assert!(path.exists(), "no close removes it");
    let again = ListenSocket::bind_unix(&address, 16);
    assert_eq!(again.expect_err("the file is there").kind(), ErrorKind::AddrInUse);
    assert_eq!(refusal(&stream, &address).kind(), ErrorKind::ConnectionRefused);
    std::fs::remove_file(&path).expect("the listener made it");
    let _listener = listen(&port, &address, 16);
    stream.connect_unix(address, (), 1).expect("a refusal leaves the stream as it was");
    assert!(connected(&port).result.is_ok());
    std::fs::remove_file(path).expect("the listener made it");
}

#[test]
fn an_abstract_name_ends_with_its_socket_and_no_name_is_refused() {
    let port = World::System.exact_port(1);
    let address = name("abstract");
    let listener = listen(&port, &address, 16);
    let local = listener.unix_local_addr().expect("it listens");
    assert_eq!(local.as_abstract_name(), address.as_abstract_name());
    listener.close();
    let stream = fresh(&port);
    assert_eq!(refusal(&stream, &address).kind(), ErrorKind::ConnectionRefused);
    let _again = listen(&port, &address, 16);
    let (unnamed, _other) = UnixStream::pair().expect("a pair can be made");
    let unnamed = unnamed.local_addr().expect("it is a pair");
    assert_eq!(refusal(&stream, &unnamed).kind(), ErrorKind::InvalidInput);
    let bound = ListenSocket::bind_unix(&unnamed, 1);
    assert_eq!(bound.expect_err("there is no name").kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_connect_to_a_full_backlog_waits_for_room_and_may_be_limited_or_cancelled() {
    let port = World::System.exact_port(1);
    let address = name("full");
    let listener = listen(&port, &address, 0);
    let _first = UnixStream::connect_addr(&address).expect("there is room for one");

    let late = fresh(&port);
    let id = late.connect_unix(address.clone(), (), 1).expect("a full backlog is no refusal");
    assert_nothing_comes(&port);
    late.set_limit(id, Some(Duration::from_millis(1))).expect("it is in flight");
    let packet = connected(&port);
    assert!(is_timed_out(&packet.result.expect_err("there was no room")));

    let cancelled = fresh(&port);
    let id = cancelled.connect_unix(address.clone(), (), 2).expect("it waits");
    cancelled.cancel(id).expect("it is in flight");
    assert!(is_aborted(&connected(&port).result.expect_err("it was cancelled")));
    let again = cancelled.connect_unix(address.clone(), (), 3).expect_err("as with TCP");
    assert_eq!(again.error.kind(), ErrorKind::InvalidInput);

    let waits = fresh(&port);
    waits.connect_unix(address, vec![4; 3], 4).expect("it waits");
    assert_nothing_comes(&port);
    listener.accept(5).expect("it listens");
    assert!(accepted(&port).result.is_ok());
    let packet = connected(&port);
    assert_eq!((packet.operation, packet.transferred), (4, 3));
    assert!(packet.result.is_ok());
}

#[test]
fn a_peer_with_a_name_as_long_as_the_system_takes_is_as_any_other() {
    let port = World::System.exact_port(1);
    let address = name("long");
    let listener = listen(&port, &address, 16);
    let mut path = fresh_path("long").into_os_string().into_vec();
    // No room is left for the zero that ends a path.
    path.resize(108, b'x');
    let path = PathBuf::from(OsString::from_vec(path));
    let client = TcpSocket::unix().expect("a socket can be made");
    let client = UnixStream::try_from(client).expect("it is a Unix socket");
    let long = rustix::net::SocketAddrUnix::new(&path).expect("the system takes it");
    rustix::net::bind(&client, &long).expect("nothing is there");
    let client = TcpSocket::try_from(client).expect("it is taken over");
    let client = port.associate(client, 5).expect("it is associated");
    client.connect_unix(address, (), 1).expect("there is room");
    assert!(connected(&port).result.is_ok());
    listener.accept(2).expect("it listens");
    let server = accepted(&port).result.expect("somebody has connected").socket;
    let server = port.associate(server, 6).expect("a connection is associated");
    for address in [server.unix_peer_addr(), client.unix_local_addr()] {
        assert_eq!(address.expect("it is connected").as_pathname(), Some(&*path));
    }
    std::fs::remove_file(path).expect("the client made it");
}

#[test]
fn the_family_of_a_socket_and_of_an_address_must_be_the_same() {
    let port = World::System.exact_port(1);
    let address = name("family");
    let _listener = listen(&port, &address, 16);
    let unix = fresh(&port);
    let refused = unix.connect(crate::family::any(), (), 1).expect_err("it is a Unix socket");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    let tcp = port.associate(World::System.socket(), 5).expect("a socket is associated");
    assert_eq!(refusal(&tcp, &address).raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    let (tcp, _peer) = World::System.stream(&port, 5);
    let of_unix = [
        tcp.unix_local_addr().err(),
        tcp.unix_peer_addr().err(),
        tcp.unix_peer_credentials().err(),
    ];
    for error in of_unix {
        assert_eq!(error.expect("it is of TCP").kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn options_of_tcp_are_refused_by_a_line_that_says_so_and_others_are_set() {
    let port = World::System.exact_port(1);
    let (stream, _peer) = pair(&port);
    let refused = [
        stream.set_nodelay(true).err(),
        stream.set_keep_alive(Some(KeepAlive::after(PATIENCE))).err(),
        stream.set_user_timeout(Some(PATIENCE)).err(),
        stream.set_reset_on_close(true).err(),
        stream.tcp_info().err(),
    ];
    for error in refused {
        let error = error.expect("a Unix socket does not have it");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("this is a Unix socket"), "{error}");
    }
    stream.set_send_buffer_size(8 << 10).expect("every socket has one");
    stream.set_receive_buffer_size(8 << 10).expect("every socket has one");
}

#[test]
fn sockets_of_the_standard_library_come_and_go_as_what_they_are() {
    let port = World::System.exact_port(1);
    let address = name("standard");
    let listener = UnixListener::bind_addr(&address).expect("the name is free");
    let listener = port.associate(listener, 1).expect("it is associated as it is");
    let mut client = UnixStream::connect_addr(&address).expect("there is room");
    listener.accept(2).expect("it listens");
    let socket = accepted(&port).result.expect("somebody has connected").socket;
    let mut server = UnixStream::try_from(socket).expect("it is a Unix socket");
    server.write_all(b"blocking").expect("it is connected");
    let mut room = [0; 8];
    client.read_exact(&mut room).expect("it is all there");
    assert_eq!(&room, b"blocking");
    let ours = TcpSocket::try_from(server).expect("it is taken over");
    let wrong = std::net::TcpStream::try_from(ours).expect_err("it is none of TCP");
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    let wrong = UnixStream::try_from(World::System.socket()).expect_err("it is one of TCP");
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    port.close();
    let refused = port.associate(client, 3).expect_err("the port is closed");
    let (client, key) = refused.returned;
    assert_eq!(key, 3);
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    assert_eq!((&client).read(&mut room).expect("it blocks, and is whole"), 0);
}

#[test]
fn what_is_received_with_descriptors_hides_nothing_that_lies_behind_it() {
    let port = World::System.exact_port(1);
    let (stream, peer) = pair(&port);
    let (descriptor, _other) = UnixStream::pair().expect("a pair can be made");
    let descriptors = [descriptor.as_raw_fd()];
    let with = [ControlMessage::ScmRights(&descriptors)];
    let bytes = [IoSlice::new(b"first")];
    sendmsg::<()>(peer.as_raw_fd(), &bytes, &with, MsgFlags::empty(), None).expect("it is sent");
    (&peer).write_all(b"second").expect("it is sent");
    // The system has said that there is data, and will not say so again.
    wait_for_data(&port, &stream);
    assert_nothing_comes(&port);
    for (number, expected) in [b"first".as_slice(), b"second"].into_iter().enumerate() {
        stream.receive_pooled(number as u64).expect("it is connected");
        assert_eq!(&received(&port).buffer[..], expected);
    }
    sendmsg::<()>(peer.as_raw_fd(), &bytes, &with, MsgFlags::empty(), None).expect("it is sent");
    (&peer).write_all(b"second").expect("it is sent");
    wait_for_data(&port, &stream);
    assert_nothing_comes(&port);
    for expected in [b"first".as_slice(), b"second"] {
        let rooms: Buffers = vec![Buffer::with_capacity(3), Buffer::with_capacity(9)].into();
        stream.receive_scattered(rooms, 1).expect("it is connected");
        let Packet::ReceivedScattered { result, .. } = crate::packets::next(&port) else {
            panic!("nothing else was started")
        };
        assert_eq!(result.expect("there is data"), Received::Data(expected.len()));
    }
}

#[test]
fn sends_go_out_whole_in_order_and_one_that_waits_may_be_cancelled() {
    const LENGTH: usize = 100_001;
    let port = World::System.exact_port(1);
    let (stream, peer) = pair(&port);
    let waits = send_until_one_waits(&port, &stream, LENGTH);
    let id = stream.send(vec![255; LENGTH], 999).expect("it is connected");
    stream.cancel(id).expect("it waits");
    for number in 0..waits {
        let packet = sent(&port);
        assert_eq!((packet.operation, packet.transferred), (number, LENGTH));
    }
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (999, 0));
    assert!(is_aborted(&packet.result.expect_err("it was cancelled")));
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        (&peer).read_to_end(&mut all).map(|_| all)
    });
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (waits, LENGTH));
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let all = reader.join().expect("it does not panic").expect("the peer can receive");
    let expected = (0..=waits).flat_map(|number| vec![number as u8; LENGTH]);
    assert!(all.into_iter().eq(expected), "the bytes are there once and in order");
}

#[test]
fn a_peer_that_goes_is_the_end_or_a_loss_and_a_close_ends_what_is_in_flight() {
    let port = World::System.exact_port(1);
    let (stream, peer) = pair(&port);
    stream.receive_pooled(1).expect("it is connected");
    drop(peer);
    assert_eq!(received(&port).result.expect("the end is none"), Received::End);
    stream.send(b"nobody", 2).expect_err("the peer is gone");

    let (stream, peer) = pair(&port);
    stream.send(b"unread", 1).expect("it is connected");
    assert!(sent(&port).result.is_ok());
    stream.receive_pooled(2).expect("it is connected");
    drop(peer);
    assert!(is_reset(&received(&port).result.expect_err("what was sent is lost")));
    let refused = stream.receive_pooled(3).expect_err("it was lost");
    assert!(is_reset(&refused.error));

    let (stream, peer) = pair(&port);
    stream.receive_pooled(1).expect("it is connected");
    stream.close();
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!((&peer).read(&mut [0]).expect("the end is none"), 0);

    let (stream, peer) = pair(&port);
    stream.send(b"last", 1).expect("it is connected");
    assert!(sent(&port).result.is_ok());
    stream.abort();
    let mut all = Vec::new();
    (&peer).read_to_end(&mut all).expect("an abort is a close here");
    assert_eq!(all, b"last");
}

#[test]
fn a_stream_is_disconnected_and_used_again_for_a_connect_and_an_accept() {
    let port = World::System.exact_port(1);
    let address = name("again");
    let listener = listen(&port, &address, 16);
    let client = fresh(&port);
    client.connect_unix(address.clone(), (), 1).expect("there is room");
    assert!(connected(&port).result.is_ok());
    listener.accept(2).expect("it listens");
    let server = accepted(&port).result.expect("somebody has connected").socket;
    let server = port.associate(server, 6).expect("a connection is associated");
    for stream in [&client, &server] {
        stream.disconnect(3).expect("it is connected");
        assert!(disconnected(&port).2.is_ok());
        assert_eq!(code(&stream.unix_peer_addr()), Some(errno::NOT_CONNECTED));
        assert_eq!(code(&stream.unix_peer_credentials()), Some(errno::NOT_CONNECTED));
    }
    client.connect_unix(address, b"again", 4).expect("there is room");
    assert!(connected(&port).result.is_ok());
    listener.accept_into(&server, 5).expect("it was disconnected");
    match crate::packets::next(&port) {
        Packet::AcceptedInto { result, .. } => drop(result.expect("somebody has connected")),
        other => panic!("nobody started {other:?}"),
    }
    server.receive_pooled(6).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"again");
}
