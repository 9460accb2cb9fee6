use super::*;
use std::sync::mpsc;
use std::thread;

#[test]
fn a_connect_to_nobody_is_refused() {
    let network = Network::new(0);
    let (socket, connected) = connect(&network, ([127, 0, 0, 1], 9).into());
    assert_eq!(number(connected), code::REFUSED);
    assert_eq!(number(socket.connected()), code::WOULD_BLOCK, "the error is told once");
    network.register(&socket, 1).unwrap();
    assert_eq!(events(&network), event(1, "rwe"));

    let error = network.connect(([127, 0, 0, 1], 9).into()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_established_connect_is_an_edge_with_both_addresses() {
    let network = Network::new(0);
    let wildcard = SimulatedSocket::open(&network.shared, Family::V4);
    wildcard.bind(([0, 0, 0, 0], 80).into()).unwrap();
    wildcard.listen(1).unwrap();
    let socket = SimulatedSocket::open(&network.shared, Family::V4);
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    network.register(&socket, 1).unwrap();
    assert_eq!(events(&network), event(1, "rwe"), "a socket without a connection, as on Linux");

    let to = ([127, 0, 0, 9], 80).into();
    assert_eq!(number(socket.connect(to)), code::WOULD_BLOCK);
    assert_eq!(events(&network), event(1, "w"));
    socket.connected().unwrap();
    let (server, remote) = wildcard.accept().unwrap();
    assert_eq!(remote, socket.local_addr().unwrap());
    assert_eq!(remote.ip(), std::net::IpAddr::from([127, 0, 0, 2]));
    assert_eq!(server.local_addr().unwrap(), to);
    assert_eq!(socket.peer_addr().unwrap(), to);
}

#[test]
fn calls_that_do_not_fit_the_socket_fail_as_on_linux() {
    let network = Network::new(0);
    let fresh = SimulatedSocket::open(&network.shared, Family::V4);
    assert_eq!(number(receive(&fresh)), code::NOT_CONNECTED);
    assert_eq!(number(send(&fresh, b"x")), code::BROKEN_PIPE);
    assert_eq!(number(fresh.accept()), code::INVALID);
    assert_eq!(number(fresh.peer_addr()), code::NOT_CONNECTED);
    assert_eq!(number(fresh.end_sending()), code::NOT_CONNECTED);

    let listener = listener(&network, 1);
    let address = listener.local_addr().unwrap();
    assert_eq!(number(listener.connect(address)), code::IS_CONNECTED);
    assert_eq!(number(listener.accept()), code::WOULD_BLOCK);
    assert_eq!(number(fresh.bind(address)), code::ADDRESS_IN_USE);
    let any = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), address.port());
    assert_eq!(number(fresh.bind(any)), code::ADDRESS_IN_USE);
    fresh.bind(any_port()).unwrap();
    assert_eq!(number(fresh.bind(any_port())), code::INVALID);

    let (first, connected) = connect(&network, address);
    connected.unwrap();
    assert_eq!(number(first.connect(address)), code::IS_CONNECTED);
    let (second, connected) = connect(&network, address);
    assert_eq!(number(connected), code::WOULD_BLOCK, "the backlog is full");
    assert_eq!(number(second.connect(address)), code::ALREADY);
    assert_eq!(number(receive(&second)), code::WOULD_BLOCK);
}

#[test]
fn a_connect_beyond_the_backlog_goes_on_until_there_is_room() {
    let network = Network::new(0);
    let listener = listener(&network, 2);
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..4).map(|_| connect(&network, address).0).collect();
    for (client, token) in clients.iter().zip(0..) {
        network.register(client, token).unwrap();
    }
    assert_eq!(events(&network), [(0, "w".into()), (1, "w".into())]);
    let (_first, _) = listener.accept().unwrap();
    assert_eq!(events(&network), event(2, "w"));
    let mut clients = clients.into_iter();
    drop(clients.nth(3));
    listener.accept().unwrap();
    listener.accept().unwrap();
    assert_eq!(number(listener.accept()), code::WOULD_BLOCK, "who went away is not established");
}

#[test]
fn a_listener_that_closes_resets_who_waits_in_it_and_refuses_the_rest() {
    let network = Network::new(0);
    let listener = listener(&network, 1);
    let address = listener.local_addr().unwrap();
    let (established, _) = connect(&network, address);
    let (waiting, _) = connect(&network, address);
    drop(listener);
    assert_eq!(number(receive(&established)), code::RESET);
    assert_eq!(number(waiting.connected()), code::REFUSED);
    assert_eq!(number(connect(&network, address).1), code::REFUSED);
    drop((established, waiting));
    assert_eq!(network.sockets(), 0);
}

#[test]
fn a_connection_closed_before_it_was_accepted_is_accepted_all_the_same() {
    let network = Network::new(0);
    let listener = listener(&network, 1);
    let (client, _) = connect(&network, listener.local_addr().unwrap());
    send(&client, b"bye").unwrap();
    drop(client);
    let (server, _) = listener.accept().unwrap();
    assert_eq!(receive(&server).unwrap(), b"bye");
    assert_eq!(receive(&server).unwrap(), b"");
}

#[test]
fn dropping_closes_and_frees_the_address() {
    let network = Network::new(0);
    let address = ([127, 0, 0, 1], 1_000).into();
    for _ in 0..2 {
        let listener = network.listener(address).unwrap();
        let source = ([127, 0, 0, 1], 2_000).into();
        let client = network.connect_from(source, address).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.peer_addr().unwrap(), source);
        assert_eq!(network.sockets(), 3);
        drop(client);
        assert_eq!(server.receive(&mut [0]).unwrap(), 0);
    }
    assert_eq!(network.sockets(), 0);
    let state = network.shared.state.lock();
    assert!(state.bound.is_empty() && state.tuples.is_empty());
}

#[test]
fn every_ephemeral_port_serves_one_connection_to_an_address() {
    let network = Network::new(0);
    let listener = listener(&network, 1);
    let address = listener.local_addr().unwrap();
    let mut open = Vec::new();
    let error = loop {
        let socket = SimulatedSocket::open(&network.shared, Family::V4);
        match socket.connect(address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => break other,
        }
        open.push((socket, listener.accept().unwrap().0));
    };
    assert_eq!(number(error), code::ADDRESS_NOT_AVAILABLE);
    let ports = usize::from(u16::MAX - state::FIRST_EPHEMERAL_PORT) + 1;
    assert_eq!(open.len(), ports - 1, "all but the listener's own");
    open.swap_remove(7);
    connect(&network, address).1.unwrap();
}

#[test]
fn a_peer_waits_for_the_backlog_and_a_peer_listener_for_a_connect() {
    let network = &Network::new(0);
    let listener = listener(network, 1);
    let address = listener.local_addr().unwrap();
    let outside = network.listener(any_port()).unwrap();
    let (_first, _) = connect(network, address);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            network.connect(address).unwrap();
            tell.send(()).unwrap();
        });
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
        listener.accept().unwrap();
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        let to = outside.local_addr().unwrap();
        scope.spawn(move || network.connect(to).unwrap());
        assert_eq!(outside.accept().unwrap().local_addr().unwrap(), to);
    });
}
