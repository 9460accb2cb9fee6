//! Sends: when their packets are queued, that they go out whole and in order (P31, P33, P45,
//! P150-P155, P160, P162, F10).

use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, next, received, send_until_one_waits, sent};
use crate::stay::Stay;
use crate::world::World;
use overlapped::simulated::{Call, Network};
use overlapped::{Buffer, Buffers, Packet};
use std::net::Shutdown;

fn p31_a_send_that_is_done_at_once_queues_exactly_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send(b"hello", 1).expect("a send can be started");
    assert_eq!(port.snapshot().queued, 1, "the packet is queued by the starting call");
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred, *packet.stream.key()), (1, 5, 7));
    assert!(packet.result.is_ok());
    assert_eq!(&packet.buffers.into_one().expect("it was one buffer")[..], b"hello");
    assert_nothing_comes(&port);
    assert_eq!(peer.receive_exact(5), b"hello");
}

fn p33_a_send_that_fails_at_once_gives_everything_back_and_queues_nothing(world: &World) {
    let port = world.exact_port(1);
    let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");
    let refused = stream.send(b"mine", 1).expect_err("it is not connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    let (buffers, operation) = refused.returned;
    assert_eq!(&buffers.into_one().expect("it was one buffer")[..], b"mine");
    assert_eq!(operation, 1);
    assert_nothing_comes(&port);
}

fn p45_sending_nothing_succeeds_with_a_packet_and_is_not_the_end(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send((), 1).expect("a send can be started");
    stream.send(Vec::<u8>::new(), 2).expect("a send can be started");
    for number in [1, 2] {
        let packet = sent(&port);
        assert_eq!((packet.operation, packet.transferred), (number, 0));
        assert!(packet.result.is_ok());
    }
    stream.send(b"x", 3).expect("a send can be started");
    assert_eq!(peer.receive_exact(1), b"x", "the stream goes on");
}

fn p150_sends_go_out_whole_and_in_the_order_they_were_started(world: &World) {
    const LENGTH: usize = 100_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let waiting = send_until_one_waits(&port, &stream, LENGTH);
    for number in waiting + 1..waiting + 4 {
        stream.send(vec![number as u8; LENGTH], number).expect("a send can be started");
    }
    assert_eq!(port.snapshot().queued as u64, waiting, "those behind a waiting send wait, too");
    let sends = waiting + 4;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for number in 0..sends {
                assert!(peer.receive_exact(LENGTH).iter().all(|byte| *byte == number as u8));
            }
        });
        for number in 0..sends {
            let packet = sent(&port);
            assert_eq!((packet.operation, packet.transferred), (number, LENGTH));
            assert!(packet.result.is_ok());
            assert_eq!(packet.buffers.byte_len(), LENGTH, "the buffers come back");
        }
        reader.join().expect("all bytes came in order");
    });
}

fn p153_several_buffers_go_out_as_one_send_in_their_order(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    // More than one call of any system takes, with empty ones between.
    let parts: Vec<Buffer> =
        (0..3_000_usize).map(|n| Buffer::from(vec![n as u8; n % 5 * 7])).collect();
    let expected: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    stream.send(Buffers::from(parts), 1).expect("a send can be started");
    stream.send(b"after", 2).expect("a send can be started");
    // What takes several calls goes on when a thread takes packets.
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (1, expected.len()));
    assert_eq!(peer.receive_exact(expected.len()), expected);
    assert_eq!(peer.receive_exact(5), b"after");
    let back: Vec<usize> = packet.buffers.iter().map(|buffer| buffer.len()).collect();
    assert_eq!(back, lengths, "each buffer comes back as it was");
}

fn p152_a_receive_and_a_send_may_be_started_by_two_threads_at_once(world: &World) {
    const ROUNDS: usize = 2_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let bytes: Vec<u8> = (0..ROUNDS).map(|n| n as u8).collect();
    let stay = Stay::default();
    std::thread::scope(|scope| {
        let _held = stay.hold();
        scope.spawn(|| {
            for byte in &bytes {
                stream.send(vec![*byte], 0).expect("a send can be started");
            }
            stay.until_let_go();
        });
        scope.spawn(|| {
            for number in 0..ROUNDS {
                stream.receive(Buffer::with_capacity(1), number as u64).expect("it can be started");
            }
            stay.until_let_go();
        });
        scope.spawn(|| {
            peer.send(&bytes);
            assert_eq!(peer.receive_exact(ROUNDS), bytes);
        });
        let (mut receives, mut sends) = (0, 0);
        while receives + sends < 2 * ROUNDS {
            match next(&port) {
                Packet::Received { operation, buffer, result, .. } => {
                    assert!(result.is_ok());
                    assert_eq!((operation, buffer[0]), (receives as u64, receives as u8));
                    receives += 1;
                }
                Packet::Sent { result, .. } => {
                    assert!(result.is_ok());
                    sends += 1;
                }
                other => panic!("only receives and sends were started, not {other:?}"),
            }
        }
    });
    assert_nothing_comes(&port);
}

