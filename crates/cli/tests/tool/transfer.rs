//! `send` and `fetch`, each other's other side.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use crate::copy::{Scratch, contents, names_in, wait_for};
use crate::process::{Ended, Nobody, Running, run};
use crate::{schema, system};

/// A sender on a free port, and where it listens.
pub fn send(file: &str, options: &[&str]) -> (Running, String) {
    let sender =
        Running::start_until_interrupted(&[&["send", file, "127.0.0.1:0"], options].concat());
    let address = sender.address().to_string();
    (sender, address)
}

pub fn fetch(address: &str, target: &str, options: &[&str]) -> Ended {
    run(&[&["fetch", address, target], options].concat())
}

/// The one line of errors that a tool has said.
fn line(ended: &Ended) -> &str {
    let line = ended.errors.strip_suffix('\n').expect("a whole line");
    assert!(line.starts_with("overlapped: ") && !line.contains('\n'), "{ended:?}");
    line
}

#[test]
fn r65_r67_a_file_is_sent_as_often_as_it_was_said_and_arrives_whole() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(262_145));
    fs::create_dir(scratch.path("to")).expect("a folder can be made");
    let (sender, address) = send(&source, &["--times", "3", "--json"]);
    let first = fetch(&address, &scratch.path("to"), &[]);
    assert_eq!((first.code(), first.errors.as_str()), (0, ""), "{first:?}");
    for word in ["file ", "to", "262,145", "in flight"] {
        assert!(first.output.contains(word), "{word}: {}", first.output);
    }
    assert!(scratch.read("to/source") == contents(262_145));
    let second = fetch(&address, &scratch.path("x"), &["--verify", "--sync", "all", "--json"]);
    let document = second.json();
    schema::check("fetch", &document);
    assert_eq!((&document["complete"], &document["bytes"]), (&true.into(), &262_145.into()));
    assert_eq!(document["verified_bytes"], 262_145);
    assert_eq!(document["sha256"].as_str().map(str::len), Some(64));
    assert!(document["peak_in_flight"].as_u64() <= document["buffers"].as_u64());
    let third = fetch(&address, &scratch.path("x"), &["--force", "--quiet"]);
    assert_eq!((third.code(), third.output.as_str(), third.errors.as_str()), (0, "", ""));
    // It has sent what it should, and ends by itself.
    let ended = sender.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let document = ended.json();
    schema::check("send", &document);
    assert_eq!((&document["complete"], &document["deliveries"]), (&true.into(), &3.into()));
    assert_eq!(document["bytes"], 3 * 262_145);
    assert_eq!(ended.errors.matches(": delivered: 256.0 KiB in ").count(), 3, "{}", ended.errors);
    assert_eq!(scratch.names(), ["source", "to", "x"]);
}

#[test]
fn what_is_in_the_way_is_told_in_one_line() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"new");
    let old = scratch.write("old", b"old");
    let (sender, address) = send(&source, &["--name", "told", "--quiet"]);
    let ended = fetch(&address, &old, &[]);
    assert_eq!(ended.code(), 1);
    assert!(line(&ended).contains("--force"), "{ended:?}");
    assert_eq!(scratch.read("old"), b"old");
    let ended = fetch(&address, &scratch.path("no/x"), &["--json"]);
    assert_eq!(ended.code(), 1);
    let document = ended.json();
    schema::check("fetch", &document);
    assert_eq!(document["failure"]["kind"], "write");
    assert!(line(&ended).contains("make its folder first"), "{ended:?}");
    assert_eq!(fetch(&address, &scratch.path(""), &[]).code(), 0);
    assert_eq!(scratch.read("told"), b"new");
    let ended = sender.interrupt();
    assert_eq!(ended.code(), 0, "{ended:?}");

    // The address that the sender has left may be somebody else's by now.
    let nobody = Nobody::new();
    let ended = fetch(&nobody.address, &scratch.path("x"), &[]);
    assert_eq!(ended.code(), 1);
    assert!(line(&ended).contains("nobody sends at"), "{ended:?}");
    for (arguments, word) in [
        (["send", &scratch.path("none"), "127.0.0.1:0"], "cannot be read"),
        (["send", &source, "192.0.2.1:0"], "not an address of this machine"),
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code(), 1);
        assert!(line(&ended).contains(word), "{ended:?}");
    }
    assert_eq!(run(&["fetch", "here"]).code(), 2);
    assert_eq!(run(&["fetch"]).code(), 2);
    assert_eq!(run(&["send", &source, "127.0.0.1:0", "--times", "0"]).code(), 2);
    assert_eq!(scratch.names(), ["old", "source", "told"]);
}

