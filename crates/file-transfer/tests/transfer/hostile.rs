//! Senders that are none, for a fetcher.

use crate::world::{Scratch, get, head, impostor, listen, read_request, settings};
use overlapped_file_transfer::{Failure, FetchSettings, Kind, Stop, fetch};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Waits until the peer has closed.
fn until_closed(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// Fetches into a folder from something that answers so, and then ends its side.
fn from(answer: Vec<u8>) -> (Failure, Scratch) {
    let scratch = Scratch::new();
    let address = impostor(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&answer);
        let _ = stream.shutdown(Shutdown::Write);
        until_closed(stream);
    });
    let outcome = fetch(address, Some(&scratch.path("")), &settings(), &(), &Stop::default());
    (outcome.expect_err("that is no sender"), scratch)
}

#[test]
fn what_is_no_answer_is_told_as_that() {
    let with = |place: usize, byte: u8| {
        let mut bytes = head(b"name", 5, 0);
        bytes[place] = byte;
        bytes.extend(b"12345");
        bytes
    };
    let refusal = b"OVLSENDS\0\x01\0\x02\0\x02".iter().copied().chain([0; 66]).collect();
    for (answer, kind, word) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Kind::NotASender, "not `overlapped send`"),
        (with(9, 7), Kind::NotASender, "version 7"),
        (with(11, 77), Kind::NotASender, "cannot be"),
        (with(24, 0xff), Kind::NotASender, "cannot be"),
        (with(13, 0), Kind::Name, "it is empty"),
        (Vec::new(), Kind::Cut, "nothing that can be used"),
        (head(b"name", 5, 0)[..79].to_vec(), Kind::Cut, "nothing that can be used"),
        (head(b"name", 5, 0)[..82].to_vec(), Kind::Cut, "nothing that can be used"),
        (head(b"name", 5, 0), Kind::Cut, "after 0 of 5 bytes"),
        ([head(b"name", 5, 0), b"1234".to_vec()].concat(), Kind::Cut, "after 4 of 5 bytes"),
        ([head(b"name", 5, 0), b"123456".to_vec()].concat(), Kind::NotASender, "more than it"),
        (refusal, Kind::Refused, "cannot read its file"),
    ] {
        let (failure, scratch) = from(answer);
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.text.contains(word) && !failure.text.contains('\n'), "{failure}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
}

#[test]
fn names_with_anything_but_a_name_are_refused() {
    let mut names: Vec<&[u8]> = vec![
        b"../up",
        b"/etc/passwd",
        b"a/b",
        b"..",
        b".",
        b".profile",
        b"a\\b",
        b"a\0b",
        b"\x1b[2J",
        b"a\nb",
        b"\xff\xfe",
        b"\xe2\x80\xaetxt",
    ];
    if cfg!(windows) {
        names.extend([b"NUL" as &[u8], b"com1.txt", b"a:b", b"a."]);
    }
    for name in names {
        let (failure, scratch) = from([head(name, 3, 0), b"abc".to_vec()].concat());
        assert_eq!(failure.kind, Kind::Name, "{failure}");
        assert!(!failure.text.contains(['\n', '\x1b', '\0']), "{failure:?}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
}

#[test]
fn a_bad_name_does_no_harm_where_it_is_not_wanted() {
    let scratch = Scratch::new();
    let address = impostor(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&[head(b"../up", 3, 0), b"abc".to_vec()].concat());
        let _ = stream.shutdown(Shutdown::Write);
        until_closed(stream);
    });
    get(address, &scratch.path("mine"), &settings()).expect("it is fetched");
    assert_eq!(scratch.read("mine"), b"abc");
    assert_eq!(scratch.names(), ["mine"]);
}

#[test]
fn a_length_that_no_disk_has_is_refused_before_the_first_byte() {
    let bytes = i64::MAX as u64;
    let (failure, scratch) = from([head(b"name", bytes, 0), b"abc".to_vec()].concat());
    // Where a file system makes such a file without room for it, the end comes too early.
    let word = if failure.kind == Kind::Write { "no room" } else { "after 3 of" };
    assert!(failure.text.contains(word), "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn another_part_than_was_asked_for_is_refused() {
    let (failure, scratch) = from([head(b"name", 5, 2), b"345".to_vec()].concat());
    assert_eq!(failure.kind, Kind::NotASender, "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn a_checksum_that_was_asked_for_and_is_missing_is_told() {
    let scratch = Scratch::new();
    let address = impostor(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&[head(b"name", 3, 0), b"abc".to_vec()].concat());
        until_closed(stream);
    });
    let verify = FetchSettings { verify: true, ..settings() };
    let failure = get(address, &scratch.path("x"), &verify).expect_err("no checksum");
    assert_eq!(failure.kind, Kind::NotASender, "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn a_sender_that_falls_silent_is_not_waited_for() {
    let limit = Duration::from_millis(300);
    for answer in
        [Vec::new(), head(b"n", 9, 0)[..40].to_vec(), [head(b"n", 9, 0), b"abc".to_vec()].concat()]
    {
        let scratch = Scratch::new();
        let came = answer.len();
        let address = impostor(move |mut stream| {
            let _ = stream.write_all(&answer);
            until_closed(stream);
        });
        let silent = FetchSettings { silence_time: limit, ..settings() };
        let failure = get(address, &scratch.path("x"), &silent).expect_err("silence");
        assert_eq!(failure.kind, Kind::Silent, "{came}: {failure}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
}

#[test]
fn words_of_patience_keep_a_fetcher_waiting() {
    let scratch = Scratch::new();
    // Three times as long as silence may last, in all.
    let address = impostor(|mut stream| {
        read_request(&mut stream);
        let wait = b"OVLSENDS\0\x01\0\x01".iter().copied().chain([0; 68]).collect::<Vec<u8>>();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1_500) {
            let _ = stream.write_all(&wait);
            std::thread::yield_now();
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.read(&mut [0; 1]);
        }
        let _ = stream.write_all(&[head(b"n", 3, 0), b"abc".to_vec()].concat());
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.set_read_timeout(None);
        until_closed(stream);
    });
    let patient = FetchSettings { silence_time: Duration::from_millis(500), ..settings() };
    get(address, &scratch.path("x"), &patient).expect("it is fetched");
    assert_eq!(scratch.read("x"), b"abc");
}

#[test]
fn nobody_there_is_told_with_the_remedy() {
    let (listener, address) = listen();
    drop(listener);
    let scratch = Scratch::new();
    let failure = get(address, &scratch.path("x"), &settings()).expect_err("nobody");
    assert_eq!(failure.kind, Kind::Nobody);
    assert!(failure.text.contains("overlapped send FILE"), "{failure}");
}
