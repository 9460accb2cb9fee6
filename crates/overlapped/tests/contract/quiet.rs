//! Sends whose success yields no packet (P46): that they are sends like others in every other respect,
//! and that what they owned is dropped.

use crate::crew::until;
use crate::errno;
use crate::on_every_driver;
use crate::packets::{SentPacket, assert_nothing_comes, code, received, sent};
use crate::world::{Numbers, PATIENCE, Peer, World};
use overlapped::{
    Buffer, OperationId, OrPacket, Packet, Port, Protocol, Started, TcpStream, is_aborted,
};
use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(20);

/// Of operations whose data says when it is dropped.
#[derive(Debug)]
struct Shares;

impl Protocol for Shares {
    type Key = ();
    type Operation = Share;
    type Message = ();
}

#[derive(Debug)]
struct Share {
    _share: Arc<()>,
    panics: bool,
}

impl Drop for Share {
    fn drop(&mut self) {
        assert!(!self.panics, "a drop that panics, as it should");
    }
}

fn share(of: &Arc<()>) -> Share {
    Share { _share: Arc::clone(of), panics: false }
}

fn panicking(of: &Arc<()>) -> Share {
    Share { _share: Arc::clone(of), panics: true }
}

fn with_shares(world: &World) -> (Port<Shares>, TcpStream<Shares>, Peer) {
    let port = world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false));
    let (socket, peer) = world.connected_socket();
    let stream = port.associate(socket, ()).expect("a socket is associated");
    (port, stream, peer)
}

/// Starts quiet sends of the same length until one waits, whose operation and number this returns.
fn until_one_waits(stream: &TcpStream<Numbers>, length: usize) -> (u64, OperationId) {
    for number in 0..10_000 {
        let bytes = vec![number as u8; length];
        if let Some(id) = stream.send_quiet(bytes, number).expect("a send can be started") {
            return (number, id);
        }
    }
    panic!("the connection takes everything although nobody receives");
}

/// The packet of the send with this number, which is the next one.
#[track_caller]
fn failed(port: &Port<Numbers>, number: u64, length: usize) -> io::Error {
    let SentPacket { operation, buffers, transferred, result, .. } = sent(port);
    assert_eq!(operation, number);
    assert_eq!(buffers.byte_len(), length, "the buffers come back");
    assert!(transferred < length);
    result.expect_err("its success yields no packet")
}

fn p46_a_quiet_send_that_succeeds_at_once_yields_no_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let before = port.counters();
    for number in 0..100 {
        let parts = vec![Buffer::from(vec![number as u8]), Buffer::from(b"x")];
        let started = stream.send_quiet(parts, number).expect("a send can be started");
        assert!(world.is_kernel() || started.is_none());
        assert_eq!(peer.receive_exact(2), [number as u8, b'x']);
    }
    stream.send_quiet((), 100).expect("sending nothing succeeds");
    // Nothing of theirs comes before it.
    stream.send(b"end", 101).expect("a send can be started");
    assert_eq!(sent(&port).operation, 101);
    assert_eq!(peer.receive_exact(3), b"end");
    assert_nothing_comes(&port);
    let after = port.counters();
    assert_eq!((after.queued - before.queued, after.taken - before.taken), (1, 1));
    assert_eq!(after.completed_in_place, before.completed_in_place);
}

fn p46_a_quiet_send_that_waited_yields_no_packet_and_keeps_its_turn(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (waiting, _) = until_one_waits(&stream, length);
    let behind = stream.send_quiet(vec![waiting as u8 + 1; length], waiting + 1);
    assert!(behind.expect("a send can be started").is_some(), "it waits behind the other");
    stream.send(b"end", waiting + 2).expect("a send can be started");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for number in 0..=waiting + 1 {
                assert!(peer.receive_exact(length).iter().all(|byte| *byte == number as u8));
            }
            assert_eq!(peer.receive_exact(3), b"end");
        });
        let end = sent(&port);
        assert_eq!((end.operation, end.transferred), (waiting + 2, 3));
        reader.join().expect("all bytes came in order");
    });
    assert_nothing_comes(&port);
}

/// A thread that waits for a packet finds the send complete, and goes on waiting.
fn p46_what_a_quiet_send_had_is_dropped_by_the_one_that_finds_it_complete(world: &World) {
    let shares = Arc::new(());
    let length = world.long_send();
    let (port, stream, peer) = with_shares(world);
    let mut bytes = 0;
    let mut waits = false;
    while !waits {
        let started = stream.send_quiet(vec![0; length], share(&shares));
        waits = started.expect("a send can be started").is_some();
        bytes += length;
    }
    assert_eq!(Arc::strong_count(&shares), 2, "those that succeeded at once have dropped theirs");
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| port.take_timeout(PATIENCE));
        peer.receive_exact(bytes);
        until(|| Arc::strong_count(&shares) == 1, || "its data is not dropped".into());
        port.post(()).expect("the port is open");
        match taker.join().expect("it does not panic") {
            Ok(Packet::Posted { .. }) => {}
            other => panic!("it still waits, and takes what was posted, not {other:?}"),
        }
    });
}

