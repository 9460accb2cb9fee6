//! Closing streams and listeners with operations in flight, and threads that end (P140-P146, F54).

use crate::connecting::full_listener;
use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{
    assert_nothing_comes, code, next, outcome, received, send_until_one_waits, sent,
};
use crate::world::{Peer, World};
use overlapped::Buffer;
use std::io;
use std::time::{Duration, Instant};

/// How the peer's direction ended, after this many bytes.
pub fn end_of(peer: &Peer) -> (usize, Option<io::ErrorKind>) {
    let mut total = 0;
    let mut room = vec![0; 64 << 10];
    loop {
        match peer.receive(&mut room) {
            Ok(0) => return (total, None),
            Ok(length) => total += length,
            Err(error) => return (total, Some(error.kind())),
        }
    }
}

fn p140_closing_completes_every_operation_in_flight_as_aborted(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, world.long_send());
    for _ in 0..sends {
        assert!(sent(&port).result.is_ok());
    }
    stream.send(b"behind", 100_001).expect("a send can be started");
    stream.receive(Buffer::with_capacity(8), 100_002).expect("a receive can be started");
    stream.receive_pooled(100_003).expect("a receive can be started");
    stream.receive(Buffer::empty(), 100_004).expect("a receive can be started");
    stream.close();

    // P141: the call has returned, and the packets come now.
    let mut outcomes: Vec<_> = (0..5).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    let numbers = [sends, 100_001, 100_002, 100_003, 100_004];
    assert_eq!(outcomes, numbers.map(|number| (number, Some(errno::CANCELED))));
    assert_nothing_comes(&port);
    assert_eq!(port.snapshot().devices, 0);
}

fn p140_a_closed_stream_starts_nothing_and_may_be_closed_again(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let clone = stream.clone();
    clone.close();
    stream.close();
    stream.abort();
    let refused = stream.receive(Buffer::with_capacity(8), 1).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::BAD_DESCRIPTOR));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (8, 1));
    let refused = stream.send(b"mine", 2).expect_err("it is closed");
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 2));
    assert!(stream.shutdown(std::net::Shutdown::Both).is_err());
    assert!(stream.local_addr().is_err());
    assert_eq!(*stream.key(), 7, "the key lives as long as a handle");
    assert_nothing_comes(&port);
}

fn p142_a_new_stream_is_not_hit_by_what_was_under_way_for_a_closed_one(world: &World) {
    let port = world.exact_port(1);
    for round in 0..200 {
        let (old, old_peer) = world.stream(&port, 1);
        old.receive_pooled(round).expect("a receive can be started");
        old_peer.send(b"old");
        old.close();
        // The system gives the same descriptor to this one.
        let (new, new_peer) = world.stream(&port, 2);
        new.receive_pooled(1_000 + round).expect("a receive can be started");
        assert_eq!(outcome(next(&port)), (round, Some(errno::CANCELED)));
        assert_nothing_comes(&port);
        new_peer.send(b"new");
        let packet = received(&port);
        assert_eq!((packet.operation, *packet.stream.key()), (1_000 + round, 2));
        assert_eq!(&packet.buffer[..], b"new");
    }
}

fn p143_closing_with_unread_data_shows_the_peer_an_end_or_a_reset(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    peer.send(b"never read");
    stream.receive(Buffer::empty(), 1).expect("a receive can be started");
    assert!(received(&port).result.is_ok(), "the data has come");
    stream.close();
    let (bytes, error) = end_of(&peer);
    assert_eq!(bytes, 0);
    assert!(matches!(error, None | Some(io::ErrorKind::ConnectionReset)), "{error:?}");
}

fn p144_closing_sends_what_was_sent_before_and_then_the_end(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send(vec![5; 10_000], 1).expect("a send can be started");
    assert!(sent(&port).result.is_ok());
    stream.receive_pooled(2).expect("a receive can be started");
    stream.close();
    assert_eq!(end_of(&peer), (10_000, None));
}

fn p144_aborting_resets_the_connection(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (reader, _reader_peer) = world.stream(&port, 8);
    drop(reader);
    stream.receive_pooled(1).expect("a receive can be started");
    stream.abort();
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert_eq!(end_of(&peer), (0, Some(io::ErrorKind::ConnectionReset)));
}

