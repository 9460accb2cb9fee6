//! A descriptor that somebody else closes under its handle. It is a program of its own: which number
//! the system gives next must be known.
#![cfg(target_os = "linux")]

use overlapped::{Packet, Port, Protocol, Readiness, WaitHandle, is_aborted};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

struct Numbers;

impl Protocol for Numbers {
    type Key = ();
    type Operation = u64;
    type Message = ();
}

/// A handle whose descriptor is closed, and the other end of that pipe.
fn closed(port: &Port<Numbers>, wait: Option<u64>) -> (WaitHandle<Numbers>, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe can be made");
    let number = reader.as_raw_fd();
    let handle = port.associate(OwnedFd::from(reader), ()).expect("a pipe is taken");
    if let Some(operation) = wait {
        handle.wait(Readiness::READABLE, operation).expect("it is open");
    }
    nix::unistd::close(number).expect("it is open");
    (handle, writer)
}

/// What a wait says.
fn refusal(handle: &WaitHandle<Numbers>) -> ErrorKind {
    let refused = handle.wait(Readiness::READABLE, 5).expect_err("it is closed");
    assert_eq!(refused.returned, 5);
    assert!(refused.error.to_string().contains("closed by somebody else"), "{}", refused.error);
    refused.error.kind()
}

/// A stranger's pipe, whose reading end has the number of what was closed.
fn stranger(number: i32) -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe can be made");
    assert_eq!(reader.as_raw_fd(), number, "the lowest number is given first");
    (reader, writer)
}

fn assert_open((mut reader, mut writer): (PipeReader, PipeWriter)) {
    writer.write_all(b"mine").expect("somebody may read it");
    let mut read = [0; 4];
    reader.read_exact(&mut read).expect("it is open");
    assert_eq!(&read, b"mine");
}

#[test]
fn a_descriptor_that_others_close_is_an_error_of_its_own_and_not_closed_again() {
    // The monitor would open files of its own.
    let builder = Port::<Numbers>::builder().concurrency(1).blocked_thread_monitor(false);
    let port = builder.build().expect("a port can be made");

    // Nobody has the number. The standard library ends the process if it is closed again.
    let (handle, _writer) = closed(&port, None);
    assert_eq!(refusal(&handle), ErrorKind::NotFound);
    drop(handle);
    let (handle, _writer) = closed(&port, None);
    handle.close();

    // A stranger has it.
    for by_close in [false, true] {
        let (handle, _writer) = closed(&port, None);
        let number = handle.descriptor().expect("the handle is open").as_fd().as_raw_fd();
        let stranger = stranger(number);
        if by_close {
            handle.close();
        } else {
            assert_eq!(refusal(&handle), ErrorKind::NotFound);
        }
        drop(handle);
        assert_open(stranger);
    }

    // The system says nothing of a wait in flight; it can be cancelled.
    let (handle, mut writer) = closed(&port, Some(9));
    assert_eq!(writer.write_all(b"x").expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
    assert!(port.try_take().expect("the port is open").is_none());
    assert_eq!(handle.cancel_all(), 1);
    match port.take().expect("the port is open") {
        Packet::Waited { operation: 9, result: Err(error), .. } => assert!(is_aborted(&error)),
        other => panic!("the wait was owed, not {:?}", other.kind()),
    }
    assert_eq!(refusal(&handle), ErrorKind::NotFound);
}
