//! How large the buffers of pooled receives are.

use crate::on_every_driver_and_family;
use crate::packets::{received, wait_for_data};
use crate::world::{Numbers, Peer, World};
use overlapped::{Port, TcpStream};

const KIB: usize = 1 << 10;

/// How often a peer sends as much as fits until a receive has taken it in one go.
const TRIES: usize = 1_000;

/// Receives `length` bytes that the peer sends; how large the first and the last buffer were.
fn receive(
    port: &Port<Numbers>,
    (stream, peer): &(TcpStream<Numbers>, Peer),
    length: usize,
) -> (usize, usize) {
    peer.send(&vec![7; length]);
    wait_for_data(port, stream);
    let (mut left, mut first, mut last) = (length, None, 0);
    while left > 0 {
        stream.receive_pooled(1).expect("it is connected");
        let packet = received(port);
        left -= packet.buffer.len();
        last = packet.buffer.capacity();
        first.get_or_insert(last);
    }
    (first.expect("something was sent"), last)
}

fn pooled_receives_follow_their_stream_if_no_size_is_set(world: &World) {
    let port = world.exact_port(1);
    let (busy, quiet) = (world.stream(&port, 1), world.stream(&port, 2));
    for size in [8, 32, 64].map(|size| size * KIB) {
        let of_size = (0..TRIES).any(|_| receive(&port, &busy, size).1 == size);
        assert!(of_size, "no receive has got {size} bytes of room");
    }
    assert_eq!(receive(&port, &quiet, 1).0, 8 * KIB, "each stream has its own size");
    assert_eq!(port.buffer().capacity(), 8 * KIB);

    let sizes: Vec<_> = (0..9).map(|_| receive(&port, &busy, 1).0 / KIB).collect();
    let shrink = |from: &[usize]| from.is_sorted_by(|one, next| one >= next);
    assert!(shrink(&sizes), "{sizes:?}");
    assert_eq!(sizes[8], 8, "one of a byte needs no more: {sizes:?}");
}

fn pooled_buffers_have_the_size_that_was_set(world: &World) {
    const SIZE: usize = 600;
    let port = world.port(|builder| builder.concurrency(1).buffer_size(SIZE));
    let stream = world.stream(&port, 1);
    for length in [SIZE, SIZE, 20 * SIZE, 1] {
        assert_eq!(receive(&port, &stream, length), (SIZE, SIZE));
    }
    assert_eq!(port.buffer().capacity(), SIZE);
}

on_every_driver_and_family! {
    pooled_receives_follow_their_stream_if_no_size_is_set,
    pooled_buffers_have_the_size_that_was_set,
}
