//! Waits for what is not the library's (P20, P31, P32, P33, P46, P122, P130, P131, P140).

use crate::errno;
use crate::foreign_world::{Owned, associated, foreign, waited};
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{
    OrPacket, Packet, PacketHandle, PacketKind, Port, Protocol, Readiness, is_aborted,
};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const READY: Readiness = Readiness::SIGNALLED;

#[test]
fn p20_p32_a_wait_completes_when_its_time_has_come_and_gives_everything_back() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    assert_nothing_comes(&port);
    handle.wait(READY, 1).expect("nobody waits");
    assert_eq!(port.snapshot().devices, 1);
    assert_nothing_comes(&port);
    let _ready = trigger.pull();
    let packet = waited(&port);
    assert!(packet.result.expect("it is ready").is_signalled());
    assert_eq!((*packet.handle.key(), packet.operation), (7, 1));
    assert!(packet.handle == handle);
    assert_nothing_comes(&port);
}

#[test]
fn p31_a_wait_for_what_is_ready_already_completes_at_once_each_time() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    let _ready = trigger.pull();
    assert_nothing_comes(&port);
    for number in 0..3 {
        handle.wait(READY, number).expect("nobody waits");
        let packet = waited(&port);
        assert!(packet.result.expect("it is ready").is_signalled());
        assert_eq!(packet.operation, number);
        assert_nothing_comes(&port);
    }
}

#[test]
fn p33_a_second_wait_is_refused_and_given_back_or_a_packet() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    handle.wait(READY, 1).expect("nobody waits");
    let refused = handle.wait(READY, 2).expect_err("one waits");
    assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::ResourceBusy, 2));
    assert_eq!(handle.wait(READY, 3).or_packet(), None);
    let packet = next(&port);
    assert_eq!(packet.kind(), PacketKind::Waited);
    assert_eq!(packet.operation(), Some(&3));
    let parts = packet.into_parts().expect("it is of an operation");
    let PacketHandle::Wait(of_packet) = &parts.handle else { panic!("it has its handle") };
    assert!(*of_packet == handle && parts.handle.key() == Some(&7));
    assert_eq!(parts.result.expect_err("it was refused").kind(), ErrorKind::ResourceBusy);
    let _ready = trigger.pull();
    assert_eq!(waited(&port).operation, 1, "the first wait goes on");
    handle.wait(READY, 4).expect("nobody waits any more");
    assert_eq!(waited(&port).operation, 4);
}

#[test]
fn p130_p131_a_cancelled_wait_is_aborted_once_and_tells_nothing_later() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    let id = handle.wait(READY, 1).expect("nobody waits");
    handle.cancel(id).expect("it is in flight");
    assert_eq!(handle.cancel(id).expect_err("it is not").kind(), ErrorKind::NotFound);
    assert_eq!(handle.cancel_all(), 0);
    let packet = waited(&port);
    assert!(packet.result.is_err_and(|error| is_aborted(&error)));
    let later = handle.wait(READY, 2).expect("nobody waits");
    assert_eq!(handle.cancel(id).expect_err("it is another one").kind(), ErrorKind::NotFound);
    assert_eq!(handle.cancel_all(), 1);
    assert_eq!(outcome(next(&port)), (2, Some(errno::CANCELED)));
    let _ready = trigger.pull();
    assert_nothing_comes(&port);
    handle.wait(READY, 3).expect("nobody waits");
    assert_eq!(outcome(next(&port)), (3, None));
    assert_eq!(handle.cancel(later).expect_err("it is over").kind(), ErrorKind::NotFound);
}

#[test]
fn p46_each_wait_completes_once_whether_it_is_cancelled_or_ready() {
    const ROUNDS: u64 = 300;
    let port = World::System.exact_port(3);
    for number in 0..ROUNDS {
        let (handle, trigger) = associated(&port, 7);
        let id = handle.wait(READY, number).expect("nobody waits");
        let (cancelled, (operation, code)) = std::thread::scope(|scope| {
            let ready = scope.spawn(|| trigger.pull());
            let taken = scope.spawn(|| outcome(next(&port)));
            let cancelled = handle.cancel(id).is_ok();
            let taken = taken.join().expect("a packet is owed");
            drop(ready.join());
            (cancelled, taken)
        });
        assert_eq!((operation, code), (number, cancelled.then_some(errno::CANCELED)));
        assert_nothing_comes(&port);
    }
}

#[test]
fn p46_of_many_that_become_ready_each_is_told_once_to_one_of_several_threads() {
    const WAITS: u64 = 200;
    let port = World::System.exact_port(4);
    let (told, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    let triggers: Vec<_> = (0..WAITS)
        .map(|number| {
            let (handle, trigger) = associated(&port, number);
            handle.wait(READY, number).expect("nobody waits");
            trigger
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Packet::Waited { handle, operation, result } = next(&port) {
                    assert_eq!(*handle.key(), operation);
                    assert!(result.is_ok());
                    sum.fetch_add(operation, Ordering::SeqCst);
                    if told.fetch_add(1, Ordering::SeqCst) + 1 == WAITS {
                        (0..4).for_each(|_| port.post(0).expect("the port is open"));
                    }
                }
            });
        }
        let _ready: Vec<_> = triggers.into_iter().map(|trigger| trigger.pull()).collect();
    });
    assert_eq!(told.into_inner(), WAITS);
    assert_eq!(sum.into_inner(), (0..WAITS).sum::<u64>(), "each of them");
    assert_eq!(port.snapshot().devices, 0, "each handle went with its packet");
    assert_nothing_comes(&port);
}

