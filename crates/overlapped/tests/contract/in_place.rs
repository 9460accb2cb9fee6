//! Operations that may give their packet to the one who starts them (P39, P41): when they do, and that
//! they overtake nothing (P150). On Windows this needs providers of sockets that give out the kernel's
//! handles, as those of the system do (P41).

use crate::disconnecting::disconnect;
use crate::files_world::Scratch;
use crate::packets::{
    assert_nothing_comes, code, connected, expect_queued, next, outcome, received, sent,
    transmitted, wait_for_data,
};
use crate::rounds::rounds;
use crate::stay::Stay;
use crate::transmitting::readable;
use crate::world::{Numbers, Peer, World};
use crate::{errno, on_every_driver};
use overlapped::simulated::{Call, Network};
use overlapped::{
    Buffer, Packet, Port, Received, Refused, Started, TcpStream, Transmission, blocking,
};
use std::io;
use std::net::Shutdown;
use std::sync::Mutex;
use std::time::Duration;

type InPlace = Started<Packet<Numbers>>;

/// More than a take ever allows, whoever waits.
const TOO_MANY: u64 = 1_000;

/// A port, and a stream of it with data that has come. The calling thread is bound to the port and
/// runs.
fn with_data(world: &World, bytes: &[u8]) -> (Port<Numbers>, TcpStream<Numbers>, Peer) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    peer.send(bytes);
    wait_for_data(&port, &stream);
    (port, stream, peer)
}

/// The packet of an operation that completes in place.
#[track_caller]
fn in_place<T>(started: Result<InPlace, Refused<T>>) -> Packet<Numbers> {
    let packet = started.expect("it can be started").complete();
    packet.expect("it is complete, nothing is owed, and the thread is bound")
}

#[track_caller]
fn is_queued<T>(started: Result<InPlace, Refused<T>>) {
    match started.expect("it can be started") {
        Started::InFlight(_) => {}
        Started::Complete(packet) => panic!("it overtakes others in place: {packet:?}"),
    }
}

/// A receive of one byte.
fn one_byte(
    stream: &TcpStream<Numbers>,
    operation: u64,
) -> Result<InPlace, Refused<(Buffer, u64)>> {
    stream.receive_in_place(Buffer::with_capacity(1), operation)
}

/// The byte that a receive got, and its number.
fn byte(packet: Packet<Numbers>) -> (u64, u8) {
    match packet {
        Packet::Received { operation, buffer, result: Ok(Received::Data(1)), .. } => {
            (operation, buffer[0])
        }
        other => panic!("one byte was owed, not {other:?}"),
    }
}

fn p39_what_completes_in_place_gives_the_packet_and_queues_none(world: &World) {
    let (port, stream, peer) = with_data(world, b"here");
    let before = port.counters();

    let packet = in_place(stream.receive_in_place(Buffer::with_capacity(9), 1));
    match packet {
        Packet::Received { stream, buffer, operation, result } => {
            assert_eq!((*stream.key(), operation), (7, 1));
            assert_eq!(result.expect("there was data"), Received::Data(4));
            assert_eq!((&buffer[..], buffer.capacity()), (&b"here"[..], 9));
        }
        other => panic!("not {other:?}"),
    }
    match in_place(stream.send_in_place(vec![Buffer::from(b"a"), Buffer::from(b"b")], 2)) {
        Packet::Sent { operation, transferred, buffers, result, .. } => {
            assert_eq!((operation, transferred, buffers.iter().count()), (2, 2, 2));
            result.expect("the peer takes it");
        }
        other => panic!("not {other:?}"),
    }
    assert_eq!(peer.receive_exact(2), b"ab");
    assert_nothing_comes(&port);

    let after = port.counters();
    assert_eq!((after.queued, after.taken), (before.queued, before.taken));
    assert_eq!(after.completed_in_place - before.completed_in_place, 2);
}