/// Stands before a sender once, and ends both connections after so many bytes of the second.
fn cut_after(sender: SocketAddr, bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for most in [usize::MAX, bytes] {
            let (mut client, _) = listener.accept().expect("somebody comes");
            let mut server = TcpStream::connect(sender).expect("it listens");
            let mut request = [0; 48];
            client.read_exact(&mut request).expect("a request");
            server.write_all(&request).expect("it reads");
            let _ = std::io::copy(&mut server.take(most as u64), &mut client);
        }
    });
    address
}

#[test]
fn a_fetch_that_was_cut_goes_on_with_resume() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(3_000_000));
    let target = scratch.write("target", b"old");
    let (sender, address) = send(&source, &["--quiet"]);
    let cut = cut_after(address.parse().expect("an address"), 1_000_086);
    let options = ["--resume", "--force"];
    let ended = fetch(&cut, &target, &options);
    assert_eq!(ended.code(), 1);
    let text = line(&ended);
    assert!(text.contains("after 1000000 of 3000000 bytes"), "{text}");
    assert!(text.contains("960.0 KiB are kept, and the same command goes on"), "{text}");
    assert_eq!(scratch.read("target"), b"old");
    let ended = fetch(&address, &target, &[&options[..], &["--json", "--verify"]].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.json()["resumed_bytes"], 983_040);
    assert!(scratch.read("target") == contents(3_000_000));
    let ended = fetch(&address, &target, &["--resume"]);
    assert!(ended.output.contains("it is there already"), "{ended:?}");
    assert_eq!(names_in(Path::new(&scratch.path(""))), ["source", "target"]);
    assert_eq!(sender.interrupt().code(), 0);
}

/// A file so long that it fits into no socket, of which the first bytes are there.
fn long(scratch: &Scratch) -> String {
    let path = scratch.path("long");
    let file = fs::File::create(&path).expect("it can be made");
    file.set_len(1 << 30).expect("it can be long");
    path
}

#[test]
fn an_interrupted_fetch_leaves_nothing() {
    let scratch = Scratch::new();
    // A sender that has told of much and sends little, so that it is interrupted in the middle.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let target = scratch.path("target");
    let fetch = Running::start_until_interrupted(&["fetch", &address, &target]);
    let (mut stream, _) = listener.accept().expect("it comes");
    stream.read_exact(&mut [0; 48]).expect("a request");
    let mut head = b"OVLSENDS\0\x01\0\0\0\x01\0\0".to_vec();
    head.extend([0; 8]);
    head.extend(1_000_000u64.to_be_bytes());
    head.extend([0; 48]);
    head.extend(b"n123");
    stream.write_all(&head).expect("it reads");
    wait_for(|| !scratch.names().is_empty() || system::unnamed_bytes(fetch.id()) == 1_000_000);
    let ended = fetch.interrupt();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(line(&ended).contains("interrupted: no target is half written"), "{ended:?}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn an_interrupted_sender_says_what_was_cut() {
    let scratch = Scratch::new();
    let source = long(&scratch);
    let (sender, address) = send(&source, &["--drain-seconds", "0", "--json", "--times", "2"]);
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let request: Vec<u8> = b"OVLFETCH\0\x01\0\0".iter().copied().chain([0; 36]).collect();
    stream.write_all(&request).expect("it reads");
    stream.read_exact(&mut [0; 84]).expect("the head");
    let ended = sender.interrupt();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.errors.contains("1 connections were cut"), "{ended:?}");
    let document = ended.json();
    schema::check("send", &document);
    assert_eq!((&document["complete"], &document["left"]), (&false.into(), &1.into()));
    assert!(document["bytes"].as_u64() < Some(1 << 30), "{document}");
}
