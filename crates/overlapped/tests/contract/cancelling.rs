//! Cancelling operations (P130-P133, P46, F16-F18).

use crate::connecting::full_listener;
use crate::errno;
use crate::on_every_driver;
use crate::packets::{
    assert_nothing_comes, code, connected, next, outcome, received, send_until_one_waits, sent,
};
use crate::world::World;
use overlapped::{Buffer, Received};
use std::io;

fn p130_cancelling_all_from_another_thread_aborts_every_operation_of_that_stream(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (other, other_peer) = world.stream(&port, 8);
    let sends = send_until_one_waits(&port, &stream, world.long_send());
    for _ in 0..sends {
        assert!(sent(&port).result.is_ok());
    }
    for number in 100_000..100_003 {
        stream.receive(Buffer::with_capacity(8), number).expect("a receive can be started");
    }
    other.receive_pooled(200_000).expect("a receive can be started");

    let count = std::thread::scope(|scope| {
        scope.spawn(|| stream.cancel_all()).join().expect("it did not panic")
    });
    assert_eq!(count, 4);
    let mut outcomes: Vec<_> = (0..4).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    let numbers = [sends, 100_000, 100_001, 100_002];
    assert_eq!(outcomes, numbers.map(|number| (number, Some(errno::CANCELED))));
    assert_eq!(stream.cancel_all(), 0);
    assert_nothing_comes(&port);
    other_peer.send(b"x");
    assert_eq!(outcome(next(&port)), (200_000, None), "other streams are not touched");
}

fn p131_cancelling_what_has_completed_finds_nothing_and_changes_nothing(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let id = stream.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    peer.send(b"data");
    let packet = received(&port);
    for _ in 0..2 {
        let error = stream.cancel(id).expect_err("it has completed");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(&packet.buffer[..], b"data");
    assert_nothing_comes(&port);

    let id = stream.send(b"done", 2).expect("a send can be started");
    let error = stream.cancel(id).expect_err("it completed at once, though nobody took it yet");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(outcome(next(&port)), (2, None));
}

fn p133_a_cancelled_operation_gives_everything_back_with_its_one_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let id = stream.receive(Buffer::with_capacity(123), 1).expect("a receive can be started");
    stream.cancel(id).expect("it waits");
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!((packet.buffer.capacity(), packet.buffer.len()), (123, 0));
    assert_eq!(*packet.stream.key(), 7);
    let error = stream.cancel(id).expect_err("it was cancelled before");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_nothing_comes(&port);
}

fn p132_a_cancelled_send_says_how_many_bytes_went_out(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let waiting = send_until_one_waits(&port, &stream, length);
    for _ in 0..waiting {
        assert!(sent(&port).result.is_ok());
    }
    assert_eq!(stream.cancel_all(), 1);
    let packet = sent(&port);
    assert_eq!((packet.operation, code(&packet.result)), (waiting, Some(errno::CANCELED)));
    assert!(packet.transferred < length);
    assert_eq!(packet.buffers.byte_len(), length);
    drop(packet.stream);
    drop(stream);
    let mut total = 0;
    let mut room = vec![0; 64 << 10];
    loop {
        match peer.receive(&mut room).expect("the stream was closed gracefully") {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, waiting as usize * length + packet.transferred);
}

fn p132_no_byte_is_lost_by_a_cancelled_receive(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let id = stream.receive_pooled(1).expect("a receive can be started");
    peer.send(b"abc");
    // The data is there, but no thread has performed the receive.
    stream.cancel(id).expect("it still waits");
    let cancelled = received(&port);
    if world.is_kernel() && cancelled.result.is_ok() {
        // It was done before it could be cancelled.
        assert_eq!(&cancelled.buffer[..], b"abc");
        return;
    }
    assert_eq!((cancelled.operation, code(&cancelled.result)), (1, Some(errno::CANCELED)));
    stream.receive_pooled(2).expect("a receive can be started");
    assert_eq!(&received(&port).buffer[..], b"abc");
}

/// What was in a buffer before is not what was received.
fn p133_the_buffer_of_a_cancelled_receive_says_that_nothing_came(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (socket, _) = world.datagram(&port, 8);
    stream.receive(Buffer::from(b"before"), 1).expect("a receive can be started");
    socket.receive_from(Buffer::from(b"before"), 2).expect("a receive can be started");
    assert_eq!((stream.cancel_all(), socket.cancel_all()), (1, 1));
    for number in [1, 2] {
        let parts = next(&port).into_parts().expect("an operation was started");
        assert_eq!((parts.operation, code(&parts.result)), (number, Some(errno::CANCELED)));
        let buffer = parts.buffers.into_one().expect("it had one");
        assert_eq!((&buffer[..], buffer.capacity()), (&b""[..], 6));
    }
}

fn p46_cancel_races_with_completion_and_each_receive_completes_once(world: &World) {
    const ROUNDS: u64 = 2_000;
    let port = world.exact_port(2);
    let (stream, peer) = world.stream(&port, 7);
    let mut got = Vec::new();
    let mut cancelled = 0;
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for round in 0..ROUNDS {
                peer.send(&[round as u8]);
            }
            peer.shut_down_sending();
        });
        let (ids, to_cancel) = std::sync::mpsc::channel();
        let canceller = scope.spawn({
            let stream = &stream;
            move || to_cancel.into_iter().filter(|id| stream.cancel(*id).is_ok()).count()
        });
        for number in 0.. {
            let id = stream.receive(Buffer::with_capacity(3), number).expect("it can be started");
            ids.send(id).expect("the canceller is there");
            let packet = received(&port);
            assert_eq!(packet.operation, number, "one packet for each, in order");
            match packet.result {
                Ok(Received::End) => break,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
                    assert!(packet.buffer.is_empty());
                    cancelled += 1;
                }
            }
            got.extend_from_slice(&packet.buffer);
        }
        drop(ids);
        assert_eq!(canceller.join().expect("it did not panic"), cancelled);
        sender.join().expect("it did not panic");
    });
    let expected: Vec<u8> = (0..ROUNDS).map(|round| round as u8).collect();
    assert_eq!(got, expected);
    assert_nothing_comes(&port);
}

