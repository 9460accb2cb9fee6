//! Operations that fail: at once, so that nothing is owed and nothing stays behind, or later, by
//! their packet (F2, F3, F12).

use crate::connecting::{full_listener, nobody};
use crate::errno;
use crate::on_every_driver;
use crate::packets::{
    accepted, assert_nothing_comes, code, connected, next, received, send_until_one_waits, sent,
};
use crate::world::World;
use overlapped::simulated::{Call, Network};
use overlapped::{AcceptWindow, Buffer, Packet, Port, Protocol, Received};
use std::net::Shutdown;
use std::sync::Arc;

/// Of each operation's value one can see whether it was dropped.
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Arc<()>;
    type Message = ();
}

fn counted_port(world: &World) -> Port<Counted> {
    world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false))
}

/// Nothing is queued or in flight: a loop that waited for a packet would wait for ever.
#[track_caller]
fn assert_nothing_is_owed(port: &Port<Counted>, value: &Arc<()>, others: usize) {
    assert_eq!(port.snapshot().queued, 0);
    assert!(matches!(port.try_take(), Ok(None)));
    assert_eq!(Arc::strong_count(value), 1 + others, "something was kept");
}

/// Each error that a start can meet by itself.
fn f2_a_refused_start_frees_everything_and_owes_no_packet(world: &World) {
    let value = Arc::new(());
    let (mine, port) = (|| Arc::clone(&value), counted_port(world));
    let fresh = port.associate(world.socket(), mine()).expect("a fresh socket is associated");
    assert!(fresh.receive(Buffer::with_capacity(8), mine()).is_err(), "not connected");
    assert!(fresh.receive_pooled(mine()).is_err(), "not connected");
    assert!(fresh.send(b"x", mine()).is_err(), "not connected");
    let (_full, _peers, address) = full_listener(world);
    fresh.connect(address, (), mine()).expect("a connect can be started");
    assert!(fresh.connect(address, b"x", mine()).is_err(), "one goes on");
    assert_nothing_is_owed(&port, &value, 2);
    assert_eq!(fresh.cancel_all(), 1, "only the connect was in flight");
    drop(port.take().expect("the connect was cancelled"));
    drop(fresh);

    let (socket, _peer) = world.connected_socket();
    let stream = port.associate(socket, mine()).expect("a socket is associated");
    stream.shutdown(Shutdown::Both).expect("it is connected");
    assert!(stream.receive(Buffer::with_capacity(8), mine()).is_err(), "shut down");
    assert!(stream.send(b"x", mine()).is_err(), "shut down");
    assert!(stream.connect(address, (), mine()).is_err(), "connected");
    stream.close();
    assert!(stream.receive(Buffer::empty(), mine()).is_err(), "closed");
    assert!(stream.send((), mine()).is_err(), "closed");
    assert_nothing_is_owed(&port, &value, 1);
    assert_eq!(stream.cancel_all(), 0);
    drop(stream);

    let listener = port.associate(world.listen_socket(), mine()).expect("it is associated");
    listener.accept_window(AcceptWindow::new(1), || Arc::new(())).expect("none is posted yet");
    assert!(listener.accept(mine()).is_err(), "a window is kept");
    listener.close();
    assert!(listener.accept(mine()).is_err(), "closed");
    drop(port.take().expect("the window's accept was aborted"));
    assert_nothing_is_owed(&port, &value, 1);
    drop(listener);

    assert_eq!(port.snapshot().devices, 0, "no operation holds a handle");
    let (socket, _peer) = world.connected_socket();
    let stream = port.associate(socket, mine()).expect("a socket is associated");
    port.close();
    assert!(stream.receive_pooled(mine()).is_err(), "the port is closed");
    drop((stream, port));
    assert_eq!(Arc::strong_count(&value), 1);
}

