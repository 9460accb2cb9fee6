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
        b"-rf",
        b" ",
        b"name ",
        b"name.",
        b"NUL",
        b"com1.txt",
        b".name.overlapped-fetch",
        "\u{61c}".as_bytes(),
        "a\u{2028}b".as_bytes(),
        "a\u{200b}".as_bytes(),
    ];
    if cfg!(windows) {
        names.extend([b"a:b" as &[u8], b"a?"]);
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
    for bytes in [i64::MAX as u64, 1 << 60] {
        let (failure, scratch) = from([head(b"name", bytes, 0), b"abc".to_vec()].concat());
        // Where the system does not tell what is free, the end comes too early.
        let word = if failure.kind == Kind::Write { "no room" } else { "after 3 of" };
        assert!(failure.text.contains(word), "{failure}");
        assert!(!cfg!(target_os = "linux") || failure.kind == Kind::Write, "{failure}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
    for bytes in [i64::MAX as u64 + 1, u64::MAX] {
        let (failure, scratch) = from([head(b"name", bytes, 0), b"abc".to_vec()].concat());
        assert_eq!(failure.kind, Kind::NotASender, "{failure}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
}

/// Stops a fetch when it has been told of so many bytes, and keeps how much was on the disk by then.
#[cfg(target_os = "linux")]
struct Measures<'a> {
    scratch: &'a Scratch,
    stop: Stop,
    came: std::cell::Cell<u64>,
    stop_at: u64,
    taken: std::cell::Cell<u64>,
}

#[cfg(target_os = "linux")]
impl overlapped_file_transfer::Watch for Measures<'_> {
    fn advanced(&self, bytes: u64) {
        use std::os::unix::fs::MetadataExt;
        self.came.set(self.came.get() + bytes);
        if self.came.get() >= self.stop_at {
            let names = self.scratch.names();
            let sizes = names.iter().map(|name| {
                let facts = self.scratch.path(name).metadata().expect("it is there");
                facts.len().max(facts.blocks() * 512)
            });
            self.taken.set(sizes.max().unwrap_or_default());
            self.stop.request();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_takes_room_by_what_has_arrived_and_not_by_what_was_stated() {
    const STATED: u64 = 300 << 20;
    for arrives in [1, 5_000_000] {
        let scratch = Scratch::new();
        // With resume there is a file with a name to look at, and the head is asked for alone before.
        let (listener, address) = listen();
        std::thread::spawn(move || {
            for body in [0, arrives] {
                let (mut stream, _) = listener.accept().expect("somebody comes");
                read_request(&mut stream);
                let answer = [head(b"name", STATED, 0), vec![7; body]].concat();
                stream.write_all(&answer).expect("it reads");
                until_closed(stream);
            }
        });
        let stop = Stop::default();
        let watch = Measures {
            scratch: &scratch,
            stop: stop.clone(),
            came: 0.into(),
            stop_at: arrives as u64,
            taken: 0.into(),
        };
        let resume = FetchSettings { resume: true, ..settings() };
        let failure = fetch(address, Some(&scratch.path("x")), &resume, &watch, &stop)
            .expect_err("it was stopped");
        assert_eq!(failure.kind, Kind::Stopped, "{failure}");
        let most = 3 * arrives as u64 + (2 << 20);
        assert!((1..=most).contains(&watch.taken.get()), "{} of {STATED}", watch.taken.get());
    }
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
    // Twice as long as silence may last, in all.
    let address = impostor(|mut stream| {
        read_request(&mut stream);
        let wait = b"OVLSENDS\0\x01\0\x01".iter().copied().chain([0; 68]).collect::<Vec<u8>>();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
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
    let patient = FetchSettings { silence_time: Duration::from_secs(2), ..settings() };
    get(address, &scratch.path("x"), &patient).expect("it is fetched");
    assert_eq!(scratch.read("x"), b"abc");
}

#[test]
fn words_of_patience_are_bounded_in_time_and_number() {
    let wait = || b"OVLSENDS\0\x01\0\x01".iter().copied().chain([0; 68]).collect::<Vec<u8>>();
    let scratch = Scratch::new();
    let again_and_again = move |pause: bool| {
        impostor(move |mut stream| {
            read_request(&mut stream);
            let words = if pause { wait() } else { wait().repeat(1_000) };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            while stream.write_all(&words).is_ok() {
                if pause {
                    // The end of the fetcher ends it.
                    let _ = stream.read(&mut [0; 1]);
                }
            }
        })
    };
    let patience = Duration::from_millis(300);
    let impatient = FetchSettings { patience, ..settings() };
    let failure = get(again_and_again(true), &scratch.path("x"), &impatient).expect_err("waits");
    assert_eq!(failure.kind, Kind::Slow, "{failure}");
    assert!(failure.text.contains("--patience"), "{failure}");
    let failure = get(again_and_again(false), &scratch.path("x"), &settings()).expect_err("waits");
    assert_eq!(failure.kind, Kind::NotASender, "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

/// Sends this, and then a byte now and then for ever.
fn trickle(first: Vec<u8>) -> std::net::SocketAddr {
    impostor(move |mut stream| {
        read_request(&mut stream);
        let mut taken = stream.write_all(&first);
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        while taken.is_ok() && !matches!(stream.read(&mut [0; 1]), Ok(0)) {
            taken = stream.write_all(b"x");
        }
    })
}

#[test]
fn a_byte_now_and_then_does_not_hold_a_fetch() {
    let time = Duration::from_millis(400);
    let scratch = Scratch::new();
    // In the head, where an answer must be whole within the time for one.
    let silent = FetchSettings { silence_time: time, ..settings() };
    let failure = get(trickle(b"OVLSENDS\0\x01\0\0".to_vec()), &scratch.path("x"), &silent)
        .expect_err("it never ends");
    assert_eq!(failure.kind, Kind::Silent, "{failure}");
    // In the file, where there is a least rate.
    let slow = FetchSettings { rate_time: time, ..settings() };
    let failure = get(trickle(head(b"n", 1_000_000, 0)), &scratch.path("x"), &slow)
        .expect_err("it never ends");
    assert_eq!(failure.kind, Kind::Slow, "{failure}");
    assert!(failure.text.contains("--least-rate"), "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    // Whoever wants that gets it.
    let any = FetchSettings { rate_time: time, least_rate: 0, ..settings() };
    let fetched = get(trickle(head(b"n", 60, 0)), &scratch.path("x"), &any);
    // It goes on after the last byte, which is told, or it was noticed to have ended.
    assert!(fetched.is_ok() || fetched.is_err_and(|failure| failure.kind == Kind::NotASender));
}

#[test]
fn more_than_is_allowed_is_refused_by_its_length_alone() {
    let scratch = Scratch::new();
    for (bytes, max, taken) in
        [(3, 3, true), (4, 3, false), (u64::MAX >> 1, 3, false), (3, 0, false)]
    {
        let address = impostor(move |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(&[head(b"n", bytes, 0), b"abc".to_vec()].concat());
            let _ = stream.shutdown(Shutdown::Write);
            until_closed(stream);
        });
        let limited = FetchSettings { max_bytes: Some(max), force: true, ..settings() };
        match get(address, &scratch.path("x"), &limited) {
            Ok(fetched) => assert!(taken && fetched.bytes == 3),
            Err(failure) => {
                assert!(!taken && failure.kind == Kind::TooLarge, "{failure}");
                assert!(failure.text.contains("--max-bytes"), "{failure}");
            }
        }
    }
    assert_eq!(scratch.names(), ["x"]);
}

#[test]
fn what_comes_behind_the_last_byte_is_of_no_sender() {
    let scratch = Scratch::new();
    let (go, gone) = std::sync::mpsc::channel();
    let address = impostor(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&[head(b"n", 3, 0), b"abc".to_vec()].concat());
        // When the file is whole, for the fetcher.
        let _ = gone.recv();
        let _ = stream.write_all(b"d");
        until_closed(stream);
    });
    struct Tells(std::sync::mpsc::Sender<()>);
    impl overlapped_file_transfer::Watch for Tells {
        fn advanced(&self, _: u64) {
            let _ = self.0.send(());
        }
    }
    let failure =
        fetch(address, Some(&scratch.path("x")), &settings(), &Tells(go), &Stop::default())
            .expect_err("it sends more");
    assert_eq!(failure.kind, Kind::NotASender, "{failure}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn times_that_no_calendar_has_keep_no_file_away() {
    let scratch = Scratch::new();
    for (seconds, nanoseconds) in [(i64::MAX, 999_999_999), (i64::MIN, 0), (1 << 40, u32::MAX)] {
        let address = impostor(move |mut stream| {
            read_request(&mut stream);
            let mut head = head(b"n", 3, 0);
            head[32..40].copy_from_slice(&seconds.to_be_bytes());
            head[40..44].copy_from_slice(&nanoseconds.to_be_bytes());
            let _ = stream.write_all(&[head, b"abc".to_vec()].concat());
            let _ = stream.shutdown(Shutdown::Write);
            until_closed(stream);
        });
        let force = FetchSettings { force: true, ..settings() };
        get(address, &scratch.path("x"), &force).expect("it is fetched");
        assert_eq!(scratch.read("x"), b"abc");
    }
}

#[test]
fn nobody_there_is_told_with_the_remedy() {
    // The near end of a connection, which nobody else gets meanwhile.
    let (_listener, far) = listen();
    let connection = std::net::TcpStream::connect(far).expect("it listens");
    let address = connection.local_addr().expect("it is connected");
    let scratch = Scratch::new();
    let failure = get(address, &scratch.path("x"), &settings()).expect_err("nobody");
    assert_eq!(failure.kind, Kind::Nobody);
    assert!(failure.text.contains("overlapped send FILE"), "{failure}");
}
