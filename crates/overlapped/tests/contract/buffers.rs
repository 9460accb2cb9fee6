//! What buffers are made from, and receives that fill what is left of one, or several of them: none of
//! it copies (P20, P43, P44, P132, P150).

use crate::files_world::{Scratch, read};
use crate::packets::{assert_nothing_comes, code, next, outcome, received, sent, wait_for_data};
use crate::world::{Numbers, World};
use crate::{errno, on_every_driver};
use overlapped::{Buffer, Buffers, OrPacket, Packet, PacketKind, Port, Received};
use std::net::Shutdown;
use std::sync::Arc;

/// Sends `buffers`, and gives back what the packet gives back.
fn send_and_take(world: &World, buffers: impl Into<Buffers>, expected: &[u8]) -> Buffers {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.send(buffers, 1).expect("it is connected");
    let packet = sent(&port);
    packet.result.expect("the peer takes it");
    assert_eq!(packet.transferred, expected.len());
    assert_eq!(peer.receive_exact(expected.len()), expected);
    packet.buffers
}

fn p20_what_is_sent_without_a_copy_comes_back(world: &World) {
    let vector = Vec::from(*b"a vector");
    let address = vector.as_ptr();
    let back = send_and_take(world, vector, b"a vector").into_one().expect("it was one");
    let vector = back.into_vec().expect("the memory was its own");
    assert_eq!((&vector[..], vector.as_ptr()), (&b"a vector"[..], address));

    let text = String::from("a string");
    let address = text.as_ptr();
    let back = send_and_take(world, text, b"a string").into_one().expect("it was one");
    let bytes = back.into_vec().expect("the memory was its own");
    assert_eq!(bytes.as_ptr(), address);

    const STATIC: &[u8] = b"for ever";
    let back = send_and_take(world, STATIC, STATIC).into_one().expect("it was one");
    assert_eq!(back.as_ptr(), STATIC.as_ptr());
    let bytes = bytes::Bytes::from(vec![b'x'; 5]);
    let back = send_and_take(world, bytes.clone(), b"xxxxx").into_one().expect("it was one");
    assert_eq!(back.as_ptr(), bytes.as_ptr());
    let back = send_and_take(world, "a text", b"a text").into_one().expect("it was one");
    let back = back.into_vec().expect_err("it is shared");
    assert_eq!(&back[..], b"a text");
}

/// Of a message to many there is one copy, and it is gone with the last packet.
fn p20_a_message_to_many_streams_is_there_once(world: &World) {
    const STREAMS: u64 = 50;
    let port = world.exact_port(1);
    let message: Arc<[u8]> = Arc::from(vec![7; 10_000]);
    let streams: Vec<_> = (0..STREAMS).map(|key| world.stream(&port, key)).collect();
    for (stream, _) in &streams {
        stream.send(Arc::clone(&message), 1).expect("it is connected");
    }
    assert_eq!(Arc::strong_count(&message), 1 + STREAMS as usize);
    for _ in 0..STREAMS {
        let packet = sent(&port);
        packet.result.expect("the peer takes it");
        let buffer = packet.buffers.into_one().expect("it was one");
        assert_eq!(buffer.as_ptr(), message.as_ptr());
    }
    assert_eq!(Arc::strong_count(&message), 1);
    for (_, peer) in &streams {
        assert_eq!(peer.receive_exact(message.len()), &message[..]);
    }
}

fn a_shared_buffer_that_is_received_or_read_into_leaves_what_is_shared(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let shared: Arc<[u8]> = Arc::from(*b"shared");
    peer.send(b"fresh");
    wait_for_data(&port, &stream);
    stream.receive(Buffer::from(Arc::clone(&shared)), 1).expect("it is connected");
    let packet = received(&port);
    assert_eq!(packet.result.expect("data was there"), Received::Data(5));
    assert_eq!((&packet.buffer[..], &shared[..]), (&b"fresh"[..], &b"shared"[..]));
    assert_eq!(Arc::strong_count(&shared), 1, "it has memory of its own");

    let scratch = Scratch::holding(b"in a file");
    let file = scratch.file(&port, 8);
    file.read_at(Buffer::from(Arc::clone(&shared)), 0, 2).expect("it is open");
    let packet = read(&port);
    assert_eq!((packet.result.expect("it can be read"), &packet.buffer[..]), (6, &b"in a f"[..]));
    assert_eq!(&shared[..], b"shared");
}

