//! What network events promise, told by an event object and by messages alike: one test for each row
//! of M57, and what is said of each kind.

use crate::in_both_forms;
use crate::plain_sockets::{
    Teller, client, drain, fresh, listener, nobody, pair, reset, start_connect, take,
};
use crate::world::{PATIENCE, SHUT_DOWN, on_wine};
use overlapped_notify::{NetworkEvents, Socket, SocketSet, select};
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::time::Instant;

const READ: NetworkEvents = NetworkEvents::READ;
const WRITE: NetworkEvents = NetworkEvents::WRITE;
const OOB: NetworkEvents = NetworkEvents::OOB;
const ACCEPT: NetworkEvents = NetworkEvents::ACCEPT;
const CONNECT: NetworkEvents = NetworkEvents::CONNECT;
const CLOSE: NetworkEvents = NetworkEvents::CLOSE;

in_both_forms! {
    m57_m60_read_is_told_once_and_again_after_a_receive_that_leaves_data,
    m57_m61_a_receive_that_fails_enables_read_too,
    m57_write_is_told_when_selected_and_not_after_sends_that_succeed,
    m57_oob_is_told_once_and_again_after_it_was_received,
    m57_what_lies_behind_urgent_data_is_told_too,
    m57_accept_is_told_once_and_again_after_an_accept_that_leaves_a_connection,
    m57_m66_connect_is_told_once_and_write_with_it,
    m57_a_failed_connect_is_told_with_its_error_and_again_for_the_next_one,
    m57_a_failed_connect_is_told_with_its_error_although_that_was_taken,
    m57_m64_m65_close_is_told_once_although_data_is_unread_and_sends_still_work,
    m57_qos_never_happens,
    m57_changes_of_routes_and_addresses_are_refused,
    m58_m59_write_is_told_again_only_after_a_send_that_found_no_room,
    m63_a_reset_is_a_close_with_an_error,
    m63_our_own_shutdown_tells_nothing_and_the_peers_end_is_told_after_it,
    m63_what_comes_after_our_shutdown_of_receiving_is_no_read,
    m59_room_after_our_shutdown_of_sending_is_no_write,
    m20_m50_selecting_makes_a_socket_non_blocking_and_keeps_it_so,
    m56_an_accepted_socket_reports_as_its_listener_does,
    m90_a_select_between_changes_nothing,
    m101_datagrams_are_told_one_by_one,
    e10_what_was_sent_before_the_close_is_received_after_it_was_told,
    an_event_that_is_not_in_the_mask_is_told_once_it_is,
}

fn m57_m60_read_is_told_once_and_again_after_a_receive_that_leaves_data(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | CLOSE);
    teller.expect_nothing(&socket);
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_well(&socket, READ);
    // More data before a receive tells nothing more. (Of the event objects of Windows it may: M89.)
    if !(teller.is_event() && cfg!(windows)) {
        peer.write_all(&[2; 100]).expect("it is connected");
        teller.expect_nothing(&socket);
    }
    assert_eq!(socket.receive(&mut [0; 50]).expect("it is there"), 50);
    teller.expect_well(&socket, READ);
    drain(&socket);
    teller.expect_nothing(&socket);
    peer.write_all(&[3; 100]).expect("it is connected");
    teller.expect_well(&socket, READ);
}

fn m57_m61_a_receive_that_fails_enables_read_too(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, READ);
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_well(&socket, READ);
    assert_eq!(socket.receive(&mut [0; 100]).expect("it is there"), 100);
    let nothing = socket.receive(&mut [0; 100]).expect_err("all was received");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    peer.write_all(&[2; 100]).expect("it is connected");
    teller.expect_well(&socket, READ);
}

fn m57_write_is_told_when_selected_and_not_after_sends_that_succeed(teller: &Teller) {
    let (socket, _peer) = pair();
    teller.select(&socket, WRITE);
    teller.expect_well(&socket, WRITE);
    assert_eq!(socket.send(&[1; 100]).expect("there is room"), 100);
    teller.expect_nothing(&socket);
}

fn m58_m59_write_is_told_again_only_after_a_send_that_found_no_room(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, WRITE);
    teller.expect_well(&socket, WRITE);
    for _ in 0..2 {
        let sent = teller.fill(&socket);
        take(&mut peer, sent);
        teller.expect_well(&socket, WRITE);
        // It is told once, until a send finds no room again.
        assert_eq!(socket.send(b"x").expect("there is room"), 1);
        take(&mut peer, 1);
        teller.expect_nothing(&socket);
    }
}