/// Also where the kernel leaves out the packets of all that is done at once on this stream.
fn p31_what_is_started_otherwise_queues_its_packet_after_others_completed_in_place(world: &World) {
    let (port, stream, peer) = with_data(world, b"abc");
    assert_eq!(byte(in_place(one_byte(&stream, 1))), (1, b'a'));
    in_place(stream.send_in_place(b"d", 2));
    let before = port.counters();

    stream.receive(Buffer::with_capacity(1), 3).expect("a receive can be started");
    expect_queued(&port, 1);
    assert_eq!(byte(next(&port)), (3, b'b'));
    stream.receive_pooled(4).expect("a receive can be started");
    assert_eq!(byte(next(&port)), (4, b'c'));
    stream.send(b"e", 5).expect("a send can be started");
    expect_queued(&port, 1);
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (5, 1));
    // More buffers than one call takes.
    let parts: Vec<Buffer> = (0..3_000).map(|_| Buffer::from(b"f")).collect();
    stream.send(parts, 6).expect("a send can be started");
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (6, 3_000));
    assert_eq!(peer.receive_exact(3_002)[..3], *b"def");
    assert_nothing_comes(&port);
    assert_eq!(port.counters().taken - before.taken, 4, "each exactly once");

    // A receive that waits, and one behind it that is done at once when it is its turn.
    stream.receive(Buffer::with_capacity(1), 7).expect("a receive can be started");
    stream.receive(Buffer::with_capacity(1), 8).expect("a receive can be started");
    assert_nothing_comes(&port);
    peer.send(b"gh");
    assert_eq!((byte(next(&port)), byte(next(&port))), ((7, b'g'), (8, b'h')));
    assert_nothing_comes(&port);

    let scratch = Scratch::holding(b"a file, ");
    let transmission = Transmission::of(readable(&scratch)).tail(b"and more");
    stream.transmit_file(transmission, 12).expect("a transmission can be started");
    let packet = transmitted(&port);
    assert_eq!((packet.operation, packet.transferred), (12, 16));
    assert_eq!(peer.receive_exact(16), b"a file, and more");
    assert_nothing_comes(&port);

    disconnect(&port, &stream);
    assert!(peer.receive_all().is_empty());
    assert_nothing_comes(&port);
}

/// Each connection has a socket of its own, whose mode is not that of the one before.
fn p39_each_connection_of_a_stream_completes_in_place_and_otherwise_queues(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");
    for _ in 0..3 {
        stream.connect(outside.address(), b"first", 1).expect("it is not connected");
        assert!(connected(&port).result.is_ok());
        let peer = outside.accept();
        stream.send(b", second", 2).expect("it is connected");
        assert_eq!(outcome(next(&port)), (2, None));
        in_place(stream.send_in_place(b", third", 3));
        stream.send(b", last", 4).expect("it is connected");
        assert_eq!(outcome(next(&port)), (4, None));
        assert_eq!(peer.receive_exact(26), b"first, second, third, last");
        disconnect(&port, &stream);
        assert!(peer.receive_all().is_empty());
        assert_nothing_comes(&port);
    }
}

fn p39_what_takes_more_than_one_call_is_whole_in_place_or_queued(world: &World) {
    let (port, stream, peer) = with_data(world, b"x");
    let parts: Vec<Buffer> = (0..3_000).map(|_| Buffer::from(b"f")).collect();
    let started = stream.send_in_place(parts, 1).expect("a send can be started");
    match started.complete().unwrap_or_else(|| next(&port)) {
        Packet::Sent { operation: 1, transferred: 3_000, result: Ok(()), .. } => {}
        other => panic!("a send was owed, not {other:?}"),
    }
    assert_eq!(peer.receive_exact(3_000), [b'f'; 3_000]);
    assert_nothing_comes(&port);
}

