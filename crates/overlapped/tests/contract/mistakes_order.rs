//! What arrives, where and in which order: no readiness is lost, no message is torn or overtaken,
//! and each packet is its taker's (F33, F37, F40, F42, F57).

use crate::crew::AtTheEnd;
use crate::on_every_driver;
use crate::packets::{assert_nothing_comes, code, received, send_until_one_waits, sent};
use crate::rounds::rounds;
use crate::world::{Numbers, PATIENCE, World, wine_differs};
use overlapped::{AcceptWindow, Buffer, Packet, Port, Protocol, Received};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Each byte makes the stream readable, and each receive makes it unreadable again, at any moment
/// of the other thread's wait.
fn f33_no_readiness_is_lost_over_a_hundred_thousand_toggles(world: &World) {
    let port: Port<Numbers> =
        world.port(|builder| builder.concurrency(2).blocked_thread_monitor(false));
    let (stream, peer) = world.stream(&port, 7);
    let got = AtomicU64::new(0);
    stream.receive(Buffer::with_capacity(1), 0).expect("a receive can be started");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Ok(Packet::Received { stream, buffer, result, .. }) = port.take() {
                    assert_eq!(code(&result), None);
                    // Told before the next receive is started, so that the next byte comes at any
                    // moment of that. It finds the stream empty by a look, or knows it by a receive
                    // that had room for more.
                    let before = got.fetch_add(buffer.len() as u64, Ordering::Release);
                    // Refused when the test is over.
                    let _ = stream.receive(Buffer::with_capacity(1 + before as usize % 2), 0);
                }
            });
        }
        let _takers_end = AtTheEnd(|| port.close());
        for toggle in 1..=rounds(100_000) {
            peer.send(b"x");
            // Mostly one at a time, so that each is an edge of its own; at times two meet.
            let owed = toggle - u64::from(toggle % 16 == 0);
            let start = Instant::now();
            while got.load(Ordering::Acquire) < owed {
                assert!(start.elapsed() < PATIENCE, "toggle {toggle} was not seen");
                std::thread::yield_now();
            }
        }
    });
}

/// That no byte came says nothing by itself: it depends on what was asked for.
fn f37_a_receive_of_nothing_is_never_taken_for_the_end(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let look = |number| {
        stream.receive(Buffer::empty(), number).expect("a receive can be started");
        let packet = received(&port);
        assert_eq!((packet.operation, packet.buffer.len()), (number, 0));
        packet.result.expect("nothing failed")
    };
    peer.send(b"ab");
    peer.shut_down_sending();
    for number in 0..3 {
        assert_eq!(look(number), Received::Readable, "the data comes before the end");
    }
    for byte in [b'a', b'b'] {
        assert_eq!(look(3), Received::Readable);
        stream.receive(Buffer::with_capacity(1), 4).expect("a receive can be started");
        let packet = received(&port);
        assert_eq!(packet.result.expect("data is there"), Received::Data(1));
        assert_eq!(&packet.buffer[..], [byte]);
    }
    for number in 5..8 {
        assert_eq!(look(number), Received::End);
        stream.receive(Buffer::with_capacity(1), 8).expect("a receive can be started");
        assert_eq!(received(&port).result.expect("the end is no error"), Received::End);
    }
    assert_nothing_comes(&port);
}

/// A message of a thread: who and which, its length, and bytes that tell it from any other.
fn framed(thread: u8, number: u16) -> Vec<u8> {
    let length = 1 + (usize::from(number) * 37 + usize::from(thread) * 101) % 1_500;
    let mut message = vec![thread];
    message.extend(number.to_le_bytes());
    message.extend((length as u16).to_le_bytes());
    message.resize(message.len() + length, thread ^ number as u8);
    message
}

fn f40_messages_that_four_threads_send_on_one_stream_stay_whole(world: &World) {
    const THREADS: u8 = 4;
    const MESSAGES: u16 = 1_000;
    const HEADER: usize = 5;
    let why = "a send behind others may succeed with no byte sent, and is overtaken then";
    if wine_differs(world, "f40_messages_that_four_threads_send_on_one_stream_stay_whole", why) {
        return;
    }
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    // There is no room from the start, so the messages queue up behind one another.
    let waiting = send_until_one_waits(&port, &stream, length);
    for _ in 0..waiting {
        assert!(sent(&port).result.is_ok());
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let stream = &stream;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let message = framed(thread, number);
                    // As several buffers, which a careless sender would let others get between.
                    let parts =
                        Vec::from([&message[..HEADER], &message[HEADER..]].map(Buffer::copy_of));
                    stream.send(parts, 0).expect("a send can be started");
                }
            });
        }
        let reader = scope.spawn(|| {
            for _ in 0..=waiting {
                peer.receive_exact(length);
            }
            let mut next = [0; THREADS as usize];
            for _ in 0..usize::from(THREADS) * usize::from(MESSAGES) {
                let header = peer.receive_exact(HEADER);
                let thread = header[0];
                let number = &mut next[usize::from(thread)];
                let expected = framed(thread, *number);
                assert_eq!(header, expected[..HEADER], "each thread's own are in order");
                assert_eq!(peer.receive_exact(expected.len() - HEADER), expected[HEADER..]);
                *number += 1;
            }
        });
        for _ in 0..=usize::from(THREADS) * usize::from(MESSAGES) {
            assert!(sent(&port).result.is_ok());
        }
        reader.join().expect("every message came whole");
    });
    assert_nothing_comes(&port);
}