fn f54_the_peer_sees_the_end_at_once_when_a_receive_was_in_flight(world: &World) {
    let port = world.exact_port(1);
    let time_to_end = |_| {
        let (stream, peer) = world.stream(&port, 7);
        stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
        let start = Instant::now();
        stream.close();
        assert_eq!(end_of(&peer), (0, None));
        let time = start.elapsed();
        assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
        time
    };
    // A machine that is busy otherwise may hold up some of them, and not each.
    let quickest = (0..20).map(time_to_end).min().expect("there are some");
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

fn the_connection_closes_when_its_last_handle_is_dropped(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let clone = stream.clone();
    stream.receive_pooled(1).expect("a receive can be started");
    drop(stream);
    drop(clone);
    assert_eq!(port.snapshot().devices, 1, "the receive in flight holds a handle");
    peer.send(b"x");
    let packet = received(&port);
    packet.stream.send(b"y", 2).expect("the packet gives the handle back");
    drop(packet);
    assert_eq!(peer.receive_exact(1), b"y");
    drop(sent(&port));
    assert_eq!(end_of(&peer), (0, None));
    assert_eq!(port.snapshot().devices, 0);
}

fn a_send_in_flight_goes_out_whole_although_the_handle_was_dropped(world: &World) {
    const LENGTH: usize = 100_000;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let sends = send_until_one_waits(&port, &stream, LENGTH) + 1;
    drop(stream);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| end_of(&peer));
        for _ in 0..sends {
            assert!(sent(&port).result.is_ok());
        }
        let end = reader.join().expect("it did not panic");
        assert_eq!(end, (sends as usize * LENGTH, None));
    });
}

fn p140_closing_races_with_completion_and_every_operation_completes_once(world: &World) {
    let port = world.exact_port(2);
    for round in 0..300 {
        let (stream, peer) = world.stream(&port, 7);
        for number in 0..4 {
            stream.receive(Buffer::with_capacity(1), number).expect("a receive can be started");
        }
        std::thread::scope(|scope| {
            scope.spawn(|| stream.close());
            // The stream may be closed already, and then nobody is there to be sent to.
            scope.spawn(|| match &peer {
                Peer::System(stream) => drop(io::Write::write(&mut &*stream, b"ab")),
                Peer::Simulated(peer) => drop(peer.send(b"ab")),
            });
            let mut got = Vec::new();
            let mut packets: Vec<_> = (0..4).map(|_| received(&port)).collect();
            if world.is_kernel() {
                // The kernel ends the operations of a closed handle in no particular order.
                packets.sort_by_key(|packet| packet.operation);
            }
            for (packet, number) in packets.into_iter().zip(0..) {
                assert_eq!(packet.operation, number, "round {round}");
                match packet.result {
                    Ok(_) => got.extend_from_slice(&packet.buffer),
                    Err(_) => assert_eq!(code(&packet.result), Some(errno::CANCELED)),
                }
            }
            assert!(b"ab".starts_with(&got), "round {round}: {got:?}");
        });
        assert_nothing_comes(&port);
        assert_eq!(port.snapshot().devices, 0);
    }
}

fn p146_operations_outlive_the_thread_that_started_them(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (listener, address) = world.listen(&port, 8);
    let (_full, _peers, full) = full_listener(world);
    let connecting = port.associate(world.socket(), 9).expect("a fresh socket is associated");
    std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            stream.receive_pooled(1).expect("a receive can be started");
            listener.accept(2).expect("an accept can be posted");
            connecting.connect(full, (), 3).expect("a connect can be started");
            port.timer(Duration::from_millis(20), 4).expect("a timer can be started");
        });
        // The scope waits until the work is done; this waits until the thread has gone.
        starter.join().expect("it did not panic");
    });
    assert_eq!(outcome(next(&port)), (4, None));
    peer.send(b"x");
    assert_eq!(outcome(next(&port)), (1, None));
    let _client = world.connect(address);
    assert_eq!(outcome(next(&port)), (2, None));
    assert_eq!(connecting.cancel_all(), 1, "the connect still goes on");
    assert_eq!(outcome(next(&port)), (3, Some(errno::CANCELED)));
}

on_every_driver_and_family! {
    a_send_in_flight_goes_out_whole_although_the_handle_was_dropped,
    the_connection_closes_when_its_last_handle_is_dropped,
    p140_a_closed_stream_starts_nothing_and_may_be_closed_again,
    p140_closing_completes_every_operation_in_flight_as_aborted,
    p140_closing_races_with_completion_and_every_operation_completes_once,
    p142_a_new_stream_is_not_hit_by_what_was_under_way_for_a_closed_one,
    p143_closing_with_unread_data_shows_the_peer_an_end_or_a_reset,
    p144_aborting_resets_the_connection,
    p144_closing_sends_what_was_sent_before_and_then_the_end,
    p146_operations_outlive_the_thread_that_started_them,
    f54_the_peer_sees_the_end_at_once_when_a_receive_was_in_flight,
}
