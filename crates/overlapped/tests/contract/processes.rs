//! The exit of child processes as packets (P31, P32, P46, P130, P140).
#![cfg(target_os = "linux")]

use crate::errno;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, World};
use overlapped::{OrPacket, Packet, PacketHandle, PacketKind, Port, Process, is_aborted};
use std::io::{self, ErrorKind};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// This program, which plays the child then: it waits for its standard input to end, and exits with this
/// number.
const CHILD: &str = "OVERLAPPED_TEST_CHILD";

/// A test of nothing, unless this program is the child.
#[test]
fn the_child_exits_as_it_is_told() {
    if let Ok(status) = std::env::var(CHILD) {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(status.parse().expect("it is a number"));
    }
}

/// A child that exits with `status` when what is returned with it is dropped.
fn child(status: i32) -> (Child, ChildStdin) {
    let this = std::env::current_exe().expect("it is known");
    let mut child = Command::new(this)
        .args(["--exact", "processes::the_child_exits_as_it_is_told"])
        .env(CHILD, status.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child can be started");
    let end = child.stdin.take().expect("it is a pipe");
    (child, end)
}

fn associated(port: &Port<Numbers>, status: i32) -> (Process<Numbers>, ChildStdin) {
    let (child, end) = child(status);
    (port.associate(child, 7).expect("a child can be waited for"), end)
}

struct ExitedPacket {
    process: Process<Numbers>,
    operation: u64,
    result: io::Result<ExitStatus>,
}

fn exited(port: &Port<Numbers>) -> ExitedPacket {
    match next(port) {
        Packet::Exited { process, operation, result } => {
            ExitedPacket { process, operation, result }
        }
        other => panic!("the packet of an exit was owed, not {other:?}"),
    }
}

#[test]
fn p32_the_exit_of_a_child_is_a_packet_with_its_exit_status() {
    let port = World::System.exact_port(1);
    let (process, end) = associated(&port, 3);
    process.wait(1).expect("nobody waits");
    assert_nothing_comes(&port);
    drop(end);
    let packet = exited(&port);
    assert_eq!(packet.result.expect("it has ended").code(), Some(3));
    assert_eq!((*packet.process.key(), packet.operation), (7, 1));
    assert!(packet.process == process);
    assert_nothing_comes(&port);
    for number in 2..4 {
        process.wait(number).expect("nobody waits");
        let packet = exited(&port);
        assert_eq!(packet.operation, number);
        assert_eq!(packet.result.expect("it has ended").code(), Some(3), "it is told again");
    }
    drop((process, packet.process));
    assert_eq!(port.snapshot().devices, 0);
}

#[test]
fn p31_a_child_that_has_ended_before_is_told_at_once() {
    let port = World::System.exact_port(1);
    let (mut child, end) = child(5);
    drop(end);
    assert_eq!(child.wait().expect("it ends").code(), Some(5));
    let process = port.associate(child, 7).expect("its status is known");
    process.wait(1).expect("nobody waits");
    assert_eq!(exited(&port).result.expect("it has ended").code(), Some(5));
}

#[test]
fn p46_of_many_children_each_exit_is_told_once() {
    const CHILDREN: i32 = 12;
    let port = World::System.exact_port(1);
    let children: Vec<_> = (0..CHILDREN)
        .map(|number| {
            let (process, end) = associated(&port, number);
            process.wait(number as u64).expect("nobody waits");
            end
        })
        .collect();
    drop(children);
    let mut codes: Vec<_> = (0..CHILDREN)
        .map(|_| {
            let packet = exited(&port);
            let code = packet.result.expect("it has ended").code().expect("it was no signal");
            assert_eq!(code as u64, packet.operation);
            code
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, (0..CHILDREN).collect::<Vec<_>>());
    assert_eq!(port.snapshot().devices, 0);
    assert_nothing_comes(&port);
}

#[test]
fn p130_p140_a_wait_that_is_cancelled_or_closed_is_aborted_and_the_child_goes_on() {
    let port = World::System.exact_port(1);
    let (process, _end) = associated(&port, 0);
    let id = process.wait(1).expect("nobody waits");
    let refused = process.wait(2).expect_err("one waits");
    assert_eq!(refused.error.kind(), ErrorKind::ResourceBusy);
    process.cancel(id).expect("it is in flight");
    assert!(exited(&port).result.is_err_and(|error| is_aborted(&error)));
    assert_eq!(process.cancel(id).expect_err("it is over").kind(), ErrorKind::NotFound);
    process.wait(3).expect("nobody waits");
    process.kill().expect("it goes on");
    let packet = exited(&port);
    assert_eq!(packet.operation, 3);
    assert!(!packet.result.expect("it was killed").success());
    process.kill().expect("that it has ended is no error");

    let (process, _end) = associated(&port, 0);
    process.wait(4).expect("nobody waits");
    process.close();
    assert_eq!(outcome(next(&port)), (4, Some(errno::CANCELED)));
    let closed = Some(errno::FILE_CLOSED);
    assert_eq!(process.kill().map_err(|error| error.raw_os_error()), Err(closed));
    process.wait(5).or_packet();
    let packet = next(&port);
    assert_eq!(packet.kind(), PacketKind::Exited);
    let parts = packet.into_parts().expect("it is of an operation");
    assert_eq!((parts.operation, code(&parts.result)), (5, closed));
    assert!(matches!(parts.handle, PacketHandle::Process(of_packet) if of_packet == process));
    assert_nothing_comes(&port);
}

#[test]
fn a_child_is_given_back_when_nobody_else_has_it() {
    let port = World::System.exact_port(1);
    let (process, end) = associated(&port, 6);
    let clone = process.clone();
    let refused = process.into_child().expect_err("there is a clone");
    assert_eq!(refused.error.kind(), ErrorKind::ResourceBusy);
    drop(refused);
    let mut child = clone.into_child().expect("nobody else has it");
    assert_eq!(port.snapshot().devices, 0);
    drop(end);
    assert_eq!(child.wait().expect("it ends").code(), Some(6));
}

#[test]
fn a_simulated_network_has_no_processes() {
    let port = World::simulated().exact_port(1);
    let (child, end) = child(0);
    let refused = port.associate(child, 7).expect_err("it is not simulated");
    assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
    let (mut child, 7) = refused.returned else { panic!("the key is given back") };
    drop(end);
    assert!(child.wait().expect("it ends").success());
}
