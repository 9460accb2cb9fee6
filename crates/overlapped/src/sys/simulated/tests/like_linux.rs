//! The same scripts on the loopback of this system and on the simulated network: what every call
//! says must be the same.

use super::*;
use crate::sys::family::Remote;
use rustix::event::{PollFd, PollFlags, poll};
use std::net::{TcpListener, TcpStream};

/// Both ends of a connection, the first of which connected.
fn ends(simulated: bool) -> (Socket, Socket) {
    if simulated {
        let (client, server) = pair(&Network::new(0));
        return (Socket::Simulated(Box::new(client)), Socket::Simulated(Box::new(server)));
    }
    let listener = TcpListener::bind(any_port()).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    server.set_nonblocking(true).unwrap();
    (
        Socket::System(client.try_into().expect("it becomes non-blocking")),
        Socket::System(server.try_into().expect("it becomes non-blocking")),
    )
}

/// Waits until the kernel has delivered what the script is about; the simulation already has.
fn until(socket: &Socket, flags: PollFlags) {
    if let Socket::System(descriptor) = socket {
        let mut set = [PollFd::new(descriptor, flags)];
        let limit = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_eq!(poll(&mut set, Some(&limit)), Ok(1));
    }
}

fn say<T: fmt::Debug>(what: io::Result<T>) -> String {
    match what {
        Ok(value) => format!("{value:?}"),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => "not now".into(),
        Err(error) => format!("error {}", error.raw_os_error().unwrap()),
    }
}

fn receive(socket: &Socket) -> String {
    say(socket.receive(&mut [0; 10]))
}

fn send(socket: &Socket, data: &[u8]) -> String {
    say(socket.send(&[IoSlice::new(data)], false))
}

fn reset(socket: Socket) {
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
}

/// Everything that can be asked of a socket at the end of a script, twice.
fn interrogate(socket: &Socket, receive_first: bool) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..2 {
        if receive_first {
            said.push(format!("receive {}", receive(socket)));
        }
        said.push(format!("send {}", send(socket, b"x")));
        said.push(format!("receive {}", receive(socket)));
        said.push(format!("connected {}", say(socket.connected())));
        said.push(format!("peer {}", say(socket.peer_addr().map(|_| "there"))));
        said.push(format!("peek {}", say(socket.peek())));
    }
    said.push(format!("shutdown {}", say(socket.end_sending())));
    said
}

#[track_caller]
fn compare(script: impl Fn(Socket, Socket) -> Vec<String>) {
    let run = |simulated| {
        let (first, second) = ends(simulated);
        script(first, second)
    };
    assert_eq!(run(true), run(false), "simulated on the left, this system on the right");
}

const OVER: PollFlags = PollFlags::HUP;
const ENDED: PollFlags = PollFlags::RDHUP;

#[test]
fn reset_after_data() {
    for receive_first in [true, false] {
        compare(|first, second| {
            send(&second, b"abc");
            reset(second);
            until(&first, OVER);
            interrogate(&first, receive_first)
        });
    }
}

#[test]
fn close_with_unread_data() {
    for receive_first in [true, false] {
        compare(|first, second| {
            send(&first, b"abc");
            until(&second, PollFlags::IN);
            drop(second);
            until(&first, OVER);
            interrogate(&first, receive_first)
        });
    }
}

#[test]
fn end_then_reset() {
    for receive_first in [true, false] {
        compare(|first, second| {
            send(&first, b"abc");
            until(&second, PollFlags::IN);
            second.end_sending().unwrap();
            until(&first, ENDED);
            drop(second);
            until(&first, OVER);
            interrogate(&first, receive_first)
        });
    }
}

#[test]
fn send_to_a_closed_end() {
    compare(|first, second| {
        send(&second, b"abc");
        drop(second);
        until(&first, ENDED);
        let mut said = vec![send(&first, b"lost")];
        until(&first, OVER);
        said.extend(interrogate(&first, true));
        said
    });
}

#[test]
fn both_directions_end_in_order_and_a_later_reset_does_nothing() {
    compare(|first, second| {
        first.end_sending().unwrap();
        until(&second, ENDED);
        let mut said = vec![send(&first, b"x"), send(&second, b"yy"), receive(&second)];
        second.end_sending().unwrap();
        until(&first, OVER);
        until(&second, OVER);
        reset(second);
        said.extend(interrogate(&first, true));
        said
    });
}

#[test]
fn a_fresh_socket_and_a_refused_one() {
    let free = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let run = |socket: Socket| {
        let mut said = vec![
            say(socket.accept().map(|_| ())),
            say(socket.connected()),
            send(&socket, b"x"),
            receive(&socket),
            say(socket.end_sending()),
            say(socket.connect(&Remote::Internet(free))),
        ];
        until(&socket, OVER);
        said.extend([say(socket.connected()), say(socket.connect(&Remote::Internet(free)))]);
        said.push(say(socket.connect(&Remote::Internet(free))));
        until(&socket, OVER);
        said.extend([receive(&socket), receive(&socket), send(&socket, b"x")]);
        said
    };
    let network = Network::new(0);
    let simulated =
        run(Socket::Simulated(Box::new(SimulatedSocket::open(&network.shared, Family::V4))));
    assert_eq!(simulated, run(Socket::stream(Family::V4).unwrap()));
}