fn m57_oob_is_told_once_and_again_after_it_was_received(teller: &Teller) {
    let (socket, peer) = pair();
    let peer = Socket::try_from(peer).expect("it becomes non-blocking");
    teller.select(&socket, OOB);
    for byte in [b"!", b"?"] {
        assert_eq!(peer.send_out_of_band(byte).expect("there is room"), 1);
        teller.expect_well(&socket, OOB);
        teller.expect_nothing(&socket);
        let mut room = [0; 8];
        assert_eq!(socket.receive_out_of_band(&mut room).expect("it is there"), 1);
        assert_eq!(room[0], byte[0]);
        teller.expect_nothing(&socket);
    }
}

fn m57_what_lies_behind_urgent_data_is_told_too(teller: &Teller) {
    let (socket, peer) = pair();
    let peer = Socket::try_from(peer).expect("it becomes non-blocking");
    assert_eq!(peer.send(b"before").expect("there is room"), 6);
    assert_eq!(peer.send_out_of_band(b"!").expect("there is room"), 1);
    assert_eq!(peer.send(b"behind").expect("there is room"), 6);
    let mut all = Vec::new();
    teller.select(&socket, READ);
    while all.len() < 12 {
        teller.expect_well(&socket, READ);
        teller.expect_nothing(&socket);
        // It has room for all, and may stop where the urgent byte lay.
        let mut room = [0; 100];
        let count = socket.receive(&mut room).expect("it is there");
        all.extend_from_slice(&room[..count]);
    }
    assert_eq!(all, b"beforebehind");
}

fn m57_accept_is_told_once_and_again_after_an_accept_that_leaves_a_connection(teller: &Teller) {
    let (listener, address) = listener();
    teller.select(&listener, ACCEPT);
    let _first = client(address);
    teller.expect_well(&listener, ACCEPT);
    let _second = client(address);
    // (Of the event objects of Windows a second connection may be told: M89.)
    if !(teller.is_event() && cfg!(windows)) {
        teller.expect_nothing(&listener);
    }
    listener.accept().expect("a connection waits");
    teller.expect_well(&listener, ACCEPT);
    listener.accept().expect("a connection waits");
    teller.expect_nothing(&listener);
    let nobody = listener.accept().expect_err("nobody waits");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    let _third = client(address);
    teller.expect_well(&listener, ACCEPT);
}

fn m57_m66_connect_is_told_once_and_write_with_it(teller: &Teller) {
    let (_listener, address) = listener();
    let socket = fresh();
    teller.select(&socket, CONNECT | WRITE | READ | CLOSE);
    teller.expect_nothing(&socket);
    start_connect(&socket, address);
    let came = teller.expect(&socket, CONNECT | WRITE);
    assert!(came.iter().all(|(_, code)| code.is_none()), "{came:?}");
    if !teller.is_event() {
        assert_eq!(came[0].0, CONNECT, "it comes first");
    }
    // Selected anew it is not told again (M62).
    teller.select(&socket, CONNECT);
    teller.expect_nothing(&socket);
}

fn m57_a_failed_connect_is_told_with_its_error_and_again_for_the_next_one(teller: &Teller) {
    let socket = fresh();
    teller.select(&socket, CONNECT | WRITE | READ);
    // Windows names no call that enables it again, and Wine does not tell of a second failure.
    let attempts = if cfg!(windows) { 1 } else { 2 };
    for _ in 0..attempts {
        start_connect(&socket, nobody());
        let refused = if cfg!(windows) { 10061 } else { 111 };
        assert_eq!(teller.expect(&socket, CONNECT), [(CONNECT, Some(refused))]);
        teller.expect_nothing(&socket);
    }
    let (_listener, address) = listener();
    start_connect(&socket, address);
    teller.expect_well(&socket, CONNECT | WRITE);
}

