//! Connects of the port (X50-X57, P31, P33, P46, P162).

use crate::errno;
use crate::family::any;
use crate::on_every_driver_and_family;
use crate::packets::{
    accepted, assert_nothing_comes, code, connected, next, outcome, received, sent,
};
use crate::world::{Numbers, Peer, World};
use overlapped::{Buffer, Buffers, ListenSocket, Packet, Port, TcpSocket, TcpStream};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Mutex, PoisonError};

fn fresh(world: &World, port: &Port<Numbers>) -> TcpStream<Numbers> {
    port.associate(world.socket(), 5).expect("a fresh socket is associated")
}

/// An address where nobody listens.
pub fn nobody(world: &World) -> SocketAddr {
    match world {
        World::System => {
            // Bound, so that nobody else gets the port while the tests run, and not listening.
            static HELD: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
            let socket = world.socket();
            socket.bind(any()).expect("a free port");
            let address = socket.local_addr().expect("it is bound");
            HELD.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
            address
        }
        World::Simulated(_) => world.peer_listener().address(),
    }
}

/// A listener whose backlog is full and stays so while the result lives: a connect to it goes on.
pub fn full_listener(world: &World) -> (ListenSocket, Vec<Peer>, SocketAddr) {
    let listener = match world {
        World::System => ListenSocket::bind(any(), 0),
        World::Simulated(network) => network.listen(any(), 1),
    }
    .expect("one can listen");
    let address = listener.local_addr().expect("a listener has an address");
    let only = world.connect(address);
    (listener, vec![only], address)
}

/// Starts a connect that is to be refused and gives the error, however it is told.
fn refusal(port: &Port<Numbers>, stream: &TcpStream<Numbers>, to: SocketAddr) -> Option<i32> {
    match stream.connect(to, (), 1) {
        Err(refused) => refused.error.raw_os_error(),
        Ok(_) => code(&connected(port).result),
    }
}

fn x50_a_stream_may_be_bound_before_it_connects_and_need_not(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let socket = world.socket();
    socket.bind(any()).expect("the system chooses a port");
    let bound = socket.local_addr().expect("it is bound");
    assert_ne!(bound.port(), 0);
    let stream = port.associate(socket, 5).expect("a fresh socket is associated");
    stream.connect(outside.address(), (), 1).expect("a connect can be started");
    let packet = connected(&port);
    assert!(packet.result.is_ok());
    assert_eq!(stream.local_addr().expect("it is connected"), bound);

    let unbound = fresh(world, &port);
    unbound.connect(outside.address(), (), 2).expect("a connect can be started");
    let packet = connected(&port);
    assert!(packet.result.is_ok());
    assert_eq!(packet.stream.peer_addr().expect("it is connected"), outside.address());
    assert_ne!(packet.stream.local_addr().expect("it is connected").port(), 0);
}

fn x51_the_first_data_goes_out_with_the_connect_and_is_counted(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = fresh(world, &port);
    let first = vec![Buffer::from(b"first "), Buffer::from(b"data")];
    stream.connect(outside.address(), first, 1).expect("a connect can be started");
    let packet = connected(&port);
    assert!(packet.result.is_ok());
    assert_eq!((packet.operation, packet.transferred, *packet.stream.key()), (1, 10, 5));
    assert_eq!(packet.buffers.byte_len(), 10, "the buffers come back");
    let peer = outside.accept();
    assert_eq!(peer.receive_exact(10), b"first data");
    peer.send(b"answer");
    stream.receive_pooled(2).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"answer");
    assert_nothing_comes(&port);
}

