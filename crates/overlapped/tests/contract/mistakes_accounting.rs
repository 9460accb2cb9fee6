//! Every operation that was started has one packet with its own outcome, and nobody keeps it from
//! those who wait (F1, F4-F6), and nothing is left behind when it was taken (F19).

use crate::crew::Crew;
use crate::errno;
use crate::family::any;
use crate::on_every_driver;
use crate::packets::{
    assert_nothing_comes, code, expect_queued, next, outcome, received, sent, wait_for_data,
};
use crate::rounds::rounds;
use crate::threads::{Worker, until};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::simulated::Network;
use overlapped::{Buffer, ListenSocket, Packet, Port, Received};
use std::collections::BTreeMap;
use std::time::Duration;

/// A listening socket that somebody else has made, where there are such.
fn adopted_listener(world: &World) -> ListenSocket {
    match world {
        World::System => std::net::TcpListener::bind(any())
            .and_then(ListenSocket::try_from)
            .expect("a listener of the standard library is adopted"),
        World::Simulated(_) => world.listen_socket(),
    }
}

/// Half of the operations are done at once, half of them later.
fn f1_adopted_sockets_have_exactly_one_packet_per_operation(world: &World) {
    const EACH: u64 = 100;
    let port = world.exact_port(1);
    let (socket, peer) = world.connected_socket();
    let stream = port.associate(socket, 7).expect("an adopted socket is associated");
    let listener = port.associate(adopted_listener(world), 8).expect("so is a listener");
    let address = listener.local_addr().expect("it has an address");

    let half = vec![1; EACH as usize / 2];
    peer.send(&half);
    wait_for_data(&port, &stream);
    let _early: Vec<_> = half.iter().map(|_| world.connect(address)).collect();
    for number in 0..EACH {
        stream.receive(Buffer::with_capacity(1), number).expect("a receive can be started");
        stream.send(b"x", 1_000 + number).expect("a send can be started");
        listener.accept(2_000 + number).expect("an accept can be posted");
    }
    peer.send(&half);
    let _late: Vec<_> = half.iter().map(|_| world.connect(address)).collect();

    let mut packets = BTreeMap::<u64, usize>::new();
    for _ in 0..3 * EACH {
        let (number, error) = outcome(next(&port));
        assert_eq!(error, None, "{number}");
        *packets.entry(number).or_default() += 1;
    }
    let owed = (0..EACH).flat_map(|number| [number, 1_000 + number, 2_000 + number]);
    assert_eq!(packets, owed.map(|number| (number, 1)).collect());
    assert_nothing_comes(&port);
}

/// That an operation failed is no failure of the take, and ends no thread's loop.
fn f4_a_reset_gives_a_waiting_thread_the_operation_with_its_error(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (other, other_peer) = world.stream(&port, 8);
    stream.receive(Buffer::with_capacity(123), 1).expect("a receive can be started");
    other.receive_pooled(2).expect("a receive can be started");
    drop(stream);
    let worker = Worker::start(&port);
    worker.take();
    until(&port, "the worker waits", |snapshot| snapshot.waiting == 1);
    peer.reset();
    match worker.result() {
        Ok(Packet::Received { stream, buffer, operation: 1, result }) => {
            assert_eq!(code(&result), Some(errno::RESET));
            assert_eq!((*stream.key(), buffer.capacity(), buffer.len()), (7, 123, 0));
        }
        other => panic!("the receive was owed with its error, not {other:?}"),
    }
    worker.take();
    other_peer.send(b"goes on");
    match worker.result() {
        Ok(Packet::Received { buffer, operation: 2, .. }) => assert_eq!(&buffer[..], b"goes on"),
        other => panic!("the other stream's data was owed, not {other:?}"),
    }
    worker.end();
}

fn f5_in_a_batch_each_packet_has_its_own_result(world: &World) {
    let port = world.exact_port(1);
    let (good, good_peer) = world.stream(&port, 7);
    let (bad, bad_peer) = world.stream(&port, 8);
    good_peer.send(b"data");
    wait_for_data(&port, &good);
    bad.receive(Buffer::with_capacity(8), 1).expect("a receive can be started");
    bad.receive(Buffer::with_capacity(8), 2).expect("a receive can be started");
    bad_peer.reset();
    assert_eq!(outcome(next(&port)), (1, Some(errno::RESET)));
    good.receive(Buffer::with_capacity(8), 3).expect("a receive can be started");
    good.send(b"x", 4).expect("a send can be started");
    expect_queued(&port, 3);

    let batch = port.take_many(8, Some(PATIENCE)).expect("packets are queued");
    let mut results = Vec::new();
    for packet in batch {
        if let Packet::Received { buffer, operation, result, .. } = &packet {
            let data: &[u8] = if result.is_ok() { b"data" } else { b"" };
            assert_eq!(&buffer[..], data, "{operation}");
        }
        results.push(outcome(packet));
    }
    assert_eq!(results, [(2, Some(errno::RESET)), (3, None), (4, None)]);
}

