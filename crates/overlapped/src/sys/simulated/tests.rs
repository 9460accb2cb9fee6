//! Tests of the network alone, without a port.

mod connections;
mod disturbances;
mod edges;
#[cfg(target_os = "linux")]
mod like_linux;
mod streams;

use super::*;
use crate::sys::code;
use std::io::IoSlice;
use std::time::Duration;

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn listener(network: &Network, backlog: usize) -> SimulatedSocket {
    let socket = SimulatedSocket::open(&network.shared, Family::V4);
    socket.bind(any_port()).unwrap();
    socket.listen(backlog).unwrap();
    socket
}

/// Starts to connect; the socket, and whether the connection is there.
fn connect(network: &Network, to: SocketAddr) -> (SimulatedSocket, io::Result<()>) {
    let socket = SimulatedSocket::open(&network.shared, Family::V4);
    match socket.connect(to) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        other => other.unwrap(),
    }
    let connected = socket.connected();
    (socket, connected)
}

/// Both ends of a connection, as a port would have them.
fn pair(network: &Network) -> (SimulatedSocket, SimulatedSocket) {
    let listener = listener(network, 1);
    let (client, connected) = connect(network, listener.local_addr().unwrap());
    connected.unwrap();
    let (server, remote) = listener.accept().unwrap();
    assert_eq!(remote, client.local_addr().unwrap());
    (client, server)
}

fn send(socket: &SimulatedSocket, data: &[u8]) -> io::Result<usize> {
    socket.send(&[IoSlice::new(data)])
}

fn receive(socket: &SimulatedSocket) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 100];
    let length = socket.receive(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

/// The error number a call failed with; "not now" is [`code::WOULD_BLOCK`].
fn number<T: fmt::Debug>(result: io::Result<T>) -> i32 {
    let error = result.unwrap_err();
    match error.kind() {
        io::ErrorKind::WouldBlock => code::WOULD_BLOCK,
        _ => error.raw_os_error().unwrap(),
    }
}

/// The events that are there now, each as its token and the letters of its flags.
fn events(network: &Network) -> Vec<(u64, String)> {
    let mut events = Vec::new();
    network.wait(&mut events, 16, Some(Duration::ZERO));
    events.into_iter().map(|event| (event.token, letters(event))).collect()
}

fn letters(event: Event) -> String {
    [(event.readable, 'r'), (event.writable, 'w'), (event.ended, 'e')]
        .into_iter()
        .filter_map(|(is_set, letter)| is_set.then_some(letter))
        .collect()
}

fn event(token: u64, flags: &str) -> Vec<(u64, String)> {
    vec![(token, flags.into())]
}