fn m57_a_failed_connect_is_told_with_its_error_although_that_was_taken(teller: &Teller) {
    let socket = fresh();
    teller.select(&socket, CONNECT);
    start_connect(&socket, nobody());
    let start = Instant::now();
    let error = loop {
        assert!(start.elapsed() < PATIENCE, "nobody listens");
        if let Some(error) = socket.connect_error().expect("it can be asked") {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(teller.expect(&socket, CONNECT), [(CONNECT, error.raw_os_error())]);
}

fn m57_m64_m65_close_is_told_once_although_data_is_unread_and_sends_still_work(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | CLOSE);
    peer.write_all(&[1; 100]).expect("it is connected");
    peer.shutdown(Shutdown::Write).expect("it is connected");
    if cfg!(windows) {
        // There it may be told before or after the data is received; Wine tells it after.
        let (came, data) = teller.until_close(&socket);
        assert_eq!((came.contains(&READ), data), (true, vec![1; 100]));
        teller.expect_nothing(&socket);
        return;
    }
    teller.expect_well(&socket, READ | CLOSE);
    assert_eq!(socket.receive(&mut [0; 50]).expect("it is there"), 50);
    // What is left is told, and the close is not.
    teller.expect_well(&socket, READ);
    assert_eq!(drain(&socket), (vec![1; 50], true));
    teller.expect_nothing(&socket);
    assert_eq!(socket.send(b"pong").expect("our direction is open"), 4);
    take(&mut peer, 4);
}

fn m57_qos_never_happens(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, NetworkEvents::QOS | NetworkEvents::GROUP_QOS);
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_nothing(&socket);
}

fn m57_changes_of_routes_and_addresses_are_refused(teller: &Teller) {
    let (socket, _peer) = pair();
    for event in [NetworkEvents::ROUTING_INTERFACE_CHANGE, NetworkEvents::ADDRESS_LIST_CHANGE] {
        let refused = match teller {
            Teller::Event(object) => socket.select_events(object, event | READ),
            Teller::Window(window) => socket.select_messages(window, 1, event | READ),
        };
        assert_eq!(refused.expect_err("it cannot be told").kind(), ErrorKind::Unsupported);
    }
    // Nothing was changed by that: the socket may block.
    socket.set_blocking(true).expect("it reports nothing");
}

fn m63_a_reset_is_a_close_with_an_error(teller: &Teller) {
    let (socket, peer) = pair();
    teller.select(&socket, READ | CLOSE);
    reset(peer);
    let came = teller.expect(&socket, CLOSE);
    let [(CLOSE, Some(code))] = came[..] else { panic!("a close with an error, not {came:?}") };
    let codes = if cfg!(windows) { [10053, 10054] } else { [103, 104] };
    assert!(codes.contains(&code), "{code}");
    // The error that was told is still that of a receive.
    let error = socket.receive(&mut [0; 8]).expect_err("it was reset");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted));
}

fn m63_our_own_shutdown_tells_nothing_and_the_peers_end_is_told_after_it(teller: &Teller) {
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        let (socket, peer) = pair();
        teller.select(&socket, READ | WRITE | CLOSE);
        teller.expect_well(&socket, WRITE);
        socket.shutdown(how).expect("it is connected");
        socket.shutdown(how).expect("it was ended, which is no error");
        teller.expect_nothing(&socket);
        let name = "m63_our_own_shutdown_tells_nothing_and_the_peers_end_is_told_after_it";
        if how == Shutdown::Both && on_wine(name, "it tells nothing after a shutdown of both") {
            continue;
        }
        peer.shutdown(Shutdown::Write).expect("it is connected");
        teller.expect_well(&socket, CLOSE);
        teller.expect_nothing(&socket);
    }
}

fn m63_what_comes_after_our_shutdown_of_receiving_is_no_read(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | CLOSE);
    socket.shutdown(Shutdown::Read).expect("it is connected");
    let error = socket.receive(&mut [0; 8]).expect_err("it was shut down");
    assert_eq!(error.raw_os_error(), Some(SHUT_DOWN));
    let name = "m63_what_comes_after_our_shutdown_of_receiving_is_no_read";
    if on_wine(name, "it tells of data that cannot be received") {
        return;
    }
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_nothing(&socket);
    if cfg!(windows) {
        // What comes then is answered with a reset there, and how that is told is not known.
        return;
    }
    assert_eq!(socket.send(b"still").expect("our sending is open"), 5);
    take(&mut peer, 5);
    peer.shutdown(Shutdown::Write).expect("it is connected");
    teller.expect_well(&socket, CLOSE);
}

