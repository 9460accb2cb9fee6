//! Limits of what one client may hold.

use crate::world::{AMPLE, World, settings};
use overlapped_http_files::{Settings, TimeLimits};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Whether the server has closed it without an answer.
fn is_refused(mut stream: &TcpStream) -> bool {
    let _ = stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    match stream.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_client_has_no_more_connections_than_it_may() {
    let world = World::with(Settings { connections_per_client: 2, ..settings() });
    world.folder.file("a", "found");
    let (mut first, mut second) = (world.connect(), world.connect());
    assert_eq!(first.get("/a", "").status, 200);
    assert_eq!(second.get("/a", "").status, 200);
    for refused in 1..=20 {
        assert!(is_refused(&world.connect().stream));
        world.until(|status| status.refused == refused);
    }
    assert_eq!(second.get("/a", "").status, 200, "who is there stays");
    let status = world.server.status();
    assert_eq!((status.accepted, status.connected), (2, 2), "{status:?}");
    drop(first);
    world.until(|status| status.connected == 1);
    // Its place is given back when the last of it has gone.
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    while is_refused(&world.connect().stream) {
        assert!(std::time::Instant::now() < deadline, "the place is lost");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_client_cannot_keep_others_out() {
    let world = World::with(Settings { connections: 8, connections_per_client: 6, ..settings() });
    world.folder.file("a", "found");
    let greedy: Vec<_> = (0..30).map(|_| world.connect()).collect();
    world.until(|status| (status.connected, status.refused) == (6, 24));
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let other = other.expect("a socket");
    let from: std::net::SocketAddr = ([127, 0, 0, 2], 0).into();
    other.bind(&from.into()).expect("another loopback address");
    other.connect(&world.address.into()).expect("the server listens");
    let mut other = TcpStream::from(other);
    other.write_all(b"GET /a HTTP/1.0\r\n\r\n").expect("the server reads");
    let mut response = String::new();
    other.read_to_string(&mut response).expect("a response");
    assert!(response.ends_with("found"), "{response}");
    drop(greedy);
}

#[test]
fn a_client_that_takes_too_little_is_reset_although_it_moves() {
    let limits = TimeLimits { stall: Duration::from_secs(1), ..AMPLE };
    // So much a second that what is in the system's hands is little.
    let least_rate = 400 << 20;
    let world = World::with(Settings { time: limits, least_rate, ..settings() });
    world.folder.sparse("large", 8 << 30);
    let mut slow = world.connect();
    slow.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let (_stop, never) = std::sync::mpsc::channel::<()>();
    let (mut taken, mut piece) = (0_u64, vec![0; 1 << 20]);
    // At most 20 MiB a second; it would never stand still for a second.
    while slow.stream.read_exact(&mut piece).is_ok() {
        taken += piece.len() as u64;
        let _ = never.recv_timeout(Duration::from_millis(50));
        assert!(taken < 1 << 30, "it is never reset");
    }
    world.until(|status| status.errors.timed_out == 1);
}
