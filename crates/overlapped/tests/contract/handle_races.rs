//! Calls against a change that is made elsewhere: each finds the state before it or the one after it,
//! and what follows agrees with what it said (P122, P140, P162).

use crate::errno;
use crate::family;
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, code, connected, received, sent};
use crate::stay::Stay;
use crate::world::{PATIENCE, World};
use overlapped::{Buffer, Packet, Port, Protocol, TakeError};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

const ROUNDS: u64 = 200;

/// Runs both at once, as nearly as two threads can, and then what judges the first one's result. Its
/// thread stays as long.
fn at_once<R: Send>(
    first: impl FnOnce() -> R + Send,
    second: impl FnOnce(),
    judge: impl FnOnce(R),
) {
    let (start, is_v6) = (Barrier::new(2), family::is_v6());
    let (result, told) = channel();
    let stay = Stay::default();
    std::thread::scope(|scope| {
        let _held = stay.hold();
        let (start, stay) = (&start, &stay);
        scope.spawn(move || {
            family::adopt(is_v6);
            start.wait();
            let _ = result.send(first());
            stay.until_let_go();
        });
        start.wait();
        second();
        judge(told.recv_timeout(PATIENCE).expect("it does not panic"));
    });
}

fn p162_a_shutdown_beside_the_end_of_a_connect_finds_one_state_or_the_other(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    for round in 0..ROUNDS {
        let stream = port.associate(world.socket(), 7).expect("a fresh socket is associated");
        stream.connect(outside.address(), (), round).expect("a connect can be started");
        let other = stream.clone();
        let judge = |ended: std::io::Result<()>| match ended {
            Ok(()) => {
                let refused = stream.send(b"x", 1).expect_err("sending has ended");
                assert_eq!(refused.error.raw_os_error(), Some(errno::SHUT_DOWN));
                assert_eq!(outside.accept().receive_all(), b"");
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(errno::NOT_CONNECTED));
                stream.send(b"x", 1).expect("it is connected");
                assert!(sent(&port).result.is_ok());
                assert_eq!(outside.accept().receive_exact(1), b"x");
            }
        };
        at_once(
            move || other.shutdown(Shutdown::Write),
            || assert!(connected(&port).result.is_ok()),
            judge,
        );
        assert_nothing_comes(&port);
    }
}

fn p140_a_start_beside_the_close_is_refused_or_aborted(world: &World) {
    let port = world.exact_port(1);
    for round in 0..ROUNDS {
        let (stream, _peer) = world.stream(&port, 7);
        let other = stream.clone();
        let judge = |started: std::io::Result<_>| match started {
            Ok(_) => {
                let packet = received(&port);
                assert_eq!(packet.operation, round);
                assert_eq!(code(&packet.result), Some(errno::CANCELED), "{:?}", packet.result);
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(errno::BAD_DESCRIPTOR)),
        };
        at_once(
            move || other.receive(Buffer::with_capacity(9), round).map_err(|it| it.error),
            || stream.close(),
            judge,
        );
        assert_nothing_comes(&port);
    }
}

/// Of each value of the user's one can see whether it is still there.
pub struct Counted;

impl Protocol for Counted {
    type Key = ();
    type Operation = Arc<()>;
    type Message = ();
}

fn p122_a_start_beside_the_closing_of_the_port_is_refused_or_dropped(world: &World) {
    for _ in 0..ROUNDS {
        let port: Port<Counted> =
            world.port(|builder| builder.concurrency(1).blocked_thread_monitor(false));
        let (socket, _peer) = world.connected_socket();
        let stream = port.associate(socket, ()).expect("a socket is associated");
        let value = Arc::new(());
        let (other, mine) = (stream.clone(), Arc::clone(&value));
        at_once(
            move || other.receive_pooled(mine).map_err(|it| it.error.kind()),
            || port.close(),
            |started| assert!(matches!(started, Ok(_) | Err(ErrorKind::BrokenPipe))),
        );
        assert_eq!(port.take_timeout(PATIENCE).err(), Some(TakeError::Closed));
        drop((stream, port));
        crate::crew::until(|| Arc::strong_count(&value) == 1, || "the operation is left".into());
    }
}

fn p131_a_cancel_beside_the_end_of_its_operation_finds_it_or_does_not(world: &World) {
    let port = world.exact_port(1);
    for round in 0..ROUNDS {
        let (stream, peer) = world.stream(&port, 7);
        let id = stream.receive(Buffer::with_capacity(9), round).expect("it can be started");
        peer.send(b"x");
        let (other, mut packet, mut cancelled) = (stream.clone(), None, Ok(()));
        at_once(
            move || other.cancel(id),
            || packet = port.take_timeout(PATIENCE).ok(),
            |result| cancelled = result,
        );
        let Some(Packet::Received { operation, result, .. }) = packet else {
            panic!("the packet of the receive was owed, not {packet:?}");
        };
        assert_eq!(operation, round);
        match (cancelled, code(&result)) {
            (Ok(()), Some(errno::CANCELED)) | (Err(_), None) => {}
            // A kernel may be done with what it was asked to cancel.
            (Ok(()), None) if world.is_kernel() => {}
            (cancelled, _) => panic!("{cancelled:?}, and {result:?}"),
        }
        assert_nothing_comes(&port);
    }
}

on_every_driver_and_family! {
    p122_a_start_beside_the_closing_of_the_port_is_refused_or_dropped,
    p131_a_cancel_beside_the_end_of_its_operation_finds_it_or_does_not,
    p140_a_start_beside_the_close_is_refused_or_aborted,
    p162_a_shutdown_beside_the_end_of_a_connect_finds_one_state_or_the_other,
}