fn a_receive_that_appends_keeps_what_the_buffer_has(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let mut buffer = Buffer::with_capacity(10);
    buffer.extend_from_slice(b"ab");
    let address = buffer.as_ptr();
    stream.receive_append(buffer, 1).expect("it is connected");
    peer.send(b"cde");
    let packet = received(&port);
    assert_eq!(packet.result.expect("data came"), Received::Data(3));
    assert_eq!((&packet.buffer[..], packet.buffer.as_ptr()), (&b"abcde"[..], address));

    // More than fits: the rest is for the next one.
    peer.send(b"fghijklm");
    wait_for_data(&port, &stream);
    let mut buffer = packet.buffer;
    while buffer.spare_len() > 0 {
        stream.receive_append(buffer, 2).expect("it is connected");
        let packet = received(&port);
        assert!(matches!(packet.result, Ok(Received::Data(_))), "{:?}", packet.result);
        buffer = packet.buffer;
    }
    assert_eq!(&buffer[..], b"abcdefghij");

    // A full one waits for data, and takes none (P44).
    stream.receive_append(buffer, 3).expect("it is connected");
    let packet = received(&port);
    assert_eq!(packet.result.expect("there is more"), Received::Readable);
    assert_eq!(&packet.buffer[..], b"abcdefghij");
    let mut buffer = packet.buffer;
    buffer.truncate(1);
    let mut expected = Vec::from(*b"a");
    while expected != b"aklm" {
        stream.receive_append(buffer, 4).expect("it is connected");
        let packet = received(&port);
        buffer = packet.buffer;
        expected = b"aklm"[..buffer.len()].to_vec();
        assert_eq!(&buffer[..], &expected[..]);
    }
    assert_nothing_comes(&port);
}

fn p43_p132_a_receive_that_appends_nothing_leaves_the_buffer_as_it_was(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let kept = || {
        let mut buffer = Buffer::with_capacity(9);
        buffer.extend_from_slice(b"kept");
        buffer
    };
    let id = stream.receive_append(kept(), 1).expect("it is connected");
    stream.cancel(id).expect("it waits");
    let packet = received(&port);
    assert_eq!(code(&packet.result), Some(errno::CANCELED));
    assert_eq!(&packet.buffer[..], b"kept");
    peer.shut_down_sending();
    stream.receive_append(packet.buffer, 2).expect("it is connected");
    let packet = received(&port);
    assert_eq!(packet.result.expect("it is the end"), Received::End);
    assert_eq!(&packet.buffer[..], b"kept");
    stream.shutdown(Shutdown::Read).expect("it is connected");
    stream.receive_append(packet.buffer, 3).or_packet();
    let packet = received(&port);
    assert_eq!(code(&packet.result), Some(errno::SHUT_DOWN));
    assert_eq!(&packet.buffer[..], b"kept");
}

fn p39_a_receive_that_appends_completes_in_place(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    peer.send(b"cd");
    wait_for_data(&port, &stream);
    let mut buffer = Buffer::with_capacity(4);
    buffer.extend_from_slice(b"ab");
    let started = stream.receive_append_in_place(buffer, 1).expect("it is connected");
    match started.complete().expect("it is complete, nothing is owed, and the thread is bound") {
        Packet::Received { buffer, result, .. } => {
            // The simulated network may give less than there is.
            let Ok(Received::Data(count)) = result else { panic!("data was there: {result:?}") };
            assert_eq!(&buffer[..], &b"abcd"[..2 + count]);
        }
        other => panic!("a receive was owed, not {other:?}"),
    }
}

/// Takes the packet of a receive into several buffers: its bytes in each, and its result.
fn scattered(port: &Port<Numbers>) -> (Vec<Vec<u8>>, Option<Received>) {
    match next(port) {
        Packet::ReceivedScattered { stream, buffers, result, .. } => {
            assert_eq!(*stream.key(), 7);
            (buffers.iter().map(|buffer| buffer.to_vec()).collect(), result.ok())
        }
        other => panic!("a receive into several buffers was owed, not {other:?}"),
    }
}

fn rooms(sizes: &[usize]) -> Vec<Buffer> {
    sizes.iter().map(|size| Buffer::with_capacity(*size)).collect()
}