fn x51_a_connect_completes_only_when_all_first_data_is_sent(world: &World) {
    const LENGTH: usize = 48 << 20;
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = fresh(world, &port);
    stream.connect(outside.address(), vec![9; LENGTH], 1).expect("a connect can be started");
    let peer = outside.accept();
    assert_nothing_comes(&port);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut room = vec![0; 1 << 20];
            let mut total = 0;
            while total < LENGTH {
                total += peer.receive(&mut room).expect("the peer can receive");
            }
            total
        });
        let packet = connected(&port);
        assert!(packet.result.is_ok());
        assert_eq!(packet.transferred, LENGTH);
        assert_eq!(reader.join().expect("the reader did not panic"), LENGTH);
    });
}

fn x52_a_second_connect_fails_at_once(world: &World) {
    let port = world.exact_port(1);
    let (_listener, _peers, address) = full_listener(world);
    let stream = fresh(world, &port);
    stream.connect(address, (), 1).expect("a connect can be started");
    let refused = stream.connect(address, Buffers::from(b"mine"), 2).expect_err("one goes on");
    assert_eq!(refused.error.raw_os_error(), Some(errno::ALREADY));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 2));
    let refused = stream.send(b"x", 3).expect_err("it is not connected yet");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    let refused = stream.receive_pooled(4).expect_err("it is not connected yet");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_nothing_comes(&port);

    let outside = world.peer_listener();
    let stream = fresh(world, &port);
    stream.connect(outside.address(), (), 5).expect("a connect can be started");
    assert!(connected(&port).result.is_ok());
    let refused = stream.connect(outside.address(), (), 6).expect_err("it is connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::IS_CONNECTED));
    let (accepted, _peer) = world.stream(&port, 8);
    let refused = accepted.connect(outside.address(), (), 7).expect_err("it is connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::IS_CONNECTED));
    assert_nothing_comes(&port);
}

fn x53_x54_after_refusals_the_same_stream_connects(world: &World) {
    let port = world.exact_port(1);
    let stream = fresh(world, &port);
    for _ in 0..3 {
        assert_eq!(refusal(&port, &stream, nobody(world)), Some(errno::REFUSED));
        assert_eq!(stream.connected_for(), None);
        let refused = stream.send(b"x", 2).expect_err("it is not connected");
        assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    }
    let outside = world.peer_listener();
    stream.connect(outside.address(), b"again", 3).expect("a connect can be started");
    let packet = connected(&port);
    assert!(packet.result.is_ok(), "{:?}", packet.result);
    let peer = outside.accept();
    assert_eq!(peer.receive_exact(5), b"again");
    peer.send(b"welcome");
    stream.receive_pooled(4).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"welcome");
    assert_nothing_comes(&port);
}

fn x26_a_stream_knows_since_when_it_is_connected(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = fresh(world, &port);
    assert_eq!(stream.connected_for(), None);
    let start = std::time::Instant::now();
    stream.connect(outside.address(), (), 1).expect("a connect can be started");
    assert!(connected(&port).result.is_ok());
    assert!(stream.connected_for().expect("it is connected") <= start.elapsed());
}

fn x56_a_connect_yields_one_packet_whether_done_at_once_or_later(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    for number in 0..100 {
        let stream = fresh(world, &port);
        stream.connect(outside.address(), (), number).expect("a connect can be started");
        let packet = connected(&port);
        assert!(packet.result.is_ok());
        assert_eq!(packet.operation, number);
        assert_nothing_comes(&port);
        drop(outside.accept());
    }
}

