//! What a listener hands on to its connections, and that it has its address for itself: on the
//! system's own sockets.

use crate::sys::socket::Socket;
use crate::{
    DatagramSocket, DriverChoice, ListenSocket, Packet, Port, Protocol, TcpListener, TcpStream,
};
use socket2::{Domain, SockRef, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Nothing;

impl Protocol for Nothing {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// What the tests look at: no delay, keep-alive, linger, and the sizes of both buffers, which Wine
/// does not tell of a socket that was accepted.
#[derive(Debug, PartialEq)]
struct Options(bool, bool, Option<Duration>, Option<(usize, usize)>);

impl Options {
    fn of(socket: &SockRef<'_>) -> Self {
        let read = "an option of an open socket can be read";
        let buffers = || {
            let receive = socket.recv_buffer_size().expect(read);
            (receive, socket.send_buffer_size().expect(read))
        };
        Self(
            socket.tcp_nodelay().expect(read),
            socket.keepalive().expect(read),
            socket.linger().expect(read),
            (!is_wine()).then(buffers),
        )
    }

    fn of_socket(socket: &Socket) -> Self {
        match socket {
            Socket::System(socket) => Self::of(&SockRef::from(socket)),
            Socket::Simulated(_) => panic!("it is one of the system's"),
        }
    }

    fn of_stream(stream: &TcpStream<Nothing>) -> Self {
        stream.0.with_socket(|socket| Ok(Self::of_socket(socket))).expect("it is open")
    }
}

/// Whether it runs under Wine, whose runner says so.
fn is_wine() -> bool {
    std::env::var_os("OVERLAPPED_WINE").is_some()
}

fn port() -> Port<Nothing> {
    Port::builder().driver(DriverChoice::Automatic).build().expect("a port can be made")
}

fn next(port: &Port<Nothing>) -> Packet<Nothing> {
    port.take_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}"))
}

/// A listener with options that no socket has by itself.
fn listener(port: &Port<Nothing>) -> (TcpListener<Nothing>, SocketAddr, Options) {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_tcp_nodelay(true).expect("it is an option");
    socket.set_keepalive(true).expect("it is an option");
    socket.set_linger(Some(Duration::from_secs(7))).expect("it is an option");
    socket.set_recv_buffer_size(20_000).expect("it is an option");
    socket.set_send_buffer_size(24_000).expect("it is an option");
    socket.bind(&ANY.into()).expect("a free port");
    socket.listen(10).expect("it is bound");
    let options = Options::of(&SockRef::from(&socket));
    let socket = ListenSocket::try_from(std::net::TcpListener::from(socket)).expect("it listens");
    let address = socket.local_addr().expect("it listens");
    let listener = port.associate(socket, ()).unwrap_or_else(|refused| panic!("{refused}"));
    (listener, address, options)
}

#[test]
fn the_options_of_a_listener_reach_its_connections_however_they_are_accepted() {
    if is_wine() {
        println!("skipped: the sizes of buffers: Wine tells others of a socket that was accepted");
    }
    let port = port();
    let (listener, address, options) = listener(&port);
    listener.accept(()).unwrap_or_else(|refused| panic!("{refused}"));
    let client = std::net::TcpStream::connect(address).expect("somebody listens");
    assert_ne!(Options::of(&SockRef::from(&client)), options, "they are none that all have");
    let Packet::Accepted { result: Ok(accepted), .. } = next(&port) else {
        panic!("a client was there")
    };
    assert_eq!(Options::of_socket(&accepted.socket.socket), options);
    let stream = port.associate(accepted.socket, ()).unwrap_or_else(|refused| panic!("{refused}"));
    stream.disconnect(()).unwrap_or_else(|refused| panic!("{refused}"));
    assert!(matches!(next(&port), Packet::Disconnected { result: Ok(()), .. }));
    assert_ne!(Options::of_stream(&stream), options, "a fresh socket has taken its place");

    listener.accept_into(&stream, ()).unwrap_or_else(|refused| panic!("{refused}"));
    let _client = std::net::TcpStream::connect(address).expect("somebody listens");
    match next(&port) {
        Packet::AcceptedInto { result, .. } => drop(result.expect("a client was there")),
        _ => panic!("the accept was owed"),
    }
    assert_eq!(Options::of_stream(&stream), options);
}

/// A socket of somebody who would share the port of `taken`, as far as the system lets him.
fn bind_by_force(kind: Type, address: SocketAddr) -> std::io::Result<()> {
    let socket = socket2::Socket::new(Domain::IPV4, kind, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    if kind == Type::STREAM { socket.listen(1) } else { Ok(()) }
}

#[test]
fn nobody_else_takes_the_address_of_a_listener_or_a_more_special_one() {
    for address in [ANY, (Ipv4Addr::UNSPECIFIED, 0).into()] {
        let listener = ListenSocket::bind(address, 1).expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        for other in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            let other = SocketAddr::from((other, port));
            assert!(bind_by_force(Type::STREAM, other).is_err(), "{address} and then {other}");
        }
        let standard = std::net::TcpListener::try_from(listener).expect("it is of the system");
        assert_eq!(standard.local_addr().expect("it listens").port(), port);
        drop(standard);
        ListenSocket::bind((Ipv4Addr::LOCALHOST, port), 1).expect("it is free again");
    }
    let all = DatagramSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = all.local_addr().expect("it is bound").port();
    assert!(bind_by_force(Type::DGRAM, (Ipv4Addr::LOCALHOST, port).into()).is_err());
}