fn p150_quiet_sends_are_owed_nothing_once_they_are_complete(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    // Binds the thread.
    stream.send(b"s", 0).expect("a send can be started");
    sent(&port);
    peer.receive_exact(1);
    let (waiting, _) = until_one_waits(&stream, length);
    let last = waiting + 1;
    match stream.send_in_place(b"i", last).expect("a send can be started") {
        Started::InFlight(_) => {}
        Started::Complete(packet) => panic!("it overtakes the quiet one: {packet:?}"),
    }
    let total = length * last as usize + 1;
    std::thread::scope(|scope| {
        scope.spawn(|| peer.receive_exact(total));
        assert_eq!(sent(&port).operation, last);
    });
    let started = stream.send_in_place(b"j", last + 1).expect("a send can be started");
    assert!(started.complete().is_some(), "nothing is owed any more");
    assert_nothing_comes(&port);
}

fn p130_a_quiet_send_that_is_cancelled_yields_its_packet(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (waiting, id) = until_one_waits(&stream, length);
    stream.cancel(id).expect("it is in flight");
    assert!(is_aborted(&failed(&port, waiting, length)));
    assert_nothing_comes(&port);
}

fn p140_quiet_sends_in_flight_yield_their_packets_when_the_stream_is_closed(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (waiting, _) = until_one_waits(&stream, length);
    stream.send_quiet(vec![0; length], waiting + 1).expect("a send can be started");
    stream.close();
    for number in [waiting, waiting + 1] {
        assert!(is_aborted(&failed(&port, number, length)));
    }
    assert_nothing_comes(&port);
}

fn p132_a_quiet_send_whose_time_is_over_yields_its_packet(world: &World) {
    // The system goes on with it while its time runs, and must not come to its end.
    let length = 64 << 20;
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (waiting, id) = until_one_waits(&stream, length);
    stream.set_limit(id, Some(SOON)).expect("it is in flight");
    assert_eq!(failed(&port, waiting, length).kind(), io::ErrorKind::TimedOut);
    assert_nothing_comes(&port);
}

fn p33_a_quiet_send_that_is_refused_gives_everything_back_or_is_a_packet(world: &World) {
    let port = world.exact_port(1);
    let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");
    let refused = stream.send_quiet(b"mine", 1).expect_err("it is not connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 1));
    assert_nothing_comes(&port);
    assert!(stream.send_quiet(b"mine", 2).or_packet().is_none());
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.buffers.byte_len()), (2, 4));
    assert_eq!(code(&packet.result), Some(errno::NOT_CONNECTED));
    assert_nothing_comes(&port);
}

fn p162_quiet_sends_before_a_shutdown_still_go_out(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (waiting, _) = until_one_waits(&stream, length);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    stream.receive_pooled(waiting + 1).expect("it is open for receiving");
    let total = length * (waiting as usize + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(peer.receive_all().len(), total, "all of it, and then the end");
            peer.send(b"thanks");
        });
        assert_eq!(&received(&port).buffer[..], b"thanks");
    });
    assert_nothing_comes(&port);
}

fn a_panic_of_what_a_quiet_send_had_reaches_the_starter_and_no_taker(world: &World) {
    let shares = Arc::new(());
    let length = world.long_send();
    let (port, stream, peer) = with_shares(world);
    let mut bytes = 0;
    if !world.is_kernel() {
        let start = || stream.send_quiet(b"x", panicking(&shares)).map(|_| ());
        let panicked = catch_unwind(AssertUnwindSafe(start));
        panicked.expect_err("its data is dropped where it is started");
        bytes += 1;
    }
    let mut waits = false;
    while !waits {
        let started = stream.send_quiet(vec![0; length], share(&shares));
        waits = started.expect("a send can be started").is_some();
        bytes += length;
    }
    let started = stream.send_quiet(b"y", panicking(&shares)).expect("a send can be started");
    assert!(started.is_some(), "it waits behind the other");
    stream.send(b"z", share(&shares)).expect("a send can be started");
    std::thread::scope(|scope| {
        scope.spawn(|| peer.receive_exact(bytes + 2));
        match port.take_timeout(PATIENCE) {
            Ok(Packet::Sent { transferred: 1, result: Ok(()), .. }) => {}
            other => panic!("the taker gets its packet all the same, not {other:?}"),
        }
    });
    assert_eq!(Arc::strong_count(&shares), 1, "everything is dropped");
}

on_every_driver! {
    p46_a_quiet_send_that_succeeds_at_once_yields_no_packet,
    p46_a_quiet_send_that_waited_yields_no_packet_and_keeps_its_turn,
    p46_what_a_quiet_send_had_is_dropped_by_the_one_that_finds_it_complete,
    p150_quiet_sends_are_owed_nothing_once_they_are_complete,
    p130_a_quiet_send_that_is_cancelled_yields_its_packet,
    p140_quiet_sends_in_flight_yield_their_packets_when_the_stream_is_closed,
    p132_a_quiet_send_whose_time_is_over_yields_its_packet,
    p33_a_quiet_send_that_is_refused_gives_everything_back_or_is_a_packet,
    p162_quiet_sends_before_a_shutdown_still_go_out,
    a_panic_of_what_a_quiet_send_had_reaches_the_starter_and_no_taker,
}
