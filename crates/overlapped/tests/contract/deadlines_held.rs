//! Limits of time while the clock of the simulated network is held: nothing here takes time.

use crate::errno;
use crate::packets::{assert_nothing_comes, code, next, outcome, received, sent};
use crate::world::{Numbers, World};
use overlapped::simulated::Network;
use overlapped::{LeastRate, Port, Received, TcpStream};
use std::time::Duration;

/// A world in which time goes on when it is told to.
fn held() -> (Network, World) {
    let network = Network::new(0);
    network.hold_time();
    (network.clone(), World::Simulated(network))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Ends everything that is in flight.
fn assert_times_out(port: &Port<Numbers>, numbers: &[u64]) {
    for number in numbers {
        assert_eq!(outcome(next(port)), (*number, Some(errno::TIMED_OUT)));
    }
    assert_nothing_comes(port);
}

/// Each message puts the limit off, also a part of a send; nothing else does.
#[test]
fn an_idle_limit_counts_from_the_last_byte_or_the_first_start() {
    let (network, world) = held();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_idle_limit(Some(seconds(10)));
    network.advance_time(seconds(100));
    assert_nothing_comes(&port);
    stream.receive_pooled(1).expect("a receive can be started");
    for number in 2..100 {
        network.advance_time(seconds(9));
        assert_nothing_comes(&port);
        peer.send(b"x");
        assert_eq!(received(&port).operation, number - 1);
        stream.receive_pooled(number).expect("a receive can be started");
    }
    network.advance_time(seconds(9));
    stream.send(b"one more", 1_000).expect("a send can be started");
    assert!(sent(&port).result.is_ok());
    network.advance_time(seconds(9));
    stream.receive_pooled(100).expect("another receive puts nothing off");
    assert_nothing_comes(&port);
    network.advance_time(seconds(2));
    assert_times_out(&port, &[99, 100]);
    // It goes on.
    stream.receive_pooled(101).expect("a receive can be started");
    network.advance_time(seconds(11));
    assert_times_out(&port, &[101]);
}

#[test]
fn an_idle_limit_sees_the_parts_of_a_long_send() {
    let (network, world) = held();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_idle_limit(Some(seconds(10)));
    stream.send(vec![0; 200_000], 1).expect("a send can be started");
    let mut room = vec![0; 10_000];
    for _ in 0..10 {
        network.advance_time(seconds(9));
        assert_nothing_comes(&port);
        peer.receive(&mut room).expect("the peer can receive");
        assert_nothing_comes(&port);
    }
    network.advance_time(seconds(11));
    let packet = sent(&port);
    assert_eq!(code(&packet.result), Some(errno::TIMED_OUT));
    assert!(packet.transferred >= 100_000, "{}", packet.transferred);
}

/// A client that sends a byte now and then is too slow, however short each wait is. The program's own
/// time does not count.
#[test]
fn a_least_rate_ends_what_trickles_and_waits_for_the_program() {
    let (network, world) = held();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_least_receive_rate(Some(LeastRate { bytes: 10, window: seconds(60) }));
    let trickle = |stream: &TcpStream<Numbers>, bytes: u64| {
        for number in 0..bytes {
            stream.receive_pooled(number).expect("a receive can be started");
            network.advance_time(seconds(5));
            peer.send(b"x");
            assert_eq!(received(&port).operation, number);
            // The program thinks about it.
            network.advance_time(seconds(1_000));
        }
    };
    trickle(&stream, 12);
    stream.receive_pooled(100).expect("twelve bytes in a minute are enough");
    // The minute is over, and the next one begins.
    network.advance_time(Duration::from_millis(1));
    assert_nothing_comes(&port);
    network.advance_time(seconds(59));
    assert_nothing_comes(&port);
    network.advance_time(seconds(2));
    assert_times_out(&port, &[100]);
    trickle(&stream, 9);
    stream.receive_pooled(101).expect("a receive can be started");
    assert_nothing_comes(&port);
    network.advance_time(seconds(16));
    assert_times_out(&port, &[101]);
}

#[test]
fn a_least_rate_of_sends_counts_what_the_peer_takes() {
    let (network, world) = held();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_least_send_rate(Some(LeastRate { bytes: 10_000, window: seconds(60) }));
    stream.send(vec![0; 200_000], 1).expect("a send can be started");
    let mut room = vec![0; 10_000];
    for _ in 0..5 {
        network.advance_time(seconds(61));
        assert_nothing_comes(&port);
        peer.receive(&mut room).expect("the peer can receive");
        assert_nothing_comes(&port);
    }
    network.advance_time(seconds(61));
    assert_nothing_comes(&port);
    peer.receive(&mut room[..9_999]).expect("the peer can receive");
    network.advance_time(seconds(61));
    assert_eq!(code(&sent(&port).result), Some(errno::TIMED_OUT));
}

/// What has come while nobody took packets is a success, though its time is over.
#[test]
fn what_is_there_when_the_time_is_over_is_a_success() {
    let (network, world) = held();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.set_receive_limit(Some(seconds(1)));
    stream.receive_pooled(1).expect("a receive can be started");
    stream.receive_pooled(2).expect("a receive can be started");
    network.advance_time(seconds(5));
    peer.send(b"x");
    assert_eq!(received(&port).result.ok(), Some(Received::Data(1)));
    assert_times_out(&port, &[2]);
}

/// Time that is held makes a run the same each time, also of a seed that disturbs it.
#[test]
fn limits_follow_the_clock_of_the_network_and_repeat_with_its_seed() {
    let run = || {
        let network = Network::new(11);
        network.hold_time();
        let world = World::Simulated(network.clone());
        let port = world.exact_port(1);
        let streams: Vec<_> = (0..20).map(|key| world.stream(&port, key)).collect();
        let mut outcomes = Vec::new();
        for (number, (stream, _)) in streams.iter().enumerate() {
            stream.set_receive_limit(Some(Duration::from_millis(number as u64 * 10)));
            stream.receive_pooled(number as u64).expect("a receive can be started");
        }
        for step in 0..20 {
            streams[(step * 7) % 20].1.send(b"x");
            network.advance_time(Duration::from_millis(10));
            while let Some(packet) = port.try_take().expect("the port is open") {
                outcomes.push(outcome(packet));
            }
        }
        outcomes
    };
    let first = run();
    assert_eq!(first.len(), 20);
    assert!(first.iter().any(|(_, error)| error.is_none()));
    assert!(first.iter().any(|(_, error)| *error == Some(errno::TIMED_OUT)));
    for _ in 0..3 {
        assert_eq!(run(), first);
    }
}