fn p155_a_send_completes_before_the_peer_has_received_anything(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send(b"unread", 1).expect("a send can be started");
    assert!(sent(&port).result.is_ok(), "the peer has not received yet");
    assert_eq!(peer.receive_exact(6), b"unread");
}

fn p160_a_reset_ends_a_send_in_flight_with_the_bytes_that_went_out(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let waiting = send_until_one_waits(&port, &stream, world.long_send());
    stream.receive(Buffer::with_capacity(8), 99_999).expect("a receive can be started");
    for _ in 0..waiting {
        assert!(sent(&port).result.is_ok());
    }
    peer.reset();
    let (mut sends, mut receives) = (0, 0);
    for _ in 0..2 {
        match next(&port) {
            Packet::Sent { operation, transferred, result, .. } => {
                assert_eq!((operation, code(&result)), (waiting, Some(errno::RESET)));
                assert!(transferred < world.long_send());
                sends += 1;
            }
            Packet::Received { result, .. } => {
                assert_eq!(code(&result), Some(errno::RESET));
                receives += 1;
            }
            other => panic!("a send and a receive were in flight, not {other:?}"),
        }
    }
    assert_eq!((sends, receives), (1, 1));
    let refused = stream.send(b"x", 1).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_nothing_comes(&port);
}

fn p162_after_shutdown_of_sending_a_send_fails_at_once(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let refused = stream.send(b"late", 1).expect_err("it is shut down");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    assert_nothing_comes(&port);
    assert!(peer.receive_all().is_empty(), "the peer sees the end");
    peer.send(b"answer");
    stream.receive(Buffer::with_capacity(8), 2).expect("the other direction is open");
    assert_eq!(&received(&port).buffer[..], b"answer");
}

fn p162_what_was_sent_before_a_shutdown_still_goes_out(world: &World) {
    const LENGTH: usize = 100_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, LENGTH) + 1;
    stream.shutdown(Shutdown::Write).expect("it is connected");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| peer.receive_all().len());
        for number in 0..sends {
            let packet = sent(&port);
            assert!(packet.result.is_ok(), "send {number} of {sends}: {:?}", packet.result);
        }
        let total = reader.join().expect("the peer receives until the end");
        assert_eq!(total, sends as usize * LENGTH);
    });
}

/// The worker may have the packet before the starting call has returned to the starter.
fn p162_the_end_goes_out_behind_finished_sends_though_nobody_takes_their_packets(world: &World) {
    for how in [Shutdown::Write, Shutdown::Both] {
        let port = world.exact_port(1);
        let (stream, peer) = world.stream(&port, 7);
        for number in 0..3 {
            stream.send(b"all of it", number).expect("a send can be started");
            // Where one send at a time is with the kernel, the next would wait for this.
            if world.is_kernel() && number < 2 {
                assert!(sent(&port).result.is_ok());
            }
        }
        stream.shutdown(how).expect("it is connected");
        assert_eq!(peer.receive_all().len(), 27, "{how:?}");
    }
}

fn p153_a_send_of_many_buffers_that_waits_is_whole_and_keeps_its_place(world: &World) {
    const BUFFERS: usize = 2_500;
    const LENGTH: usize = 4_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let parts: Vec<Buffer> = (0..BUFFERS).map(|n| Buffer::from(vec![n as u8; LENGTH])).collect();
    stream.send(Buffers::from(parts), 1).expect("a send can be started");
    stream.send(b"after", 2).expect("a send can be started");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for number in 0..BUFFERS {
                assert!(peer.receive_exact(LENGTH).iter().all(|byte| *byte == number as u8));
            }
            peer.receive_all()
        });
        for (number, length) in [(1, BUFFERS * LENGTH), (2, 5)] {
            let packet = sent(&port);
            assert_eq!((packet.operation, packet.transferred), (number, length));
            assert!(packet.result.is_ok(), "{:?}", packet.result);
        }
        assert_eq!(reader.join().expect("all bytes came in order"), b"after");
    });
}