fn m59_room_after_our_shutdown_of_sending_is_no_write(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, WRITE);
    teller.expect_well(&socket, WRITE);
    let sent = teller.fill(&socket);
    socket.shutdown(Shutdown::Write).expect("it is connected");
    let error = socket.send(b"x").expect_err("it was shut down");
    assert_eq!(error.raw_os_error(), Some(SHUT_DOWN));
    take(&mut peer, sent);
    if !on_wine("m59_room_after_our_shutdown_of_sending_is_no_write", "it tells of the room") {
        teller.expect_nothing(&socket);
    }
}

fn m20_m50_selecting_makes_a_socket_non_blocking_and_keeps_it_so(teller: &Teller) {
    let (socket, _peer) = pair();
    socket.set_blocking(true).expect("it reports nothing");
    teller.select(&socket, READ);
    let would_block = |socket: &Socket| {
        let error = socket.receive(&mut [0; 8]).expect_err("nothing was sent");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    };
    would_block(&socket);
    let refused = socket.set_blocking(true).expect_err("it reports network events");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    socket.select_nothing().expect("it can be selected");
    would_block(&socket);
    socket.set_blocking(true).expect("it reports nothing");
}

fn m56_an_accepted_socket_reports_as_its_listener_does(teller: &Teller) {
    let (listener, address) = listener();
    teller.select(&listener, ACCEPT | READ | CLOSE);
    let mut peer = client(address);
    peer.write_all(b"early").expect("it is connected");
    teller.expect_well(&listener, ACCEPT);
    let (accepted, from) = listener.accept().expect("a connection waits");
    assert_eq!(from, peer.local_addr().expect("it is connected"));
    teller.expect_well(&accepted, READ);
    assert_eq!(drain(&accepted).0, b"early");
    peer.shutdown(Shutdown::Write).expect("it is connected");
    teller.expect_well(&accepted, CLOSE);
}

fn m90_a_select_between_changes_nothing(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, READ);
    peer.write_all(&[1; 100]).expect("it is connected");
    for _ in 0..2 {
        let mut read = SocketSet::new();
        read.insert(&socket);
        assert_eq!(select(Some(&mut read), None, None, None).expect("one was given"), 1);
    }
    teller.expect_well(&socket, READ);
    teller.expect_nothing(&socket);
}

fn m101_datagrams_are_told_one_by_one(teller: &Teller) {
    let socket = crate::plain_sockets::echo_of_itself();
    teller.select(&socket, READ | WRITE);
    teller.expect_well(&socket, WRITE);
    assert_eq!(socket.send(b"one").expect("there is room"), 3);
    assert_eq!(socket.send(b"").expect("there is room"), 0);
    teller.expect_well(&socket, READ);
    assert_eq!(socket.receive(&mut [0; 8]).expect("it is there"), 3);
    // A datagram of nothing is no end.
    teller.expect_well(&socket, READ);
    assert_eq!(socket.receive(&mut [0; 8]).expect("it is there"), 0);
    teller.expect_nothing(&socket);
    assert_eq!(socket.send(b"two").expect("there is room"), 3);
    teller.expect_well(&socket, READ);
}

fn e10_what_was_sent_before_the_close_is_received_after_it_was_told(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, CLOSE);
    let sender = std::thread::spawn(move || {
        peer.write_all(&vec![5; 100_000]).expect("it is connected");
    });
    let mut all = Vec::new();
    // Room for all that is sent is not certain, so some of it is received before.
    while all.len() < 50_000 {
        all.append(&mut drain(&socket).0);
        std::thread::yield_now();
    }
    sender.join().expect("it was sent");
    teller.expect_well(&socket, CLOSE);
    let (mut rest, is_end) = drain(&socket);
    all.append(&mut rest);
    assert!(is_end && all == vec![5; 100_000], "{} bytes", all.len());
}

fn an_event_that_is_not_in_the_mask_is_told_once_it_is(teller: &Teller) {
    let (socket, mut peer) = pair();
    teller.select(&socket, WRITE);
    teller.expect_well(&socket, WRITE);
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_nothing(&socket);
    teller.select(&socket, READ);
    teller.expect_well(&socket, READ);
}

#[test]
fn m62_messages_are_told_again_what_is_so_when_selected_anew() {
    let teller = Teller::window();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | WRITE);
    peer.write_all(&[1; 100]).expect("it is connected");
    teller.expect_well(&socket, READ | WRITE);
    teller.select(&socket, READ | WRITE);
    teller.expect_well(&socket, READ | WRITE);
    teller.expect_nothing(&socket);
}
