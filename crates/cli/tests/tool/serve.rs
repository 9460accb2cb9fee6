//! The server as a command: status, drain, limits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::process::{PATIENCE, Running};
use crate::schema;

/// Every model that there is.
pub const MODELS: [&str; 8] = [
    "blocking",
    "nonblocking",
    "select",
    "async-select",
    "event-select",
    "overlapped-event",
    "overlapped-routine",
    "completion-port",
];

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

pub fn echo(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server reads");
    let mut echo = vec![0; message.len()];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(echo, message);
}

/// A client that sends without end and never reads, at the moment at which the server can neither
/// send to it nor, therefore, read from it: nothing has come in for two status lines.
pub fn clogged_client(server: &Running, address: SocketAddr) -> TcpStream {
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
        Running::serve(&["--posted-accepts", "1", "--first-data", "2s", "--quiet"]);
    let mut silent = connect(address);
    let mut talker = connect(address);
    echo(&mut talker, b"served in spite of the silent one");
    let end = silent.read(&mut [0; 1]);
    assert!(end.is_err() || matches!(end, Ok(0)), "the silent client got data: {end:?}");
}

#[test]
fn silent_clients_keep_nobody_else_waiting() {
    for limit in [&[] as &[&str], &["--max-connections", "20"], &["--max-silent", "5"]] {
        let options = [&["--posted-accepts", "2", "--first-data", "60m", "--quiet"], limit];
        let (_server, address) = Running::serve(&options.concat());
        let _silent: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
        echo(&mut connect(address), b"served, though none of them has lost its time");
    }
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    let (_server, address) = Running::serve(&["--idle-timeout", "2s", "--quiet"]);
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

#[test]
fn the_end_of_input_ends_a_server_that_was_told_so() {
    let mut server =
        Running::start(&["serve", "127.0.0.1:0", "--until-input-ends", "--json", "--quiet"]);
    let mut client = connect(server.address());
    server.say("what comes in is of no account\n");
    echo(&mut client, b"still here");
    server.close_input();
    let ended = server.wait();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    assert_eq!(ended.json()["accepted"], 1);
    assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0);
}

#[test]
fn every_model_serves_with_the_same_options_and_says_the_same() {
    for (model, options) in [
        ("blocking", &[] as &[&str]),
        ("nonblocking", &[]),
        ("select", &[]),
        ("select", &["--set-size", "1"]),
        ("async-select", &[]),
        ("event-select", &[]),
        ("overlapped-event", &[]),
        ("overlapped-routine", &[]),
        ("completion-port", &[]),
        ("completion-port", &["--accept", "thread", "--first-data", "20s"]),
    ] {
        let common =
            ["--model", model, "--max-connections", "3", "--idle-timeout", "20s", "--json"];
        let (server, address) = Running::serve(&[&common, options].concat());
        let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
        for client in &mut clients {
            echo(client, b"one message");
        }
        let status: Value =
            serde_json::from_str(&server.errors_until("\n")).expect("a status line");
        schema::check("serve-status", &status);
        assert_eq!(status["connected"], 3, "{model}");
        let ended = server.interrupt();
        assert_eq!(ended.code(), 0, "{model}: {ended:?}");
        let summary = ended.json();
        schema::check("serve-summary", &summary);
        assert_eq!((&summary["accepted"], &summary["left"]), (&3.into(), &0.into()), "{model}");
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 1]).expect("a graceful end"), 0, "{model}");
        }
    }
}