fn f10_a_packet_taken_before_its_start_returned_is_complete(world: &World) {
    const SENDS: u64 = 5_000;
    let port = world.exact_port(2);
    let (stream, peer) = world.stream(&port, 7);
    let stay = Stay::default();
    std::thread::scope(|scope| {
        let held = stay.hold();
        scope.spawn(|| drop(peer.receive_exact(SENDS as usize * 3)));
        let starter = scope.spawn(|| {
            let start = |number| stream.send(b"abc", number).expect("a send can be started");
            let ids: Vec<_> = (0..SENDS).map(start).collect();
            stay.until_let_go();
            ids
        });
        for number in 0..SENDS {
            let packet = sent(&port);
            assert_eq!((packet.operation, packet.transferred), (number, 3));
            assert_eq!(&packet.buffers.into_one().expect("it was one buffer")[..], b"abc");
            assert_eq!(*packet.stream.key(), 7);
        }
        drop(held);
        let ids = starter.join().expect("the starter did not panic");
        for id in &ids {
            let error = stream.cancel(*id).expect_err("it has completed");
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "each operation has a number of its own");
    });
    assert_nothing_comes(&port);
}

#[test]
fn p154_sends_go_out_whole_however_short_the_systems_sends_and_receives_are() {
    for seed in 1..=20 {
        let world = World::Simulated(Network::new(seed));
        let port = world.exact_port(1);
        let (stream, peer) = world.stream(&port, 7);
        let expected: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for (number, part) in expected.chunks(7_001).enumerate() {
            let halves = part.split_at(part.len() / 3);
            let buffers = vec![Buffer::copy_of(halves.0), Buffer::copy_of(halves.1)];
            stream.send(buffers, number as u64).expect("a send can be started");
        }
        stream.shutdown(Shutdown::Write).expect("it is connected");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| peer.receive_all());
            for (number, part) in expected.chunks(7_001).enumerate() {
                let packet = sent(&port);
                assert_eq!(packet.operation, number as u64, "seed {seed}");
                assert_eq!(packet.transferred, part.len(), "seed {seed}");
            }
            assert_eq!(reader.join().expect("the peer receives"), expected, "seed {seed}");
        });
    }
}

/// Bytes that went out cannot be taken back, so a failure after them is no refusal.
#[test]
fn p163_a_send_that_fails_after_a_part_went_out_says_so_by_its_packet() {
    let network = Network::new(0);
    network.set_capacity(1_000);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let faults = network.faults();
    faults.fail_next(Call::Send, 1, errno::NO_BUFFERS);
    let refused = stream.send(vec![1; 3_000], 1).expect_err("the first attempt fails");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NO_BUFFERS));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (3_000, 1));
    assert_nothing_comes(&port);

    faults.fail(Call::Send, faults.calls(Call::Send) + 2, errno::NO_BUFFERS);
    stream.send(vec![2; 3_000], 2).expect("a part went out");
    let packet = sent(&port);
    assert_eq!((packet.operation, code(&packet.result)), (2, Some(errno::NO_BUFFERS)));
    assert_eq!((packet.transferred, packet.buffers.byte_len()), (1_000, 3_000));
    drop((packet, refused, stream));
    assert_eq!(peer.receive_all(), [2; 1_000]);
}

on_every_driver_and_family! {
    p31_a_send_that_is_done_at_once_queues_exactly_one_packet,
    p33_a_send_that_fails_at_once_gives_everything_back_and_queues_nothing,
    p45_sending_nothing_succeeds_with_a_packet_and_is_not_the_end,
    p150_sends_go_out_whole_and_in_the_order_they_were_started,
    p152_a_receive_and_a_send_may_be_started_by_two_threads_at_once,
    p153_a_send_of_many_buffers_that_waits_is_whole_and_keeps_its_place,
    p153_several_buffers_go_out_as_one_send_in_their_order,
    p155_a_send_completes_before_the_peer_has_received_anything,
    p160_a_reset_ends_a_send_in_flight_with_the_bytes_that_went_out,
    p162_after_shutdown_of_sending_a_send_fails_at_once,
    p162_the_end_goes_out_behind_finished_sends_though_nobody_takes_their_packets,
    p162_what_was_sent_before_a_shutdown_still_goes_out,
    f10_a_packet_taken_before_its_start_returned_is_complete,
}
