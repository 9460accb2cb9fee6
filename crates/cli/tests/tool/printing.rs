//! What the tool prints of names and of what peers say controls no terminal.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::copy::Scratch;
use crate::process::{Ended, run};

/// A name that would clear the screen, turn the direction of text, and more.
const NAME: &str = "no\u{1b}[2Jne\u{202e}\u{9b}1m\u{200b}\u{2066}x";

fn assert_plain(arguments: &[&str], ended: &Ended) {
    for text in [&ended.output, &ended.errors] {
        let is_plain = |letter: char| {
            letter == '\n'
                || letter.is_ascii_graphic()
                || !letter.is_control() && !NAME.contains(letter)
        };
        assert!(text.chars().all(is_plain), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn names_are_printed_without_what_controls_a_terminal() {
    let scratch = Scratch::new();
    let file = scratch.write("file", b"x");
    let (none, below) = (scratch.path(NAME), scratch.path(&format!("{NAME}/x")));
    let cases: [&[&str]; 12] = [
        &["copy", &none, &file],
        &["copy", &file, &below],
        &["send", &none, "127.0.0.1:0"],
        &["send", &file, "127.0.0.1:0", "--name", NAME],
        &["send", &file, NAME],
        &["fetch", "127.0.0.1:1", &format!("{none}/")],
        &["serve", "127.0.0.1:0", "--app", "files", &none],
        &["serve", "127.0.0.1:0", "--app", "files", "--access-log", &below, &scratch.path("")],
        &["compare", "--from", &none],
        &["compare", "--counts", "1", "--json", &below],
        &["stress", NAME],
        &["doctor", NAME],
    ];
    for arguments in cases {
        let ended = run(arguments);
        assert_ne!(ended.code(), 0, "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains("[2J"), "{arguments:?}: {ended:?}");
        assert_plain(arguments, &ended);
    }
}

#[test]
fn what_a_sender_says_is_printed_without_what_controls_a_terminal() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        stream.read_exact(&mut [0; 48]).expect("a request");
        let mut head = b"OVLSENDS\0\x01\0\0".to_vec();
        head.extend((NAME.len() as u16).to_be_bytes());
        head.extend([0; 66]);
        head.extend(NAME.as_bytes());
        let _ = stream.write_all(&head);
        let _ = stream.read(&mut [0]);
    });
    let arguments = ["fetch", &address, &scratch.path("")];
    let ended = run(&arguments);
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.errors.contains("is not taken"), "{ended:?}");
    assert_plain(&arguments, &ended);
    sender.join().expect("it ends");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}
