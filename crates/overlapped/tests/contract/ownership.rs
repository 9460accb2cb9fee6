//! Whatever is dropped, leaked, cancelled or closed, in any order: nothing is lost and nothing
//! stays behind (P17, P122, P123).

use crate::crew::until;
use crate::on_every_driver;
use crate::packets::expect_queued;
use crate::world::{PATIENCE, Peer, World};
use overlapped::{AcceptWindow, Buffer, Packet, Port, Protocol, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

/// All three of the user's types count how many of them are alive.
#[derive(Debug)]
struct Counted;

impl Protocol for Counted {
    type Key = Token;
    type Operation = Token;
    type Message = Token;
}

#[derive(Debug)]
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Default)]
struct Tokens(Arc<AtomicUsize>);

impl Tokens {
    fn one(&self) -> Token {
        self.0.fetch_add(1, Ordering::Relaxed);
        Token(Arc::clone(&self.0))
    }

    fn alive(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn port(world: &World) -> Port<Counted> {
    world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false))
}

fn stream(world: &World, port: &Port<Counted>, tokens: &Tokens) -> (TcpStream<Counted>, Peer) {
    let (socket, peer) = world.connected_socket();
    (port.associate(socket, tokens.one()).expect("a socket is associated"), peer)
}

fn listener(world: &World, port: &Port<Counted>, tokens: &Tokens) -> TcpListener<Counted> {
    port.associate(world.listen_socket(), tokens.one()).expect("a listener is associated")
}

