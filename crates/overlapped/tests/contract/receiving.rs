//! When a receive queues its packet, what is in it, and in which order receives are filled
//! (P30-P33, P43, P44, P158, P160-P164, F41, F10).

use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, expect_queued, received, sent, wait_for_data};
use crate::rounds::rounds;
use crate::stay::Stay;
use crate::world::{PATIENCE, Peer, World, wine_differs};
use overlapped::simulated::{Call, Network};
use overlapped::{Buffer, Received};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};

fn p31_a_receive_that_finds_its_data_at_once_queues_exactly_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    peer.send(b"already here");
    wait_for_data(&port, &stream);

    stream.receive(Buffer::with_capacity(64), 1).expect("a receive can be started");
    expect_queued(&port, 1);
    let packet = received(&port);
    assert_eq!((packet.operation, *packet.stream.key()), (1, 7));
    assert_eq!(packet.result.expect("there was data"), Received::Data(12));
    assert_eq!(&packet.buffer[..], b"already here");
    assert_nothing_comes(&port);
}

fn p32_a_receive_that_waits_queues_its_packet_when_data_comes(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(64), 1).expect("a receive can be started");
    assert_nothing_comes(&port);

    peer.send(b"later");
    let packet = received(&port);
    assert_eq!(packet.operation, 1);
    assert_eq!(&packet.buffer[..], b"later");
    assert_nothing_comes(&port);
}

fn p33_a_receive_that_fails_at_once_gives_everything_back_and_queues_nothing(world: &World) {
    let port = world.exact_port(1);
    let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");

    let refused = stream.receive(Buffer::from(b"mine"), 1).expect_err("it is not connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (4, 1));
    let refused = stream.receive_pooled(2).expect_err("it is not connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_eq!(refused.returned, 2);
    assert_nothing_comes(&port);
}

fn p43_the_end_of_the_stream_is_a_success_without_data(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    stream.receive_pooled(2).expect("a receive can be started");
    peer.send(b"last");
    peer.shut_down_sending();

    let data = received(&port);
    assert_eq!(data.result.expect("data comes before the end"), Received::Data(4));
    let end = received(&port);
    assert_eq!((end.operation, end.buffer.len()), (2, 0));
    assert_eq!(end.result.expect("the end is no error"), Received::End);
    stream.receive_pooled(3).expect("the end does not close the handle");
    assert_eq!(received(&port).result.expect("it stays the end"), Received::End);
}

fn p44_a_receive_without_room_waits_for_data_and_takes_none(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::empty(), 1).expect("a receive can be started");
    assert_nothing_comes(&port);
    peer.send(b"xyz");
    assert_eq!(received(&port).result.expect("data came"), Received::Readable);

    stream.receive(Buffer::empty(), 2).expect("a receive can be started");
    if !world.is_kernel() {
        assert_eq!(port.snapshot().queued, 1, "data is there already");
    }
    assert_eq!(received(&port).result.expect("data is there"), Received::Readable);
    stream.receive(Buffer::with_capacity(8), 3).expect("a receive can be started");
    assert_eq!(&received(&port).buffer[..], b"xyz");

    peer.shut_down_sending();
    stream.receive(Buffer::empty(), 4).expect("a receive can be started");
    assert_eq!(received(&port).result.expect("the end is no error"), Received::End);
}

fn p158_a_receive_completes_with_some_data_and_does_not_wait_to_be_full(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(1_000), 1).expect("a receive can be started");
    peer.send(b"abc");
    let packet = received(&port);
    assert_eq!(packet.result.expect("data came"), Received::Data(3));
    assert_eq!((&packet.buffer[..], packet.buffer.capacity()), (&b"abc"[..], 1_000));
}

fn p150_receives_are_filled_in_the_order_they_were_started(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    for number in 0..50 {
        match number % 2 {
            0 => stream.receive(Buffer::with_capacity(3), number).map(drop),
            _ => stream.receive(Buffer::with_capacity(2), number).map(drop),
        }
        .expect("a receive can be started");
    }
    let bytes: Vec<u8> = (0..125).collect();
    peer.send(&bytes);
    let mut got = Vec::new();
    for number in 0..50 {
        let packet = received(&port);
        assert_eq!(packet.operation, number, "packets are queued in that order, too");
        got.extend_from_slice(&packet.buffer);
    }
    assert_eq!(got, bytes);
}