fn p39_what_waits_queues_its_packet_when_it_is_done(world: &World) {
    let (port, stream, peer) = with_data(world, b"x");
    in_place(stream.receive_pooled_in_place(1));
    is_queued(stream.receive_pooled_in_place(2));
    assert_nothing_comes(&port);
    peer.send(b"later");
    let packet = received(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (2, &b"later"[..]));
    peer.send(b"y");
    wait_for_data(&port, &stream);
    assert_eq!(byte(in_place(stream.receive_pooled_in_place(3))), (3, b'y'));
}

fn p39_the_end_completes_in_place_and_is_no_error(world: &World) {
    let (port, stream, peer) = with_data(world, b"x");
    peer.shut_down_sending();
    assert_eq!(byte(in_place(one_byte(&stream, 1))), (1, b'x'));
    // The end follows by itself, and whoever waits for it takes nothing.
    wait_for_data(&port, &stream);
    match in_place(stream.receive_pooled_in_place(2)) {
        Packet::Received { operation: 2, buffer, result: Ok(Received::End), .. } => {
            assert!(buffer.is_empty());
        }
        other => panic!("the end was owed, not {other:?}"),
    }
}

fn p33_what_fails_at_once_gives_everything_back(world: &World) {
    let (port, stream, peer) = with_data(world, b"x");
    stream.shutdown(Shutdown::Both).expect("it is connected");
    let refused = stream.send_in_place(b"mine", 1).expect_err("sending was shut down");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 1));
    let refused = one_byte(&stream, 2).expect_err("receiving was shut down");
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (1, 2));

    let (stream, peer_of_closed) = world.stream(&port, 8);
    peer_of_closed.send(b"x");
    wait_for_data(&port, &stream);
    stream.close();
    let refused = stream.receive_pooled_in_place(3).expect_err("it is closed");
    assert_eq!((refused.error.raw_os_error(), refused.returned), (Some(errno::BAD_DESCRIPTOR), 3));
    let (stream, _peer) = world.stream(&port, 9);
    port.close();
    let refused = stream.send_in_place(b"x", 4).expect_err("the port is closed");
    assert_eq!(refused.error.kind(), io::ErrorKind::BrokenPipe);
    drop(peer);
}

fn p160_a_reset_is_told_once_in_place_and_once_by_each_operation_owed(world: &World) {
    let (port, stream, peer) = with_data(world, b"x");
    assert_eq!(byte(in_place(one_byte(&stream, 1))), (1, b'x'));
    is_queued(one_byte(&stream, 2));
    peer.reset();
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (2, Some(errno::RESET)));
    let refused = one_byte(&stream, 3).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    let refused = stream.send_in_place(b"x", 4).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_nothing_comes(&port);
}

#[test]
fn p163_an_error_after_a_part_went_out_comes_in_place() {
    let network = Network::new(0);
    network.set_capacity(1_000);
    let world = World::Simulated(network.clone());
    let (port, stream, peer) = with_data(&world, b"x");
    assert_eq!(byte(in_place(one_byte(&stream, 0))), (0, b'x'));
    let faults = network.faults();
    faults.fail_next(Call::Send, 1, errno::NO_BUFFERS);
    let refused = stream.send_in_place(vec![1; 3_000], 1).expect_err("nothing has gone out");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NO_BUFFERS));

    faults.fail(Call::Send, faults.calls(Call::Send) + 2, errno::NO_BUFFERS);
    match in_place(stream.send_in_place(vec![2; 3_000], 2)) {
        Packet::Sent { operation: 2, transferred: 1_000, buffers, result, .. } => {
            assert_eq!(code(&result), Some(errno::NO_BUFFERS));
            assert_eq!(buffers.byte_len(), 3_000);
        }
        other => panic!("an error was owed, not {other:?}"),
    }
    assert_nothing_comes(&port);
    drop((refused, stream));
    assert_eq!(peer.receive_all(), [2; 1_000]);
}

