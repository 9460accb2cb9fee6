//! The dialogue of the interactive client, through real pipes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::process::{PATIENCE, Running};

const PROMPT: &str = "Input message(Q to quit): ";
const QUESTION: &str = "Connect again? (Y, anything else quits): ";

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    (listener, address)
}

/// Accepts one connection and echoes until its graceful end; gives what came.
fn echo_once(listener: TcpListener) -> Receiver<Vec<u8>> {
    let (done, received) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut all = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            // A reset would be an error here: the client must end gracefully.
            let length = stream.read(&mut buffer).expect("data or a graceful end");
            if length == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..length]);
            stream.write_all(&buffer[..length]).expect("the client reads");
        }
        let _ = done.send(all);
    });
    received
}

#[test]
fn lines_are_echoed_until_q() {
    let (listener, address) = listener();
    let received = echo_once(listener);
    let (ip, port) = address.split_once(':').expect("ip:port");
    let mut client = Running::start(&["client", ip, port]);
    assert_eq!(client.output_until(PROMPT), format!("Connected.......\n{PROMPT}"));
    client.say("hello\n");
    assert_eq!(client.output_until(PROMPT), format!("Message from server: hello\n{PROMPT}"));
    client.say("Q is not alone here\n");
    client.output_until(PROMPT);
    client.say("Q\n");
    let ended = client.wait();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let all = received.recv_timeout(PATIENCE).expect("a graceful end");
    assert_eq!(all, b"hello\nQ is not alone here\n");
}

#[test]
fn the_end_of_input_quits() {
    let (listener, address) = listener();
    let received = echo_once(listener);
    let mut client = Running::start(&["client", &address]);
    client.output_until(PROMPT);
    client.say("without a line end");
    client.close_input();
    let ended = client.wait();
    assert_eq!(ended.code(), 0);
    assert!(ended.output.starts_with("Message from server: without a line end\n"), "{ended:?}");
    assert_eq!(received.recv_timeout(PATIENCE).expect("a graceful end"), b"without a line end");
}

#[test]
fn a_long_line_goes_out_as_several_messages() {
    let (listener, address) = listener();
    let received = echo_once(listener);
    let mut client = Running::start(&["client", &address]);
    client.output_until(PROMPT);
    let line = format!("{}\n", "x".repeat(1_022 + 5));
    client.say(&line);
    let said = client.output_until(PROMPT);
    let first = format!("Message from server: {}\n", "x".repeat(1_022));
    assert_eq!(said, format!("{first}Message from server: xxxxx\n{PROMPT}"));
    client.close_input();
    assert_eq!(client.wait().code(), 0);
    assert_eq!(received.recv_timeout(PATIENCE).expect("a graceful end"), line.as_bytes());
}

#[test]
fn a_server_that_comes_later_is_reached_after_y() {
    let (probe, address) = listener();
    drop(probe);
    let mut client = Running::start(&["client", &address]);
    let error = client.errors_until("\n");
    assert!(error.contains("cannot connect") && error.contains(&address), "{error}");
    assert_eq!(client.output_until(QUESTION), QUESTION);
    let received = echo_once(TcpListener::bind(&address).expect("the same port"));
    client.say("Y\n");
    client.output_until(PROMPT);
    client.say("there you are\n");
    client.output_until(PROMPT);
    client.say("q\n");
    assert_eq!(client.wait().code(), 0);
    assert_eq!(received.recv_timeout(PATIENCE).expect("a graceful end"), b"there you are\n");
}

#[test]
fn any_other_answer_ends() {
    let (probe, address) = listener();
    drop(probe);
    let mut client = Running::start(&["client", &address]);
    client.output_until(QUESTION);
    client.say("no\n");
    assert_eq!(client.wait().code(), 1);
}

#[test]
fn a_lost_connection_is_told_and_asked_about() {
    let (listener, address) = listener();
    thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().expect("a client");
        let mut buffer = [0; 16];
        let _ = stream.read(&mut buffer);
    });
    let mut client = Running::start(&["client", &address]);
    client.output_until(PROMPT);
    client.say("anybody\n");
    let error = client.errors_until("\n");
    assert!(error.contains("lost"), "{error}");
    client.output_until(QUESTION);
    client.close_input();
    assert_eq!(client.wait().code(), 1);
}
