//! How files, the threads that use them and their ports end (P17, P122, P123, P140, P141, P146, F35,
//! F54, F55).
// Pipes, descriptors and io_uring are of Linux, so what is only about them is unused elsewhere.
#![cfg_attr(windows, allow(unused_imports, dead_code))]

use crate::crew::until;
use crate::errno;
use crate::files_world::{Backend, Scratch, descriptors_on, read};
#[cfg(target_os = "linux")]
use crate::files_world::{backends, pipe, ring_is_there};
use crate::on_every_backend;
use crate::packets::{assert_nothing_comes, next, outcome};
use crate::rounds::rounds;
use crate::world::{Numbers, PATIENCE};
use overlapped::{Buffer, Port, Protocol};
use std::io::{ErrorKind, PipeWriter, Write};
use std::sync::Arc;
use std::time::Instant;

/// All of the user's values are counted by the references to one number.
#[derive(Debug)]
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Arc<()>;
    type Message = ();
}

/// Nobody holds the reading end of the pipe any more.
#[cfg(target_os = "linux")]
fn is_broken(writer: &mut PipeWriter) -> bool {
    match writer.write_all(b"x") {
        Ok(()) => false,
        Err(error) => error.kind() == ErrorKind::BrokenPipe,
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_closes_when_its_last_handle_is_dropped() {
    backends("the_file_closes_when_its_last_handle_is_dropped").for_each(drop_the_last_handle);
}

#[cfg(target_os = "linux")]
fn drop_the_last_handle(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"contents");
    let file = scratch.file(&port, 7);
    let clone = file.clone();
    assert_eq!(descriptors_on(scratch.path()), 1);
    clone.read_at(Buffer::with_capacity(8), 0, 1).expect("a read can be started");
    drop((file, clone));
    let packet = read(&port);
    assert_eq!(&packet.buffer[..], b"contents", "the operation holds its file");
    assert_eq!((descriptors_on(scratch.path()), port.snapshot().devices), (1, 1));
    drop(packet);
    assert_eq!((descriptors_on(scratch.path()), port.snapshot().devices), (0, 0));
}

fn p140_closing_completes_everything_in_flight(backend: Backend) {
    const READS: u64 = 500;
    let port = backend.port();
    let scratch = Scratch::holding(&[5; 100_000]);
    let file = scratch.file(&port, 7);
    for number in 0..READS {
        file.read_at(Buffer::with_capacity(100_000), 0, number).expect("a read can be started");
    }
    file.close();
    assert_eq!(port.snapshot().devices, 0);
    file.close();
    let mut numbers = Vec::new();
    for _ in 0..READS {
        let (number, code) = outcome(next(&port));
        assert!(code.is_none() || code == Some(errno::CANCELED), "{code:?}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..READS).collect::<Vec<_>>());
    assert_nothing_comes(&port);
    assert_eq!(descriptors_on(scratch.path()), 0, "although a handle is left");
    let refused = file.read_at(Buffer::empty(), 0, 1).expect_err("it is closed");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FILE_CLOSED));
}

/// A read that was admitted before the close, and starts after it has cancelled what it found.
#[cfg(target_os = "linux")]
#[test]
fn p140_a_read_that_starts_while_the_file_closes_comes_back_too() {
    if !ring_is_there("p140_a_read_that_starts_while_the_file_closes_comes_back_too") {
        return;
    }
    let port = Backend::Ring.port();
    for _ in 0..500 {
        let (file, _writer) = pipe(&port, 7);
        let started = std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let starter = scope.spawn({
                let file = file.clone();
                move || {
                    let mut started = 0;
                    while file.read_at(Buffer::with_capacity(1), 0, started).is_ok() {
                        started += 1;
                        if started == 20 {
                            tell.send(()).expect("the other one waits for it");
                        }
                    }
                    started
                }
            });
            told.recv().expect("it tells");
            file.close();
            starter.join().expect("it did not panic")
        });
        for _ in 0..started {
            assert_eq!(outcome(next(&port)).1, Some(errno::CANCELED));
        }
        assert_nothing_comes(&port);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn f54_the_other_end_sees_the_end_when_a_read_was_in_flight() {
    if !ring_is_there("f54_the_other_end_sees_the_end_when_a_read_was_in_flight") {
        return;
    }
    let port = Backend::Ring.port();
    let (file, mut writer) = pipe(&port, 7);
    for number in 0..3 {
        file.read_at(Buffer::with_capacity(8), 0, number).expect("a read can be started");
    }
    file.close();
    let mut outcomes: Vec<_> = (0..3).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [0, 1, 2].map(|number| (number, Some(errno::CANCELED))));
    assert!(is_broken(&mut writer), "the descriptor went with the last of them");
    assert_nothing_comes(&port);
}

