//! What holds of the records of sockets that report to an event object, and of threads that wait for
//! it (M81-M88, M99, M102, F51).

use crate::plain_sockets::{Teller, drain, pair};
use crate::world::{PATIENCE, on_wine};
use overlapped_notify::{EventObject, NetworkEvents, Waited, wait_any};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const READ: NetworkEvents = NetworkEvents::READ;
const WRITE: NetworkEvents = NetworkEvents::WRITE;
const CONNECT: NetworkEvents = NetworkEvents::CONNECT;
const CLOSE: NetworkEvents = NetworkEvents::CLOSE;

#[test]
fn m88_f51_events_that_were_taken_are_not_told_again_and_others_are_not_forgotten() {
    let teller = Teller::event();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | WRITE);
    teller.expect_well(&socket, WRITE);
    teller.select(&socket, READ | WRITE);
    teller.expect_nothing(&socket);
    // Recorded, and not taken: the event object of the next selecting is set for it.
    peer.write_all(&[1; 100]).expect("it is connected");
    let event = teller.event_object();
    wait_any(&[event], None, false).expect("one can wait");
    let other = Teller::event();
    other.select(&socket, READ | WRITE);
    other.expect_well(&socket, READ);
    other.select(&socket, READ | WRITE);
    if !on_wine(
        "m88_f51_events_that_were_taken_are_not_told_again_and_others_are_not_forgotten",
        "unread data is told again",
    ) {
        other.expect_nothing(&socket);
    }
    socket.select_nothing().expect("it can be selected");
    drain(&socket);
    peer.write_all(&[2; 100]).expect("it is connected");
    other.expect_nothing(&socket);
    other.select(&socket, READ);
    other.expect_well(&socket, READ);
}

#[test]
fn m81_m82_m84_sockets_share_an_event_object_that_stays_set() {
    let teller = Teller::event();
    let event = teller.event_object();
    let (first, mut first_peer) = pair();
    let (second, mut second_peer) = pair();
    teller.select(&first, READ);
    teller.select(&second, READ);
    assert!(!event.is_set());
    first_peer.write_all(b"x").expect("it is connected");
    second_peer.write_all(b"x").expect("it is connected");
    for _ in 0..2 {
        let waited = wait_any(&[event], None, false).expect("one can wait");
        assert_eq!(waited, Waited::Signaled(0));
        assert!(event.is_set(), "it is a manual-reset one");
    }
    // The first is asked and the event object reset; the record of the second stays.
    let record = first.enumerate_network_events(Some(event)).expect("there is a record");
    assert_eq!(record.events(), READ);
    let record = second.enumerate_network_events(Some(event)).expect("there is a record");
    assert_eq!(record.events(), READ);
    assert!(!event.is_set());
}

#[test]
fn m83_m86_m87_the_record_is_taken_with_its_errors_and_what_is_not_in_the_mask_stays() {
    let teller = Teller::event();
    let event = teller.event_object();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | WRITE);
    peer.write_all(b"x").expect("it is connected");
    while !event.is_set() {
        std::thread::yield_now();
    }
    // Both are in the record by now, or WRITE alone and READ follows.
    teller.select(&socket, READ);
    let mut seen = socket.enumerate_network_events(None).expect("there is a record");
    assert!(event.is_set(), "it was not given, and so not reset");
    while seen.events().is_empty() {
        seen = socket.enumerate_network_events(None).expect("there is a record");
    }
    assert_eq!(seen.events(), READ);
    assert!(seen.error(READ).is_none() && seen.error(CONNECT).is_none());
    let again = socket.enumerate_network_events(Some(event)).expect("there is a record");
    assert!(again.events().is_empty(), "it was taken");
    assert!(!event.is_set(), "it was reset");
    teller.select(&socket, READ | WRITE);
    teller.expect_well(&socket, WRITE);
}

#[test]
fn m83_who_asks_without_waiting_gets_what_is_there() {
    let teller = Teller::event();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ);
    peer.write_all(b"x").expect("it is connected");
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "a byte has come");
        let record = socket.enumerate_network_events(None).expect("there is a record");
        if record.events() == READ {
            break;
        }
    }
}

#[test]
fn m83_m85_no_wake_up_is_lost_while_data_comes_all_the_time() {
    const BYTES: usize = if cfg!(windows) { 2_000 } else { 20_000 };
    let teller = Teller::event();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ);
    let sender = std::thread::spawn(move || {
        for _ in 0..BYTES {
            peer.write_all(b"x").expect("it is connected");
        }
        peer
    });
    let event = teller.event_object();
    let (mut received, mut room) = (0, [0; 7]);
    while received < BYTES {
        let patience = Some(PATIENCE);
        let waited = wait_any(&[event], patience, false);
        assert_eq!(waited.expect("one can wait"), Waited::Signaled(0), "after {received} bytes");
        let record = socket.enumerate_network_events(Some(event)).expect("there is a record");
        if record.events().contains(READ) {
            match socket.receive(&mut room) {
                Ok(count) => received += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
    drop(sender.join().expect("all was sent"));
}

#[test]
fn m99_a_socket_that_is_dropped_lets_go_of_its_event_object_and_closes_at_once() {
    let teller = Teller::event();
    let event = teller.event_object();
    let (socket, mut peer) = pair();
    teller.select(&socket, READ | CLOSE);
    while_a_thread_waits(event, || {
        drop(socket);
        let ended = std::io::Read::read(&mut peer, &mut [0; 8]).expect("it was closed");
        assert_eq!(ended, 0);
        event.set();
    });
}

#[test]
fn m102_a_thread_that_waits_hears_of_what_others_select_and_enable() {
    let teller = Teller::event();
    let event = teller.event_object();
    let (socket, mut peer) = pair();
    for round in 0..200_u8 {
        while_a_thread_waits(event, || {
            if round == 0 {
                teller.select(&socket, READ);
            } else {
                // The waiter has READ told only because of this receive.
                drain(&socket);
            }
            peer.write_all(&[round; 2]).expect("it is connected");
        });
        let record = socket.enumerate_network_events(Some(event)).expect("there is a record");
        assert_eq!(record.events(), READ, "in round {round}");
    }
}

/// Has a thread wait for `event`, which `meanwhile` is to bring about once the thread is asleep.
fn while_a_thread_waits(event: &EventObject, meanwhile: impl FnOnce()) {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let waiter = threads.spawn(move || {
            tell.send(this_thread()).expect("somebody asks");
            wait_any(&[event], Some(PATIENCE), false).expect("one can wait")
        });
        let thread = told.recv().expect("the thread says it");
        while thread.as_deref().is_some_and(|thread| !is_asleep(thread)) {
            std::thread::yield_now();
        }
        meanwhile();
        assert_eq!(waiter.join().expect("it comes back"), Waited::Signaled(0));
    });
}

/// Where the system says what the calling thread does; elsewhere it may not wait yet when the rest
/// happens, and the test sees less.
fn this_thread() -> Option<PathBuf> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    cfg!(target_os = "linux").then(|| Path::new("/proc").join(link).join("stat"))
}

fn is_asleep(thread: &Path) -> bool {
    let stat = std::fs::read_to_string(thread).expect("the thread is there");
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}
