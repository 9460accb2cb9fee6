//! Limits of time. The clock of these tests is the server's limit: they wait for what it does.

use crate::world::{AMPLE, World, settings};
use overlapped_http_files::{Settings, TimeLimits};
use std::io::Read;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);

fn with(time: TimeLimits) -> World {
    let world = World::with(Settings { time, ..settings() });
    world.folder.file("a", "found");
    world.folder.sparse("large", 64 << 20);
    world
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let world = with(TimeLimits { head: SHORT, ..AMPLE });
    let start = Instant::now();
    world.connect().assert_ended();
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn a_head_that_does_not_end_is_answered_by_408() {
    let world = with(TimeLimits { head: SHORT, ..AMPLE });
    let mut client = world.connect();
    let mut writer = client.stream.try_clone().expect("a second handle");
    let start = Instant::now();
    client.say("GET / HTTP/1.1\r\n");
    // A byte now and then must not put the limit off; it goes on until the server closes.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let drip = std::thread::spawn(move || {
        while stopped.recv_timeout(SHORT / 10).is_err() {
            if std::io::Write::write_all(&mut writer, b"A: b\r\n").is_err() {
                break;
            }
        }
    });
    let response = client.response();
    assert_eq!((response.status, response.header("Connection")), (408, "close"));
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    stop.send(()).expect("it drips");
    drip.join().expect("no panic");
    client.assert_ended();
    assert_eq!(world.server.status().errors.timed_out, 1);
}

#[test]
fn a_connection_that_is_not_used_any_more_is_closed() {
    let world = with(TimeLimits { idle: SHORT, ..AMPLE });
    let mut client = world.connect();
    assert_eq!(client.get("/a", "").status, 200);
    client.assert_ended();
    assert_eq!(world.server.status().errors.timed_out, 0, "nothing is wrong with that");
}

#[test]
fn a_client_that_does_not_read_is_reset_and_one_that_reads_slowly_is_not() {
    let world = with(TimeLimits { stall: Duration::from_secs(1), ..AMPLE });
    let mut stuck = world.connect();
    stuck.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut slow = world.connect();
    slow.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    // The slow one takes a piece each time the server has counted some more; the whole of it takes
    // longer than the limit.
    let (mut taken, mut piece) = (0, vec![0; 4 << 20]);
    let start = Instant::now();
    let (_stop, never) = std::sync::mpsc::channel::<()>();
    while taken < 64 << 20 {
        let _ = never.recv_timeout(Duration::from_millis(100));
        slow.stream.read_exact(&mut piece).expect("it is slow, and moves");
        taken += piece.len();
    }
    assert!(start.elapsed() > Duration::from_millis(1_200), "{:?}", start.elapsed());
    world.until(|status| status.errors.timed_out == 1);
    let mut rest = Vec::new();
    assert!(stuck.stream.read_to_end(&mut rest).is_err(), "the stuck one is reset");
}

#[test]
fn a_client_that_does_not_end_after_its_last_answer_is_closed() {
    let world = with(TimeLimits { farewell: SHORT, ..AMPLE });
    let mut client = world.connect();
    client.say("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().status, 200);
    world.until(|status| status.connected == 0);
    drop(client);
}