fn f41_a_receive_started_when_data_is_there_does_not_overtake_those_that_wait(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(1), 1).expect("a receive can be started");
    stream.receive(Buffer::with_capacity(1), 2).expect("a receive can be started");
    peer.send(b"abc");
    stream.receive(Buffer::with_capacity(1), 3).expect("a receive can be started");
    for (number, byte) in [(1, b'a'), (2, b'b'), (3, b'c')] {
        let packet = received(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (number, &[byte][..]));
    }
}

/// One thread takes while another one starts: what the starter's calls complete themselves and
/// what the taker performs must still come in the order of the starts.
fn p150_one_taker_sees_the_order_although_another_thread_starts_the_receives(world: &World) {
    let receives = rounds(20_000);
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    // All three keep close together, so that data comes now before a receive and now after it.
    let (taken, stay) = (AtomicU64::new(0), Stay::default());
    std::thread::scope(|scope| {
        let _held = stay.hold();
        scope.spawn(|| {
            for number in 0..receives {
                while number > taken.load(Ordering::Relaxed) + 3 {
                    std::thread::yield_now();
                }
                stream.receive(Buffer::with_capacity(1), number).expect("a receive can be started");
            }
            stay.until_let_go();
        });
        scope.spawn(|| {
            for number in 0..receives {
                while number > taken.load(Ordering::Relaxed) + 3 {
                    std::thread::yield_now();
                }
                peer.send(&[number as u8]);
            }
        });
        for number in 0..receives {
            let packet = received(&port);
            // Told before the check, lest the others wait for ever when it fails.
            taken.fetch_add(1, Ordering::Relaxed);
            if packet.operation != number {
                taken.store(receives, Ordering::Relaxed);
            }
            assert_eq!(packet.result.expect("nothing fails"), Received::Data(1), "{number}");
            assert_eq!((packet.operation, packet.buffer[0]), (number, number as u8));
        }
    });
    assert_nothing_comes(&port);
}

/// The second receive completes when an event is performed that its thread took earlier than the
/// first receive completed.
fn p150_a_receive_is_not_overtaken_by_one_that_an_earlier_event_completes(world: &World) {
    let port = world.exact_port(1);
    let (first, first_peer) = world.stream(&port, 1);
    let (stream, peer) = world.stream(&port, 2);
    first.receive(Buffer::with_capacity(1), 0).expect("a receive can be started");
    assert_nothing_comes(&port);
    // Both events are there when the thread comes, so it takes them together.
    first_peer.send(b"0");
    peer.send(b"1");
    assert_eq!(received(&port).operation, 0);
    stream.receive(Buffer::with_capacity(1), 1).expect("a receive can be started");
    stream.receive(Buffer::with_capacity(1), 2).expect("a receive can be started");
    peer.send(b"2");
    for number in [1, 2] {
        let packet = received(&port);
        assert_eq!((packet.operation, packet.buffer[0]), (number, b'0' + number as u8));
    }
}

/// The taker has a packet of its own behind an event, and another thread has queued a later one for all.
fn p150_one_taker_takes_its_own_packet_before_a_later_one_that_is_queued(world: &World) {
    let port = world.exact_port(1);
    let (first, first_peer) = world.stream(&port, 1);
    let (second, second_peer) = world.stream(&port, 2);
    let (stream, peer) = world.stream(&port, 3);
    for other in [&first, &second] {
        other.receive(Buffer::with_capacity(1), 0).expect("a receive can be started");
    }
    peer.send(b"12");
    wait_for_data(&port, &stream);
    // Both events are there when the thread comes, so it takes them together.
    first_peer.send(b"0");
    second_peer.send(b"0");
    assert_eq!(received(&port).operation, 0);
    stream.receive(Buffer::with_capacity(1), 1).expect("a receive can be started");
    let stay = Stay::default();
    std::thread::scope(|scope| {
        let _held = stay.hold();
        let (started, has_started) = std::sync::mpsc::channel();
        let (stream, stay) = (&stream, &stay);
        scope.spawn(move || {
            stream.receive(Buffer::with_capacity(1), 2).expect("a receive can be started");
            let _ = started.send(());
            stay.until_let_go();
        });
        has_started.recv_timeout(PATIENCE).expect("it was started");
        let taken = [(); 3].map(|()| received(&port));
        let of_stream = taken.iter().filter(|packet| *packet.stream.key() == 3);
        let order: Vec<_> = of_stream.map(|packet| (packet.operation, packet.buffer[0])).collect();
        assert_eq!(order, [(1, b'1'), (2, b'2')]);
    });
}

