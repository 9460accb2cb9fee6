//! Options of sockets, and the descriptor by which others are set.

use crate::family::any;
use crate::on_every_driver;
use crate::packets::next;
use crate::world::{Numbers, World, wine_differs};
use overlapped::{DatagramSocket, KeepAlive, ListenSocket, Packet, TcpInfo, TcpSocket, TcpStream};
use socket2::SockRef;
use std::io;
use std::time::Duration;

fn every_option_is_accepted_and_a_closed_handle_refuses_each(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 1);
    let (datagram, _) = world.datagram(&port, 2);
    let keep_alive = KeepAlive::after(Duration::from_millis(1)).interval(Duration::ZERO).probes(3);
    let all = || {
        [
            stream.set_nodelay(true),
            stream.set_keep_alive(Some(keep_alive)),
            stream.set_keep_alive(Some(KeepAlive::default())),
            stream.set_keep_alive(None),
            stream.set_send_buffer_size(64 << 10),
            stream.set_receive_buffer_size(64 << 10),
            stream.set_reset_on_close(true),
            stream.set_reset_on_close(false),
            stream.tcp_info().map(|_| ()),
            datagram.set_broadcast(true),
            datagram.set_send_buffer_size(64 << 10),
            datagram.set_receive_buffer_size(64 << 10),
        ]
    };
    let refused: Vec<_> = all().into_iter().enumerate().filter(|(_, set)| set.is_err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    stream.close();
    datagram.close();
    assert!(all().iter().all(Result::is_err), "nothing is set on a closed handle");
}

fn a_stream_that_is_to_reset_on_close_does_so_whoever_closes_it(world: &World) {
    let port = world.exact_port(1);
    for resets in [true, false] {
        let (stream, peer) = world.stream(&port, 1);
        stream.set_reset_on_close(true).expect("it is open");
        stream.set_reset_on_close(resets).expect("it is open");
        drop(stream);
        let end = peer.receive(&mut [0; 8]);
        match resets {
            true => assert_eq!(
                end.expect_err("a reset was asked for").kind(),
                io::ErrorKind::ConnectionReset
            ),
            false => assert_eq!(end.expect("the end is a clean one"), 0),
        }
    }
}

fn a_socket_without_a_descriptor_says_so(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 1);
    let World::Simulated(_) = world else {
        stream.close();
        stream.descriptor().expect_err("a closed handle has none");
        return;
    };
    let refused = stream.descriptor().expect_err("it has none");
    assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
    assert_eq!(stream.tcp_info().expect("it is open"), TcpInfo::default());
}

on_every_driver! {
    every_option_is_accepted_and_a_closed_handle_refuses_each,
    a_stream_that_is_to_reset_on_close_does_so_whoever_closes_it,
    a_socket_without_a_descriptor_says_so,
}

fn of_the_system(port: &overlapped::Port<Numbers>) -> (TcpStream<Numbers>, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(any()).expect("one can listen");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("it is bound"));
    let (accepted, _) = listener.accept().expect("somebody connects");
    let socket = TcpSocket::try_from(accepted).expect("it becomes non-blocking");
    (port.associate(socket, 1).expect("it is associated"), peer.expect("it has connected"))
}

