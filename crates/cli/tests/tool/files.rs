//! The server of files as a command.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use crate::process::Running;
use crate::serve::connect;

/// A folder with a file, which goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("overlapped-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        std::fs::write(path.join("hello.txt"), "hello").expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn get(stream: &mut TcpStream, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    response
}

fn ask(address: SocketAddr, target: &str) -> String {
    get(&mut connect(address), target)
}

#[test]
fn files_are_served_logged_and_counted() {
    let folder = Folder::new("serve-files");
    let options = [folder.path(), "--app", "files", "--quiet", "--listing", "--access-log", "-"];
    let (server, address) = Running::serve(&options);
    assert!(ask(address, "/hello.txt").ends_with("\r\n\r\nhello"));
    assert!(ask(address, "/").contains("\"./hello.txt\""));
    assert!(ask(address, "/../x").starts_with("HTTP/1.1 400 "));
    // One that is served is accepted; what is not when the server stops would be reset.
    let mut idle = connect(address);
    idle.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nhello") {
        let mut byte = [0; 1];
        idle.read_exact(&mut byte).expect("a response");
        response.extend_from_slice(&byte);
    }
    let ended = server.interrupt();
    assert_eq!(idle.read(&mut [0; 1]).expect("a graceful end"), 0);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let lines: Vec<&str> = ended.output.lines().collect();
    let (summary, log) = lines.split_last().expect("lines");
    assert!(log[0].ends_with("\"GET /hello.txt HTTP/1.1\" 200 5"), "{log:?}");
    assert!(log[2].contains("\" 400 "), "{log:?}");
    assert!(summary.contains("4 messages") && summary.ends_with("nothing was left"), "{summary}");
}

#[cfg(target_os = "linux")]
#[test]
fn several_processes_serve_one_folder() {
    let folder = Folder::new("serve-family");
    let log = folder.0.join("log");
    let path = log.to_str().expect("text");
    let options = [folder.path(), "--app", "files", "--processes", "2", "--access-log", path];
    let (server, address) = Running::serve(&[&options[..], &["--json", "--quiet"]].concat());
    for _ in 0..10 {
        assert!(ask(address, "/hello.txt").ends_with("\r\n\r\nhello"));
    }
    let summary = server.interrupt().json();
    assert_eq!(summary["messages"], 10);
    assert_eq!(std::fs::read_to_string(log).expect("a log").lines().count(), 10);
}

#[test]
fn a_client_has_no_more_connections_than_it_may() {
    let folder = Folder::new("serve-per-client");
    let options = [folder.path(), "--app", "files", "--connections-per-client", "1"];
    let (server, address) = Running::serve(&[&options[..], &["--json", "--quiet"]].concat());
    let mut first = connect(address);
    first.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    let mut head = [0; 12];
    first.read_exact(&mut head).expect("a response");
    let mut second = connect(address);
    assert!(!matches!(second.read(&mut [0; 1]), Ok(length) if length > 0), "it is closed");
    drop((first, second));
    let summary = server.interrupt().json();
    crate::schema::check("serve-summary", &summary);
    assert_eq!((&summary["accepted"], &summary["refused"]), (&1.into(), &1.into()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_is_told_at_once_and_counted() {
    let folder = Folder::new("serve-full-log");
    let options = [folder.path(), "--app", "files", "--access-log", "/dev/full"];
    let (server, address) = Running::serve(&[&options[..], &["--json", "--quiet"]].concat());
    assert!(ask(address, "/hello.txt").ends_with("\r\n\r\nhello"));
    server.errors_until("the access log cannot be written: No space left on device");
    let ended = server.interrupt();
    assert_eq!(ended.code(), 0);
    assert!(ended.errors.contains("1 lines of the access log were lost"), "{}", ended.errors);
    let summary = ended.json();
    crate::schema::check("serve-summary", &summary);
    assert_eq!(summary["log_lines_lost"], 1);
}
