//! Handles that end: their number may be another's at once, the peer gets what was sent, and whoever
//! holds or drops them meanwhile finds nothing broken (F11, F30-F32, F36, F56, P160).

use crate::closing_handles::end_of;
use crate::connecting::full_listener;
use crate::crew::AtTheEnd;
use crate::errno;
use crate::on_every_driver;
use crate::packets::{
    assert_nothing_comes, code, next, outcome, received, send_until_one_waits, sent,
};
use crate::stay::Stay;
use crate::world::{Numbers, PATIENCE, Peer, World};
use overlapped::simulated::{Call, Network};
use overlapped::{
    Buffer, OperationId, Packet, Port, Protocol, Received, TcpListener, TcpStream, is_aborted,
    is_reset, is_timed_out,
};
use std::collections::BTreeSet;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Instant;

fn f11_closing_with_two_operations_in_flight_hits_nobody_who_opens_meanwhile(world: &World) {
    const ROUNDS: u64 = 300;
    const OPENED: u64 = 1_000_000;
    let port = world.exact_port(1);
    let (peers, stay) = (Mutex::new(Vec::new()), Stay::default());
    std::thread::scope(|scope| {
        let _held = stay.hold();
        for opener in 1..=2 {
            let (port, peers, stay) = (&port, &peers, &stay);
            scope.spawn(move || {
                for key in opener * OPENED..opener * OPENED + ROUNDS {
                    let (stream, peer) = world.stream(port, key);
                    stream.receive(Buffer::with_capacity(8), key).expect("it can be started");
                    peer.send(&key.to_le_bytes());
                    // It stays open, so that nothing but the packet can be what is waited for.
                    peers.lock().expect("nobody panicked").push(peer);
                }
                stay.until_let_go();
            });
        }
        scope.spawn(|| {
            for key in 0..ROUNDS {
                let (stream, peer) = world.stream(&port, key);
                stream.receive(Buffer::with_capacity(8), key).expect("it can be started");
                stream.receive_pooled(key).expect("it can be started");
                stream.close();
                drop(peer);
            }
            stay.until_let_go();
        });
        for _ in 0..4 * ROUNDS {
            let packet = received(&port);
            assert_eq!(*packet.stream.key(), packet.operation);
            if packet.operation >= OPENED {
                assert_eq!(code(&packet.result), None, "{}", packet.operation);
                assert_eq!(&packet.buffer[..], packet.operation.to_le_bytes());
            } else {
                assert_eq!(code(&packet.result), Some(errno::CANCELED), "{}", packet.operation);
            }
        }
    });
    assert_nothing_comes(&port);
    assert_eq!(port.snapshot().devices, 0);
}

/// One operation of each kind that waits, on handles of its own.
struct Waiting {
    stream: TcpStream<Numbers>,
    connecting: TcpStream<Numbers>,
    listener: TcpListener<Numbers>,
    count: usize,
    _outside: (Peer, overlapped::ListenSocket, Vec<Peer>),
}

fn start_one_of_each(world: &World, port: &Port<Numbers>) -> Waiting {
    let (stream, peer) = world.stream(port, 1);
    let (listener, _) = world.listen(port, 2);
    let (full, peers, address) = full_listener(world);
    let connecting = port.associate(world.socket(), 3).expect("a fresh socket is associated");
    let sends = send_until_one_waits(port, &stream, world.long_send());
    for _ in 0..sends {
        assert!(sent(port).result.is_ok());
    }
    stream.send(b"behind", 0).expect("a send can be started");
    stream.receive(Buffer::with_capacity(8), 0).expect("a receive can be started");
    stream.receive_pooled(0).expect("a receive can be started");
    stream.receive(Buffer::empty(), 0).expect("a receive can be started");
    listener.accept(0).expect("an accept can be posted");
    connecting.connect(address, b"unsent", 0).expect("a connect can be started");
    Waiting { stream, connecting, listener, count: 7, _outside: (peer, full, peers) }
}

fn error_of(packet: Packet<Numbers>) -> std::io::Error {
    match packet {
        Packet::Accepted { result, .. } => result.err(),
        Packet::Connected { result, .. } | Packet::Sent { result, .. } => result.err(),
        Packet::Received { result, .. } => result.err(),
        Packet::Timer { result, .. } => result.err(),
        other => panic!("nobody started what yields {other:?}"),
    }
    .expect("it was ended before its time")
}

