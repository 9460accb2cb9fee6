//! Descriptors of all kinds, and what epoll says of them.
#![cfg(target_os = "linux")]

use crate::foreign_world::waited;
use crate::packets::{assert_nothing_comes, next, outcome};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{Port, Readiness, WaitHandle};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

fn associate(port: &Port<Numbers>, descriptor: impl Into<OwnedFd>) -> WaitHandle<Numbers> {
    port.associate(descriptor.into(), 7).expect("epoll takes it")
}

/// Waits for `interest`, which is to be seen at once, and says what was seen.
fn see(port: &Port<Numbers>, handle: &WaitHandle<Numbers>, interest: Readiness) -> Readiness {
    handle.wait(interest, 1).expect("nobody waits");
    waited(port).result.expect("it is ready")
}

#[test]
fn a_wait_tells_reading_from_writing_and_the_end_from_both() {
    let port = World::System.exact_port(1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair can be made");
    let handle = associate(&port, ours.try_clone().expect("it can be duplicated"));
    assert_eq!(see(&port, &handle, Readiness::WRITABLE), Readiness::WRITABLE);
    assert_eq!(see(&port, &handle, Readiness::EITHER), Readiness::WRITABLE);
    handle.wait(Readiness::READABLE, 2).expect("nobody waits");
    assert_nothing_comes(&port);
    peer.write_all(b"x").expect("there is room");
    assert_eq!(waited(&port).result.expect("it is ready"), Readiness::READABLE);
    assert_eq!(see(&port, &handle, Readiness::EITHER), Readiness::EITHER);
    (&ours).read_exact(&mut [0]).expect("it was sent");
    handle.wait(Readiness::READABLE, 3).expect("nobody waits");
    assert_nothing_comes(&port);
    drop(peer);
    let seen = waited(&port).result.expect("it has ended");
    assert!(seen.is_readable() && seen.is_ended() && !seen.is_writable(), "{seen:?}");
}

#[test]
fn a_hangup_that_comes_while_nobody_waits_is_told_to_the_next_wait() {
    let port = World::System.exact_port(1);
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    let handle = associate(&port, reader);
    drop(writer);
    assert_nothing_comes(&port);
    assert_nothing_comes(&port);
    let seen = see(&port, &handle, Readiness::READABLE);
    assert!(seen.is_readable() && seen.is_ended());
    handle.wait(Readiness::READABLE, 2).expect("nobody waits");
    assert_eq!(handle.cancel_all(), 1, "nobody has taken its event");
    assert!(waited(&port).result.is_err());
    assert_nothing_comes(&port);
}

#[test]
fn a_wait_that_follows_a_cancelled_one_sees_what_it_asks_for_itself() {
    let port = World::System.exact_port(1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair can be made");
    let handle = associate(&port, ours);
    peer.write_all(b"x").expect("there is room");
    for round in 0..100 {
        handle.wait(Readiness::READABLE, round).expect("nobody waits");
        assert_eq!(handle.cancel_all(), 1);
        handle.wait(Readiness::WRITABLE, round).expect("nobody waits");
        assert!(waited(&port).result.is_err());
        assert_eq!(waited(&port).result.expect("there is room"), Readiness::WRITABLE);
        assert_nothing_comes(&port);
    }
}

#[test]
fn counters_timers_and_processes_are_signalled_by_becoming_readable() {
    let port = World::System.exact_port(1);
    let counter = eventfd(0, EventfdFlags::CLOEXEC).expect("a counter can be made");
    let handle = associate(&port, counter.try_clone().expect("it can be duplicated"));
    handle.wait(Readiness::SIGNALLED, 1).expect("nobody waits");
    assert_nothing_comes(&port);
    rustix::io::write(&counter, &1_u64.to_ne_bytes()).expect("it counts");
    assert_eq!(outcome(next(&port)), (1, None));

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC);
    let timer = timer.expect("a timer can be made");
    let soon = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: soon };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once).expect("it is a time");
    associate(&port, timer).wait(Readiness::SIGNALLED, 2).expect("nobody waits");
    assert_eq!(outcome(next(&port)), (2, None));

    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("there is a cat");
    let process = rustix::process::Pid::from_child(&child);
    let flags = rustix::process::PidfdFlags::empty();
    let process = rustix::process::pidfd_open(process, flags).expect("it was not waited for");
    associate(&port, process).wait(Readiness::SIGNALLED, 3).expect("nobody waits");
    assert_nothing_comes(&port);
    drop(child.stdin.take());
    assert_eq!(outcome(next(&port)), (3, None));
    assert!(child.wait().expect("it is ours").success());
}

#[test]
fn what_epoll_refuses_is_one_clear_error_and_given_back() {
    let port = World::System.exact_port(1);
    for path in ["Cargo.toml", "."] {
        let file = std::fs::File::open(path).expect("the package has it");
        let refused = port.associate(OwnedFd::from(file), 7).expect_err("it is always ready");
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        assert!(refused.error.to_string().contains("regular file"), "{}", refused.error);
        let file = std::fs::File::from(refused.returned.0);
        assert!(file.metadata().is_ok(), "it is open");
    }
    assert_eq!(port.snapshot().devices, 0);
}

#[test]
fn a_wait_that_is_over_makes_the_port_readable_for_a_loop_outside() {
    let port = World::System.exact_port(1);
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
    let handle = associate(&port, reader);
    handle.wait(Readiness::READABLE, 1).expect("nobody waits");
    let mut asked =
        [PollFd::from_borrowed_fd(port.descriptor().expect("it has one"), PollFlags::IN)];
    while port.try_take().expect("the port is open").is_some() {}
    writer.write_all(b"x").expect("there is room");
    let within = PATIENCE.try_into().expect("it is a time");
    let mut taken = None;
    while taken.is_none() {
        assert!(poll(&mut asked, Some(&within)).expect("it can be waited for") > 0);
        taken = port.try_take().expect("the port is open");
    }
    assert_eq!(taken.map(outcome), Some((1, None)));
}
