//! The end of a server.

use crate::world::{PATIENCE, World, pattern};
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn a_stop_closes_who_waits_and_finishes_who_is_served() {
    let world = World::new();
    let contents = pattern(32 << 20);
    world.folder.file("large", &contents);
    let mut idle = world.connect();
    assert_eq!(idle.get("/", "").status, 403);
    let silent = world.connect();
    let mut half = world.connect();
    half.say("GET /large HTTP/1.1\r\n");
    let mut busy = world.connect();
    busy.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    busy.stream.read_exact(&mut [0; 9]).expect("it begins");
    world.until(|status| status.connected == 4);
    let World { server, folder, .. } = world;
    let stop = std::thread::spawn(move || server.stop(PATIENCE));
    idle.assert_ended();
    silent.assert_ended();
    half.say("Host: a\r\n\r\n");
    let response = half.response();
    assert_eq!((response.status, response.header("Connection")), (200, "close"));
    assert!(response.body == contents);
    half.assert_ended();
    let rest = busy.rest();
    assert!(rest.ends_with(&contents), "finished: {}", rest.len());
    let stopped = stop.join().expect("no panic");
    assert_eq!(stopped.left, 0);
    assert_eq!(stopped.status.responses, 3);
    assert_eq!(stopped.status.connected, 0);
    drop(folder);
}

#[test]
fn a_server_that_retires_answers_whoever_is_connected_and_then_ends_the_connection() {
    let world = World::new();
    world.folder.file("page", b"contents");
    let mut idle = world.connect();
    assert_eq!(idle.get("/page", "").status, 200);
    let mut several = world.connect();
    world.until(|status| status.connected == 2);
    let World { mut server, folder, .. } = world;
    let retire = std::thread::spawn(move || {
        server.retire(PATIENCE);
        server.stop(Duration::ZERO)
    });
    // Those that come before the server has heard of it are answered, too.
    while !idle.get("/page", "").headers.contains_key("Connection") {}
    idle.assert_ended();
    let two = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    several.say(two);
    let first = several.response();
    assert!(first.status == 200 && !first.headers.contains_key("Connection"), "{first:?}");
    assert_eq!(several.response().header("Connection"), "close");
    several.assert_ended();
    let stopped = retire.join().expect("no panic");
    assert_eq!((stopped.left, stopped.status.errors.aborted), (0, 0));
    drop(folder);
}

#[test]
fn what_is_left_at_the_deadline_is_ended_by_force() {
    let world = World::new();
    world.folder.sparse("large", 64 << 20);
    let mut stuck = world.connect();
    stuck.say("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    stuck.stream.read_exact(&mut [0; 9]).expect("it begins");
    let stopped = world.server.stop(Duration::from_millis(50));
    assert_eq!((stopped.left, stopped.status.errors.aborted), (1, 1));
    let rest = stuck.rest_until_any_end();
    assert!(rest.len() < 64 << 20);
}

#[test]
fn a_folder_that_is_none_is_told_by_its_name() {
    for path in ["does/not/exist", file!()] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let path = std::path::Path::new(path);
        let error = overlapped_http_files::Server::start(listener, path, &Default::default())
            .expect_err("none");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
