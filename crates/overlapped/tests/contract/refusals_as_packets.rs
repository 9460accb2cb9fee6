//! A start that is refused as a packet of its operation (P33, P46): one path for all errors.

use crate::files_world::{Scratch, open, read_write};
use crate::handle_races::Counted;
use crate::packets::{assert_nothing_comes, code, expect_queued, next, outcome, received, sent};
use crate::world::{Numbers, World};
use crate::{errno, on_every_driver};
use overlapped::{
    AcceptWindow, Buffer, Buffers, OrPacket, Packet, PacketKind, Port, Received, Started,
    TakeError, TcpStream, Transmission, is_reset, is_timed_out,
};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// Takes the packet of a start that was refused: its kind, its number, its bytes, and its error.
#[track_caller]
fn refusal(port: &Port<Numbers>) -> (PacketKind, u64, Vec<u8>, Option<i32>) {
    let packet = next(port);
    assert!(packet.result().is_err(), "it was refused: {packet:?}");
    if let Packet::Sent { transferred, .. } | Packet::Connected { transferred, .. } = &packet {
        assert_eq!(*transferred, 0);
    }
    let parts = packet.into_parts().unwrap_or_else(|other| panic!("nobody sent {other:?}"));
    let bytes = parts.buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
    (parts.kind, parts.operation, bytes, code(&parts.result))
}

fn p33_a_refused_start_of_a_stream_is_a_packet_that_gives_everything_back(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    stream.shutdown(Shutdown::Both).expect("it is connected");

    assert_eq!(stream.send(b"hello", 1).or_packet(), None);
    assert_eq!(stream.send(vec![Buffer::from(b"a"), Buffer::from(b"b")], 2).or_packet(), None);
    assert_eq!(stream.receive(Buffer::with_capacity(9), 3).or_packet(), None);
    assert_eq!(stream.receive_pooled(4).or_packet(), None);
    let anywhere = world.peer_listener().address();
    assert_eq!(stream.connect(anywhere, b"first", 5).or_packet(), None);
    expect_queued(&port, 5);

    let shut_down = Some(errno::SHUT_DOWN);
    match next(&port) {
        Packet::Sent { stream, buffers, operation: 1, transferred: 0, result } => {
            assert_eq!((*stream.key(), code(&result)), (7, shut_down));
            assert_eq!(&buffers.into_one().expect("it was one")[..], b"hello");
        }
        other => panic!("the first send was owed, not {other:?}"),
    }
    assert_eq!(refusal(&port), (PacketKind::Sent, 2, b"ab".to_vec(), shut_down));
    let packet = received(&port);
    assert_eq!((packet.operation, packet.buffer.capacity()), (3, 9));
    assert_eq!((packet.buffer.len(), code(&packet.result)), (0, shut_down));
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (4, shut_down));
    let connect = (PacketKind::Connected, 5, b"first".to_vec(), Some(errno::IS_CONNECTED));
    assert_eq!(refusal(&port), connect);
    assert_nothing_comes(&port);
}

fn p33_a_refused_disconnect_accept_or_transmission_is_a_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let (listener, _) = world.listen(&port, 8);
    assert_eq!(listener.accept_into(&stream, 1).or_packet(), None);
    match next(&port) {
        Packet::AcceptedInto { listener, stream, operation: 1, result: Err(error) } => {
            assert_eq!((*listener.key(), *stream.key()), (8, 7));
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        other => panic!("an accept into a stream was owed, not {other:?}"),
    }
    let scratch = Scratch::holding(b"short");
    let file = open(scratch.path(), read_write());
    let beyond = Transmission::of(file).range(100, 1).head(b"head");
    assert_eq!(stream.transmit_file(beyond, 2).or_packet(), None);
    let (kind, operation, bytes, _) = refusal(&port);
    assert_eq!((kind, operation, &bytes[..]), (PacketKind::Transmitted, 2, &b"head"[..]));

    stream.close();
    listener.close();
    assert_eq!(stream.disconnect(3).or_packet(), None);
    assert_eq!(listener.accept(4).or_packet(), None);
    let closed = Some(errno::BAD_DESCRIPTOR);
    assert_eq!(refusal(&port), (PacketKind::Disconnected, 3, vec![], closed));
    assert_eq!(refusal(&port), (PacketKind::Accepted, 4, vec![], closed));
    assert_nothing_comes(&port);
}

