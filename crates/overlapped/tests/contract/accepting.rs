//! Single posted accepts (P18, P31, P32, X14, X20-X32, F20).

use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{
    accepted, assert_nothing_comes, code, expect_queued, next, outcome, received,
};
use crate::world::World;
use overlapped::Received;
use overlapped::simulated::{Call, Network};

fn p31_an_accept_that_finds_a_client_at_once_queues_exactly_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let _client = world.connect(address);
    listener.accept(1).expect("an accept can be posted");
    expect_queued(&port, 1);
    assert!(accepted(&port).result.is_ok());
    assert_nothing_comes(&port);
}

fn x14_an_accept_without_first_data_completes_with_the_connection(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept(1).expect("an accept can be posted");
    assert_nothing_comes(&port);
    let _silent = world.connect(address);
    let connection = accepted(&port).result.expect("a client has come");
    assert!(connection.first_data.is_none());
}

fn x20_the_packet_carries_the_key_of_its_listener(world: &World) {
    let port = world.exact_port(1);
    let (first, first_address) = world.listen(&port, 1);
    let (second, second_address) = world.listen(&port, 2);
    first.accept(10).expect("an accept can be posted");
    second.accept(20).expect("an accept can be posted");
    for (address, key, operation) in [(second_address, 2, 20), (first_address, 1, 10)] {
        let _client = world.connect(address);
        let packet = accepted(&port);
        assert_eq!((*packet.listener.key(), packet.operation), (key, operation));
    }
}

fn x21_posted_accepts_are_served_in_the_order_posted(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    for number in 0..10 {
        listener.accept(number).expect("an accept can be posted");
    }
    assert_eq!(listener.posted(), 10);
    let _clients: Vec<_> = (0..10).map(|_| world.connect(address)).collect();
    for number in 0..10 {
        let packet = accepted(&port);
        assert!(packet.result.is_ok());
        assert_eq!(packet.operation, number);
    }
    assert_eq!(listener.posted(), 0);
}

fn x23_x25_both_addresses_are_known_at_once_and_after_the_listener_is_closed(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept(1).expect("an accept can be posted");
    let client = world.connect(address);
    let client_address = client.address();
    let connection = accepted(&port).result.expect("a client has come");
    listener.close();
    assert_eq!((connection.local, connection.remote), (address, client_address));
    assert_eq!(connection.socket.local_addr().expect("it is connected"), address);
    assert_eq!(connection.socket.peer_addr().expect("it is connected"), client_address);
    let stream = port.associate(connection.socket, 4).expect("a socket is associated");
    assert_eq!(stream.peer_addr().expect("it is connected"), client_address);
    stream.send(b"x", 2).expect("closing the listener touches no connection");
    assert_eq!(client.receive_exact(1), b"x");
}

fn x26_an_accepted_connection_knows_since_when_it_is_connected(world: &World) {
    let start = std::time::Instant::now();
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 1);
    let first = stream.connected_for().expect("it is connected");
    assert!(first <= start.elapsed());
    assert!(stream.connected_for().expect("it is connected") >= first, "time goes on");
}

fn p18_an_accepted_socket_is_not_associated_until_the_program_does_it(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept(1).expect("an accept can be posted");
    let client = world.connect(address);
    let connection = accepted(&port).result.expect("a client has come");
    assert_eq!(port.snapshot().devices, 1, "only the listener belongs to the port");
    client.send(b"abc");
    assert_nothing_comes(&port);
    let stream = port.associate(connection.socket, 9).expect("a socket is associated");
    assert_eq!(port.snapshot().devices, 2);
    stream.receive_pooled(2).expect("a receive can be started");
    let packet = received(&port);
    assert_eq!((&packet.buffer[..], *packet.stream.key()), (&b"abc"[..], 9));
}

fn x29_closing_the_listener_aborts_every_posted_accept(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 3);
    for number in 0..5 {
        listener.accept(number).expect("an accept can be posted");
    }
    listener.close();
    assert_eq!(port.snapshot().devices, 0);
    for number in 0..5 {
        assert_eq!(outcome(next(&port)), (number, Some(errno::CANCELED)));
    }
    let refused = listener.accept(9).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    assert_nothing_comes(&port);
}

