//! How transmissions end otherwise than whole: cancelled, closed, reset, with a file that shrinks;
//! and the end of the stream behind one (X67, X76, X77, X84).

use crate::errno;
use crate::files_world::Scratch;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, transmitted};
use crate::transmitting::{pattern, readable};
use crate::world::{Peer, World, wine_differs};
use overlapped::{OperationId, Port, TcpStream, Transmission, TransmissionProgress};

/// More than any connection takes while nobody receives.
const LONG: usize = 64 << 20;

/// A transmission that waits for its peer to receive.
fn stuck(
    port: &Port<crate::world::Numbers>,
    stream: &TcpStream<crate::world::Numbers>,
    scratch: &Scratch,
) -> (OperationId, TransmissionProgress) {
    let transmission = Transmission::of(readable(scratch));
    let progress = transmission.progress();
    let id = stream.transmit_file(transmission, 1).expect("a transmission can be started");
    // It goes on in parts, one each time that somebody looks for packets.
    loop {
        let before = progress.bytes();
        if let Ok(Some(packet)) = port.try_take() {
            panic!("nobody receives, and there was {packet:?}");
        }
        if progress.bytes() == before {
            return (id, progress);
        }
    }
}

fn received_until_end(peer: &Peer) -> u64 {
    let mut piece = vec![0; 1 << 20];
    let mut count = 0;
    loop {
        match peer.receive(&mut piece) {
            Ok(0) | Err(_) => return count,
            Ok(length) => count += length as u64,
        }
    }
}

fn x84_a_cancelled_transmission_tells_how_many_bytes_went_out(world: &World) {
    let name = "x84_a_cancelled_transmission_tells_how_many_bytes_went_out";
    if wine_differs(world, name, "one that is cancelled on its way may have no packet there") {
        return;
    }
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(&pattern(LONG));
    let (id, progress) = stuck(&port, &stream, &scratch);
    stream.cancel(id).expect("it is in flight");
    let packet = transmitted(&port);
    assert_eq!(code(&packet.result), Some(errno::CANCELED));
    assert!(packet.transferred < LONG as u64);
    assert_eq!(packet.transferred, progress.bytes());
    drop((stream, packet.stream));
    assert_nothing_comes(&port);
    let received = received_until_end(&peer);
    if world.is_kernel() {
        // What the system counts when it is stopped is what it had finished.
        assert!(received >= packet.transferred, "{received} of {}", packet.transferred);
    } else {
        assert_eq!(received, packet.transferred, "no byte more, no byte less");
    }
}

fn x77_the_file_stays_open_until_the_packet_and_no_longer(world: &World) {
    let port = world.exact_port(1);
    let (stream, _peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(&pattern(LONG));
    stuck(&port, &stream, &scratch);
    assert_eq!(crate::files_world::descriptors_on(scratch.path()), 1);
    stream.close();
    let packet = transmitted(&port);
    assert_eq!(code(&packet.result), Some(errno::CANCELED));
    drop(packet);
    assert_eq!(crate::files_world::descriptors_on(scratch.path()), 0);
}

fn x67_the_stream_ends_behind_the_last_byte_if_that_was_asked_for(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let contents = pattern(100_000);
    let scratch = Scratch::holding(&contents);
    let transmission = Transmission::of(readable(&scratch)).tail(b"end").end_stream(true);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| peer.receive_all());
        stream.transmit_file(transmission, 1).expect("a transmission can be started");
        let packet = transmitted(&port);
        assert_eq!(packet.transferred, 100_003);
        assert!(packet.result.is_ok(), "{:?}", packet.result);
        let received = reader.join().expect("the end comes");
        assert!(received == [contents.as_slice(), b"end"].concat());
    });
    let refused = stream.send(b"more", 2).expect_err("sending has ended");
    assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
    peer.send(b"the other direction is open");
    stream.receive(overlapped::Buffer::with_capacity(64), 3).expect("receiving goes on");
    assert_eq!(crate::packets::received(&port).buffer.len(), 27);
}

fn a_reset_ends_a_transmission_with_its_error(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(&pattern(LONG));
    stuck(&port, &stream, &scratch);
    peer.reset();
    let packet = transmitted(&port);
    assert_eq!(code(&packet.result), Some(errno::RESET));
    assert!(packet.transferred < LONG as u64);
}

/// X76: the file was longer when the transmission was started.
#[cfg(target_os = "linux")]
#[test]
fn x76_a_file_that_shrinks_ends_its_transmission_where_it_ends() {
    for world in [World::System, World::simulated()] {
        let port = world.exact_port(1);
        let (stream, peer) = world.stream(&port, 7);
        let scratch = Scratch::holding(&pattern(LONG));
        let (_, progress) = stuck(&port, &stream, &scratch);
        let left = progress.bytes() + 1_000_003;
        let file = std::fs::OpenOptions::new().write(true).open(scratch.path());
        file.and_then(|file| file.set_len(left)).expect("the file can be cut");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| peer.receive_exact(left as usize));
            let packet = transmitted(&port);
            assert_eq!(packet.transferred, left);
            assert!(packet.result.is_ok(), "{:?}", packet.result);
            assert!(reader.join().expect("they come") == pattern(LONG)[..left as usize]);
        });
    }
}

on_every_driver_and_family! {
    x84_a_cancelled_transmission_tells_how_many_bytes_went_out,
    x77_the_file_stays_open_until_the_packet_and_no_longer,
    x67_the_stream_ends_behind_the_last_byte_if_that_was_asked_for,
    a_reset_ends_a_transmission_with_its_error,
}
