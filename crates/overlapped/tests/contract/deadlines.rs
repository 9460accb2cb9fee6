//! Limits of time: of one operation, of each of a direction, of an idle connection, of a slow one.

use crate::connecting::full_listener;
use crate::errno;
use crate::files_world::{Scratch, open};
use crate::on_every_driver;
use crate::packets::{assert_nothing_comes, code, connected, next, outcome, received, sent};
use crate::rounds::rounds;
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{Buffer, FileOptions, LeastRate, Packet, Port, Received, Transmission};
use std::io;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(20);
const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

/// Nothing comes until another timer of the port has run out, which takes so long.
fn nothing_comes_for(port: &Port<Numbers>, time: Duration) {
    port.timer(time, u64::MAX).expect("a timer starts");
    assert_eq!(outcome(next(port)), (u64::MAX, None), "something has come before");
}

fn a_receive_whose_time_is_over_gives_its_buffer_back_and_the_stream_goes_on(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let begun = Instant::now();
    let id = stream.receive(Buffer::with_capacity(123), 1).expect("a receive can be started");
    stream.set_limit(id, Some(SOON)).expect("it is in flight");
    let packet = received(&port);
    assert!(begun.elapsed() >= SOON);
    let error = packet.result.expect_err("nothing came");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.raw_os_error(), Some(errno::TIMED_OUT));
    assert!(!overlapped::is_aborted(&error));
    assert_eq!((packet.operation, packet.buffer.capacity(), packet.buffer.len()), (1, 123, 0));
    let late = stream.set_limit(id, Some(SOON)).expect_err("it is complete");
    assert_eq!(late.kind(), io::ErrorKind::NotFound);

    peer.send(b"later");
    stream.receive_pooled(2).expect("the connection is not lost");
    assert_eq!(&received(&port).buffer[..], b"later");
    stream.send(b"answer", 3).expect("the connection is not lost");
    assert!(sent(&port).result.is_ok());
    assert_eq!(peer.receive_exact(6), b"answer");
    assert_nothing_comes(&port);
}

fn an_operation_of_any_kind_ends_when_its_time_is_over(world: &World) {
    let port = world.exact_port(1);
    let mut started = Vec::new();
    let (used, _used_peer) = world.stream(&port, 9);
    used.disconnect(0).expect("a disconnect can be started");
    assert_eq!(outcome(next(&port)), (0, None));

    let (idle, _idle_peer) = world.stream(&port, 7);
    let id = idle.receive_pooled(1).expect("a receive can be started");
    started.push((1, idle.set_limit(id, Some(SOON))));

    let (listener, _) = world.listen(&port, 8);
    let id = listener.accept(2).expect("an accept is posted");
    started.push((2, listener.set_limit(id, Some(SOON))));
    let id = listener.accept_into(&used, 3).expect("an accept is posted");
    started.push((3, listener.set_limit(id, Some(SOON))));

    let (datagrams, _) = world.datagram(&port, 10);
    let id = datagrams.receive_from_pooled(4).expect("a receive can be started");
    started.push((4, datagrams.set_limit(id, Some(SOON))));

    for (number, limited) in started {
        limited.unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    let mut outcomes: Vec<_> = (0..4).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [1, 2, 3, 4].map(|number| (number, Some(errno::TIMED_OUT))));
    assert_nothing_comes(&port);
}

fn p132_a_send_whose_time_is_over_says_how_many_bytes_went_out(world: &World) {
    // More than any system keeps for a peer that receives nothing.
    const LENGTH: usize = 64 << 20;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_send_limit(Some(SOON));
    stream.send(vec![0; LENGTH], 1).expect("a send can be started");
    stream.send(vec![0; LENGTH], 2).expect("a send can be started");
    let mut transferred = 0;
    for number in 1..=2 {
        let packet = sent(&port);
        assert_eq!((packet.operation, code(&packet.result)), (number, Some(errno::TIMED_OUT)));
        assert!(packet.transferred < LENGTH);
        assert_eq!(packet.buffers.byte_len(), LENGTH);
        transferred += packet.transferred;
    }
    drop(stream);
    assert_eq!(peer.receive_all().len(), transferred);
}

