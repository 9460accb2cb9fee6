//! What a select promises (M30 to M46).

use crate::plain_sockets::{
    QUIET, assert_was_reset, client, echo_of_itself, fill, fresh, listener, nobody, pair, reset,
    start_connect, take,
};
use crate::world::{PATIENCE, any, full_listener, may_have_descriptors, on_wine};
use overlapped_notify::{Socket, SocketSet, select};
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

fn set<'a>(sockets: impl IntoIterator<Item = &'a Socket>) -> SocketSet<'a> {
    let mut set = SocketSet::with_capacity(2000);
    sockets.into_iter().for_each(|socket| assert!(set.insert(socket)));
    set
}

/// In which sets the socket is ready within this time: read, write, except.
fn state(socket: &Socket, patience: Duration) -> [bool; 3] {
    let [mut read, mut write, mut except] = [set([socket]), set([socket]), set([socket])];
    let count = select(Some(&mut read), Some(&mut write), Some(&mut except), Some(patience));
    let state = [read, write, except].map(|set| !set.is_empty());
    let ready = state.iter().filter(|is_ready| **is_ready).count();
    assert_eq!(count.expect("a socket was given"), ready);
    state
}

fn is_readable(socket: &Socket, patience: Duration) -> bool {
    let mut read = set([socket]);
    select(Some(&mut read), None, None, Some(patience)).expect("a socket was given") == 1
}

#[test]
fn m30_a_select_without_a_socket_is_refused_at_once() {
    let start = Instant::now();
    let (mut one, mut other) = (SocketSet::new(), SocketSet::new());
    let no_set = select(None, None, None, Some(PATIENCE));
    let empty_sets = select(Some(&mut one), Some(&mut other), None, Some(PATIENCE));
    for refused in [no_set, empty_sets] {
        assert_eq!(refused.expect_err("nothing was given").kind(), ErrorKind::InvalidInput);
    }
    assert!(start.elapsed() < PATIENCE / 2, "it did not wait");
    // An empty set beside one that is not is fine.
    let (socket, _peer) = pair();
    let mut write = set([&socket]);
    assert_eq!(select(Some(&mut one), Some(&mut write), None, None).expect("one was given"), 1);
}

#[test]
fn m33_a_full_set_takes_no_more_and_the_65th_is_not_reported() {
    let sockets: Vec<_> = (0..65).map(|_| echo_of_itself()).collect();
    sockets.iter().for_each(|socket| assert_eq!(socket.send(b"x").expect("there is room"), 1));
    sockets.iter().for_each(|socket| assert!(is_readable(socket, PATIENCE)));
    let mut set = SocketSet::new();
    assert_eq!(set.capacity(), 64);
    for (index, socket) in sockets.iter().enumerate() {
        assert_eq!(set.insert(socket), index < 64);
    }
    assert!(set.insert(&sockets[0]), "it is there already");
    assert_eq!(set.len(), 64);
    assert_eq!(select(Some(&mut set), None, None, Some(PATIENCE)).expect("some were given"), 64);
    assert!(set.contains(&sockets[63]) && !set.contains(&sockets[64]));
}

#[test]
fn m34_a_removed_socket_leaves_the_others_in_their_order() {
    let sockets: Vec<_> = (0..4).map(|_| echo_of_itself()).collect();
    let mut set = set(&sockets);
    assert!(set.remove(&sockets[1]) && !set.remove(&sockets[1]));
    let ids: Vec<_> = set.iter().map(Socket::id).collect();
    assert_eq!(ids, [0, 2, 3].map(|index: usize| sockets[index].id()));
    set.clear();
    assert!(set.is_empty());
}

#[test]
fn m31_m35_sets_keep_only_what_is_ready_and_who_is_in_two_counts_twice() {
    let (ready, mut peer) = pair();
    let (idle, _other_peer) = pair();
    peer.write_all(b"x").expect("it is connected");
    assert!(is_readable(&ready, PATIENCE));
    let (mut read, mut write) = (set([&idle, &ready]), set([&ready]));
    let count = select(Some(&mut read), Some(&mut write), None, Some(PATIENCE));
    assert_eq!(count.expect("some were given"), 2);
    assert!(read.len() == 1 && read.contains(&ready) && write.contains(&ready));
}

#[test]
fn m36_m45_a_select_waits_as_long_as_it_was_told_to_and_then_empties_the_sets() {
    let (socket, _peer) = pair();
    for (time, at_least) in [(Duration::ZERO, Duration::ZERO), (QUIET, QUIET / 2)] {
        let (mut read, mut except) = (set([&socket]), set([&socket]));
        let start = Instant::now();
        let count = select(Some(&mut read), None, Some(&mut except), Some(time));
        assert_eq!(count.expect("a socket was given"), 0);
        assert!(read.is_empty() && except.is_empty());
        assert!((at_least..PATIENCE).contains(&start.elapsed()));
    }
}