#[test]
fn options_reach_the_socket_of_the_system_and_its_descriptor_shows_them() {
    let port = World::System.exact_port(1);
    let (stream, _peer) = of_the_system(&port);
    let descriptor = stream.descriptor().expect("the system has one");
    let socket = SockRef::from(&descriptor);
    for on in [true, false] {
        stream.set_nodelay(on).expect("it is open");
        assert_eq!(socket.tcp_nodelay().expect("it is told"), on);
        stream.set_keep_alive(on.then(KeepAlive::default)).expect("it is open");
        assert_eq!(socket.keepalive().expect("it is told"), on);
    }
    stream.set_receive_buffer_size(100_000).expect("it is open");
    assert!(socket.recv_buffer_size().expect("it is told") >= 100_000);
    stream.set_send_buffer_size(100_000).expect("it is open");
    assert!(socket.send_buffer_size().expect("it is told") >= 100_000);
    if cfg!(windows) {
        return;
    }
    let keep_alive = KeepAlive::after(Duration::from_millis(1_500)).interval(Duration::ZERO);
    stream.set_keep_alive(Some(keep_alive.probes(7))).expect("it is open");
    #[cfg(target_os = "linux")]
    {
        let told = (socket.tcp_keepalive_time(), socket.tcp_keepalive_interval());
        let told = (told.0.expect("it is told"), told.1.expect("it is told"));
        assert_eq!(told, (Duration::from_secs(2), Duration::from_secs(1)));
        assert_eq!(socket.tcp_keepalive_retries().expect("it is told"), 7);
        stream.set_user_timeout(Some(Duration::from_millis(4_321))).expect("it is open");
        let timeout = Some(Duration::from_millis(4_321));
        assert_eq!(socket.tcp_user_timeout().expect("it is told"), timeout);
        stream.set_user_timeout(None).expect("it is open");
        assert_eq!(socket.tcp_user_timeout().expect("it is told"), None);
    }
}

#[test]
fn a_descriptor_outlives_the_close_of_its_handle_and_is_nobody_elses() {
    let port = World::System.exact_port(1);
    let (stream, _peer) = of_the_system(&port);
    let address = stream.local_addr().expect("it is connected");
    let descriptor = stream.descriptor().expect("the system has one");
    stream.close();
    // Sockets that may get the number that has become free.
    let _others: Vec<_> = (0..8).map(|_| TcpSocket::v4().expect("a socket can be made")).collect();
    let told = SockRef::from(&descriptor).local_addr().expect("it is open");
    assert_eq!(told.as_socket(), Some(address), "it is still that of the stream");
}

#[test]
fn sockets_without_a_port_have_descriptors_and_keep_their_options() {
    let set = |socket: SockRef<'_>| socket.set_recv_buffer_size(100_000);
    let told = |socket: SockRef<'_>| socket.recv_buffer_size().expect("it is told");
    let port = World::System.exact_port(1);
    macro_rules! keeps {
        ($socket:expr) => {
            let socket = $socket.expect("a socket can be made");
            let descriptor = socket.descriptor().expect("the system has one");
            set(SockRef::from(&descriptor)).expect("it can be set");
            let handle = port.associate(socket, 1).expect("it is associated");
            let descriptor = handle.descriptor().expect("the system has one");
            assert!(told(SockRef::from(&descriptor)) >= 100_000);
        };
    }
    keeps!(TcpSocket::v4());
    keeps!(ListenSocket::bind(any(), 8));
    keeps!(DatagramSocket::bind(any()));
}

#[test]
fn what_the_system_tells_of_a_connection_counts_its_bytes() {
    const NAME: &str = "what_the_system_tells_of_a_connection_counts_its_bytes";
    if wine_differs(&World::System, NAME, "Wine tells nothing") {
        return;
    }
    let port = World::System.exact_port(1);
    let (stream, peer) = of_the_system(&port);
    stream.send(&[7; 1_000][..], 1).expect("a send starts");
    let Packet::Sent { result: Ok(()), .. } = next(&port) else { panic!("a send was owed") };
    io::Read::read_exact(&mut &peer, &mut [0; 1_000]).expect("all of it arrives");
    let told = stream.tcp_info().expect("it is connected");
    assert!(told.round_trip.is_some_and(|time| time < Duration::from_secs(60)), "{told:?}");
    assert!(told.congestion_window_bytes.is_some_and(|bytes| bytes > 500), "{told:?}");
    // Old systems do not count bytes.
    assert!(told.sent_bytes.is_none_or(|bytes| bytes >= 1_000), "{told:?}");
    assert!(told.resent_bytes.is_none_or(|bytes| bytes < 1_000_000), "{told:?}");
    assert!(told.received_bytes.is_none_or(|bytes| bytes == 0), "{told:?}");
}