fn f16_every_kind_of_operation_comes_back_at_once_when_cancelled(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (listener, _) = world.listen(&port, 8);
    let (_full, _peers, address) = full_listener(world);
    let connecting = port.associate(world.socket(), 9).expect("a fresh socket is associated");

    let sends = send_until_one_waits(&port, &stream, world.long_send());
    for _ in 0..sends {
        assert!(sent(&port).result.is_ok());
    }
    let behind = stream.send(b"behind", 1).expect("a send can be started");
    let own = stream.receive(Buffer::with_capacity(8), 2).expect("a receive can be started");
    let pooled = stream.receive_pooled(3).expect("a receive can be started");
    let empty = stream.receive(Buffer::empty(), 4).expect("a receive can be started");
    let accept = listener.accept(5).expect("an accept can be posted");
    let connect = connecting.connect(address, (), 6).expect("a connect can be started");

    for (number, cancelled) in [
        (1, stream.cancel(behind)),
        (2, stream.cancel(own)),
        (3, stream.cancel(pooled)),
        (4, stream.cancel(empty)),
        (5, listener.cancel(accept)),
        (6, connecting.cancel(connect)),
    ] {
        cancelled.expect("it waits");
        // The packet is in the queue when the call has returned: there is nothing to wait for.
        let taken = port.try_take().expect("the port is open");
        let packet = taken.expect("the packet is there");
        assert_eq!(outcome(packet), (number, Some(errno::CANCELED)));
    }
    assert_nothing_comes(&port);
}

fn f17_a_cancel_that_finds_nothing_is_an_ordinary_answer_on_a_closed_stream_too(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let id = stream.receive_pooled(1).expect("a receive can be started");
    stream.close();
    assert_eq!(stream.cancel(id).expect_err("closing did it").kind(), io::ErrorKind::NotFound);
    assert_eq!(stream.cancel_all(), 0);
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert_nothing_comes(&port);
}

fn f18_cancelling_one_operation_leaves_its_neighbours_alone(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let ids: Vec<_> = (0..4)
        .map(|n| stream.receive(Buffer::with_capacity(2), n).expect("a receive can be started"))
        .collect();
    stream.cancel(ids[1]).expect("it waits");
    stream.cancel(ids[3]).expect("it waits");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert_eq!(outcome(next(&port)), (3, Some(errno::CANCELED)));
    assert_nothing_comes(&port);
    peer.send(b"abcd");
    for (number, bytes) in [(0, b"ab"), (2, b"cd")] {
        let packet = received(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (number, &bytes[..]));
    }
}

fn x54_a_stream_whose_connect_was_cancelled_can_be_closed(world: &World) {
    let port = world.exact_port(1);
    let (_full, _peers, address) = full_listener(world);
    let stream = port.associate(world.socket(), 9).expect("a fresh socket is associated");
    stream.connect(address, (), 1).expect("a connect can be started");
    assert_eq!(stream.cancel_all(), 1);
    assert_eq!(code(&connected(&port).result), Some(errno::CANCELED));
    stream.close();
    assert_eq!(port.snapshot().devices, 0);
    assert_nothing_comes(&port);
}

on_every_driver! {
    p46_cancel_races_with_completion_and_each_receive_completes_once,
    p130_cancelling_all_from_another_thread_aborts_every_operation_of_that_stream,
    p131_cancelling_what_has_completed_finds_nothing_and_changes_nothing,
    p132_a_cancelled_send_says_how_many_bytes_went_out,
    p132_no_byte_is_lost_by_a_cancelled_receive,
    p133_the_buffer_of_a_cancelled_receive_says_that_nothing_came,
    p133_a_cancelled_operation_gives_everything_back_with_its_one_packet,
    f16_every_kind_of_operation_comes_back_at_once_when_cancelled,
    f17_a_cancel_that_finds_nothing_is_an_ordinary_answer_on_a_closed_stream_too,
    f18_cancelling_one_operation_leaves_its_neighbours_alone,
    x54_a_stream_whose_connect_was_cancelled_can_be_closed,
}
