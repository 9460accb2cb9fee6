//! The example servers, each driven by real clients.

#[path = "../examples/message_server.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod message_server;
#[path = "../examples/network_event_server.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod network_event_server;
#[path = "../examples/overlapped_event_server.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod overlapped_event_server;
#[path = "../examples/routine_server.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod routine_server;
#[path = "../examples/select_server.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod select_server;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    stream
}

fn exchange(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server receives");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert!(answer == message, "another answer to {} bytes", message.len());
}

/// What all of them do.
fn echoes(serve: fn(TcpListener) -> io::Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = listener.local_addr().expect("it has an address");
    // It serves until the test program ends.
    thread::spawn(move || serve(listener).expect("it serves on"));

    let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            exchange(client, format!("client {number}, round {round}").as_bytes());
        }
    }

    // More than the system holds, by a client that reads only when it has sent half of it.
    let much: Vec<u8> = (0..8_u32 << 20).map(|number| (number >> 8) as u8).collect();
    let mut slow = connect(address);
    let mut sends = slow.try_clone().expect("a second handle");
    let sent = much.clone();
    let sender = thread::spawn(move || {
        sends.write_all(&sent).expect("the server receives");
        sends.shutdown(Shutdown::Write).expect("the end is sent");
    });
    exchange(&clients[0], b"nobody is held up");
    let mut came = Vec::new();
    slow.read_to_end(&mut came).expect("all comes back, and then the end");
    assert!(came == much, "{} of {} bytes came back, or others", came.len(), much.len());
    sender.join().expect("it has sent all");

    // One goes with a reset, and one in order.
    socket2::SockRef::from(&clients[1]).set_linger(Some(Duration::ZERO)).expect("it can be set");
    let mut clients = clients.into_iter();
    let (first, reset) = (clients.next().expect("twenty"), clients.next().expect("twenty"));
    drop((first, reset));
    for client in clients {
        exchange(&client, b"after the others have gone");
    }
    exchange(&connect(address), b"somebody new");
}

#[test]
fn the_select_server_echoes_to_everybody_and_goes_on_after_each_end() {
    echoes(select_server::serve);
}

#[test]
fn the_message_server_echoes_to_everybody_and_goes_on_after_each_end() {
    echoes(message_server::serve);
}

#[test]
fn the_network_event_server_echoes_to_everybody_and_goes_on_after_each_end() {
    echoes(network_event_server::serve);
}

#[test]
fn the_overlapped_event_server_echoes_to_everybody_and_goes_on_after_each_end() {
    echoes(overlapped_event_server::serve);
}

#[test]
fn the_routine_server_echoes_to_everybody_and_goes_on_after_each_end() {
    echoes(routine_server::serve);
}