fn p150_nothing_completes_in_place_while_a_packet_of_its_direction_is_owed(world: &World) {
    let (port, stream, peer) = with_data(world, b"abc");
    stream.send(b"1", 1).expect("a send can be started");
    expect_queued(&port, 1);
    // The other direction owes nothing.
    assert_eq!(byte(in_place(one_byte(&stream, 10))), (10, b'a'));
    is_queued(stream.send_in_place(b"2", 2));
    stream.send(b"3", 3).expect("a send can be started");
    for number in 1..=3 {
        assert_eq!(sent(&port).operation, number, "in the order of their starts");
    }
    assert_eq!(outcome(in_place(stream.send_in_place(b"4", 4))), (4, None));
    assert_eq!(peer.receive_exact(4), b"1234");

    // Nor do those overtake that came to an end otherwise.
    assert_eq!(byte(in_place(one_byte(&stream, 11))), (11, b'b'));
    assert_eq!(byte(in_place(one_byte(&stream, 12))), (12, b'c'));
    is_queued(one_byte(&stream, 13));
    assert_eq!(stream.cancel_all(), 1);
    expect_queued(&port, 1);
    peer.send(b"d");
    let look = stream.receive_in_place(Buffer::empty(), 14);
    is_queued(look);
    for (number, result) in [(13, Some(errno::CANCELED)), (14, None)] {
        assert_eq!(outcome(next(&port)), (number, result));
    }
    assert_eq!(byte(in_place(one_byte(&stream, 15))), (15, b'd'));
}

fn p150_what_is_left_in_a_batch_is_owed(world: &World) {
    let (port, stream, _peer) = with_data(world, b"abcd");
    for number in 1..=3 {
        stream.receive(Buffer::with_capacity(1), number).expect("a receive can be started");
    }
    // A kernel may get them one by one, each with the packet of the one before.
    if !world.is_kernel() {
        expect_queued(&port, 3);
    }
    let mut batch = port.take_many(3, None).expect("packets are queued");
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.next().map(byte), Some((1, b'a')));
    assert_eq!(batch.next().map(byte), Some((2, b'b')));
    is_queued(one_byte(&stream, 4));
    // What is left goes back to the head of the queue, and is owed still.
    drop(batch);
    is_queued(stream.receive_in_place(Buffer::empty(), 5));
    assert_eq!(byte(next(&port)), (3, b'c'));
    assert_eq!(byte(next(&port)), (4, b'd'));
    is_queued(stream.receive_in_place(Buffer::empty(), 6));
}

/// Two threads start receives, one of them in place where that can be; nobody sees them out of order.
fn p150_one_taker_sees_the_order_of_what_completes_in_place_and_of_what_is_queued(world: &World) {
    let receives = rounds(20_000);
    let (port, stream, peer) = with_data(world, b"x");
    assert_eq!(byte(in_place(one_byte(&stream, 0))), (0, b'x'));
    // Whoever has it starts the next receive, so that the numbers say in which order they were
    // started.
    let (turn, stay) = (Mutex::new(0), Stay::default());
    std::thread::scope(|scope| {
        let _held = stay.hold();
        scope.spawn(|| (0..receives).for_each(|number| peer.send(&[number as u8])));
        scope.spawn(|| {
            loop {
                let mut number = turn.lock().expect("nobody panics with it");
                if *number >= receives {
                    break;
                }
                if number.is_multiple_of(3) {
                    let buffer = Buffer::with_capacity(1);
                    stream.receive(buffer, *number).expect("a receive can be started");
                    *number += 1;
                }
                drop(number);
                std::thread::yield_now();
            }
            stay.until_let_go();
        });
        let mut taken = 0;
        while taken < receives {
            let mut number = turn.lock().expect("nobody panics with it");
            let mut packet = None;
            if *number < receives && !number.is_multiple_of(3) {
                packet = one_byte(&stream, *number).expect("it can be started").complete();
                *number += 1;
            }
            let nothing_owed = *number == taken;
            drop(number);
            if packet.is_none() && nothing_owed {
                std::thread::yield_now();
                continue;
            }
            let (operation, byte) = byte(packet.unwrap_or_else(|| next(&port)));
            if operation != taken {
                *turn.lock().expect("nobody panics with it") = receives;
            }
            assert_eq!((operation, byte), (taken, taken as u8));
            taken += 1;
        }
    });
    assert_nothing_comes(&port);
}