fn f42_of_two_sends_in_flight_the_short_one_before_goes_out_first(world: &World) {
    const LONG: usize = 300_000;
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let waiting = send_until_one_waits(&port, &stream, length);
    for _ in 0..waiting {
        assert!(sent(&port).result.is_ok());
    }
    stream.send(b"short", 100_001).expect("a send can be started");
    stream.send(vec![b'l'; LONG], 100_002).expect("a send can be started");
    stream.send(b"last", 100_003).expect("a send can be started");
    assert_nothing_comes(&port);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..=waiting {
                peer.receive_exact(length);
            }
            assert_eq!(peer.receive_exact(5), b"short");
            assert!(peer.receive_exact(LONG).iter().all(|byte| *byte == b'l'));
            assert_eq!(peer.receive_exact(4), b"last");
        });
        for (number, bytes) in [(waiting, length), (100_001, 5), (100_002, LONG), (100_003, 4)] {
            let packet = sent(&port);
            assert_eq!((packet.operation, packet.transferred), (number, bytes));
        }
        reader.join().expect("everything came in order");
    });
}

/// Of each value of the user's one learns which thread has dropped it.
struct Watched;

struct Mark(u64, Sender<(u64, ThreadId)>);

impl Drop for Mark {
    fn drop(&mut self) {
        // Nobody listens only when the test has failed.
        let _ = self.1.send((self.0, std::thread::current().id()));
    }
}

impl Protocol for Watched {
    type Key = ();
    type Operation = Mark;
    type Message = Mark;
}

/// Nothing of the user's runs on a thread that did not ask for it: whoever took a packet has all of
/// it, and a window makes its operations on a thread that calls the port.
fn f57_a_packet_and_all_its_values_belong_to_the_thread_that_took_it(world: &World) {
    const OF_EACH: u64 = 200;
    let port: Port<Watched> =
        world.port(|builder| builder.concurrency(2).blocked_thread_monitor(false));
    let (dropped, drops) = channel();
    let mark = |number| Mark(number, dropped.clone());
    let takes = Mutex::new(BTreeMap::new());
    let (made, makers) = channel();
    let listener = port.associate(world.listen_socket(), ()).expect("it is associated");
    let address = listener.local_addr().expect("it has an address");
    let (socket, peer) = world.connected_socket();
    let stream = port.associate(socket, ()).expect("a socket is associated");
    let mut own_threads = vec![std::thread::current().id()];
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let taker = scope.spawn(|| {
                    let me = std::thread::current().id();
                    while let Ok(packet) = port.take() {
                        let number = match &packet {
                            Packet::Posted(mark) => mark.0,
                            Packet::Accepted { operation, .. }
                            | Packet::Connected { operation, .. }
                            | Packet::Received { operation, .. }
                            | Packet::Sent { operation, .. }
                            | Packet::Timer { operation, .. } => operation.0,
                            _ => unreachable!("nothing else is started"),
                        };
                        takes.lock().expect("nobody panicked").insert(number, me);
                        drop(packet);
                    }
                });
                taker.thread().id()
            })
            .collect();
        own_threads.extend(takers);
        let takers_end = AtTheEnd(|| port.close());
        let window_mark = dropped.clone();
        let window_numbers = AtomicU64::new(5 * OF_EACH);
        listener
            .accept_window(AcceptWindow::new(3), move || {
                made.send(std::thread::current().id()).expect("the test listens");
                Mark(window_numbers.fetch_add(1, Ordering::Relaxed), window_mark.clone())
            })
            .expect("no accept is posted yet");
        for number in 0..OF_EACH {
            port.post(mark(number)).expect("the port is open");
            stream
                .receive(Buffer::with_capacity(1), mark(OF_EACH + number))
                .unwrap_or_else(|refused| panic!("{refused}"));
            stream.send(b"x", mark(2 * OF_EACH + number)).unwrap_or_else(|it| panic!("{it}"));
            port.timer(Duration::from_micros(number), mark(3 * OF_EACH + number))
                .unwrap_or_else(|refused| panic!("{refused}"));
            peer.send(b"y");
            drop(world.connect(address));
        }
        let start = Instant::now();
        while takes.lock().expect("nobody panicked").len() < 5 * OF_EACH as usize {
            assert!(start.elapsed() < PATIENCE, "{:?}", port.snapshot());
            std::thread::yield_now();
        }
        drop(takers_end);
    });
    let takes = takes.into_inner().expect("nobody panicked");
    let drops: BTreeMap<_, _> = drops.try_iter().collect();
    for (number, taker) in &takes {
        assert_eq!(drops.get(number), Some(taker), "operation {number}");
    }
    assert!(makers.try_iter().all(|thread| own_threads.contains(&thread)));
}

on_every_driver! {
    f33_no_readiness_is_lost_over_a_hundred_thousand_toggles,
    f37_a_receive_of_nothing_is_never_taken_for_the_end,
    f40_messages_that_four_threads_send_on_one_stream_stay_whole,
    f42_of_two_sends_in_flight_the_short_one_before_goes_out_first,
    f57_a_packet_and_all_its_values_belong_to_the_thread_that_took_it,
}
