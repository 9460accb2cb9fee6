//! The example programs, each driven from the other end.

#[path = "../examples/asking_client.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod asking_client;
#[path = "../examples/echo.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod echo;
#[path = "../examples/file_copy.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod file_copy;
#[path = "../examples/file_transfer.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod file_transfer;

use overlapped::ListenSocket;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;

/// A folder for one test; removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("overlapped-example-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// So many bytes in which no two blocks are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// A server of the system's that echoes to one client, in pieces of at most `piece` bytes, until it
/// has echoed `most`.
fn echo_once(piece: usize, most: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let mut left = most;
        while left > 0 {
            let mut buffer = vec![0; piece.min(left)];
            let length = client.read(&mut buffer).expect("it sends");
            if length == 0 {
                return;
            }
            client.write_all(&buffer[..length]).expect("it receives");
            left -= length;
        }
    });
    address
}

#[test]
fn the_client_is_answered_by_the_server_on_a_port() {
    let socket = ListenSocket::bind("127.0.0.1:0", 16).expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    // It serves until the test program ends.
    thread::spawn(move || echo::run(socket).expect("it serves on"));
    let questions: Vec<_> = (1..20).map(|number| bytes(number * 1_777)).collect();
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let answers = asking_client::ask(address, &questions).expect("it is answered");
                assert!(answers == questions, "another answer");
            });
        }
    });
}

#[test]
fn the_client_gets_an_answer_to_each_question_however_it_is_cut() {
    let questions = [b"one".to_vec(), bytes(30_000), b"three".to_vec()];
    let address = echo_once(7, usize::MAX);
    let answers = asking_client::ask(address, &questions).expect("it is answered");
    assert!(answers == questions, "another answer");
    let error = asking_client::ask(address, &[Vec::new()]).expect_err("nothing answers it");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_client_says_that_an_answer_is_not_whole_and_that_nobody_is_there() {
    let question = [b"four".to_vec()];
    let error = asking_client::ask(echo_once(2, 2), &question).expect_err("half an answer");
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset));
    let unused = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = unused.local_addr().expect("it has an address");
    drop(unused);
    asking_client::ask(address, &question).expect_err("nobody listens");
}

#[test]
fn the_copy_is_like_its_source() {
    let folder = Folder::new("copy");
    let (source, target) = (folder.file("source"), folder.file("target"));
    for (number, size) in [0, 1, 262_144, 262_145, 3_000_001].into_iter().enumerate() {
        fs::write(&source, bytes(size)).expect("it can be written");
        let target = target.with_extension(number.to_string());
        assert_eq!(file_copy::copy(&source, &target).expect("it is copied"), size as u64);
        assert!(fs::read(&target).expect("it is there") == bytes(size), "{size} bytes");
        let error = file_copy::copy(&source, &target).expect_err("it is there already");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}

#[test]
fn several_fetch_the_same_file() {
    let folder = Folder::new("transfer");
    let source = folder.file("source");
    let contents = bytes(5_000_003);
    fs::write(&source, &contents).expect("it can be written");
    let socket = ListenSocket::bind("127.0.0.1:0", 16).expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    // It sends until the test program ends.
    thread::spawn(move || file_transfer::send(socket, &source).expect("it sends on"));
    thread::scope(|threads| {
        for number in 0..3 {
            let (target, contents) = (folder.file(&format!("target{number}")), &contents);
            threads.spawn(move || {
                let fetched = file_transfer::fetch(address, &target).expect("it is fetched");
                assert_eq!(fetched, contents.len() as u64);
                assert!(fs::read(&target).expect("it is there") == *contents);
            });
        }
    });
}

#[test]
fn a_file_that_did_not_come_whole_or_is_longer_than_announced_is_an_error_and_leaves_nothing() {
    let folder = Folder::new("half");
    let listener = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = listener.local_addr().expect("it has an address");
    let sender = thread::spawn(move || {
        for announced in [9_u64, 3] {
            let (mut client, _) = listener.accept().expect("the fetcher");
            // In one piece, so that it has come whole when the fetcher leaves.
            let sent = [&announced.to_be_bytes()[..], b"half"].concat();
            client.write_all(&sent).expect("it receives");
        }
    });
    let target = folder.file("target");
    for _ in 0..2 {
        // What the first try wrote would be in the way of the second one.
        let error = file_transfer::fetch(address, &target).expect_err("half a file, or too much");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        assert!(!target.exists(), "what came of it is there");
    }
    sender.join().expect("it has sent");
}