fn p79_only_a_thread_that_is_bound_to_the_port_and_runs_gets_anything_in_place(world: &World) {
    let (port, stream, _peer) = with_data(world, b"abcdef");
    assert_eq!(byte(in_place(one_byte(&stream, 1))), (1, b'a'));
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| is_queued(one_byte(&stream, 2)));
        stranger.join().expect("it has not panicked");
    });
    assert_eq!(byte(next(&port)), (2, b'b'));
    blocking(|| is_queued(one_byte(&stream, 3)));
    assert_eq!(byte(next(&port)), (3, b'c'));
    assert_eq!(byte(in_place(one_byte(&stream, 4))), (4, b'd'));
    port.leave();
    is_queued(one_byte(&stream, 5));
    assert_eq!(byte(next(&port)), (5, b'e'));
    let another = world.exact_port(1);
    another.post(1).expect("the port is open");
    next(&another);
    is_queued(one_byte(&stream, 6));
    assert_eq!(byte(next(&port)), (6, b'f'));
}

/// How many receives complete in place before one is queued, whose packet is not taken.
fn how_many(stream: &TcpStream<Numbers>, before_each: impl Fn()) -> u64 {
    let complete = |_: &u64| {
        before_each();
        one_byte(stream, 0).expect("it can be started").complete().is_some()
    };
    (0..TOO_MANY).take_while(complete).count() as u64
}

fn p67_a_stream_that_always_completes_in_place_does_not_starve_others(world: &World) {
    let (port, stream, _peer) = with_data(world, &[0; 8 * TOO_MANY as usize]);
    let for_nobody = how_many(&stream, || {});
    assert!((1..=64).contains(&for_nobody), "{for_nobody} in a row, though nobody waited");
    // Each take starts anew. Others that wait have their turn sooner.
    let mut while_others_wait = TOO_MANY;
    for _ in 0..8 {
        port.post(1).expect("the port is open");
        received(&port);
        while_others_wait = how_many(&stream, || {});
        assert!(matches!(next(&port), Packet::Posted(1)));
    }
    assert!((1..=4).contains(&while_others_wait), "{while_others_wait} while others waited");
    // Nor for longer than a moment, however few they are.
    received(&port);
    let of_a_slow_one = how_many(&stream, || std::thread::sleep(Duration::from_millis(3)));
    assert!((1..=4).contains(&of_a_slow_one), "{of_a_slow_one} in 3 ms each");
}

on_every_driver! {
    p31_what_is_started_otherwise_queues_its_packet_after_others_completed_in_place,
    p33_what_fails_at_once_gives_everything_back,
    p39_each_connection_of_a_stream_completes_in_place_and_otherwise_queues,
    p39_the_end_completes_in_place_and_is_no_error,
    p39_what_completes_in_place_gives_the_packet_and_queues_none,
    p39_what_takes_more_than_one_call_is_whole_in_place_or_queued,
    p39_what_waits_queues_its_packet_when_it_is_done,
    p67_a_stream_that_always_completes_in_place_does_not_starve_others,
    p79_only_a_thread_that_is_bound_to_the_port_and_runs_gets_anything_in_place,
    p150_nothing_completes_in_place_while_a_packet_of_its_direction_is_owed,
    p150_one_taker_sees_the_order_of_what_completes_in_place_and_of_what_is_queued,
    p150_what_is_left_in_a_batch_is_owed,
    p160_a_reset_is_told_once_in_place_and_once_by_each_operation_owed,
}