fn a_transmission_whose_time_is_over_says_how_many_bytes_went_out(world: &World) {
    if world.is_kernel() {
        // What the kernel has taken of one it says at its end, and that may be all.
        return;
    }
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(&vec![7; 64 << 20]);
    let file = open(scratch.path(), FileOptions::new().read(true));
    stream.set_send_limit(Some(SOON));
    stream.transmit_file(Transmission::of(file), 1).expect("a transmission can be started");
    let Packet::Transmitted { transferred, result, stream: held, .. } = next(&port) else {
        panic!("a transmission was owed");
    };
    assert_eq!(code(&result), Some(errno::TIMED_OUT));
    drop((held, stream));
    assert_eq!(peer.receive_all().len() as u64, transferred);
}

fn a_connect_whose_time_is_over_leaves_the_stream_as_a_cancelled_one(world: &World) {
    let port = world.exact_port(1);
    let (_listener, _peers, address) = full_listener(world);
    let stream = port.associate(world.socket(), 7).expect("a stream is associated");
    let id = match stream.connect(address, b"first", 1) {
        Ok(id) => id,
        Err(refused) => panic!("a full backlog does not refuse: {refused}"),
    };
    if stream.set_limit(id, Some(SOON)).is_err() {
        // This system lets one more in than the backlog says.
        assert!(connected(&port).result.is_ok());
        return;
    }
    let packet = connected(&port);
    if packet.result.is_ok() {
        return;
    }
    let refused = world.is_kernel() && code(&packet.result) == Some(errno::REFUSED);
    assert!(refused || code(&packet.result) == Some(errno::TIMED_OUT), "{:?}", packet.result);
    assert_eq!(packet.buffers.byte_len(), 5);
}

fn an_operation_that_ends_in_its_time_ends_once_with_its_result(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_receive_limit(Some(NEVER_IN_THIS_TEST));
    stream.set_send_limit(Some(NEVER_IN_THIS_TEST));
    stream.set_idle_limit(Some(NEVER_IN_THIS_TEST));
    let rate = LeastRate { bytes: 1_000_000, window: NEVER_IN_THIS_TEST };
    stream.set_least_receive_rate(Some(rate));
    stream.set_least_send_rate(Some(rate));
    for number in 0..100 {
        let id = stream.receive_pooled(number).expect("a receive can be started");
        let _ = stream.set_limit(id, Some(NEVER_IN_THIS_TEST));
        peer.send(&[number as u8]);
        assert_eq!(received(&port).buffer[..], [number as u8]);
        stream.send(b"x", number).expect("a send can be started");
        assert!(sent(&port).result.is_ok());
    }
    assert_nothing_comes(&port);
}

/// Two threads take, so that data and the end of the time come to different ones.
fn p46_a_completion_and_the_end_of_its_time_yield_one_packet_and_lose_no_byte(world: &World) {
    let rounds = if world.is_kernel() { 1_000 } else { rounds(10_000) };
    let port = world.exact_port(2);
    let (stream, peer) = world.stream(&port, 7);
    let (packets, taken) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (port, packets) = (port.clone(), packets.clone());
            scope.spawn(move || {
                while let Ok(packet) = port.take() {
                    let Packet::Received { buffer, operation, result, .. } = packet else {
                        panic!("no other packet is owed, and this came: {packet:?}");
                    };
                    packets.send((operation, buffer[..].to_vec(), result)).expect("it is open");
                }
            });
        }
        let mut both = [0_u64; 2];
        for round in 0..rounds {
            let byte = [round as u8];
            let id = stream.receive_pooled(round).expect("a receive can be started");
            // It may be complete already.
            let _ = stream.set_limit(id, Some(Duration::from_micros(round % 400)));
            peer.send(&byte);
            let (operation, bytes, result) =
                taken.recv_timeout(PATIENCE).expect("a packet is owed");
            assert_eq!(operation, round);
            match result {
                Ok(_) => {
                    assert_eq!(bytes, byte);
                    both[0] += 1;
                }
                Err(error) => {
                    assert_eq!((error.raw_os_error(), bytes.len()), (Some(errno::TIMED_OUT), 0));
                    both[1] += 1;
                    stream.receive_pooled(round + rounds).expect("a receive can be started");
                    let (operation, bytes, result) =
                        taken.recv_timeout(PATIENCE).expect("a packet is owed");
                    assert_eq!((operation, &bytes[..]), (round + rounds, &byte[..]));
                    assert!(result.is_ok());
                }
            }
        }
        println!("{} had data and {} were out of time", both[0], both[1]);
        port.close();
    });
    assert!(taken.try_recv().is_err(), "a packet too many");
}

