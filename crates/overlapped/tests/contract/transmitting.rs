//! Transmissions of files: what goes out, in which order, and what is refused (X70-X76, X82, F43,
//! F45).

use crate::errno;
use crate::files_world::{Scratch, open};
use crate::on_every_driver;
use crate::packets::{assert_nothing_comes, sent, transmitted};
use crate::world::World;
use overlapped::{Buffer, Buffers, FileOptions, OpenFile, Transmission};
use std::io;
use std::sync::Arc;

/// Bytes of which no two pieces are alike.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 251 + n) as u8).collect()
}

pub fn readable(scratch: &Scratch) -> OpenFile {
    open(scratch.path(), FileOptions::new().read(true))
}

fn x70_head_file_and_tail_go_out_in_order_as_one_operation(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let contents = pattern(300_001);
    let scratch = Scratch::holding(&contents);
    let heads = [b"two ".as_slice(), b"heads: "].map(Buffer::from);
    for head in [Buffers::from(Vec::from(heads)), b"one head: ".into(), ().into()] {
        let expected: Vec<u8> = head
            .iter()
            .flat_map(|part| part.to_vec())
            .chain(contents.iter().copied())
            .chain(*b", and tail")
            .collect();
        let head_length = head.byte_len();
        let transmission = Transmission::of(readable(&scratch)).head(head).tail(b", and tail");
        let progress = transmission.progress();
        let received = std::thread::scope(|scope| {
            let reader = scope.spawn(|| peer.receive_exact(expected.len()));
            stream.transmit_file(transmission, 3).expect("a transmission can be started");
            let packet = transmitted(&port);
            assert!(packet.result.is_ok(), "{:?}", packet.result);
            assert_eq!((packet.operation, *packet.stream.key()), (3, 7));
            assert_eq!(packet.transferred, expected.len() as u64);
            assert_eq!(progress.bytes(), packet.transferred);
            let (head, tail) = packet.transmission.into_buffers();
            assert_eq!((head.byte_len(), tail.byte_len()), (head_length, 10), "they come back");
            reader.join().expect("all bytes come")
        });
        assert!(received == expected, "head, file and tail, in this order");
        assert_nothing_comes(&port);
    }
}

fn x72_x73_a_range_is_that_part_and_none_is_the_whole_file(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let contents = pattern(100_000);
    let scratch = Scratch::holding(&contents);
    let file = Arc::new(readable(&scratch));
    let of = || Transmission::of(Arc::clone(&file));
    let cases = [
        (of(), &contents[..]),
        (of().range(0, 1), &contents[..1]),
        (of().range(70_001, 2_999), &contents[70_001..73_000]),
        (of().range(99_999, 1), &contents[99_999..]),
        (of().range(5, 0), &[]),
        (of().range(100_000, 0), &[]),
    ];
    for (transmission, expected) in cases {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| peer.receive_exact(expected.len()));
            stream.transmit_file(transmission, 0).expect("a transmission can be started");
            let packet = transmitted(&port);
            assert_eq!(packet.transferred, expected.len() as u64);
            assert!(packet.result.is_ok(), "{:?}", packet.result);
            assert!(reader.join().expect("all bytes come") == expected);
        });
    }
    let empty = Scratch::holding(b"");
    let transmission = Transmission::of(readable(&empty)).head(b"head ").tail(b"tail");
    stream.transmit_file(transmission, 0).expect("a transmission can be started");
    assert_eq!(transmitted(&port).transferred, 9);
    assert_eq!(peer.receive_exact(9), b"head tail", "an empty file has nothing to add");
}

fn x75_what_cannot_be_transmitted_is_refused_and_gives_everything_back(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(b"0123456789");
    let write_only = open(scratch.path(), FileOptions::new().write(true));
    let cases = [
        (Transmission::of(readable(&scratch)).range(11, 1), "beyond the end"),
        (Transmission::of(write_only), "not opened for reading"),
    ];
    for (transmission, why) in cases {
        let refused = stream.transmit_file(transmission.head(b"mine"), 5).expect_err(why);
        assert_eq!(refused.error.kind(), io::ErrorKind::InvalidInput);
        assert!(refused.error.to_string().contains(why), "{}", refused.error);
        let (transmission, operation) = refused.returned;
        assert_eq!((transmission.into_buffers().0.byte_len(), operation), (4, 5));
    }
    let fresh = port.associate(world.socket(), 8).expect("a fresh socket is associated");
    let refused = fresh.transmit_file(Transmission::of(readable(&scratch)), 6);
    let refused = refused.expect_err("it is not connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::NOT_CONNECTED));
    assert_nothing_comes(&port);
    stream.send(b"x", 0).expect("the stream is as it was");
    assert_eq!(peer.receive_exact(1), b"x");
}

fn x76_a_part_that_is_longer_than_the_file_sends_what_there_is(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(b"0123456789");
    let transmission = Transmission::of(readable(&scratch)).range(4, u64::MAX).tail(b"!");
    stream.transmit_file(transmission, 0).expect("a transmission can be started");
    let packet = transmitted(&port);
    assert_eq!(packet.transferred, 7);
    assert!(packet.result.is_ok(), "{:?}", packet.result);
    assert_eq!(peer.receive_exact(7), b"456789!");
}

fn x82_a_transmission_takes_its_turn_among_sends(world: &World) {
    const ROUNDS: usize = 50;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let contents = pattern(50_000);
    let scratch = Scratch::holding(&contents);
    let file = Arc::new(readable(&scratch));
    let one = [b"before".as_slice(), &contents, b"after"].concat();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for round in 0..ROUNDS {
                assert!(peer.receive_exact(one.len()) == one, "round {round}");
            }
        });
        for _ in 0..ROUNDS {
            stream.send(b"before", 1).expect("a send can be started");
            let transmission = Transmission::of(Arc::clone(&file));
            stream.transmit_file(transmission, 2).expect("a transmission can be started");
            stream.send(b"after", 3).expect("a send can be started");
        }
        for _ in 0..ROUNDS {
            assert_eq!(sent(&port).operation, 1);
            assert_eq!(transmitted(&port).operation, 2);
            assert_eq!(sent(&port).operation, 3);
        }
        reader.join().expect("all bytes came in order");
    });
}

