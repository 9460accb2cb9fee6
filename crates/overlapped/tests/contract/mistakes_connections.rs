//! Accepts and connects: what is known of a new connection, and that every client is served, or
//! told that it is not (F21-F24, F27, F28).

use crate::connecting::full_listener;
use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{accepted, assert_nothing_comes, code, next, received};
use crate::threads::{Worker, until};
use crate::world::{Numbers, Peer, World, may_have_descriptors};
use overlapped::{AcceptWindow, Packet, Port, Received};
use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

fn address_of(peer: &Peer) -> SocketAddr {
    match peer {
        Peer::System(stream) => stream.local_addr(),
        Peer::Simulated(peer) => peer.local_addr(),
    }
    .expect("it is connected")
}

/// A system that does not know which listener an accepted socket came from, or that a socket is
/// connected by now, refuses these calls.
fn f21_f22_f28_addresses_and_shutdown_work_right_after_accept_and_connect(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 1);
    listener.accept(1).expect("an accept can be posted");
    let client = port.associate(world.socket(), 2).expect("a fresh socket is associated");
    client.connect(address, (), 2).expect("a connect can be started");
    let mut connection = None;
    for _ in 0..2 {
        match next(&port) {
            Packet::Accepted { result, .. } => connection = result.ok(),
            Packet::Connected { stream, result, .. } => {
                assert!(result.is_ok(), "{result:?}");
                assert_eq!(stream.peer_addr().expect("it is connected"), address);
                assert_ne!(stream.local_addr().expect("it is connected").port(), 0);
            }
            other => panic!("an accept and a connect were started, not {other:?}"),
        }
    }
    let connection = connection.expect("the accept succeeded");
    let own = client.local_addr().expect("it is connected");
    assert_eq!((connection.local, connection.remote), (address, own));
    let server = port.associate(connection.socket, 3).expect("a socket is associated");
    assert_eq!(server.local_addr().expect("it is connected"), address);
    assert_eq!(server.peer_addr().expect("it is connected"), own);

    server.shutdown(Shutdown::Write).expect("it is connected");
    client.receive_pooled(4).expect("a receive can be started");
    assert_eq!(received(&port).result.expect("the end is no error"), Received::End);
    client.shutdown(Shutdown::Write).expect("it is connected");
    server.receive_pooled(5).expect("a receive can be started");
    assert_eq!(received(&port).result.expect("the end is no error"), Received::End);
}

/// In the accept's buffer the first data lies before the addresses, whatever room it has.
fn f23_first_data_and_addresses_are_right_whatever_room_there_is(world: &World) {
    for room in [1, 100, 8_192] {
        for sent in [0, 1, 100] {
            let port: Port<Numbers> = world.port(|builder| {
                builder.concurrency(1).blocked_thread_monitor(false).buffer_size(room)
            });
            let (listener, address) = world.listen(&port, 3);
            let window = AcceptWindow::new(1).first_data(NEVER_IN_THIS_TEST);
            listener.accept_window(window, || 1).expect("no accept is posted yet");
            let bytes: Vec<u8> = (1..=sent).collect();
            let client = world.connect(address);
            client.send(&bytes);
            client.shut_down_sending();

            let connection = accepted(&port).result.expect("a client has come");
            assert_eq!((connection.local, connection.remote), (address, address_of(&client)));
            let first = connection.first_data.expect("it was waited for");
            assert_eq!(first.is_empty(), sent == 0, "{room} {sent}");
            assert!(first.len() <= room);
            let mut all = first.to_vec();
            let stream = port.associate(connection.socket, 4).expect("it is associated");
            loop {
                stream.receive_pooled(5).expect("a receive can be started");
                let packet = received(&port);
                match packet.result.expect("nothing failed") {
                    Received::End => break,
                    _ => all.extend_from_slice(&packet.buffer),
                }
            }
            assert_eq!(all, bytes, "{room} {sent}");
        }
    }
}

/// More clients at once than accepts are posted: one notice may stand for all of them.
fn f24_a_burst_of_a_thousand_connects_is_served(world: &World) {
    const CLIENTS: usize = 1_000;
    const GREETING: &[u8] = b"welcome";
    let name = "f24_a_burst_of_a_thousand_connects_is_served";
    if matches!(world, World::System) && !may_have_descriptors(name, 2 * CLIENTS as u64) {
        return;
    }
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept_window(AcceptWindow::new(10), || 1).expect("no accept is posted yet");
    let clients: Vec<_> = (0..CLIENTS).map(|_| world.connect(address)).collect();
    let mut greeted = BTreeSet::new();
    let mut sent = 0;
    let mut open = Vec::new();
    while sent < CLIENTS {
        match next(&port) {
            Packet::Accepted { result, .. } => {
                let connection = result.expect("no client failed");
                assert!(greeted.insert(connection.remote), "each is accepted once");
                let stream = port.associate(connection.socket, 4).expect("it is associated");
                stream.send(GREETING, 2).expect("a send can be started");
                open.push(stream);
            }
            Packet::Sent { result, .. } => {
                assert!(result.is_ok());
                sent += 1;
            }
            other => panic!("only accepts and sends were started, not {other:?}"),
        }
    }
    assert_eq!(greeted, clients.iter().map(address_of).collect());
    for client in &clients {
        assert_eq!(client.receive_exact(GREETING.len()), GREETING);
    }
    assert_eq!(listener.posted(), 10);
    assert_nothing_comes(&port);
}

/// The refusal comes when the connect has long been in flight; there is nothing but an error then,
/// no readiness for data.
fn f27_a_connect_that_is_refused_later_is_told_to_the_thread_that_waits(world: &World) {
    let port = world.exact_port(1);
    let (listener, peers, address) = full_listener(world);
    let stream = port.associate(world.socket(), 9).expect("a fresh socket is associated");
    stream.connect(address, b"unsent", 1).expect("a connect can be started");
    drop(stream);
    let worker = Worker::start(&port);
    worker.take();
    until(&port, "the worker waits", |snapshot| snapshot.waiting == 1);
    assert!(worker.still_waits());
    // The system tries again after a second, and then nobody listens.
    drop((listener, peers));
    match worker.result() {
        Ok(Packet::Connected { stream, buffers, operation: 1, transferred: 0, result }) => {
            assert_eq!(code(&result), Some(errno::REFUSED));
            assert_eq!((*stream.key(), buffers.byte_len()), (9, 6));
        }
        other => panic!("the connect was owed with its error, not {other:?}"),
    }
    worker.end();
}

on_every_driver_and_family! {
    f21_f22_f28_addresses_and_shutdown_work_right_after_accept_and_connect,
    f23_first_data_and_addresses_are_right_whatever_room_there_is,
    f24_a_burst_of_a_thousand_connects_is_served,
    f27_a_connect_that_is_refused_later_is_told_to_the_thread_that_waits,
}
