//! Fetchers that are none, for a sender, and how it ends.

use crate::world::{PATIENCE, Scratch, World, contents, get, listen, quick, settings};
use overlapped_file_transfer::{Ended, Outcome, SendSettings, SendWatch, Sender};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Large enough not to fit into what two sockets hold.
const LARGE: u64 = 256 << 20;

/// A file of so many bytes that takes no room.
fn large(scratch: &Scratch) -> std::path::PathBuf {
    let path = scratch.path("large");
    let file = std::fs::File::create(&path).expect("it can be made");
    file.set_len(LARGE).expect("it can be long");
    path
}

fn request() -> Vec<u8> {
    b"OVLFETCH\0\x01\0\0".iter().copied().chain([0; 36]).collect()
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

fn why(world: &World) -> String {
    match world.next_end().outcome {
        Outcome::Failed(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_request_gets_an_answer_and_no_file() {
    let scratch = Scratch::new();
    let world = World::new(&scratch.write("source", &contents(1_000)), &quick());
    let with = |place: usize, byte: u8| {
        let mut bytes = request();
        bytes[place] = byte;
        bytes
    };
    for (bytes, word) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "something else"),
        (with(9, 2), "version 2"),
        (with(11, 64), "contradicts"),
        (with(23, 1), "contradicts"),
    ] {
        let mut stream = connect(&world);
        stream.write_all(&bytes).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer, and the end");
        assert_eq!(answer.len(), 80);
        assert_eq!(&answer[..14], b"OVLSENDS\0\x01\0\x02\0\x01");
        let text = why(&world);
        assert!(text.contains(word), "{text}");
    }
    for part in [0, 20] {
        let mut stream = connect(&world);
        stream.write_all(&request()[..part]).expect("it reads");
        drop(stream);
        let text = why(&world);
        assert!(text.contains("it went") || text.contains("cut"), "{text}");
    }
    let errors = world.sender.stop(PATIENCE).status.errors;
    assert_eq!((errors.not_understood, errors.cut, errors.total()), (4, 2, 6));
}

#[test]
fn who_asks_for_nothing_is_not_waited_for() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"x");
    let limit = Duration::from_millis(200);
    let world = World::new(&source, &SendSettings { request_time: limit, ..quick() });
    for part in [0, 47] {
        let mut stream = connect(&world);
        stream.write_all(&request()[..part]).expect("it reads");
        let end = stream.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        let ended = world.next_end();
        assert!(ended.time >= limit, "{ended:?}");
        let Outcome::Failed(text) = ended.outcome else { panic!("{ended:?}") };
        assert!(text.contains("no request came"), "{text}");
    }
    assert_eq!(world.sender.stop(PATIENCE).status.errors.timed_out, 2);
}

#[test]
fn who_takes_nothing_is_not_waited_for() {
    let scratch = Scratch::new();
    let limit = Duration::from_millis(300);
    let world = World::new(&large(&scratch), &SendSettings { stall_time: limit, ..quick() });
    let mut stream = connect(&world);
    stream.write_all(&request()).expect("it reads");
    let text = why(&world);
    assert!(text.contains("it took nothing for"), "{text}");
    let status = world.sender.stop(PATIENCE).status;
    assert_eq!(status.errors.timed_out, 1);
    assert!(status.bytes < LARGE);
}

#[test]
fn who_stays_after_the_last_byte_is_not_waited_for() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let limit = Duration::from_secs(3);
    let world = World::new(&source, &SendSettings { stall_time: limit, ..quick() });
    let mut stream = connect(&world);
    let begun = Instant::now();
    stream.write_all(&request()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the file, and the end");
    assert!(begun.elapsed() < limit, "the end comes with the last byte, and not when it gives up");
    assert_eq!(answer.len(), 80 + 6 + 1_000);
    let text = why(&world);
    assert!(text.contains("it did not end within"), "{text}");
    assert_eq!(world.sender.stop(PATIENCE).status.deliveries, 0);
}

