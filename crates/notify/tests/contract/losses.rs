//! A connection that is lost tells it by every call (P160), and what a shutdown leaves to the
//! operations in flight (P162).

use crate::plain_sockets::{pair, reset};
use crate::world::{LONG, SHUT_DOWN, manual as event, on_wine, pair as streams, until};
use overlapped_notify::{Received, Socket, Waited, wait_any};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

/// Each call tells it, whichever comes first, and again.
fn assert_is_lost(socket: &Socket, receives_first: bool) {
    for _ in 0..2 {
        if receives_first {
            let error = socket.receive(&mut [0; 8]).expect_err("it is lost");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let error = socket.send(b"x").expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = socket.receive(&mut [0; 8]).expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn p160_a_plain_socket_that_was_reset_tells_it_by_every_call() {
    let name = "p160_a_plain_socket_that_was_reset_tells_it_by_every_call";
    if on_wine(name, "it tells it once, as Linux does") {
        return;
    }
    for receives_first in [false, true] {
        let (socket, peer) = pair();
        reset(peer);
        until_over(&socket);
        assert_is_lost(&socket, receives_first);
    }
}

#[test]
fn p160_a_plain_socket_tells_a_reset_behind_the_peers_end() {
    let name = "p160_a_plain_socket_tells_a_reset_behind_the_peers_end";
    if on_wine(name, "a receive there finds the end, as that of Linux does") {
        return;
    }
    for receives_first in [false, true] {
        let (socket, peer) = pair();
        drop(peer);
        socket.send(b"to nobody").expect("the system takes it");
        until_over(&socket);
        assert_is_lost(&socket, receives_first);
    }
}

/// Linux forgets the peer's address when the connection is over.
fn until_over(socket: &Socket) {
    if cfg!(target_os = "linux") {
        until(|| socket.peer_addr().is_err(), "the connection is not over");
    }
}

#[test]
fn p160_operations_without_a_port_tell_a_reset_behind_the_peers_end() {
    let name = "p160_operations_without_a_port_tell_a_reset_behind_the_peers_end";
    if on_wine(name, "a receive there finds the end, as that of Linux does") {
        return;
    }
    let (stream, peer) = streams();
    drop(peer);
    let done = event();
    let sent = stream.send(b"to nobody".to_vec(), &done).expect("it can be started");
    sent.result().result.expect("the system takes it");
    if cfg!(target_os = "linux") {
        until(|| stream.peer_addr().is_err(), "no reset came");
    }
    for _ in 0..2 {
        let received = stream.receive(Vec::with_capacity(8), &done);
        let error = received.map_or_else(
            |refused| refused.error,
            |pending| pending.result().result.expect_err("data was lost"),
        );
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let refused = stream.send(b"x".to_vec(), &done).map(drop);
        assert_eq!(refused.expect_err("it is lost").error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn p162_an_operation_without_a_port_stays_after_shutdown_of_receiving() {
    for how in [Shutdown::Read, Shutdown::Both] {
        let (stream, mut peer) = streams();
        let done = event();
        let receive = stream.receive(Vec::with_capacity(8), &done).expect("it can be started");
        stream.shutdown(how).expect("it is connected");
        assert!(!receive.is_complete(), "it waits");
        let refused = stream.receive(Vec::with_capacity(8), &done).map(drop);
        let error = refused.expect_err("it is shut down").error;
        assert_eq!(error.raw_os_error(), Some(SHUT_DOWN));
        peer.write_all(b"later").expect("it is connected");
        assert_eq!(wait_any(&[&done], LONG, false).expect("one can wait"), Waited::Signaled(0));
        let completed = receive.result();
        assert_eq!(completed.result.expect("data came"), Received::Data(5));
        assert_eq!(&completed.buffer[..], b"later");
    }
}

#[test]
fn p162_our_end_goes_out_behind_the_sends_in_flight_without_a_port() {
    const LENGTH: usize = 16 << 20;
    let (stream, mut peer) = streams();
    let done = event();
    let send = stream.send(vec![7; LENGTH], &done).expect("it can be started");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let refused = stream.send(b"x".to_vec(), &done).map(drop);
    let error = refused.expect_err("it is shut down").error;
    assert_eq!(error.raw_os_error(), Some(SHUT_DOWN));
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("it ends in order");
        all
    });
    let completed = send.result();
    assert_eq!((completed.transferred, completed.result.is_ok()), (LENGTH, true));
    assert!(reader.join().expect("it did not panic") == vec![7; LENGTH]);
}
