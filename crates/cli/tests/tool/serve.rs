//! The server as a command: status, drain, processes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde_json::Value;

use crate::process::{PATIENCE, Running, run, send_signal};
use crate::schema;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn echo(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server reads");
    let mut echo = vec![0; message.len()];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(echo, message);
}

/// A client that sends without end and never reads, at the moment at which the server can neither
/// send to it nor, therefore, read from it: nothing has come in for two status lines.
fn clogged_client(server: &Running, address: SocketAddr) -> TcpStream {
    let stream = connect(address);
    let mut writer = stream.try_clone().expect("a second handle");
    std::thread::spawn(move || {
        let piece = vec![7; 256 * 1_024];
        while writer.write_all(&piece).is_ok() {}
    });
    let mut still = 0;
    while still < 2 {
        let line = server.errors_until("\n");
        let status: Value = serde_json::from_str(&line).expect("a status line");
        let is_still = status["messages"].as_u64() > Some(0) && status["bytes_per_second"] == 0.0;
        still = if is_still { still + 1 } else { 0 };
    }
    stream
}

#[test]
fn status_lines_tell_what_goes_on() {
    let (server, address) = Running::serve(&["--json"]);
    let mut first = connect(address);
    let _second = connect(address);
    echo(&mut first, b"hello");
    let status = loop {
        let line = server.errors_until("\n");
        let status: Value = serde_json::from_str(&line).expect("a status line");
        schema::check("serve-status", &status);
        if status["connected"] == 2 && status["messages"].as_u64() > Some(0) {
            break status;
        }
    };
    assert_eq!(status["accepted"], 2);
    assert_eq!(status["processes"], 1);
}

#[test]
fn ctrl_c_closes_idle_clients_and_ends_well() {
    let (server, address) = Running::serve(&["--json", "--quiet"]);
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    for client in &mut clients {
        echo(client, b"one message");
    }
    let ended = server.interrupt();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let summary = ended.json();
    schema::check("serve-summary", &summary);
    assert_eq!(summary["accepted"], 20);
    assert_eq!(summary["peak_connected"], 20);
    assert_eq!(summary["bytes"], 20 * 11);
    assert_eq!(summary["left"], 0);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0);
    }
}

#[test]
fn a_client_that_does_not_read_is_left_at_the_deadline_and_told() {
    let (server, address) = Running::serve(&["--drain-seconds", "1", "--json"]);
    let _clogged = clogged_client(&server, address);
    let ended = server.interrupt();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.json()["left"], 1);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let (server, address) = Running::serve(&["--drain-seconds", "3600", "--json"]);
    let _clogged = clogged_client(&server, address);
    // Two different signals, since two of the same kind may arrive as one.
    server.signal(Signal::INT);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), 130);
}

#[test]
fn the_limit_of_connections_is_kept_before_accepting() {
    let (server, address) = Running::serve(&["--max-connections", "2", "--json", "--quiet"]);
    let mut first = connect(address);
    let mut second = connect(address);
    echo(&mut first, b"first");
    echo(&mut second, b"second");
    let mut third = connect(address);
    third.write_all(b"third").expect("the kernel holds it");
    drop(first);
    let mut answer = [0; 5];
    third.read_exact(&mut answer).expect("served once there is room");
    assert_eq!(&answer, b"third");
    let summary = server.interrupt().json();
    assert_eq!(summary["accepted"], 3);
    assert_eq!(summary["peak_connected"], 2);
}

#[test]
fn a_silent_client_does_not_hold_an_accept_for_ever() {
    let (_server, address) =
        Running::serve(&["--posted-accepts", "1", "--first-data", "200ms", "--quiet"]);
    let mut silent = connect(address);
    let mut talker = connect(address);
    echo(&mut talker, b"served in spite of the silent one");
    let end = silent.read(&mut [0; 1]);
    assert!(end.is_err() || matches!(end, Ok(0)), "the silent client got data: {end:?}");
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    let (_server, address) = Running::serve(&["--idle-timeout", "200ms", "--quiet"]);
    let mut idle = connect(address);
    echo(&mut idle, b"and then nothing");
    let end = idle.read(&mut [0; 1]);
    assert!(end.is_err() || matches!(end, Ok(0)), "the idle client got data: {end:?}");
}

#[test]
fn receive_only_sends_nothing_back() {
    let (server, address) = Running::serve(&["--receive-only", "--json", "--quiet"]);
    let mut client = connect(address);
    client.write_all(b"swallow this").expect("the server reads");
    client.shutdown(std::net::Shutdown::Write).expect("our side ends");
    assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0);
    let summary = server.interrupt().json();
    assert_eq!(summary["bytes"], 12);
}

/// The child processes of process `id`.
fn children(id: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("children");
    text.split_whitespace().map(|id| id.parse().expect("a process id")).collect()
}

#[test]
fn several_processes_share_the_socket_and_survive_one() {
    let (server, address) = Running::serve(&["--processes", "2", "--json", "--quiet"]);
    let workers = children(server.id());
    assert_eq!(workers.len(), 2);
    let address = address.to_string();
    let load = ["stress", &address, "-c", "40", "-m", "2", "-i", "20ms", "--json"];
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    send_signal(workers[0], Signal::KILL);
    let complaint = server.errors_until("\n");
    assert!(complaint.contains("has died (signal 9)"), "{complaint}");
    assert!(complaint.contains(&workers[0].to_string()), "{complaint}");
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    let summary = server.interrupt();
    assert_eq!(summary.code(), 0);
    let summary = summary.json();
    schema::check("serve-summary", &summary);
    assert_eq!(summary["processes"], 2);
    assert!(summary["accepted"].as_u64() >= Some(40), "{summary:#}");
}

#[test]
fn a_full_process_leaves_connections_to_the_other() {
    // Each of the two may hold two connections; four clients are served at the same time.
    let (server, address) =
        Running::serve(&["--processes", "2", "--max-connections", "4", "--json", "--quiet"]);
    let mut clients: Vec<TcpStream> = (0..4).map(|_| connect(address)).collect();
    for client in &mut clients {
        echo(client, b"served");
    }
    let summary = server.interrupt().json();
    assert_eq!(summary["accepted"], 4);
    assert_eq!(summary["peak_connected"], 4);
}

#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let (server, _) = Running::serve(&["--processes", "2", "--quiet"]);
    let workers: Vec<OwnedFd> = children(server.id())
        .into_iter()
        .map(|id| {
            let id = Pid::from_raw(i32::try_from(id).expect("a process id")).expect("not zero");
            pidfd_open(id, PidfdFlags::empty()).expect("the worker lives")
        })
        .collect();
    assert_eq!(workers.len(), 2);
    server.signal(Signal::KILL);
    let patience = Timespec::try_from(PATIENCE).expect("a time");
    for worker in &workers {
        // The descriptor of a process becomes readable when the process has ended.
        let ended = poll(&mut [PollFd::new(worker, PollFlags::IN)], Some(&patience));
        assert_eq!(ended, Ok(1), "a worker still lives");
    }
}