fn p160_a_reset_ends_every_receive_in_flight_and_then_fails_at_once(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    stream.receive_pooled(2).expect("a receive can be started");
    assert_nothing_comes(&port);
    peer.reset();
    for number in [1, 2] {
        let packet = received(&port);
        assert_eq!((packet.operation, code(&packet.result)), (number, Some(errno::RESET)));
        assert_eq!(packet.buffer.len(), 0);
    }
    let refused = stream.receive(Buffer::with_capacity(8), 3).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    let refused = stream.send(b"x", 4).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_nothing_comes(&port);
}

fn p160_a_reset_after_our_shutdown_of_sending_is_no_end_of_the_stream(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    stream.receive_pooled(2).expect("a receive can be started");
    peer.reset();
    for number in [1, 2] {
        let packet = received(&port);
        assert_eq!((packet.operation, code(&packet.result)), (number, Some(errno::RESET)));
    }
}

fn p161_at_the_peers_end_every_receive_in_flight_completes_in_order(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    for number in 0..5 {
        stream.receive(Buffer::with_capacity(8), number).expect("a receive can be started");
    }
    drop(peer);
    for number in 0..5 {
        let packet = received(&port);
        assert_eq!(packet.operation, number);
        assert_eq!(packet.result.expect("the end is no error"), Received::End);
    }
}

fn p162_after_shutdown_of_receiving_a_receive_fails_at_once(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.shutdown(Shutdown::Read).expect("it is connected");
    let refused = stream.receive(Buffer::with_capacity(8), 1).expect_err("it is shut down");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    assert_nothing_comes(&port);
    stream.send(b"still", 2).expect("the other direction is open");
    assert_eq!(peer.receive_exact(5), b"still");
}

fn p162_receives_in_flight_stay_after_shutdown_of_receiving_and_take_what_comes(world: &World) {
    for how in [Shutdown::Read, Shutdown::Both] {
        let port = world.exact_port(1);
        let (stream, peer) = world.stream(&port, 7);
        stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
        stream.receive_pooled(2).expect("a receive can be started");
        stream.receive(Buffer::empty(), 3).expect("a receive can be started");
        stream.receive(Buffer::with_capacity(8), 4).expect("a receive can be started");
        stream.shutdown(how).expect("it is connected");
        let refused = stream.receive_pooled(5).expect_err("it is shut down");
        assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
        assert_nothing_comes(&port);
        for (number, bytes) in [(1, b"later"), (2, b"again")] {
            peer.send(bytes);
            let packet = received(&port);
            assert_eq!((packet.operation, &packet.buffer[..]), (number, &bytes[..]));
            assert_nothing_comes(&port);
        }
        peer.shut_down_sending();
        for number in [3, 4] {
            let packet = received(&port);
            assert_eq!(packet.operation, number);
            assert_eq!(packet.result.expect("the end is no error"), Received::End);
        }
    }
}

fn p162_shutdown_of_receiving_gives_what_has_come_to_the_receive_in_flight(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let first = stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    let second = stream.receive(Buffer::with_capacity(8), 2).expect("a receive can be started");
    peer.send(b"earlier");
    if world.is_kernel() {
        // What has come is with the first already.
        expect_queued(&port, 1);
    }
    // No thread has performed the first.
    stream.shutdown(Shutdown::Read).expect("it is connected");
    if !world.is_kernel() {
        stream.cancel(first).expect_err("it has completed");
    }
    stream.cancel(second).expect("it waits");
    let packet = received(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (1, &b"earlier"[..]));
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (2, Some(errno::CANCELED)));
}

/// The peer has closed; what we send is answered with a reset, which must not look like its end.
fn p160_a_reset_behind_the_peers_end_is_no_end(world: &World) {
    let name = "p160_a_reset_behind_the_peers_end_is_no_end";
    if wine_differs(world, name, "a receive there finds the end, as that of Linux does") {
        return;
    }
    for had_sent in [false, true] {
        let port = world.exact_port(1);
        let (stream, peer) = world.stream(&port, 7);
        if had_sent {
            peer.send(b"last");
        }
        drop(peer);
        stream.send(b"to nobody", 1).expect("a send can be started");
        assert!(sent(&port).result.is_ok(), "the system takes it");
        // The reset may be slower than we are; the end that is told before is the peer's. What came
        // before it may be received.
        let start = std::time::Instant::now();
        let error = loop {
            assert!(start.elapsed() < PATIENCE, "the reset is taken for the end");
            let error = match stream.receive(Buffer::with_capacity(8), 4) {
                Err(refused) => Some(refused.error),
                Ok(_) => received(&port).result.err(),
            };
            if let Some(error) = error {
                break error;
            }
        };
        let losses = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::ConnectionAborted];
        assert!(losses.contains(&error.kind()), "{error}");
        let refused = stream.receive_pooled(5).expect_err("the connection is lost");
        assert_eq!(refused.error.raw_os_error(), error.raw_os_error());
        let refused = stream.receive(Buffer::empty(), 6).expect_err("the connection is lost");
        assert_eq!(refused.error.raw_os_error(), error.raw_os_error());
        let refused = stream.send(b"x", 7).expect_err("the connection is lost");
        assert_eq!(refused.error.raw_os_error(), error.raw_os_error());
        assert_nothing_comes(&port);
    }
}