/// Also a peer that takes everything at once keeps no thread for longer than a part of it takes.
#[test]
fn a_long_transmission_lets_others_have_their_turn() {
    const LENGTH: usize = 10 << 20;
    let network = overlapped::simulated::Network::new(0);
    network.set_capacity(2 * LENGTH);
    let world = World::Simulated(network);
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(&pattern(LENGTH));
    let transmission = Transmission::of(readable(&scratch));
    let progress = transmission.progress();
    stream.transmit_file(transmission, 1).expect("a transmission can be started");
    let at_start = progress.bytes();
    assert!((1..LENGTH as u64 / 2).contains(&at_start), "{at_start} bytes in the starting call");
    assert_eq!(port.snapshot().queued, 0);
    let packet = transmitted(&port);
    assert_eq!(packet.transferred, LENGTH as u64, "nobody has to ask for the rest");
    assert!(peer.receive_exact(LENGTH) == pattern(LENGTH));
    assert!(packet.result.is_ok(), "{:?}", packet.result);
}

/// X74, F43, F45: one call of Windows takes less than 2^31 bytes, one of Linux less than that.
#[cfg(target_os = "linux")]
#[test]
fn x74_f43_f45_parts_around_the_limits_of_the_systems_calls_go_out_whole() {
    use std::os::unix::fs::FileExt;
    const LIMIT: u64 = 1 << 31;
    let world = World::System;
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let scratch = Scratch::holding(b"");
    let sparse = std::fs::OpenOptions::new().write(true).open(scratch.path()).expect("it is ours");
    sparse.set_len(5 << 30).expect("a file without contents can be long");
    let marks = [LIMIT - 4_097, LIMIT - 2, LIMIT - 1, LIMIT, (3 << 30) - 1];
    for mark in marks {
        sparse.write_all_at(b"\xff", mark).expect("a byte can be written");
    }
    let file = Arc::new(readable(&scratch));
    for length in [LIMIT - 1, 3 << 30] {
        let expected: Vec<u64> = marks.into_iter().filter(|mark| *mark < length).collect();
        let transmission = Transmission::of(Arc::clone(&file)).range(0, length);
        let found = std::thread::scope(|scope| {
            let reader = scope.spawn(|| marks_in(&peer, length));
            stream.transmit_file(transmission, 0).expect("a transmission can be started");
            let packet = transmitted(&port);
            assert_eq!(packet.transferred, length);
            assert!(packet.result.is_ok(), "{:?}", packet.result);
            reader.join().expect("all bytes come")
        });
        assert_eq!(found, expected, "of {length} bytes");
    }
}

/// Where bytes are that are not 0, in the next `length` bytes.
#[cfg(target_os = "linux")]
fn marks_in(peer: &crate::world::Peer, length: u64) -> Vec<u64> {
    let mut piece = vec![0; 1 << 20];
    let none = vec![0; 1 << 20];
    let (mut marks, mut received) = (Vec::new(), 0);
    while received < length {
        let most = piece.len().min((length - received) as usize);
        let count = peer.receive(&mut piece[..most]).expect("the peer can receive");
        assert!(count > 0, "the stream ended after {received} of {length} bytes");
        if piece[..count] != none[..count] {
            let found = piece[..count].iter().enumerate().filter(|(_, byte)| **byte != 0);
            marks.extend(found.map(|(place, _)| received + place as u64));
        }
        received += count as u64;
    }
    marks
}

on_every_driver! {
    x70_head_file_and_tail_go_out_in_order_as_one_operation,
    x72_x73_a_range_is_that_part_and_none_is_the_whole_file,
    x75_what_cannot_be_transmitted_is_refused_and_gives_everything_back,
    x76_a_part_that_is_longer_than_the_file_sends_what_there_is,
    x82_a_transmission_takes_its_turn_among_sends,
}