#[test]
fn m36_without_a_time_it_waits_until_something_is_ready() {
    let (socket, mut peer) = pair();
    socket.set_blocking(true).expect("it reports nothing");
    std::thread::scope(|threads| {
        let waiter = threads.spawn(|| {
            let mut read = set([&socket]);
            select(Some(&mut read), None, None, None).expect("a socket was given")
        });
        peer.write_all(b"x").expect("it is connected");
        // A socket that blocks can be selected as well (M45).
        assert_eq!(waiter.join().expect("it comes back"), 1);
    });
}

#[test]
fn m37_readable_is_a_connection_data_an_end_or_a_reset() {
    let (listener, address) = listener();
    assert!(!is_readable(&listener, QUIET));
    let _client = client(address);
    assert!(is_readable(&listener, PATIENCE));

    let (socket, mut peer) = pair();
    assert!(!is_readable(&socket, QUIET));
    peer.write_all(b"x").expect("it is connected");
    assert!(is_readable(&socket, PATIENCE));

    let (socket, peer) = pair();
    peer.shutdown(Shutdown::Write).expect("it is connected");
    assert!(is_readable(&socket, PATIENCE));
    assert_eq!(socket.receive(&mut [0; 8]).expect("it is the end"), 0);

    let (socket, peer) = pair();
    reset(peer);
    assert!(is_readable(&socket, PATIENCE));
    let error = socket.receive(&mut [0; 8]).expect_err("it was reset");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted));
}

#[test]
fn m38_writable_is_a_connect_that_succeeded_and_room_to_send() {
    let (_listener, address) = listener();
    let socket = fresh();
    start_connect(&socket, address);
    assert_eq!(state(&socket, PATIENCE), [false, true, false]);

    let (socket, mut peer) = pair();
    let sent = fill(&socket);
    assert_eq!(state(&socket, Duration::ZERO), [false; 3]);
    take(&mut peer, sent);
    assert_eq!(state(&socket, PATIENCE), [false, true, false]);
}

#[test]
fn m39_m40_a_failed_connect_is_in_the_set_for_exceptions_only_and_may_be_tried_again() {
    let name = "m39_m40_a_failed_connect_is_in_the_set_for_exceptions_only_and_may_be_tried_again";
    let finds_the_end = on_wine(name, "a receive there finds an end before there is a connection");
    let socket = fresh();
    for _ in 0..2 {
        match socket.connect(nobody()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It may be known at once.
            other => panic!("a connect goes on, and is not {other:?}"),
        }
        assert_eq!(state(&socket, PATIENCE), [false, false, true]);
        for _ in 0..3 {
            let error = socket.connect_error().expect("it can be asked").expect("there is one");
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            if finds_the_end {
                continue;
            }
            // Neither of these takes it away.
            let error = socket.receive(&mut [0; 8]).expect_err("it is not connected");
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            let error = socket.send(b"x").expect_err("it is not connected");
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        }
    }
    let (_listener, address) = listener();
    start_connect(&socket, address);
    assert_eq!(state(&socket, PATIENCE), [false, true, false]);
    assert!(socket.connect_error().expect("it can be asked").is_none(), "one has succeeded");
}

#[test]
fn m40_why_a_connect_failed_is_told_while_the_next_one_goes_on_and_until_one_succeeds() {
    let socket = fresh();
    assert!(socket.connect_error().expect("it can be asked").is_none(), "none was tried");
    start_connect(&socket, nobody());
    assert_eq!(state(&socket, PATIENCE), [false, false, true]);
    let (_full, _only, address) = full_listener();
    start_connect(&socket, address);
    for _ in 0..3 {
        let error = socket.connect_error().expect("it can be asked").expect("there is one");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(state(&socket, Duration::ZERO), [false; 3], "the next one goes on");
    }
}

