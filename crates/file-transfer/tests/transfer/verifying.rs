//! Checksums, made by one side and compared by the other.

use crate::world::{Harm, PATIENCE, Scratch, World, contents, get, proxy, quick, settings};
use overlapped_file_transfer::{FetchSettings, Kind, SendSettings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_byte_that_is_changed_on_the_way_is_found_wherever_it_is() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(300_000));
    let world = World::new(&source, &quick());
    // From now on the checksum is known, and no word of patience comes before the head.
    let verify = FetchSettings { verify: true, ..settings() };
    get(world.address, &scratch.path("target"), &verify).expect("it is fetched");
    std::fs::remove_file(scratch.path("target")).expect("it is there");
    for resume in [false, true] {
        for place in [0, 1, 65_536, 150_000, 299_999] {
            // Head and name have 86 bytes.
            let harms = match resume {
                true => vec![Harm::None, Harm::Change(86 + place)],
                false => vec![Harm::Change(86 + place)],
            };
            let address = proxy(world.address, harms);
            let verify = FetchSettings { verify: true, resume, ..settings() };
            let failure = get(address, &scratch.path("target"), &verify).expect_err("changed");
            assert_eq!(failure.kind, Kind::Checksum, "{failure}");
            assert_eq!(scratch.names(), ["source"], "nothing to go on from");
        }
    }
    // Without, nobody looks.
    let address = proxy(world.address, vec![Harm::Change(86)]);
    get(address, &scratch.path("target"), &settings()).expect("it is fetched");
    assert!(scratch.read("target") != contents(300_000));
}

#[test]
fn the_checksum_is_the_one_that_everybody_knows() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"abc");
    let world = World::new(&source, &quick());
    let verify = FetchSettings { verify: true, ..settings() };
    let fetched = get(world.address, &scratch.path("target"), &verify).expect("it is fetched");
    let hex: String =
        fetched.checksum.expect("verified").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn the_checksum_is_made_again_when_the_file_has_changed() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"abc");
    let world = World::new(&source, &quick());
    let verify = FetchSettings { verify: true, force: true, ..settings() };
    let target = scratch.path("target");
    let first = get(world.address, &target, &verify).expect("it is fetched");
    let again = get(world.address, &target, &verify).expect("it is fetched");
    scratch.write("source", b"abcd");
    let other = get(world.address, &target, &verify).expect("it is fetched");
    assert_eq!(first.checksum, again.checksum);
    assert_ne!(first.checksum, other.checksum);
    assert_eq!(scratch.read("target"), b"abcd");
}

#[test]
fn words_of_patience_come_before_the_answer_and_never_behind_it() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"");
    let tick = Duration::from_micros(100);
    let world = World::new(&source, &SendSettings { tick, ..quick() });
    let request: Vec<u8> = b"OVLFETCH\0\x01\0\x02".iter().copied().chain([0; 36]).collect();
    let mut words = 0;
    for round in 0..60 {
        // Another length each time, so another checksum.
        let length = if cfg!(debug_assertions) { 400_000 } else { 8_000_000 } + round;
        scratch.write("source", &contents(length));
        let mut stream = TcpStream::connect(world.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.write_all(&request).expect("it reads");
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).expect("the file, and the end");
        while answers[11] == 1 {
            answers.drain(..80);
            words += 1;
        }
        assert_eq!(answers.len(), 80 + 6 + length, "in round {round}");
    }
    assert!(words > 0, "the checksums were made too fast for this test");
}