fn a_limit_that_is_set_anew_or_taken_away_does_not_end_the_operation(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let id = stream.receive_pooled(1).expect("a receive can be started");
    stream.set_limit(id, Some(SOON)).expect("it is in flight");
    stream.set_limit(id, Some(NEVER_IN_THIS_TEST)).expect("it is in flight");
    nothing_comes_for(&port, 2 * SOON);
    stream.set_limit(id, Some(SOON)).expect("it is in flight");
    stream.set_limit(id, None).expect("it is in flight");
    nothing_comes_for(&port, 2 * SOON);
    peer.send(b"x");
    assert_eq!(received(&port).result.ok(), Some(Received::Data(1)));
}

fn limits_of_zero_are_over_at_once_and_huge_ones_never(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let id = stream.receive_pooled(1).expect("a receive can be started");
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_nanos(u64::MAX)] {
        stream.set_limit(id, Some(limit)).expect("it is in flight");
        stream.set_idle_limit(Some(limit));
        stream.set_receive_limit(Some(limit));
        stream.set_least_receive_rate(Some(LeastRate { bytes: u64::MAX, window: limit }));
    }
    assert_nothing_comes(&port);
    stream.set_limit(id, Some(Duration::ZERO)).expect("it is in flight");
    assert_eq!(outcome(next(&port)), (1, Some(errno::TIMED_OUT)));
    stream.set_idle_limit(Some(Duration::ZERO));
    stream.receive_pooled(2).expect("a receive can be started");
    assert_eq!(outcome(next(&port)), (2, Some(errno::TIMED_OUT)));
    stream.set_idle_limit(None);
    // No byte in no time is no rate, and neither limits.
    stream.set_least_receive_rate(Some(LeastRate { bytes: 0, window: Duration::ZERO }));
    let id = stream.receive_pooled(3).expect("a receive can be started");
    nothing_comes_for(&port, SOON);
    stream.set_least_receive_rate(Some(LeastRate { bytes: 1, window: Duration::ZERO }));
    assert_eq!(outcome(next(&port)), (3, Some(errno::TIMED_OUT)));
    assert!(stream.cancel(id).is_err());
}

fn p140_a_handle_that_is_closed_or_dropped_ends_its_limits(world: &World) {
    let port = world.exact_port(1);
    for close in [true, false] {
        let (stream, _peer) = world.stream(&port, 7);
        stream.set_idle_limit(Some(SOON));
        let id = stream.receive_pooled(1).expect("a receive can be started");
        stream.set_limit(id, Some(SOON)).expect("it is in flight");
        match close {
            true => stream.close(),
            false => assert_eq!(stream.cancel_all(), 1),
        }
        let Packet::Received { stream: last, result, .. } = next(&port) else {
            panic!("a receive was owed");
        };
        assert_eq!(code(&result), Some(errno::CANCELED));
        drop((last, stream));
        nothing_comes_for(&port, 2 * SOON);
    }
    let (stream, _peer) = world.stream(&port, 7);
    stream.set_receive_limit(Some(SOON));
    stream.receive_pooled(1).expect("a receive can be started");
    port.close();
}

on_every_driver! {
    a_connect_whose_time_is_over_leaves_the_stream_as_a_cancelled_one,
    a_limit_that_is_set_anew_or_taken_away_does_not_end_the_operation,
    a_receive_whose_time_is_over_gives_its_buffer_back_and_the_stream_goes_on,
    a_transmission_whose_time_is_over_says_how_many_bytes_went_out,
    an_operation_of_any_kind_ends_when_its_time_is_over,
    an_operation_that_ends_in_its_time_ends_once_with_its_result,
    limits_of_zero_are_over_at_once_and_huge_ones_never,
    p132_a_send_whose_time_is_over_says_how_many_bytes_went_out,
    p140_a_handle_that_is_closed_or_dropped_ends_its_limits,
    p46_a_completion_and_the_end_of_its_time_yield_one_packet_and_lose_no_byte,
}
