//! Systems that refuse io_uring, whole or in part, at the first call or later: helper threads carry
//! the files, and the port says why. The refusal is real: the test installs a seccomp filter on its
//! own thread, which the helper threads inherit.

use crate::files_world::{Scratch, bytes_at, open, pipe, read, read_write, ring_is_there, written};
use crate::packets::{assert_nothing_comes, next};
use crate::world::Numbers;
use overlapped::{Buffer, DriverChoice, FilesChoice, Packet, Port};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::io::{ErrorKind, Write};

// The numbers of these calls are the same on every architecture.
const IO_URING_SETUP: i64 = 425;
const IO_URING_ENTER: i64 = 426;
const IO_URING_REGISTER: i64 = 427;

/// From now on the system refuses these calls to the calling thread.
fn refuse_from_now_on(calls: &[i64]) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let not_permitted = rustix::io::Errno::PERM.raw_os_error().cast_unsigned();
    let architecture = std::env::consts::ARCH.try_into().expect("seccomp knows it");
    let allow = SeccompAction::Allow;
    let filter =
        SeccompFilter::new(rules, allow, SeccompAction::Errno(not_permitted), architecture);
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("it can be compiled");
    seccompiler::apply_filter(&program).expect("a thread may limit itself");
}

/// Runs `test` on a thread that is limited in this way from the beginning.
fn where_refused(calls: &'static [i64], test: impl FnOnce() + Send + 'static) {
    let limited = move || {
        refuse_from_now_on(calls);
        test();
    };
    std::thread::spawn(limited).join().expect("it did not panic");
}

fn port(choice: FilesChoice) -> Port<Numbers> {
    let builder = Port::<Numbers>::builder().driver(DriverChoice::Epoll).files(choice);
    builder.concurrency(1).blocked_thread_monitor(false).build().expect("a port can be made")
}

fn everything_works(port: &Port<Numbers>) {
    let scratch = Scratch::holding(b"");
    let file = scratch.file(port, 7);
    let bytes: Vec<u8> = (0..3_000_000).map(|place: u32| (place / 7) as u8).collect();
    file.write_at(Buffer::copy_of(&bytes), 0, 1).expect("a write can be started");
    assert!(written(port).result.is_ok());
    file.flush(2).expect("a flush can be started");
    assert!(matches!(next(port), Packet::Flushed { result: Ok(()), .. }));
    assert_eq!(bytes_at(port, &file, 0, bytes.len()), bytes);
    assert_eq!(file.cancel_all(), 0);
    file.close();
    assert_nothing_comes(port);
}

#[test]
fn helper_threads_stand_in_where_making_a_ring_is_refused() {
    where_refused(&[IO_URING_SETUP], || {
        let port = port(FilesChoice::Automatic);
        everything_works(&port);
        assert_eq!(
            port.driver().files,
            "helper threads: io_uring_setup was refused (Operation not permitted)"
        );
    });
}

#[test]
fn helper_threads_stand_in_where_entering_a_ring_is_refused() {
    if !ring_is_there("helper_threads_stand_in_where_entering_a_ring_is_refused") {
        return;
    }
    where_refused(&[IO_URING_ENTER], || {
        let port = port(FilesChoice::Automatic);
        everything_works(&port);
        assert_eq!(
            port.driver().files,
            "helper threads: io_uring_enter was refused (Operation not permitted)"
        );
    });
}

#[test]
fn helper_threads_stand_in_where_registering_with_a_ring_is_refused() {
    if !ring_is_there("helper_threads_stand_in_where_registering_with_a_ring_is_refused") {
        return;
    }
    where_refused(&[IO_URING_REGISTER], || {
        let port = port(FilesChoice::Automatic);
        everything_works(&port);
        assert_eq!(
            port.driver().files,
            "helper threads: io_uring_register was refused (Operation not permitted)"
        );
    });
}

#[test]
fn a_ring_that_was_asked_for_and_is_refused_is_an_error_with_its_reason() {
    where_refused(&[IO_URING_SETUP], || {
        let port = port(FilesChoice::Ring);
        let scratch = Scratch::holding(b"contents");
        let refused = port
            .associate(open(scratch.path(), read_write()), 7)
            .expect_err("there is nothing to carry it");
        assert_eq!((refused.error.kind(), refused.returned.1), (ErrorKind::Unsupported, 7));
        let message = refused.error.to_string();
        let reason = "io_uring_setup was refused (Operation not permitted)";
        assert!(message.contains(reason) && message.contains("the builder"), "{message}");
        assert_eq!(port.snapshot().devices, 0);
    });
}

/// As a program does that locks itself in after it has started.
#[test]
fn helper_threads_take_over_when_the_ring_is_refused_later() {
    if !ring_is_there("helper_threads_take_over_when_the_ring_is_refused_later") {
        return;
    }
    where_refused(&[], || {
        let port = port(FilesChoice::Automatic);
        let (waiting, mut writer) = pipe(&port, 8);
        everything_works(&port);
        assert_eq!(port.driver().files, "io_uring: the default for files on Linux");
        waiting.read_at(Buffer::with_capacity(16), 0, 1).expect("a read can be started");

        refuse_from_now_on(&[IO_URING_ENTER]);
        everything_works(&port);
        assert_eq!(
            port.driver().files,
            "helper threads: io_uring_enter was refused (Operation not permitted)"
        );
        // What the kernel had taken before still completes.
        writer.write_all(b"from before").expect("the pipe has room");
        let packet = read(&port);
        assert_eq!((packet.operation, &packet.buffer[..]), (1, &b"from before"[..]));
    });
}