fn a_receive_fills_several_buffers_in_order(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    // One that waits.
    stream.receive_scattered(rooms(&[2, 0, 3, 4]), 1).expect("it is connected");
    peer.send(b"abcd");
    let (parts, result) = scattered(&port);
    let Some(Received::Data(first)) = result else { panic!("data came: {result:?}") };
    let whole = parts.concat();
    assert_eq!((whole.len(), &whole[..]), (first, &b"abcd"[..first]));
    assert_eq!(
        parts.iter().map(Vec::len).collect::<Vec<_>>(),
        [first.min(2), 0, first.max(2) - 2, 0]
    );

    // What is there already, of more than there is room for; old bytes go.
    peer.send(b"efghijkl");
    let mut expected = b"abcdefghijkl"[first..].to_vec();
    while !expected.is_empty() {
        let mut buffers = rooms(&[1, 2, 2]);
        buffers[0].extend_from_slice(b"x");
        wait_for_data(&port, &stream);
        stream.receive_scattered(buffers, 2).expect("it is connected");
        let (parts, result) = scattered(&port);
        let Some(Received::Data(count)) = result else { panic!("data came: {result:?}") };
        assert!(count <= 5);
        let full = [1, 2, 2].into_iter().scan(count, |left, room: usize| {
            let part = room.min(*left);
            *left -= part;
            Some(part)
        });
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), full.collect::<Vec<_>>());
        assert_eq!(parts.concat(), expected[..count]);
        expected.drain(..count);
    }
    peer.shut_down_sending();
    stream.receive_scattered(rooms(&[2, 2]), 3).expect("it is connected");
    assert_eq!(scattered(&port), (vec![vec![], vec![]], Some(Received::End)));
    assert_nothing_comes(&port);
}

fn p44_a_receive_into_several_buffers_without_room_takes_nothing(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive_scattered(rooms(&[0, 0]), 1).expect("it is connected");
    peer.send(b"x");
    assert_eq!(scattered(&port).1, Some(Received::Readable));
    stream.receive(Buffer::with_capacity(9), 2).expect("it is connected");
    assert_eq!(&received(&port).buffer[..], b"x");
}

/// Many more buffers than one call fills, and yet nothing is left behind unseen.
fn more_buffers_than_one_receive_fills_lose_nothing(world: &World) {
    const BYTES: usize = 300;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let all: Vec<u8> = (0..BYTES).map(|byte| byte as u8).collect();
    peer.send(&all);
    let mut came = Vec::new();
    while came.len() < BYTES {
        stream.receive_scattered(rooms(&[1; 200]), 1).expect("it is connected");
        let (parts, result) = scattered(&port);
        assert!(matches!(result, Some(Received::Data(_))), "{result:?}");
        came.extend(parts.concat());
    }
    assert_eq!(came, all);
}

fn p132_a_receive_into_several_buffers_is_cancelled_or_refused_as_any_other(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let id = stream.receive_scattered(rooms(&[2, 3]), 1).expect("it is connected");
    stream.receive(Buffer::with_capacity(9), 2).expect("it is connected");
    stream.cancel(id).expect("it waits");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    peer.send(b"kept");
    assert_eq!(&received(&port).buffer[..], b"kept", "no byte is lost");
    stream.close();
    assert_eq!(stream.receive_scattered(rooms(&[2, 3]), 3).or_packet(), None);
    let parts = next(&port).into_parts().expect("it is one of an operation");
    assert_eq!((parts.kind, parts.operation), (PacketKind::ReceivedScattered, 3));
    assert_eq!(parts.buffers.iter().map(Buffer::capacity).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(code(&parts.result), Some(errno::BAD_DESCRIPTOR));
    assert_nothing_comes(&port);
}

/// It is owed like any receive, so none completes in place before it, and some do after it.
fn p150_a_receive_into_several_buffers_is_owed_like_any_other(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive_scattered(rooms(&[1, 1]), 1).expect("it is connected");
    peer.send(b"ab");
    let (parts, _) = scattered(&port);
    let rest = b"abc"[parts.concat().len()..].to_vec();
    peer.send(b"c");
    wait_for_data(&port, &stream);
    let started = stream.receive_in_place(Buffer::with_capacity(1), 2).expect("it is connected");
    match started.complete().expect("it is complete, nothing is owed, and the thread is bound") {
        Packet::Received { buffer, .. } => assert_eq!(&buffer[..], &rest[..1]),
        other => panic!("a receive was owed, not {other:?}"),
    }
}

on_every_driver! {
    p20_what_is_sent_without_a_copy_comes_back,
    p20_a_message_to_many_streams_is_there_once,
    a_shared_buffer_that_is_received_or_read_into_leaves_what_is_shared,
    a_receive_that_appends_keeps_what_the_buffer_has,
    p43_p132_a_receive_that_appends_nothing_leaves_the_buffer_as_it_was,
    p39_a_receive_that_appends_completes_in_place,
    a_receive_fills_several_buffers_in_order,
    p44_a_receive_into_several_buffers_without_room_takes_nothing,
    more_buffers_than_one_receive_fills_lose_nothing,
    p132_a_receive_into_several_buffers_is_cancelled_or_refused_as_any_other,
    p150_a_receive_into_several_buffers_is_owed_like_any_other,
}
