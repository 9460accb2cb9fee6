//! The worked example of docs/from-iocp.md does what the page says of it.

#[path = "../examples/from_iocp.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod example;

use overlapped::ListenSocket;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    stream
}

/// Sends `message` and reads it back.
fn exchange(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server receives");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert_eq!(answer, message);
}

/// Reads until the server closes the connection.
fn assert_is_closed(mut stream: &TcpStream) {
    match stream.read(&mut [0; 16]) {
        Ok(length) => assert_eq!(length, 0, "nothing was sent"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn the_example_echoes_and_ends_when_it_is_told_to() {
    let socket = ListenSocket::bind("127.0.0.1:0", 1024).expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    let (stop, told_to_stop) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    let server = thread::spawn(move || {
        let served = example::serve(socket, || {
            told_to_stop.recv().expect("the test stops it");
        });
        ended.send(()).expect("the test waits for it");
        served
    });

    let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            exchange(client, format!("client {number}, round {round}").as_bytes());
        }
    }
    let longer_than_a_buffer: Vec<_> = (0..20_000).map(|number| number as u8).collect();
    exchange(&clients[0], &longer_than_a_buffer);
    clients[1].shutdown(Shutdown::Write).expect("the connection stands");
    assert_is_closed(&clients[1]);

    stop.send(()).expect("the server waits for it");
    end.recv_timeout(PATIENCE).expect("every worker takes one message, and ends");
    server.join().expect("the server does not panic").expect("the server served");
    for client in &clients[2..] {
        assert_is_closed(client);
    }
}