fn f30_whatever_is_ended_from_this_side_has_one_kind_of_error(world: &World) {
    let port = world.exact_port(1);
    let mut seen = BTreeSet::new();
    let ways: [fn(&Waiting); 3] = [
        |it| {
            it.stream.close();
            it.connecting.close();
            it.listener.close();
        },
        |it| {
            it.stream.abort();
            it.connecting.abort();
            it.listener.close();
        },
        |it| {
            let count = it.stream.cancel_all() + it.connecting.cancel_all();
            assert_eq!(count + it.listener.cancel_all(), it.count);
        },
    ];
    for end in ways {
        let waiting = start_one_of_each(world, &port);
        end(&waiting);
        for _ in 0..waiting.count {
            let error = error_of(next(&port));
            seen.insert((error.raw_os_error(), error.kind()));
        }
        assert_nothing_comes(&port);
    }
    let only = std::io::Error::from_raw_os_error(errno::CANCELED);
    assert_eq!(seen, BTreeSet::from([(Some(errno::CANCELED), only.kind())]));
}

fn f31_closed_with_a_receive_in_flight_the_peer_gets_everything_and_an_end(world: &World) {
    const LENGTH: usize = 1 << 20;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| end_of(&peer));
        stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
        stream.send(vec![5; LENGTH], 2).expect("a send can be started");
        assert!(sent(&port).result.is_ok());
        stream.close();
        assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
        assert_eq!(reader.join().expect("it did not panic"), (LENGTH, None));
    });
}

/// Each new stream has the number of the one that was just closed, while two threads are in the
/// driver's wait with events of both.
fn f32_a_number_that_is_used_again_brings_its_new_owner_its_own_data(world: &World) {
    const ROUNDS: u64 = 1_000;
    let port: Port<Numbers> =
        world.port(|builder| builder.concurrency(2).blocked_thread_monitor(false));
    let got = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Ok(packet) = port.take() {
                    let Packet::Received { stream, buffer, operation, result } = packet else {
                        panic!("only receives were started, not {packet:?}")
                    };
                    assert_eq!(*stream.key(), operation);
                    match result {
                        Ok(_) => assert_eq!(&buffer[..], operation.to_le_bytes()),
                        Err(_) => assert_eq!(code(&result), Some(errno::CANCELED)),
                    }
                    got.fetch_add(1, Ordering::Release);
                }
            });
        }
        let _takers_end = AtTheEnd(|| port.close());
        for key in 0..ROUNDS {
            let (stream, peer) = world.stream(&port, key);
            stream.receive(Buffer::with_capacity(8), key).expect("a receive can be started");
            peer.send(&key.to_le_bytes());
            if key % 2 == 0 {
                stream.close();
            }
            // The next one opens while the event of this one may be under way; only the data of
            // those that stay open is waited for.
            let owed = if key % 2 == 0 { key } else { key + 1 };
            let start = Instant::now();
            while got.load(Ordering::Acquire) < owed {
                assert!(start.elapsed() < PATIENCE, "round {key}: a packet is missing");
                std::thread::yield_now();
            }
        }
    });
    assert_eq!(got.into_inner(), ROUNDS);
    assert_eq!(port.snapshot().devices, 0);
}

/// The system tells of a reset once, and whoever asks the socket for its error finds none later. So
/// a receive is what tells, however often.
fn f36_after_a_reset_that_met_no_operation_every_receive_tells(world: &World) {
    type Start = fn(&TcpStream<Numbers>) -> std::io::Result<OperationId>;
    let forms: [Start; 3] = [
        |stream| Ok(stream.receive(Buffer::with_capacity(8), 1)?),
        |stream| Ok(stream.receive(Buffer::empty(), 1)?),
        |stream| Ok(stream.receive_pooled(1)?),
    ];
    let port = world.exact_port(1);
    for first in forms {
        let (stream, peer) = world.stream(&port, 7);
        peer.reset();
        // The port sees that something has happened, and there is nobody to tell.
        assert_nothing_comes(&port);
        for receive in [first].into_iter().chain(forms) {
            let told = match receive(&stream) {
                Ok(_) => code(&received(&port).result),
                Err(at_once) => at_once.raw_os_error(),
            };
            assert_eq!(told, Some(errno::RESET));
        }
        assert_nothing_comes(&port);
    }
}

/// The system tells once that a connection has timed out, and afterwards it looks ended.
#[test]
fn p160_a_connection_that_has_timed_out_tells_every_operation() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive_pooled(1).expect("it is connected");
    network.faults().fail_next(Call::Receive, 1, errno::TIMED_OUT);
    drop(peer);
    let error = received(&port).result.expect_err("it has timed out");
    assert!(is_timed_out(&error) && !is_reset(&error) && !is_aborted(&error));
    let refused = stream.receive_pooled(2).expect_err("the connection is lost");
    assert_eq!(refused.error.raw_os_error(), Some(errno::TIMED_OUT));
    let refused = stream.send(b"x", 3).expect_err("the connection is lost");
    assert_eq!(refused.error.raw_os_error(), Some(errno::TIMED_OUT));
    let refused = stream.disconnect(4).expect_err("the connection is lost");
    assert_eq!(refused.error.raw_os_error(), Some(errno::TIMED_OUT));
    let refused = stream.shutdown(Shutdown::Both).expect_err("the connection is lost");
    assert_eq!(refused.raw_os_error(), Some(errno::TIMED_OUT));
    assert_nothing_comes(&port);
}

