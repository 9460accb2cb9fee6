//! What concerns the whole process: its descriptors, and who else has them.
#![cfg(target_os = "linux")]

use overlapped_notify::{
    EventObject, MessageWindow, NetworkEvents, RoutineThread, Socket, Stream, sleep_alertable,
    wait_any,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

/// Runs a test alone in a process of its own, since what it counts is the whole process's.
fn alone(test: &str, body: fn()) {
    const ALONE: &str = "OVERLAPPED_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("a test has a program");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1");
    let output = command.output().expect("it can be run once more");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert!(said.contains("1 passed"), "it ran no test: {said}");
}

/// A connected socket, and its peer.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("one can listen");
    let peer = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    (listener.accept().expect("a client").0, peer)
}

/// The descriptors that a program has which is started now.
fn inherited() -> BTreeSet<String> {
    let output = Command::new("ls").arg("/proc/self/fd").output().expect("ls is there");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_program_that_is_started_inherits_no_descriptor() {
    alone("a_program_that_is_started_inherits_no_descriptor", || {
        let before = inherited();
        let (stream, _peer) = connection();
        let stream = Stream::try_from(stream).expect("it is taken");
        let event = EventObject::auto_reset().expect("an event");
        let _receive = stream.receive(Vec::with_capacity(8), &event).expect("it starts");
        stream.receive_then(Vec::with_capacity(8), drop).expect("it starts");
        let _here = RoutineThread::current().expect("a name");
        let _ = wait_any(&[&event], Some(Duration::ZERO), true).expect("a wait");
        let _fresh = Socket::stream_v4().expect("a socket");
        let (socket, _peer) = connection();
        let socket = Socket::try_from(socket).expect("it is taken");
        let window = MessageWindow::new().expect("a window");
        socket.select_messages(&window, 1, NetworkEvents::READ).expect("it can be selected");
        assert_eq!(inherited(), before);
    });
}

/// How many sockets and other things the event sets of this process watch.
fn watched() -> usize {
    let sets = std::fs::read_dir("/proc/self/fd").expect("the system tells them");
    let sets = sets.filter_map(|entry| entry.ok()).filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|link| link.ends_with("anon_inode:[eventpoll]"))
    });
    let count = |entry: std::fs::DirEntry| {
        let facts = format!("/proc/self/fdinfo/{}", entry.file_name().display());
        let text = std::fs::read_to_string(facts).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("tfd:")).count()
    };
    sets.map(count).sum()
}

/// As a clone has it, or a process that was forked: the system goes on telling an event set of a
/// closed descriptor as long as somebody has what it was open on (L13).
#[test]
fn l13_what_somebody_else_has_still_is_not_watched_once_it_is_closed() {
    alone("l13_what_somebody_else_has_still_is_not_watched_once_it_is_closed", || {
        let _here = RoutineThread::current().expect("a name");
        let window = MessageWindow::new().expect("a window");
        let at_first = watched();

        let (connected, mut peer) = connection();
        let _kept = connected.try_clone().expect("a clone");
        let stream = Stream::try_from(connected).expect("it is taken");
        stream.receive_then(Vec::with_capacity(8), drop).expect("it starts");
        // The set of this thread has its own wake-up descriptor.
        assert_eq!(watched(), at_first + 2);
        peer.write_all(b"for it").expect("it is connected");
        assert!(sleep_alertable(None), "its routine runs");
        drop(stream);
        assert_eq!(watched(), at_first + 1, "though its clone is open");

        let (connected, _peer) = connection();
        let _kept = connected.try_clone().expect("a clone");
        let socket = Socket::try_from(connected).expect("it is taken");
        socket.select_messages(&window, 1, NetworkEvents::READ).expect("it can be selected");
        assert_eq!(watched(), at_first + 2);
        drop(socket);
        assert_eq!(watched(), at_first + 1);
    });
}