#[test]
fn p140_closing_aborts_the_wait_and_closes_what_the_handle_owned() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    let clone = handle.clone();
    handle.wait(READY, 1).expect("nobody waits");
    clone.close();
    assert_eq!(port.snapshot().devices, 0);
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert!(trigger.is_closed(), "although handles are left");
    let refused = handle.wait(READY, 2).expect_err("it is closed");
    assert_eq!(code(&Err::<(), _>(refused.error)), Some(errno::FILE_CLOSED));
    assert!(handle.descriptor().is_err());
    handle.close();
    assert_eq!(handle.cancel_all(), 0);
    assert_nothing_comes(&port);
}

#[test]
fn a_wait_holds_its_handle_and_the_last_one_closes_what_it_owned() {
    let port = World::System.exact_port(1);
    let (handle, trigger) = associated(&port, 7);
    handle.wait(READY, 1).expect("nobody waits");
    drop(handle);
    assert_eq!(port.snapshot().devices, 1, "the wait holds it");
    let _ready = trigger.pull();
    let packet = waited(&port);
    assert!(packet.result.is_ok());
    assert_eq!(port.snapshot().devices, 1, "the packet holds it");
    drop(packet.handle);
    assert_eq!(port.snapshot().devices, 0);
}

#[test]
fn what_a_handle_owns_is_given_back_when_nobody_else_has_it() {
    let (port, other) = (World::System.exact_port(1), World::System.exact_port(1));
    let (handle, trigger) = associated(&port, 7);
    let busy = |refused: overlapped::Refused<overlapped::WaitHandle<Numbers>>| {
        assert_eq!(refused.error.kind(), ErrorKind::ResourceBusy);
        refused.returned
    };
    let clone = handle.clone();
    let handle = busy(handle.into_inner().expect_err("there is a clone"));
    drop(clone);
    let borrowed = handle.descriptor().expect("it is open");
    let handle = busy(handle.into_inner().expect_err("it is borrowed"));
    drop(borrowed);
    handle.wait(READY, 1).expect("nobody waits");
    let handle = busy(handle.into_inner().expect_err("a wait is in flight"));
    assert_eq!(handle.cancel_all(), 1);
    drop(next(&port));
    let owned: Owned = handle.into_inner().expect("nobody else has it");
    assert_eq!(port.snapshot().devices, 0);
    let handle = other.associate(owned, 8).expect("it belongs to no port");
    handle.wait(READY, 2).expect("nobody waits");
    let _ready = trigger.pull();
    assert_eq!(waited(&other).operation, 2);
    assert_nothing_comes(&port);
}

/// All of the user's values are counted by the references to one number.
#[derive(Debug)]
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Arc<()>;
    type Message = ();
}

#[test]
fn p122_a_closed_port_drops_its_waits_and_reports_them_to_nobody() {
    let count = Arc::new(());
    let port = World::System.port::<Counted>(|builder| builder.concurrency(1));
    let (owned, trigger) = foreign();
    let kept = port.associate(owned, Arc::clone(&count)).expect("it can be waited for");
    kept.wait(READY, Arc::clone(&count)).expect("nobody waits");
    let (owned, other) = foreign();
    let dropped = port.associate(owned, Arc::clone(&count)).expect("it can be waited for");
    dropped.wait(READY, Arc::clone(&count)).expect("nobody waits");
    drop(dropped);
    port.close();
    assert_eq!(Arc::strong_count(&count), 2, "ours, and the key of the handle that is kept");
    assert!(other.is_closed());
    let _ready = trigger.pull();
    assert!(port.take_timeout(PATIENCE).is_err());
    let refused = kept.wait(READY, Arc::clone(&count)).expect_err("the port is closed");
    assert_eq!(refused.error.kind(), ErrorKind::BrokenPipe);
    drop((refused, port));
    assert!(kept.into_inner().is_ok(), "what is idle is given back also then");
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn p122_a_closed_port_gives_its_waits_to_the_hook_as_aborted() {
    let (given, taken) = std::sync::mpsc::channel();
    let hook = move |packet: Packet<Numbers>| given.send(outcome(packet)).expect("it is there");
    let port = World::System.port(|builder| builder.concurrency(1).on_discard(hook));
    let (handle, _trigger) = associated(&port, 7);
    handle.wait(READY, 1).expect("nobody waits");
    port.close();
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), [(1, Some(errno::CANCELED))]);
    handle.wait(READY, 2).or_packet();
    let (operation, _) = taken.try_recv().expect("a refusal that is a packet is given, too");
    assert_eq!(operation, 2);
}

#[test]
fn a_port_dropped_while_somebody_waits_lets_go_of_all() {
    let count = Arc::new(());
    let port: Port<Counted> = World::System.port(|builder| builder.concurrency(1));
    let (owned, trigger) = foreign();
    let handle = port.associate(owned, Arc::clone(&count)).expect("it can be waited for");
    handle.wait(READY, Arc::clone(&count)).expect("nobody waits");
    drop((handle, port));
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(trigger.is_closed());
}

#[test]
fn a_simulated_network_refuses_what_is_of_the_system_and_gives_it_back() {
    let port = World::simulated().exact_port(1);
    let refused = port.associate(foreign().0, 7).expect_err("it is not simulated");
    assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
    assert!(refused.error.to_string().contains("simulated network"), "{}", refused.error);
    let (owned, key) = refused.returned;
    assert_eq!(key, 7);
    assert_eq!(port.snapshot().devices, 0);
    World::System.exact_port(1).associate(owned, 7).expect("it is as it was");
}
