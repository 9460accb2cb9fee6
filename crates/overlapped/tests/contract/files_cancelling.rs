//! Cancelling operations on files (P46, P130-P133, L4).
//!
//! What waits for long is the read of a pipe, and only the ring carries those. What waits for a
//! helper thread is cancelled in the tests of the helpers themselves, in the library.
// Pipes, descriptors and io_uring are of Linux, so what is only about them is unused elsewhere.
#![cfg_attr(windows, allow(unused_imports, dead_code))]

use crate::errno;
use crate::files_world::{Backend, Scratch, read};
#[cfg(target_os = "linux")]
use crate::files_world::{pipe, ring_is_there};
use crate::on_every_backend;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use overlapped::{Buffer, Packet};
use std::io::{ErrorKind, Write};

fn p46_cancel_races_with_completion_and_each_operation_completes_once(backend: Backend) {
    const ROUNDS: u64 = 3_000;
    const LENGTH: usize = 20_000;
    let port = backend.port();
    let scratch = Scratch::holding(&[7; LENGTH]);
    let file = scratch.file(&port, 7);
    let mut seen = vec![false; ROUNDS as usize];
    let aborted = std::thread::scope(|scope| {
        let (ids, to_cancel) = std::sync::mpsc::channel();
        let canceller = scope.spawn({
            let file = file.clone();
            // What is not in flight any more is not found, and both are fine.
            move || to_cancel.into_iter().filter(|id| file.cancel(*id).is_ok()).count()
        });
        for number in 0..ROUNDS {
            // What is read may be there at once; what is written waits for its turn.
            let started = if number % 2 == 0 {
                file.read_at(Buffer::with_capacity(LENGTH), 0, number)
            } else {
                file.write_at(Buffer::from(&[7; LENGTH]), 0, number)
            };
            ids.send(started.expect("it can be started")).expect("the canceller is there");
        }
        drop(ids);
        let mut aborted = 0;
        for _ in 0..ROUNDS {
            let (operation, buffer, length, result) = match next(&port) {
                Packet::Read { operation, buffer, result, .. } => {
                    let length = buffer.len();
                    (operation, buffer, length, result.map(|_| ()))
                }
                Packet::Written { operation, buffer, transferred, result, .. } => {
                    (operation, buffer, transferred, result)
                }
                other => panic!("the packet of a read or write was owed, not {other:?}"),
            };
            match result {
                Ok(()) => assert_eq!(length, LENGTH),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
                    aborted += 1;
                }
            }
            assert!(buffer.iter().all(|byte| *byte == 7));
            assert!(!std::mem::replace(&mut seen[operation as usize], true));
        }
        assert!(aborted <= canceller.join().expect("it did not panic"), "nobody asked for that");
        aborted
    });
    assert_nothing_comes(&port);
    eprintln!("{aborted} of {ROUNDS} were aborted");
}

fn p131_cancelling_what_has_completed_finds_nothing(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"contents");
    let file = scratch.file(&port, 7);
    let id = file.read_at(Buffer::with_capacity(8), 0, 1).expect("a read can be started");
    let packet = read(&port);
    let error = file.cancel(id).expect_err("it has completed");
    assert_eq!((error.kind(), file.cancel_all()), (ErrorKind::NotFound, 0));
    assert_eq!(&packet.buffer[..], b"contents");
    assert_nothing_comes(&port);
}

#[cfg(target_os = "linux")]
#[test]
fn p133_a_cancelled_read_of_a_pipe_gives_everything_back_once() {
    if !ring_is_there("p133_a_cancelled_read_of_a_pipe_gives_everything_back_once") {
        return;
    }
    let port = Backend::Ring.port();
    let (file, mut writer) = pipe(&port, 7);
    let id = file.read_at(Buffer::with_capacity(123), 0, 1).expect("a read can be started");
    file.cancel(id).expect("it waits");
    assert_eq!(file.cancel(id).expect_err("it was cancelled").kind(), ErrorKind::NotFound);
    let packet = read(&port);
    assert_eq!((packet.operation, code(&packet.result)), (1, Some(errno::CANCELED)));
    assert_eq!((packet.buffer.capacity(), packet.buffer.len()), (123, 0));
    assert_nothing_comes(&port);

    // A cancelled read has taken nothing.
    writer.write_all(b"for the next").expect("the pipe has room");
    file.read_at(packet.buffer, 0, 2).expect("a read can be started");
    assert_eq!(&read(&port).buffer[..], b"for the next");
}

#[cfg(target_os = "linux")]
#[test]
fn p130_cancelling_all_from_another_thread_leaves_other_files_alone() {
    if !ring_is_there("p130_cancelling_all_from_another_thread_leaves_other_files_alone") {
        return;
    }
    let port = Backend::Ring.port();
    let (file, _writer) = pipe(&port, 7);
    let (other, mut other_writer) = pipe(&port, 8);
    for number in 0..50 {
        file.read_at(Buffer::with_capacity(8), 0, number).expect("a read can be started");
    }
    other.read_at(Buffer::with_capacity(8), 0, 100).expect("a read can be started");
    let count = std::thread::scope(|scope| {
        scope.spawn(|| file.cancel_all()).join().expect("it did not panic")
    });
    assert_eq!(count, 50);
    let mut outcomes: Vec<_> = (0..50).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    let expected: Vec<_> = (0..50).map(|number| (number, Some(errno::CANCELED))).collect();
    assert_eq!(outcomes, expected);
    assert_nothing_comes(&port);
    other_writer.write_all(b"data").expect("the pipe has room");
    let packet = read(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (100, &b"data"[..]));
}

/// More than the ring has room for at once: the rest waits in the port, and is cancelled there.
#[cfg(target_os = "linux")]
#[test]
fn p130_what_waits_for_a_place_in_the_ring_is_cancelled_too() {
    const READS: u64 = 5_000;
    if !ring_is_there("p130_what_waits_for_a_place_in_the_ring_is_cancelled_too") {
        return;
    }
    let port = Backend::Ring.port();
    let (file, mut writer) = pipe(&port, 7);
    let mut ids = Vec::new();
    for number in 0..READS {
        let id = file.read_at(Buffer::with_capacity(1), 0, number);
        ids.push(id.expect("a read can be started"));
    }
    file.cancel(ids[READS as usize - 1]).expect("it waits");
    assert_eq!(outcome(next(&port)), (READS - 1, Some(errno::CANCELED)));
    // A place that comes free is taken by one that waits.
    writer.write_all(&[1; 3_000]).expect("the pipe has room");
    let mut seen = vec![false; READS as usize];
    for _ in 0..3_000 {
        let (number, code) = outcome(next(&port));
        assert_eq!((code, std::mem::replace(&mut seen[number as usize], true)), (None, false));
    }
    assert_eq!(file.cancel_all(), READS as usize - 1 - 3_000);
    for _ in 3_000..READS - 1 {
        match next(&port) {
            Packet::Read { operation, result: Err(error), .. } => {
                assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
                assert!(!std::mem::replace(&mut seen[operation as usize], true));
            }
            other => panic!("a cancelled read was owed, not {other:?}"),
        }
    }
    assert_nothing_comes(&port);
}

on_every_backend! {
    p46_cancel_races_with_completion_and_each_operation_completes_once,
    p131_cancelling_what_has_completed_finds_nothing,
}