fn p122_p123_a_closed_port_drops_what_is_in_flight(backend: Backend) {
    let port: Port<Counted> = backend.port_for();
    let values = Arc::new(());
    let scratch = Scratch::holding(&[5; 100_000]);
    let file = scratch.file(&port, Arc::clone(&values));
    for _ in 0..500 {
        let buffer = Buffer::with_capacity(100_000);
        file.read_at(buffer, 0, Arc::clone(&values)).expect("a read can be started");
    }
    port.close();
    assert_eq!(descriptors_on(scratch.path()), 1, "a handle is left");
    assert!(file.read_at(Buffer::empty(), 0, Arc::clone(&values)).is_err());
    drop((file, port));
    let left = || Arc::strong_count(&values) - 1;
    until(|| left() == 0, || format!("{} values were not dropped", left()));
    let open = || descriptors_on(scratch.path());
    until(|| open() == 0, || "the file is still open".to_owned());
}

/// The kernel holds these reads for ever if they are not cancelled.
#[cfg(target_os = "linux")]
#[test]
fn p123_closing_the_port_waits_for_no_read_and_lets_go_of_all() {
    if !ring_is_there("p123_closing_the_port_waits_for_no_read_and_lets_go_of_all") {
        return;
    }
    // 100 at once, and more than there is room for in the ring.
    for reads in [100, 5_000] {
        let port: Port<Counted> = Backend::Ring.port_for();
        let values = Arc::new(());
        let (file, mut writer) = pipe(&port, Arc::clone(&values));
        for _ in 0..reads {
            let buffer = Buffer::with_capacity(64);
            file.read_at(buffer, 0, Arc::clone(&values)).expect("a read can be started");
        }
        drop(file);
        let start = Instant::now();
        drop(port);
        assert!(start.elapsed() < PATIENCE / 2, "closing took {:?}", start.elapsed());
        let left = || Arc::strong_count(&values) - 1;
        until(|| left() == 0, || format!("{} values were not dropped", left()));
        assert!(is_broken(&mut writer), "the file was closed");
    }
}

/// Starts something on a thread of its own, and waits until the kernel has ended that thread.
fn on_a_thread_that_ends(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(work).join().expect("it did not panic");
    });
}

fn p146_operations_outlive_the_thread_that_started_them(backend: Backend) {
    const THREADS: u64 = 20;
    const EACH: u64 = 20;
    let port = backend.port();
    let scratch = Scratch::holding(&[0; 4096]);
    let file = scratch.file(&port, 7);
    for thread in 0..THREADS {
        on_a_thread_that_ends(|| {
            for number in thread * EACH..(thread + 1) * EACH {
                let offset = (number % 16) * 256;
                let started = if number % 2 == 0 {
                    file.write_at(Buffer::from(&[0; 256]), offset, number)
                } else {
                    file.read_at(Buffer::with_capacity(256), offset, number)
                };
                started.expect("it can be started");
            }
            file.flush(THREADS * EACH + thread).expect("it can be started");
        });
    }
    let all = THREADS * EACH + THREADS;
    let mut outcomes: Vec<_> = (0..all).map(|_| outcome(next(&port))).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, (0..all).map(|number| (number, None)).collect::<Vec<_>>());
    assert_nothing_comes(&port);
}

/// The kernel takes back what a thread submitted when it ends; nobody has cancelled it, so it is
/// submitted anew, also when the next thread ends as well.
#[cfg(target_os = "linux")]
#[test]
fn f35_p146_a_read_that_waits_outlives_every_thread_that_submits_it() {
    if !ring_is_there("f35_p146_a_read_that_waits_outlives_every_thread_that_submits_it") {
        return;
    }
    let port = Backend::Ring.port();
    let (file, mut writer) = pipe(&port, 7);
    on_a_thread_that_ends(|| {
        file.read_at(Buffer::with_capacity(64), 0, 1).expect("a read can be started");
    });
    for _ in 0..3 {
        on_a_thread_that_ends(|| assert_nothing_comes(&port));
    }
    writer.write_all(b"late").expect("somebody holds the other end");
    let packet = read(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (1, &b"late"[..]));
    assert_nothing_comes(&port);
}

/// The number of an operation, its buffer and its value cannot be used again before its packet:
/// they are moved. What can is the handle, and each packet is that of its own operation.
fn f55_operations_that_follow_each_other_do_not_mix_up(backend: Backend) {
    let port: Port<Numbers> = backend.port();
    let scratch = Scratch::holding(&(0..=255).collect::<Vec<u8>>());
    let file = scratch.file(&port, 7);
    let ids: Vec<_> = (0..256)
        .map(|place| file.read_at(Buffer::with_capacity(1), place, place).expect("it is started"))
        .collect();
    for _ in 0..rounds(10_000) {
        let packet = read(&port);
        assert_eq!(packet.buffer[..], [packet.operation as u8]);
        let next = (packet.operation * 7 + 3) % 256;
        let id = packet.file.read_at(packet.buffer, next, next).expect("it is started");
        assert!(!ids.contains(&id), "numbers are not used again");
    }
    for _ in 0..256 {
        let packet = read(&port);
        assert_eq!(packet.buffer[..], [packet.operation as u8]);
    }
    assert_nothing_comes(&port);
}

on_every_backend! {
    p122_p123_a_closed_port_drops_what_is_in_flight,
    p140_closing_completes_everything_in_flight,
    p146_operations_outlive_the_thread_that_started_them,
    f55_operations_that_follow_each_other_do_not_mix_up,
}