/// The same for whatever else the system may say, which is injected.
#[test]
fn f2_every_injected_failure_frees_everything_and_owes_no_packet() {
    const CALLS: [Call; 5] =
        [Call::Receive, Call::Send, Call::Accept, Call::Connect, Call::Register];
    for error in [errno::NO_BUFFERS, errno::PERMISSION, errno::RESET, errno::NOT_CONNECTED] {
        for call in CALLS {
            let network = Network::new(0);
            let world = World::Simulated(network.clone());
            let port = counted_port(&world);
            let value = Arc::new(());
            let mine = || Arc::clone(&value);
            let (socket, _peer) = world.connected_socket();
            let stream = port.associate(socket, mine()).expect("a socket is associated");
            let fresh = port.associate(world.socket(), mine()).expect("it is associated");
            let listener = port.associate(world.listen_socket(), mine()).expect("it is, too");
            let address = listener.local_addr().expect("it has an address");
            let spare = world.socket();
            network.faults().fail_next(call, 1, error);
            let met = match call {
                Call::Receive => stream.receive(Buffer::with_capacity(8), mine()).map_err(|it| {
                    assert_eq!(it.returned.0.capacity(), 8);
                    it.error
                }),
                Call::Send => stream.send(b"mine", mine()).map_err(|it| {
                    assert_eq!(it.returned.0.byte_len(), 4);
                    it.error
                }),
                Call::Connect => fresh.connect(address, b"mine", mine()).map_err(|it| {
                    assert_eq!(it.returned.0.byte_len(), 4);
                    it.error
                }),
                // What says that a connection failed early, or that something is short, fails no
                // accept (X30, F29).
                Call::Accept if error == errno::PERMISSION => {
                    listener.accept(mine()).map_err(|it| it.error)
                }
                Call::Accept => continue,
                Call::Register => {
                    let refused = port.associate(spare, mine()).expect_err("it was injected");
                    assert_eq!(refused.error.raw_os_error(), Some(error));
                    drop(refused);
                    assert_nothing_is_owed(&port, &value, 3);
                    continue;
                }
                other => unreachable!("{other:?} is not injected here"),
            };
            let met = met.expect_err("it was injected").raw_os_error();
            assert_eq!(met, Some(error), "{call:?}");
            assert_nothing_is_owed(&port, &value, 3);
            assert_eq!(stream.cancel_all() + fresh.cancel_all() + listener.cancel_all(), 0);
            drop((stream, fresh, listener));
            assert_eq!((port.snapshot().devices, Arc::strong_count(&value)), (0, 1));
        }
    }
}

fn f3_a_refused_start_leaves_nothing_that_the_next_one_reports(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");
    let refused = stream.receive(Buffer::from(b"old data"), 1).expect_err("it is not connected");
    let (buffer, operation) = refused.returned;
    assert!(buffer.is_empty(), "nothing in it is taken for data that came");
    let refused = stream.send(b"again", 2).expect_err("it is not connected");
    let (buffers, second) = refused.returned;
    // Refused at once or by a packet, as the system likes; either way it is over then.
    if stream.connect(nobody(world), b"first", 3).is_ok() {
        assert_eq!(code(&connected(&port).result), Some(errno::REFUSED));
    }
    stream.connect(outside.address(), b"then", 4).expect("a connect can be started");
    let packet = connected(&port);
    assert!(packet.result.is_ok(), "{:?}", packet.result);
    assert_eq!((packet.operation, packet.transferred), (4, 4));
    let peer = outside.accept();
    assert_eq!(peer.receive_exact(4), b"then", "nothing of the refused one went out");

    stream.send(buffers, second).expect("it is connected now");
    let packet = sent(&port);
    assert!(packet.result.is_ok(), "{:?}", packet.result);
    assert_eq!((packet.operation, packet.transferred), (2, 5));
    assert_eq!(peer.receive_exact(5), b"again");
    stream.receive(buffer, operation).expect("it is connected now");
    peer.send(b"new");
    let packet = received(&port);
    assert_eq!(packet.result.expect("data came"), Received::Data(3));
    assert_eq!((packet.operation, &packet.buffer[..]), (1, &b"new"[..]));
    assert_nothing_comes(&port);
}

#[test]
fn f3_after_an_injected_failure_the_next_operation_reports_its_own_result() {
    let network = Network::new(0);
    let (world, faults) = (World::Simulated(network.clone()), network.faults());
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 8);
    for round in 0..10 {
        let (stream, peer) = world.stream(&port, 7);
        faults.fail_next(Call::Receive, 1, errno::NO_BUFFERS);
        let refused = stream.receive(Buffer::from(b"old data"), 1).expect_err("it was injected");
        assert!(refused.returned.0.is_empty(), "a buffer to be filled comes back empty");
        stream.receive(refused.returned.0, 2).expect("a receive can be started");
        faults.fail_next(Call::Send, 1, errno::NO_BUFFERS);
        let refused = stream.send(b"one", 3).expect_err("it was injected");
        stream.send(refused.returned.0, 4).expect("a send can be started");
        faults.fail_next(Call::Accept, 1, errno::PERMISSION);
        listener.accept(5).expect_err("it was injected");
        listener.accept(6).expect("an accept can be posted");
        peer.send(&[round]);
        let _client = world.connect(address);

        let packet = sent(&port);
        assert_eq!((packet.operation, packet.transferred, code(&packet.result)), (4, 3, None));
        let packet = received(&port);
        assert_eq!((packet.operation, code(&packet.result)), (2, None));
        assert_eq!(&packet.buffer[..], [round]);
        let packet = accepted(&port);
        assert_eq!((packet.operation, code(&packet.result)), (6, None));
        assert_eq!(peer.receive_exact(3), b"one");
    }
    let fresh = port.associate(world.socket(), 9).expect("a fresh socket is associated");
    let outside = world.peer_listener();
    faults.fail_next(Call::Connect, 1, errno::REFUSED);
    fresh.connect(outside.address(), b"never", 7).expect_err("it was injected");
    fresh.connect(outside.address(), b"first", 8).expect("a connect can be started");
    let packet = connected(&port);
    assert_eq!((packet.operation, packet.transferred, code(&packet.result)), (8, 5, None));
    assert_eq!(outside.accept().receive_exact(5), b"first");
    assert_nothing_comes(&port);
}