/// Of each key one can see whether it was dropped.
#[derive(Debug)]
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = u64;
    type Message = ();
}

/// The handler closes the connection, and drops whatever it has, while more is in flight.
fn f56_a_handler_may_close_and_drop_what_it_was_given(world: &World) {
    let port: Port<Counted> =
        world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false));
    let key = Arc::new(());
    for _ in 0..100 {
        let (socket, peer) = world.connected_socket();
        let stream = port.associate(socket, Arc::clone(&key)).expect("a socket is associated");
        stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
        stream.receive(Buffer::with_capacity(8), 2).expect("a receive can be started");
        drop(stream);
        peer.send(b"x");
        match port.take_timeout(PATIENCE).expect("data came") {
            Packet::Received { stream, buffer, operation: 1, result } => {
                assert_eq!(result.expect("data came"), Received::Data(1));
                stream.close();
                drop((stream, buffer));
            }
            other => panic!("the first receive was owed, not {other:?}"),
        }
        match port.take_timeout(PATIENCE).expect("the second was aborted") {
            Packet::Received { stream, operation: 2, result, .. } => {
                assert_eq!(code(&result), Some(errno::CANCELED));
                assert!(Arc::ptr_eq(stream.key(), &key), "the key lives as long as a handle");
            }
            other => panic!("the second receive was owed, not {other:?}"),
        }
        assert_eq!((Arc::strong_count(&key), port.snapshot().devices), (1, 0));
        assert_eq!(end_of(&peer).0, 0);
    }
}

/// A handler may even hold the last clone of the port.
fn f56_a_handler_may_drop_the_port_that_it_took_from(world: &World) {
    let key = Arc::new(());
    let port: Port<Counted> =
        world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false));
    let (socket, peer) = world.connected_socket();
    let stream = port.associate(socket, Arc::clone(&key)).expect("a socket is associated");
    stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    stream.receive(Buffer::with_capacity(8), 2).expect("a receive can be started");
    peer.send(b"x");
    let packet = port.take_timeout(PATIENCE).expect("data came");
    drop(port);
    let Packet::Received { stream: of_packet, buffer, .. } = packet else {
        panic!("a receive was started, not {packet:?}")
    };
    assert_eq!(&buffer[..], b"x");
    assert!(of_packet.send(buffer, 3).is_err(), "the port is closed");
    drop((stream, of_packet));
    assert_eq!(Arc::strong_count(&key), 1);
    assert_eq!(end_of(&peer).0, 0);
}

/// Another thread drops its handle, or closes it, at the moment at which the operation completes.
fn f56_handles_may_go_on_another_thread_while_an_operation_completes(world: &World) {
    const ROUNDS: u64 = 500;
    let port: Port<Counted> =
        world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false));
    let key = Arc::new(());
    for round in 0..ROUNDS {
        let (socket, peer) = world.connected_socket();
        let stream = port.associate(socket, Arc::clone(&key)).expect("a socket is associated");
        stream.receive(Buffer::with_capacity(8), round).expect("a receive can be started");
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let stream = stream;
                together.wait();
                if round % 2 == 0 {
                    stream.close();
                }
                drop(stream);
            });
            peer.send(b"x");
            together.wait();
            match port.take_timeout(PATIENCE).expect("one packet is owed") {
                Packet::Received { stream, buffer, operation, result } => {
                    assert_eq!(operation, round);
                    match result {
                        Ok(_) => assert_eq!(&buffer[..], b"x"),
                        Err(_) => assert_eq!(code(&result), Some(errno::CANCELED)),
                    }
                    assert!(Arc::ptr_eq(stream.key(), &key));
                }
                other => panic!("a receive was started, not {other:?}"),
            }
        });
        assert_eq!(port.snapshot().devices, 0, "round {round}");
        assert_eq!(Arc::strong_count(&key), 1, "round {round}");
        assert_eq!(end_of(&peer).0, 0, "round {round}");
    }
}

on_every_driver! {
    f11_closing_with_two_operations_in_flight_hits_nobody_who_opens_meanwhile,
    f30_whatever_is_ended_from_this_side_has_one_kind_of_error,
    f31_closed_with_a_receive_in_flight_the_peer_gets_everything_and_an_end,
    f32_a_number_that_is_used_again_brings_its_new_owner_its_own_data,
    f36_after_a_reset_that_met_no_operation_every_receive_tells,
    f56_a_handler_may_close_and_drop_what_it_was_given,
    f56_a_handler_may_drop_the_port_that_it_took_from,
    f56_handles_may_go_on_another_thread_while_an_operation_completes,
}