fn p33_a_refused_start_of_datagrams_is_a_packet(world: &World) {
    let port = world.exact_port(1);
    let (socket, address) = world.datagram(&port, 7);
    socket.close();
    assert_eq!(socket.send_to(b"x", address, 1).or_packet(), None);
    assert_eq!(socket.receive_from(Buffer::with_capacity(5), 2).or_packet(), None);
    assert_eq!(socket.receive_from_pooled(3).or_packet(), None);
    let closed = Some(errno::BAD_DESCRIPTOR);
    assert_eq!(refusal(&port), (PacketKind::SentTo, 1, b"x".to_vec(), closed));
    match next(&port) {
        Packet::ReceivedFrom { socket, buffer, operation: 2, result } => {
            assert_eq!((*socket.key(), buffer.capacity(), code(&result)), (7, 5, closed));
        }
        other => panic!("a receive was owed, not {other:?}"),
    }
    assert_eq!(refusal(&port), (PacketKind::ReceivedFrom, 3, vec![], closed));
    assert_nothing_comes(&port);
}

fn p33_a_refused_start_of_a_file_is_a_packet(world: &World) {
    let port = world.exact_port(1);
    let file = Scratch::holding(b"contents").file(&port, 7);
    file.close();
    assert_eq!(file.write_at(Buffer::from(b"data"), 0, 1).or_packet(), None);
    assert_eq!(file.read_at(Buffer::with_capacity(9), 0, 2).or_packet(), None);
    assert_eq!(file.flush(3).or_packet(), None);
    let closed = Some(errno::FILE_CLOSED);
    assert_eq!(refusal(&port), (PacketKind::Written, 1, b"data".to_vec(), closed));
    match next(&port) {
        Packet::Read { file, buffer, operation: 2, result } => {
            assert_eq!((*file.key(), buffer.capacity(), code(&result)), (7, 9, closed));
        }
        other => panic!("a read was owed, not {other:?}"),
    }
    assert_eq!(refusal(&port), (PacketKind::Flushed, 3, vec![], closed));
    assert_nothing_comes(&port);
}

fn p46_or_packet_leaves_an_operation_that_was_started_alone(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let id = stream.receive(Buffer::with_capacity(9), 1).or_packet().expect("it was started");
    stream.cancel(id).expect("it waits for data");
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    stream.receive(Buffer::with_capacity(9), 2).or_packet().expect("it was started");
    peer.send(b"data");
    assert_eq!(&received(&port).buffer[..], b"data");
    let timer = port.timer(Duration::from_secs(3600), 3).or_packet().expect("the port is open");
    port.cancel_timer(timer).expect("an hour has not passed");
    assert_eq!(outcome(next(&port)), (3, Some(errno::CANCELED)));
    assert_nothing_comes(&port);
}

fn refused_transmission(stream: &TcpStream<Numbers>, operation: u64) {
    let scratch = Scratch::holding(b"short");
    let file = open(scratch.path(), read_write());
    stream.transmit_file(Transmission::of(file).range(100, 1), operation).or_packet();
}

/// The stream can send, so that what is owed alone decides.
fn p150_nothing_completes_in_place_before_a_refusal_that_is_owed(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    assert!(matches!(port.try_take(), Ok(None)), "the thread is bound");
    refused_transmission(&stream, 1);
    match stream.send_in_place(b"a", 2).or_packet() {
        Started::InFlight(_) => {}
        Started::Complete(packet) => panic!("it overtakes the refusal: {packet:?}"),
    }
    assert_eq!(next(&port).operation(), Some(&1));
    let packet = sent(&port);
    assert_eq!(packet.operation, 2);
    packet.result.expect("it can send");
    // Everything is handed out, and the counts are even.
    let started = stream.send_in_place(b"b", 3).or_packet();
    assert!(started.complete().is_some());
    assert_eq!(peer.receive_exact(2), b"ab");
}

fn p39_a_refusal_in_place_is_the_packet_unless_one_is_owed(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    // The thread is not bound yet, so the refusal is queued like any result.
    assert!(stream.send_in_place(b"early", 1).or_packet().complete().is_none());
    assert_eq!(refusal(&port).1, 1);
    match stream.send_in_place(b"hello", 2).or_packet() {
        Started::Complete(Packet::Sent { buffers, operation, transferred, result, .. }) => {
            assert_eq!((buffers.byte_len(), operation, transferred), (5, 2, 0));
            assert_eq!(code(&result), Some(errno::SHUT_DOWN));
        }
        other => panic!("nothing is owed, and the thread is bound: {other:?}"),
    }
    assert_nothing_comes(&port);
    stream.send(b"owed", 3).or_packet();
    assert!(stream.send_in_place(b"behind", 4).or_packet().complete().is_none());
    assert_eq!((refusal(&port).1, refusal(&port).1), (3, 4));
    assert_nothing_comes(&port);
}