fn x57_a_connect_that_goes_on_can_be_cancelled_or_closed(world: &World) {
    let port = world.exact_port(1);
    let (_listener, _peers, address) = full_listener(world);
    let stream = fresh(world, &port);
    let id = stream.connect(address, b"unsent", 1).expect("a connect can be started");
    stream.cancel(id).expect("it goes on");
    let packet = connected(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!((packet.transferred, packet.buffers.byte_len()), (0, 6));

    let stream = fresh(world, &port);
    stream.connect(address, (), 2).expect("a connect can be started");
    stream.close();
    assert_eq!(outcome(next(&port)), (2, Some(errno::CANCELED)));
    assert_nothing_comes(&port);
}

fn p162_a_shutdown_while_connecting_is_refused_and_the_connect_goes_on(world: &World) {
    let port = world.exact_port(1);
    let (listener, peers, address) = full_listener(world);
    let stream = fresh(world, &port);
    stream.connect(address, (), 1).expect("a connect can be started");
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        let refused = stream.shutdown(how).expect_err("it is not connected yet");
        assert_eq!(refused.raw_os_error(), Some(errno::NOT_CONNECTED));
    }
    assert_nothing_comes(&port);
    // Somebody accepts what filled the backlog, and then the connection.
    let others = world.exact_port(1);
    let listener = others.associate(listener, 9).expect("a listener is associated");
    listener.accept(2).expect("an accept can be posted");
    drop(accepted(&others).result.expect("one waits in the backlog"));
    listener.accept(3).expect("an accept can be posted");
    let peer = others.associate(accepted(&others).result.expect("ours comes").socket, 4);
    let peer = peer.expect("a socket is associated");
    assert!(connected(&port).result.is_ok());

    stream.send(b"still", 5).expect("it is connected");
    assert!(sent(&port).result.is_ok());
    peer.receive_pooled(6).expect("it is connected");
    assert_eq!(&received(&others).buffer[..], b"still");
    drop(peers);
}

fn p162_a_shutdown_before_the_connect_does_not_spoil_it(world: &World) {
    let port = world.exact_port(1);
    let stream = fresh(world, &port);
    let spoiled = |stream: &TcpStream<Numbers>| {
        let refused = stream.shutdown(Shutdown::Both).expect_err("it is not connected");
        assert_eq!(refused.raw_os_error(), Some(errno::NOT_CONNECTED));
    };
    spoiled(&stream);
    assert_eq!(refusal(&port, &stream, nobody(world)), Some(errno::REFUSED));
    spoiled(&stream);
    let outside = world.peer_listener();
    stream.connect(outside.address(), b"first ", 2).expect("a connect can be started");
    assert!(connected(&port).result.is_ok());
    stream.send(b"later", 3).expect("it is connected");
    assert!(sent(&port).result.is_ok());
    assert_eq!(outside.accept().receive_exact(11), b"first later");
}

fn a_stream_that_connected_is_like_one_that_was_accepted(world: &World) {
    const ROUNDS: u8 = 200;
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = fresh(world, &port);
    // Whatever the driver says of a socket that is not connected is performed before.
    assert_nothing_comes(&port);
    stream.connect(outside.address(), (), 0).expect("a connect can be started");
    let Packet::Connected { stream, .. } = next(&port) else { panic!("a connect was started") };
    let peer = outside.accept();
    for round in 0..ROUNDS {
        stream.receive_pooled(1).expect("it is connected");
        peer.send(&[round]);
        assert_eq!(&received(&port).buffer[..], &[round]);
        stream.send(vec![round], 2).expect("it is connected");
        assert!(sent(&port).result.is_ok());
        assert_eq!(peer.receive_exact(1), [round]);
    }
    assert_nothing_comes(&port);
}

on_every_driver_and_family! {
    a_stream_that_connected_is_like_one_that_was_accepted,
    p162_a_shutdown_before_the_connect_does_not_spoil_it,
    p162_a_shutdown_while_connecting_is_refused_and_the_connect_goes_on,
    x26_a_stream_knows_since_when_it_is_connected,
    x50_a_stream_may_be_bound_before_it_connects_and_need_not,
    x51_a_connect_completes_only_when_all_first_data_is_sent,
    x51_the_first_data_goes_out_with_the_connect_and_is_counted,
    x52_a_second_connect_fails_at_once,
    x53_x54_after_refusals_the_same_stream_connects,
    x56_a_connect_yields_one_packet_whether_done_at_once_or_later,
    x57_a_connect_that_goes_on_can_be_cancelled_or_closed,
}