#[test]
fn who_takes_a_little_now_and_then_is_not_waited_for() {
    let scratch = Scratch::new();
    let rate_time = Duration::from_millis(400);
    let settings = SendSettings { rate_time, least_rate: 1 << 40, ..quick() };
    let world = World::new(&large(&scratch), &settings);
    let mut stream = connect(&world);
    stream.write_all(&request()).expect("it reads");
    // As fast as this reads, it is below that rate.
    let taken = std::io::copy(
        &mut stream.try_clone().expect("a handle").take(1 << 20),
        &mut std::io::sink(),
    );
    assert!(taken.is_ok_and(|taken| taken == 1 << 20));
    let text = why(&world);
    assert!(text.contains("less than 1099511627776 bytes a second"), "{text}");
    assert_eq!(world.sender.stop(PATIENCE).status.errors.timed_out, 1);
}

#[test]
fn what_a_fetcher_says_after_the_last_byte_gives_it_no_time() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let limit = Duration::from_millis(500);
    let world = World::new(&source, &SendSettings { stall_time: limit, ..quick() });
    let mut stream = connect(&world);
    stream.write_all(&request()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the file, and the end");
    let ended = loop {
        // An error is the end that is waited for.
        let _ = stream.write_all(b"more");
        if let Ok(ended) = world.told.recv_timeout(Duration::from_millis(20)) {
            break ended;
        }
        assert!(stream.take_error().is_ok());
    };
    let Outcome::Failed(text) = ended.outcome else { panic!("{ended:?}") };
    assert!(text.contains("did not end within") || text.contains("cut before the end"), "{text}");
}

// A file so long needs a file system with holes.
#[cfg(target_os = "linux")]
#[test]
fn who_goes_while_a_checksum_is_made_loses_its_place() {
    let scratch = Scratch::new();
    let path = scratch.path("huge");
    // Nobody reads so much before the test is over.
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("it can be long");
    let world = World::new(&path, &quick());
    for _ in 0..3 {
        let mut stream = connect(&world);
        let mut with_checksum = request();
        with_checksum[11] = 2;
        stream.write_all(&with_checksum).expect("it reads");
        stream.read_exact(&mut [0; 80]).expect("a word of patience");
        drop(stream);
        let text = why(&world);
        assert!(text.contains("it went while its checksum was made"), "{text}");
    }
    let stopped = world.sender.stop(Duration::ZERO);
    assert_eq!((stopped.left, stopped.status.errors.cut), (0, 3));
}