fn assert_is_over(peer: &Peer) {
    match peer.receive(&mut [0]) {
        Ok(0) => {}
        Ok(_) => panic!("nothing was sent"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

/// Everything that may be in flight, and more in the queue.
fn start_everything(
    port: &Port<Counted>,
    stream: &TcpStream<Counted>,
    listener: &TcpListener<Counted>,
    tokens: &Tokens,
) {
    port.post(tokens.one()).expect("the port is open");
    port.timer(NEVER_IN_THIS_TEST, tokens.one()).expect("the port is open");
    stream.receive(Buffer::with_capacity(8), tokens.one()).expect("it can be started");
    stream.receive_pooled(tokens.one()).expect("it can be started");
    stream.send(vec![1; 64 << 20], tokens.one()).expect("it can be started");
    stream.send(b"behind", tokens.one()).expect("it can be started");
    listener.accept(tokens.one()).expect("it can be posted");
    listener.accept(tokens.one()).expect("it can be posted");
}

fn p17_p122_p123_a_port_dropped_first_drops_what_was_in_flight_and_queued(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let (stream, peer) = stream(world, &port, &tokens);
    let listener = listener(world, &port, &tokens);
    start_everything(&port, &stream, &listener, &tokens);
    assert_eq!(tokens.alive(), 2 + 8);
    drop(port);
    assert_eq!(tokens.alive(), 2, "only the keys of the two open handles are left");

    let refused = stream.receive(Buffer::with_capacity(8), tokens.one()).expect_err("it is closed");
    assert_eq!(refused.returned.0.capacity(), 8);
    drop(refused);
    assert!(stream.send(b"x", tokens.one()).is_err());
    assert!(listener.accept(tokens.one()).is_err());
    assert!(stream.peer_addr().is_ok(), "the handles are open still");
    peer.send(b"nobody receives this");
    drop((stream, listener));
    assert_eq!(tokens.alive(), 0);
}

fn p123_a_connection_that_only_an_operation_held_closes_with_the_port(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let (stream, peer) = stream(world, &port, &tokens);
    stream.receive_pooled(tokens.one()).expect("it can be started");
    drop(stream);
    assert_eq!(tokens.alive(), 2);
    drop(port);
    assert_eq!(tokens.alive(), 0);
    assert_is_over(&peer);
}

fn p122_a_connection_accepted_and_taken_by_nobody_is_closed(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let listener = listener(world, &port, &tokens);
    let address = listener.local_addr().expect("it has an address");

    let dropped_with_the_packet = world.connect(address);
    listener.accept(tokens.one()).expect("it can be posted");
    drop(port.take_timeout(PATIENCE).expect("a client has come"));
    assert_is_over(&dropped_with_the_packet);

    let left_in_the_queue = world.connect(address);
    listener.accept(tokens.one()).expect("it can be posted");
    expect_queued(&port, 1);
    port.close();
    assert_is_over(&left_in_the_queue);
    assert_eq!(tokens.alive(), 1);
}

fn a_window_of_accepts_ends_with_the_port(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let listener = listener(world, &port, &tokens);
    let address = listener.local_addr().expect("it has an address");
    let window = AcceptWindow::new(5).first_data(NEVER_IN_THIS_TEST).connections(100);
    let for_window = tokens.clone();
    listener.accept_window(window, move || for_window.one()).expect("no accept is posted yet");
    let silent = world.connect(address);
    let is_silent = || {
        assert!(matches!(port.try_take(), Ok(None)));
        listener.silent() == 1
    };
    until(is_silent, || "the client is not seen".to_owned());
    assert_eq!(listener.posted(), 5);
    if !world.is_kernel() {
        assert_eq!(port.snapshot().devices, 2, "the silent client is held");
    }
    drop(listener);
    assert_eq!(tokens.alive(), 7, "the window holds its listener");
    drop(port);
    assert_eq!(tokens.alive(), 0);
    assert_is_over(&silent);
}

fn packets_dropped_unseen_close_and_free_what_they_carry(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    for _ in 0..50 {
        let (stream, peer) = stream(world, &port, &tokens);
        stream.receive_pooled(tokens.one()).expect("it can be started");
        stream.send(b"x", tokens.one()).expect("it can be started");
        drop(stream);
        peer.send(b"y");
        let mut taken = 0;
        while taken < 2 {
            let batch = port.take_many(2, Some(PATIENCE)).expect("packets are owed");
            taken += batch.map(drop).count();
        }
        assert_eq!(peer.receive_exact(1), b"x");
        assert_is_over(&peer);
        assert_eq!(tokens.alive(), 0);
        assert_eq!(port.snapshot().devices, 0);
    }
}

/// The packet was never in the queue before: the thread that took it had performed it.
fn a_batch_dropped_with_a_packet_just_performed_puts_it_into_the_queue(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let (stream, peer) = stream(world, &port, &tokens);
    stream.receive_pooled(tokens.one()).expect("it can be started");
    peer.send(b"x");
    drop(port.take_many(4, Some(PATIENCE)).expect("data came"));
    expect_queued(&port, 1);
    let counters = port.counters();
    assert_eq!((counters.queued, counters.taken), (1, 0));
    match port.take_timeout(PATIENCE).expect("it is in the queue") {
        Packet::Received { buffer, .. } => assert_eq!(&buffer[..], b"x"),
        other => panic!("a receive was started, not {other:?}"),
    }
    let counters = port.counters();
    assert_eq!((counters.queued, counters.taken), (1, 1));
}

fn a_leaked_packet_and_a_leaked_handle_harm_nobody_else(world: &World) {
    let tokens = Tokens::default();
    let port = port(world);
    let (leaked, leaked_peer) = stream(world, &port, &tokens);
    let (good, good_peer) = stream(world, &port, &tokens);
    leaked.receive_pooled(tokens.one()).expect("it can be started");
    leaked_peer.send(b"x");
    std::mem::forget(port.take_timeout(PATIENCE).expect("data came"));
    leaked.receive_pooled(tokens.one()).expect("it can be started");
    std::mem::forget(leaked);
    std::mem::forget(port.take_many(1, Some(Duration::ZERO)));

    good.receive_pooled(tokens.one()).expect("it can be started");
    good_peer.send(b"y");
    match port.take_timeout(PATIENCE).expect("data came") {
        Packet::Received { buffer, .. } => assert_eq!(&buffer[..], b"y"),
        other => panic!("a receive was started, not {other:?}"),
    }
    drop(good);
    assert_is_over(&good_peer);
    assert_eq!(tokens.alive(), 1 + 2, "the leaked stream's key, its packet's number, its receive");
    port.close();
    assert_eq!(tokens.alive(), 2, "what was in flight on the leaked stream is dropped");
}

fn closing_the_port_while_others_start_take_and_drop_leaves_nothing(world: &World) {
    let tokens = Tokens::default();
    for _ in 0..30 {
        let port = world.port::<Counted>(|builder| builder.concurrency(2));
        let listener = listener(world, &port, &tokens);
        let address = listener.local_addr().expect("it has an address");
        let for_window = tokens.clone();
        let window = AcceptWindow::new(2).first_data(NEVER_IN_THIS_TEST).connections(50);
        listener.accept_window(window, move || for_window.one()).expect("none is posted yet");
        let streams: Vec<_> = (0..4).map(|_| stream(world, &port, &tokens)).collect();
        let clients: Vec<_> = (0..4).map(|_| world.connect(address)).collect();
        std::thread::scope(|scope| {
            for (stream, peer) in &streams {
                let (tokens, port) = (&tokens, &port);
                scope.spawn(move || {
                    for round in 0.. {
                        let refused = stream.receive_pooled(tokens.one()).is_err()
                            | stream.send(b"x", tokens.one()).is_err()
                            | port.timer(Duration::ZERO, tokens.one()).is_err();
                        if refused {
                            return;
                        }
                        if round < 100 {
                            peer.send(b"y");
                        }
                    }
                });
            }
            for client in &clients {
                scope.spawn(move || client.send(b"first"));
            }
            for _ in 0..2 {
                scope.spawn(|| while port.take().is_ok() {});
            }
            for _ in 0..20 {
                drop(port.take_timeout(PATIENCE).expect("there is much to take"));
            }
            port.close();
        });
        drop((streams, listener, port));
        clients.iter().for_each(assert_is_over);
        // A kernel that is busy gives the last operations back after the close has returned, and a
        // thread that was bound to the port has a share in it until it has ended, which the scope
        // does not wait for.
        until(|| tokens.alive() == 0, || format!("{} are alive", tokens.alive()));
    }
    if let World::Simulated(network) = world {
        assert_eq!(network.sockets(), 0);
    }
}

on_every_driver! {
    a_batch_dropped_with_a_packet_just_performed_puts_it_into_the_queue,
    a_leaked_packet_and_a_leaked_handle_harm_nobody_else,
    a_window_of_accepts_ends_with_the_port,
    closing_the_port_while_others_start_take_and_drop_leaves_nothing,
    p17_p122_p123_a_port_dropped_first_drops_what_was_in_flight_and_queued,
    p122_a_connection_accepted_and_taken_by_nobody_is_closed,
    p123_a_connection_that_only_an_operation_held_closes_with_the_port,
    packets_dropped_unseen_close_and_free_what_they_carry,
}