/// A driver may take many events in one call. Whoever made that call and then blocks must not hold
/// back what it has not looked at yet.
fn f6_who_blocks_keeps_none_of_the_events_that_came_with_its_packet(world: &World) {
    const STREAMS: u64 = 16;
    let crew = Crew::new(world, 1, 2);
    let streams: Vec<_> = (0..STREAMS).map(|key| world.stream(&crew.port, key)).collect();
    for (stream, peer) in &streams {
        stream.receive_pooled(*stream.key()).expect("a receive can be started");
        peer.send(b"x");
    }
    let served = |worker: usize| {
        crew[worker].take();
        outcome(crew[worker].result().expect("data has come for it"))
    };
    let mut all = vec![served(0)];
    let blocked = crew.pause(0);
    for _ in 1..STREAMS {
        all.push(served(1));
    }
    all.sort_unstable();
    assert!(all.into_iter().eq((0..STREAMS).map(|number| (number, None))));
    blocked.release();
}

/// Connects, accepts, sends, receives, cancels and closes; returns how many operations it started.
fn use_a_connection(world: &World, port: &Port<Numbers>) -> usize {
    const ROUNDS: usize = 98;
    const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);
    let (listener, address) = world.listen(port, 1);
    listener.accept(1).expect("an accept can be posted");
    let client = port.associate(world.socket(), 2).expect("a fresh socket is associated");
    client.connect(address, (), 2).expect("a connect can be started");
    let mut accepted = None;
    for _ in 0..2 {
        match next(port) {
            Packet::Accepted { result, .. } => accepted = Some(result.expect("a client came")),
            Packet::Connected { result, .. } => result.expect("somebody listens"),
            other => panic!("an accept and a connect were started, not {other:?}"),
        }
    }
    let socket = accepted.expect("both were packets of one kind").socket;
    let server = port.associate(socket, 3).expect("a socket is associated");
    for _ in 0..ROUNDS {
        client.send(b"x", 3).expect("a send can be started");
        assert!(sent(port).result.is_ok());
        server.receive_pooled(4).expect("a receive can be started");
        assert_eq!(received(port).result.expect("data came"), Received::Data(1));
    }
    let receive = server.receive(Buffer::with_capacity(8), 5).expect("a receive can be started");
    server.cancel(receive).expect("it waits");
    let timer = port.timer(NEVER_IN_THIS_TEST, 6).expect("a timer can be started");
    port.cancel_timer(timer).expect("it waits");
    for number in [5, 6] {
        assert_eq!(outcome(next(port)), (number, Some(errno::CANCELED)));
    }
    client.abort();
    4 + 2 * ROUNDS
}

/// So many operations leave as many open as there were after the first few.
fn assert_flat(world: &World, open: impl Fn() -> usize) {
    let operations = rounds(100_000) as usize;
    let port = world.exact_port(1);
    use_a_connection(world, &port);
    let before = open();
    let mut started = 0;
    while started < operations {
        started += use_a_connection(world, &port);
        assert_eq!(open(), before, "after {started} operations");
    }
}

#[test]
fn f19_no_simulated_socket_is_left_after_a_hundred_thousand_operations() {
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    assert_flat(&world, || network.sockets());
}

/// Descriptors belong to the whole process, so this test has one of its own.
#[cfg(target_os = "linux")]
#[test]
fn f19_no_descriptor_is_left_after_a_hundred_thousand_operations() {
    const ALONE: &str = "OVERLAPPED_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").expect("the system tells").count();
        return assert_flat(&World::System, descriptors);
    }
    let name = "mistakes_accounting::f19_no_descriptor_is_left_after_a_hundred_thousand_operations";
    let program = std::env::current_exe().expect("this program has a path");
    crate::signals::children_start_as_usual();
    let alone = std::process::Command::new(program)
        .args([name, "--exact", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("it can be run again");
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success() && said.contains("1 passed"), "{said}");
}

on_every_driver! {
    f1_adopted_sockets_have_exactly_one_packet_per_operation,
    f4_a_reset_gives_a_waiting_thread_the_operation_with_its_error,
    f5_in_a_batch_each_packet_has_its_own_result,
    f6_who_blocks_keeps_none_of_the_events_that_came_with_its_packet,
}