#[test]
fn a_stop_lets_the_file_arrive_and_ends_who_has_asked_for_nothing() {
    let scratch = Scratch::new();
    let world = World::new(&large(&scratch), &quick());
    let mut idle = connect(&world);
    let mut busy = connect(&world);
    busy.write_all(&request()).expect("it reads");
    let mut first = [0; 85];
    busy.read_exact(&mut first).expect("the head");
    let stop = std::thread::spawn(move || world.sender.stop(PATIENCE));
    let end = idle.read(&mut [0; 1]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let count = std::io::copy(&mut busy, &mut std::io::sink()).expect("all of it");
    assert_eq!(count, LARGE);
    drop(busy);
    let stopped = stop.join().expect("it ends");
    assert_eq!((stopped.left, stopped.status.deliveries), (0, 1));
    assert_eq!(stopped.status.bytes, LARGE);
}

#[test]
fn a_stop_ends_by_force_what_takes_too_long() {
    let scratch = Scratch::new();
    let world = World::new(&large(&scratch), &quick());
    let mut stream = connect(&world);
    stream.write_all(&request()).expect("it reads");
    stream.read_exact(&mut [0; 85]).expect("the head");
    let stopped = world.sender.stop(Duration::from_millis(50));
    assert_eq!((stopped.left, stopped.status.errors.aborted), (1, 1));
    let rest = std::io::copy(&mut stream, &mut std::io::sink());
    assert!(rest.is_err() || rest.is_ok_and(|count| count < LARGE));
}

#[test]
fn a_file_that_goes_or_shrinks_is_told_to_both() {
    let scratch = Scratch::new();
    let source = large(&scratch);
    let world = World::new(&source, &quick());
    let mut stream = connect(&world);
    stream.write_all(&request()).expect("it reads");
    stream.read_exact(&mut [0; 85]).expect("the head");
    let file = std::fs::OpenOptions::new().write(true).open(&source).expect("it opens");
    let shrunk = file.set_len(1_000_000);
    drop(file);
    let count = std::io::copy(&mut stream, &mut std::io::sink()).expect("an end in order");
    drop(stream);
    if shrunk.is_ok() {
        assert!(count < LARGE);
        let text = why(&world);
        assert!(text.contains("has become shorter"), "{text}");
    }
    std::fs::remove_file(&source).expect("it is there");
    let failure = get(world.address, &scratch.path("x"), &settings()).expect_err("it is gone");
    assert!(failure.text.contains("cannot read its file"), "{failure}");
    let text = why(&world);
    assert!(text.contains("cannot be read"), "{text}");
}

#[test]
fn more_fetchers_than_are_allowed_wait() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let world = World::new(&source, &SendSettings { connections: 1, ..quick() });
    let first = connect(&world);
    let waits = std::thread::spawn({
        let (address, target) = (world.address, scratch.path("x"));
        move || get(address, &target, &settings()).map(|fetched| fetched.bytes)
    });
    assert!(!world.sender.wait_for_deliveries(1, Duration::from_millis(200)));
    drop(first);
    assert_eq!(waits.join().expect("it ends").expect("it is fetched"), 1_000);
}

#[test]
fn who_asks_for_a_part_of_another_file_gets_all_of_this_one() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let world = World::new(&source, &quick());
    let head = |offset: u64, identity: &[u8]| {
        let mut stream = connect(&world);
        let mut bytes = request();
        bytes[16..24].copy_from_slice(&offset.to_be_bytes());
        bytes[24..48].copy_from_slice(identity);
        stream.write_all(&bytes).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the file, and the end");
        answer
    };
    let all = head(0, &[0; 24]);
    assert_eq!(all[86..], contents(1_000));
    let mut identity = all[24..48].to_vec();
    assert_eq!(head(900, &identity)[86..], contents(1_000)[900..]);
    assert_eq!(head(1_000, &identity).len(), 86);
    identity[15] ^= 1;
    assert_eq!(head(900, &identity)[16..24], [0; 8], "it begins at the start");
    assert_eq!(head(900, &identity)[86..], contents(1_000));
}

/// It is told on the sender's threads, of which there are far fewer.
#[test]
fn a_watch_that_panics_costs_no_thread_of_the_sender() {
    struct Panics;
    impl SendWatch for Panics {
        fn ended(&self, _: &Ended) {
            panic!("the watch panics, as it is to");
        }
    }
    const MANY: usize = 50;
    let scratch = Scratch::new();
    let expected = contents(10_000);
    let source = scratch.write("source", &expected);
    let (listener, address) = listen();
    let sender = Sender::start(listener, &source, &quick(), Panics).expect("a sender");
    for number in 0..MANY {
        let target = scratch.path(&format!("target-{number}"));
        get(address, &target, &settings()).expect("the file comes whole");
        assert!(std::fs::read(&target).expect("it is there") == expected);
    }
    assert!(sender.wait_for_deliveries(MANY as u64, PATIENCE));
    let stopped = sender.stop(PATIENCE);
    assert_eq!((stopped.status.deliveries, stopped.left), (MANY as u64, 0));
    assert_eq!(stopped.status.errors.aborted, MANY as u64, "each is counted");
}
