//! A listening socket that several share (F25). On Windows a socket belongs to one port, however many
//! handles it has (P8).
#![cfg(target_os = "linux")]

use crate::threads::{Order, Worker};
use crate::world::{PATIENCE, World};
use overlapped::{ListenSocket, Packet, TakeError};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Two processes may share a listening socket; here two ports do. Both are told of the one client,
/// and who comes second must not wait in its accept for another one.
#[test]
fn f25_of_two_ports_on_one_listening_socket_neither_waits_for_the_others_client() {
    const CLIENTS: usize = 20;
    let world = World::System;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    let copy = socket.try_clone().expect("a descriptor can be copied");
    let both = [socket, copy].map(|socket| {
        let port = world.exact_port(1);
        let socket = ListenSocket::try_from(socket).expect("it is adopted");
        let listener = port.associate(socket, 1).expect("it is associated");
        (Worker::start(&port), listener)
    });
    for (worker, listener) in &both {
        let (listener, (posted, are_posted)) = (listener.clone(), channel());
        worker.order(Order::Run(Box::new(move |_| {
            for number in 0..CLIENTS as u64 {
                listener.accept(number).expect("an accept can be posted");
            }
            posted.send(()).expect("the test waits for it");
        })));
        are_posted.recv_timeout(PATIENCE).expect("posting an accept does not wait for a client");
    }
    for client in 0..CLIENTS {
        let _client = world.connect(address);
        let start = Instant::now();
        let mut served = 0;
        while served == 0 {
            for (worker, _) in &both {
                worker.order(Order::Take(Some(Duration::ZERO)));
                match worker.result() {
                    Ok(Packet::Accepted { result, .. }) => {
                        result.expect("a client has come");
                        served += 1;
                    }
                    Err(TakeError::TimedOut) => {}
                    other => panic!("an accept was owed, not {other:?}"),
                }
            }
            assert!(start.elapsed() < PATIENCE, "client {client} was not served");
        }
        assert_eq!(served, 1, "only one of them has it");
    }
    let posted: usize = both.iter().map(|(_, listener)| listener.posted()).sum();
    assert_eq!(posted, CLIENTS, "the others are posted still");
    both.into_iter().for_each(|(worker, _)| worker.end());
}