fn p122_a_closed_port_drops_what_was_refused(world: &World) {
    let port: Port<Counted> = world.port(|builder| builder.concurrency(1));
    let (socket, _peer) = world.connected_socket();
    let stream = port.associate(socket, ()).expect("a socket is associated");
    let data = Arc::new(());
    port.close();
    assert_eq!(stream.send(b"late", Arc::clone(&data)).or_packet(), None);
    assert!(stream.send_in_place(b"late", Arc::clone(&data)).or_packet().complete().is_none());
    assert_eq!(port.timer(Duration::ZERO, Arc::clone(&data)).or_packet(), None);
    assert_eq!(Arc::strong_count(&data), 1, "they were dropped");
    assert!(matches!(port.try_take(), Err(TakeError::Closed)));
}

fn x31_a_refused_accept_leaves_the_window_beside_it_as_it_is(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 7);
    listener.accept_window(AcceptWindow::new(3), || 0).expect("a window is kept");
    assert_eq!(listener.posted(), 3);
    for number in 1..=5 {
        listener.accept(number).or_packet();
        let (kind, operation, ..) = refusal(&port);
        assert_eq!((kind, operation), (PacketKind::Accepted, number));
        assert_eq!(listener.posted(), 3);
    }
}

fn p160_a_reset_is_one_for_every_operation(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive(Buffer::with_capacity(1), 1).expect("it is connected");
    peer.reset();
    let error = received(&port).result.expect_err("it was reset");
    assert!(is_reset(&error) && !is_timed_out(&error), "{error}");
    stream.send(b"x", 2).or_packet();
    let error = sent(&port).result.expect_err("it was reset");
    assert!(is_reset(&error), "{error}");
    stream.close();
    stream.receive(Buffer::empty(), 3).or_packet();
    let error = received(&port).result.expect_err("it is closed");
    assert!(!is_reset(&error) && !is_timed_out(&error), "{error}");
}

/// A `TakeError` in a function of errors of the system.
fn p100_why_nothing_was_taken_is_an_error_of_io_too(world: &World) {
    fn take(port: &Port<Numbers>) -> io::Result<Packet<Numbers>> {
        Ok(port.take_timeout(Duration::from_millis(1))?)
    }
    let port = world.exact_port(1);
    let error = take(&port).expect_err("nothing is queued");
    assert!(is_timed_out(&error), "{error:?}");
    port.post(1).expect("it is open");
    assert!(matches!(take(&port), Ok(Packet::Posted(1))));
    port.close();
    let error = take(&port).expect_err("it is closed");
    assert_eq!((error.kind(), is_timed_out(&error)), (io::ErrorKind::BrokenPipe, false));
}

fn p97_a_try_takes_what_is_there_and_tells_nothing_from_closed(world: &World) {
    let port = world.exact_port(1);
    assert!(matches!(port.try_take(), Ok(None)));
    port.post(5).expect("it is open");
    assert!(matches!(port.try_take(), Ok(Some(Packet::Posted(5)))));
    port.close();
    assert!(matches!(port.try_take(), Err(TakeError::Closed)));
}

/// What a program that handles packets alone sees of a connection that it has lost.
fn p46_one_handler_sees_every_error(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive_pooled(1).or_packet();
    peer.send(b"ping");
    let mut errors = 0;
    let mut peer = Some(peer);
    drop(stream);
    while let Ok(packet) = port.take_timeout(crate::world::PATIENCE) {
        match packet {
            Packet::Received { stream, buffer, operation, result: Ok(Received::Data(_)) } => {
                stream.close();
                drop(peer.take());
                stream.send(Buffers::from(buffer), operation + 1).or_packet();
            }
            other => {
                assert_eq!(outcome(other), (2, Some(errno::BAD_DESCRIPTOR)));
                errors += 1;
                break;
            }
        }
    }
    assert_eq!((errors, port.snapshot().devices), (1, 0), "the packet held the last handle");
    assert_nothing_comes(&port);
}

on_every_driver! {
    p33_a_refused_start_of_a_stream_is_a_packet_that_gives_everything_back,
    p33_a_refused_disconnect_accept_or_transmission_is_a_packet,
    p33_a_refused_start_of_datagrams_is_a_packet,
    p33_a_refused_start_of_a_file_is_a_packet,
    p46_or_packet_leaves_an_operation_that_was_started_alone,
    p46_one_handler_sees_every_error,
    p150_nothing_completes_in_place_before_a_refusal_that_is_owed,
    p39_a_refusal_in_place_is_the_packet_unless_one_is_owed,
    p122_a_closed_port_drops_what_was_refused,
    x31_a_refused_accept_leaves_the_window_beside_it_as_it_is,
    p160_a_reset_is_one_for_every_operation,
    p100_why_nothing_was_taken_is_an_error_of_io_too,
    p97_a_try_takes_what_is_there_and_tells_nothing_from_closed,
}