/// The reset is met by operations in flight, and then by those that are started after it.
fn f12_a_reset_is_told_by_packet_and_at_once_and_gives_everything_back_both_ways(world: &World) {
    let length = world.long_send();
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let waiting = send_until_one_waits(&port, &stream, length);
    for _ in 0..waiting {
        assert!(sent(&port).result.is_ok());
    }
    stream.receive(Buffer::with_capacity(9), 100_000).expect("a receive can be started");
    assert_nothing_comes(&port);
    peer.reset();
    for _ in 0..2 {
        match next(&port) {
            Packet::Sent { buffers, operation, result, .. } => {
                assert_eq!((operation, code(&result)), (waiting, Some(errno::RESET)));
                assert_eq!(buffers.byte_len(), length);
            }
            Packet::Received { buffer, operation, result, .. } => {
                assert_eq!((operation, code(&result)), (100_000, Some(errno::RESET)));
                assert_eq!(buffer.capacity(), 9);
            }
            other => panic!("a send and a receive were in flight, not {other:?}"),
        }
    }
    let refused = stream.receive(Buffer::with_capacity(9), 1).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (9, 1));
    let refused = stream.send(b"mine", 2).expect_err("it was reset");
    assert_eq!(refused.error.raw_os_error(), Some(errno::RESET));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 2));
    assert_nothing_comes(&port);
}

/// Each kind of operation meets the same error once in its start and once after it.
#[test]
fn f12_each_kind_of_operation_tells_the_same_error_at_once_or_later() {
    const ERROR: i32 = errno::PERMISSION;
    let network = Network::new(0);
    network.set_capacity(1_000);
    let (world, faults) = (World::Simulated(network.clone()), network.faults());
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    let (listener, address) = world.listen(&port, 8);

    faults.fail_next(Call::Receive, 1, ERROR);
    let refused = stream.receive(Buffer::with_capacity(9), 1).expect_err("it was injected");
    assert_eq!(refused.error.raw_os_error(), Some(ERROR));
    assert_eq!((refused.returned.0.capacity(), refused.returned.1), (9, 1));
    stream.receive(Buffer::with_capacity(9), 2).expect("a receive can be started");
    faults.fail_next(Call::Receive, 1, ERROR);
    peer.send(b"x");
    let packet = received(&port);
    assert_eq!((packet.operation, code(&packet.result)), (2, Some(ERROR)));
    assert_eq!(packet.buffer.capacity(), 9);

    faults.fail_next(Call::Send, 1, ERROR);
    let refused = stream.send(vec![1; 1_500], 3).expect_err("it was injected");
    assert_eq!(refused.error.raw_os_error(), Some(ERROR));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (1_500, 3));
    stream.send(vec![1; 1_500], 4).expect("a send can be started");
    faults.fail_next(Call::Send, 1, ERROR);
    peer.receive_exact(1_000);
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (4, 1_000));
    assert_eq!((packet.buffers.byte_len(), code(&packet.result)), (1_500, Some(ERROR)));

    faults.fail_next(Call::Accept, 1, ERROR);
    let refused = listener.accept(5).expect_err("it was injected");
    assert_eq!((refused.error.raw_os_error(), refused.returned), (Some(ERROR), 5));
    listener.accept(6).expect("an accept can be posted");
    faults.fail_next(Call::Accept, 1, ERROR);
    let _client = world.connect(address);
    let packet = accepted(&port);
    assert_eq!((packet.operation, code(&packet.result)), (6, Some(ERROR)));

    let fresh = port.associate(world.socket(), 9).expect("a fresh socket is associated");
    faults.fail_next(Call::Connect, 1, errno::REFUSED);
    let refused = fresh.connect(address, b"mine", 7).expect_err("it was injected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::REFUSED));
    assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 7));
    fresh.connect(nobody(&world), b"mine", 8).expect("a connect can be started");
    let packet = connected(&port);
    assert_eq!((packet.operation, code(&packet.result)), (8, Some(errno::REFUSED)));
    assert_eq!((packet.buffers.byte_len(), packet.transferred), (4, 0));
    assert_nothing_comes(&port);
}

on_every_driver! {
    f2_a_refused_start_frees_everything_and_owes_no_packet,
    f3_a_refused_start_leaves_nothing_that_the_next_one_reports,
    f12_a_reset_is_told_by_packet_and_at_once_and_gives_everything_back_both_ways,
}