#[test]
fn m40_f36_a_reset_is_told_by_the_calls_that_follow_and_is_no_error_of_a_connect() {
    let (socket, peer) = pair();
    reset(peer);
    assert_eq!(state(&socket, PATIENCE), [true, true, false]);
    assert!(socket.connect_error().expect("it can be asked").is_none());
    for _ in 0..2 {
        let error = socket.receive(&mut [0; 8]).expect_err("it was reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn m39_urgent_data_is_in_the_set_for_exceptions() {
    let (socket, peer) = pair();
    let peer = Socket::try_from(peer).expect("it becomes non-blocking");
    assert_eq!(peer.send_out_of_band(b"!").expect("there is room"), 1);
    let mut except = set([&socket]);
    assert_eq!(select(None, None, Some(&mut except), Some(PATIENCE)).expect("one was given"), 1);
    let mut room = [0; 8];
    assert_eq!(socket.receive_out_of_band(&mut room).expect("it is there"), 1);
    assert_eq!(room[0], b'!');
    assert!(!state(&socket, QUIET)[2]);
}

#[test]
fn m41_after_a_reset_a_socket_is_readable_and_writable() {
    let (socket, peer) = pair();
    reset(peer);
    assert!(is_readable(&socket, PATIENCE));
    assert_eq!(state(&socket, PATIENCE), [true, true, false]);
}

#[test]
fn m42_a_stream_that_never_connected_is_ready_for_nothing_and_a_datagram_socket_can_send() {
    let socket = fresh();
    assert_eq!(state(&socket, QUIET), [false; 3]);
    let datagrams = std::net::UdpSocket::bind(any()).expect("it can be bound");
    let datagrams = Socket::try_from(datagrams).expect("it becomes non-blocking");
    assert_eq!(state(&datagrams, PATIENCE), [false, true, false]);
}

#[test]
fn m46_m47_what_is_ready_stays_so_and_comes_in_the_order_of_the_set() {
    let sockets: Vec<_> = (0..3).map(|_| echo_of_itself()).collect();
    for index in [2, 0] {
        assert_eq!(sockets[index].send(b"x").expect("there is room"), 1);
        assert!(is_readable(&sockets[index], PATIENCE));
    }
    for _ in 0..2 {
        let mut read = set(&sockets);
        assert_eq!(select(Some(&mut read), None, None, None).expect("some were given"), 2);
        let ids: Vec<_> = read.iter().map(Socket::id).collect();
        assert_eq!(ids, [sockets[0].id(), sockets[2].id()]);
    }
}

#[test]
fn f52_m32_more_than_a_thousand_sockets_with_large_numbers_are_selected() {
    const COUNT: usize = 1025;
    let name = "f52_m32_more_than_a_thousand_sockets_with_large_numbers_are_selected";
    if !may_have_descriptors(name, COUNT as u64) {
        return;
    }
    let sockets: Vec<_> = (0..COUNT).map(|_| echo_of_itself()).collect();
    for index in [0, 64, COUNT - 1] {
        let socket = &sockets[index];
        assert_eq!(socket.send(b"x").expect("there is room"), 1);
        let mut read = set(&sockets);
        let found = select(Some(&mut read), None, None, Some(PATIENCE));
        assert_eq!(found.expect("some were given"), 1);
        assert!(read.contains(socket));
        assert_eq!(socket.receive(&mut [0; 8]).expect("it is there"), 1);
    }
    let mut write = set(&sockets);
    assert_eq!(select(None, Some(&mut write), None, None).expect("some were given"), COUNT);
}

#[test]
fn m21_m26_what_cannot_proceed_would_block() {
    let (listener, address) = listener();
    assert_eq!(listener.accept().expect_err("nobody").kind(), ErrorKind::WouldBlock);
    let (socket, _peer) = pair();
    let nothing = socket.receive(&mut [0; 8]).expect_err("nothing was sent");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    fill(&socket);
    let connecting = fresh();
    start_connect(&connecting, address);
    assert_eq!(state(&connecting, PATIENCE), [false, true, false]);
    // Once it is connected, it is so (10056 on Windows).
    let again = connecting.connect(address).expect_err("it is connected");
    assert_ne!(again.kind(), ErrorKind::WouldBlock);
    let expected = if cfg!(windows) { 10056 } else { 106 };
    assert_eq!(again.raw_os_error(), Some(expected));
}

#[test]
fn m20_m23_blocking_is_switched_and_accepted_sockets_do_not_block() {
    let (listener, address) = listener();
    let _client = client(address);
    assert!(is_readable(&listener, PATIENCE));
    let (accepted, _) = listener.accept().expect("a connection waits");
    let nothing = accepted.receive(&mut [0; 8]).expect_err("nothing was sent");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

    let (socket, mut peer) = pair();
    socket.set_blocking(true).expect("it reports nothing");
    std::thread::scope(|threads| {
        let receiver = threads.spawn(|| socket.receive(&mut [0; 8]).expect("it waits for data"));
        peer.write_all(b"x").expect("it is connected");
        assert_eq!(receiver.join().expect("it comes back"), 1);
    });
    socket.set_blocking(false).expect("it can be switched");
    let nothing = socket.receive(&mut [0; 8]).expect_err("nothing was sent");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

#[test]
fn l8_an_aborted_socket_is_closed_by_a_reset() {
    let (socket, peer) = pair();
    socket.abort().expect("it can be set");
    drop(socket);
    assert_was_reset("l8_an_aborted_socket_is_closed_by_a_reset", peer);
}