fn p164_a_pooled_receive_holds_no_buffer_while_it_waits(world: &World) {
    const STREAMS: usize = 64;
    const BUFFER_BYTES: usize = 64 << 20;
    let port = world.port(|builder| builder.concurrency(1).buffer_size(BUFFER_BYTES));
    let before = virtual_bytes();
    let mut connections: Vec<_> = (0..STREAMS as u64).map(|key| world.stream(&port, key)).collect();
    for (stream, _) in &connections {
        stream.receive_pooled(*stream.key()).expect("a receive can be started");
    }
    assert_nothing_comes(&port);
    let grown = virtual_bytes().saturating_sub(before);
    assert!(grown < STREAMS * BUFFER_BYTES / 2, "{grown} bytes are mapped for idle receives");

    let (_, peer): (_, Peer) = connections.pop().expect("there are some");
    peer.send(b"now");
    let packet = received(&port);
    assert_eq!((&packet.buffer[..], packet.buffer.capacity()), (&b"now"[..], BUFFER_BYTES));
}

/// The address space of this process.
#[cfg(target_os = "linux")]
fn virtual_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("the system tells it");
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("it is there");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

/// What is told of it elsewhere: nothing, so only the packet itself is looked at.
#[cfg(windows)]
fn virtual_bytes() -> usize {
    0
}

#[test]
fn p163_a_shortage_at_the_start_gives_everything_back_and_later_is_reported_by_packet() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    network.faults().fail_next(Call::Receive, 1, errno::NO_BUFFERS);
    let refused = stream.receive(Buffer::with_capacity(8), 1).expect_err("the script says so");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NO_BUFFERS));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (8, 1));
    assert_nothing_comes(&port);

    stream.receive(Buffer::with_capacity(8), 2).expect("the shortage is over");
    network.faults().fail_next(Call::Receive, 1, errno::NO_BUFFERS);
    peer.send(b"abc");
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (2, Some(errno::NO_BUFFERS)));
    stream.receive(Buffer::with_capacity(8), 3).expect("a receive can be started");
    assert_eq!(&received(&port).buffer[..], b"abc", "the failed one took nothing");
}

on_every_driver_and_family! {
    p31_a_receive_that_finds_its_data_at_once_queues_exactly_one_packet,
    p32_a_receive_that_waits_queues_its_packet_when_data_comes,
    p33_a_receive_that_fails_at_once_gives_everything_back_and_queues_nothing,
    p43_the_end_of_the_stream_is_a_success_without_data,
    p44_a_receive_without_room_waits_for_data_and_takes_none,
    p150_receives_are_filled_in_the_order_they_were_started,
    p150_one_taker_sees_the_order_although_another_thread_starts_the_receives,
    p150_one_taker_takes_its_own_packet_before_a_later_one_that_is_queued,
    p150_a_receive_is_not_overtaken_by_one_that_an_earlier_event_completes,
    p158_a_receive_completes_with_some_data_and_does_not_wait_to_be_full,
    p160_a_reset_ends_every_receive_in_flight_and_then_fails_at_once,
    p160_a_reset_after_our_shutdown_of_sending_is_no_end_of_the_stream,
    p160_a_reset_behind_the_peers_end_is_no_end,
    p161_at_the_peers_end_every_receive_in_flight_completes_in_order,
    p162_after_shutdown_of_receiving_a_receive_fails_at_once,
    p162_receives_in_flight_stay_after_shutdown_of_receiving_and_take_what_comes,
    p162_shutdown_of_receiving_gives_what_has_come_to_the_receive_in_flight,
    p164_a_pooled_receive_holds_no_buffer_while_it_waits,
    f41_a_receive_started_when_data_is_there_does_not_overtake_those_that_wait,
}