fn x30_a_client_that_resets_in_the_backlog_shows_at_the_first_receive_or_not_at_all(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    world.connect(address).reset();
    listener.accept(1).expect("an accept can be posted");
    let good = world.connect(address);
    good.send(b"good");
    let connection = accepted(&port).result.expect("a reset client is no error of the accept");
    let stream = port.associate(connection.socket, 4).expect("a socket is associated");
    let is_reset = match stream.receive_pooled(2) {
        Err(refused) => {
            assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
            true
        }
        Ok(_) => {
            let packet = received(&port);
            match packet.result {
                Ok(received) => assert_eq!(received, Received::Data(4), "it is the good one"),
                Err(_) => assert_eq!(code(&packet.result), Some(errno::RESET)),
            }
            packet.result.is_err()
        }
    };
    if is_reset {
        listener.accept(3).expect("the listener goes on");
        assert!(accepted(&port).result.is_ok());
    }
}

fn f20_after_a_hundred_resets_in_the_backlog_a_good_client_is_served(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    for _ in 0..100 {
        world.connect(address).reset();
    }
    let good = world.connect(address);
    good.send(b"good");
    for _ in 0..101 {
        listener.accept(1).expect("the listener goes on");
        let connection = accepted(&port).result.expect("resets are no errors of the accept");
        let stream = port.associate(connection.socket, 4).expect("a socket is associated");
        if stream.receive_pooled(2).is_ok() && received(&port).buffer[..] == *b"good" {
            return;
        }
    }
    panic!("the good client was not served");
}

fn x31_an_accept_posted_before_lengthy_work_serves_the_next_client_meanwhile(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept(1).expect("an accept can be posted");
    let _clients = (world.connect(address), world.connect(address));
    let first = accepted(&port);
    first.listener.accept(2).expect("posted before the work");
    // While the handler of the first still works, another thread has the second.
    let second = std::thread::scope(|scope| {
        overlapped::blocking(|| {
            scope.spawn(|| accepted(&port).operation).join().expect("it did not panic")
        })
    });
    assert_eq!(second, 2);
    drop(first);
}

fn x32_without_posted_accepts_clients_wait_in_the_backlog(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let clients: Vec<_> = (0..20).map(|_| world.connect(address)).collect();
    for client in &clients {
        client.send(b"early");
    }
    assert_nothing_comes(&port);
    for number in 0..20 {
        listener.accept(number).expect("an accept can be posted");
    }
    let streams: Vec<_> = (0..20)
        .map(|_| {
            let connection = accepted(&port).result.expect("a client waits");
            port.associate(connection.socket, 4).expect("a socket is associated")
        })
        .collect();
    for stream in streams {
        stream.receive_pooled(100).expect("a receive can be started");
        assert_eq!(&received(&port).buffer[..], b"early");
    }
}

#[test]
fn f29_a_shortage_of_descriptors_leaves_the_accept_posted_until_it_is_over() {
    for shortage in errno::SHORTAGES {
        let network = Network::new(0);
        let world = World::Simulated(network.clone());
        let port = world.exact_port(1);
        let (listener, address) = world.listen(&port, 3);
        listener.accept(1).expect("an accept can be posted");
        network.faults().fail_next(Call::Accept, 3, shortage);
        let _client = world.connect(address);
        let packet = accepted(&port);
        assert!(packet.result.is_ok(), "{shortage}: {:?}", packet.result);
        assert!(port.counters().accept_deferrals >= 3, "{shortage}");
        assert_nothing_comes(&port);
    }
}

on_every_driver_and_family! {
    p18_an_accepted_socket_is_not_associated_until_the_program_does_it,
    p31_an_accept_that_finds_a_client_at_once_queues_exactly_one_packet,
    x14_an_accept_without_first_data_completes_with_the_connection,
    x20_the_packet_carries_the_key_of_its_listener,
    x21_posted_accepts_are_served_in_the_order_posted,
    x23_x25_both_addresses_are_known_at_once_and_after_the_listener_is_closed,
    x26_an_accepted_connection_knows_since_when_it_is_connected,
    x29_closing_the_listener_aborts_every_posted_accept,
    x30_a_client_that_resets_in_the_backlog_shows_at_the_first_receive_or_not_at_all,
    x31_an_accept_posted_before_lengthy_work_serves_the_next_client_meanwhile,
    x32_without_posted_accepts_clients_wait_in_the_backlog,
    f20_after_a_hundred_resets_in_the_backlog_a_good_client_is_served,
}
