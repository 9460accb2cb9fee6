//! The access log, and what becomes of it when it cannot be written.

use crate::world::{Folder, World, settings};
use overlapped_http_files::{AccessLog, Settings};

#[test]
fn every_answer_is_a_line_in_the_log() {
    let folder = crate::world::Folder::new();
    let path = folder.path().join("log");
    let access_log = Some(AccessLog::File(path.clone()));
    let world = World::with(Settings { access_log, ..settings() });
    world.folder.file("a", "12345");
    let mut client = world.connect();
    client.get("/a?\"x", "");
    client.get("/a", "Range: bytes=1-2\r\n");
    client.head("/a");
    client.get("/missing", "");
    client.say("nonsense\x01\r\n\r\n");
    assert_eq!(client.response().status, 400);
    drop(client);
    drop(world);
    let log = std::fs::read_to_string(path).expect("a log");
    let lines: Vec<&str> = log.lines().collect();
    let ends: Vec<&str> =
        lines.iter().map(|line| line.split_once(" +0000] ").expect(line).1).collect();
    assert_eq!(
        ends,
        [
            "\"GET /a?\\\"x HTTP/1.1\" 200 5",
            "\"GET /a HTTP/1.1\" 206 2",
            "\"HEAD /a HTTP/1.1\" 200 0",
            "\"GET /missing HTTP/1.1\" 404 14",
            "\"nonsense\\x01\" 400 16",
        ]
    );
    assert!(lines.iter().all(|line| line.starts_with("127.0.0.1 - - [")), "{log}");
}

#[test]
fn a_log_that_cannot_be_opened_is_told_by_its_name() {
    let folder = Folder::new();
    for path in [folder.path().join("none/log"), folder.path().to_owned()] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let access_log = Some(AccessLog::File(path.clone()));
        let settings = Settings { access_log, ..settings() };
        let error = overlapped_http_files::Server::start(listener, folder.path(), &settings);
        let error = error.expect_err("no log");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
