//! Connections that are cut, and fetches that go on.

use crate::world::{Harm, Scratch, World, contents, get, proxy, quick, settings};
use overlapped_file_transfer::{FetchSettings, Kind, Outcome, Watch};
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

const SIZE: usize = 2_000_003;

fn resuming() -> FetchSettings {
    FetchSettings { resume: true, force: true, ..settings() }
}

#[test]
fn a_fetch_that_was_cut_anywhere_goes_on_from_there() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    // Of the answer, whose head and name have 86 bytes.
    let places = [86, 87, 90, 65_621, 65_622, 65_623, 500_000, 1_048_576, 1_999_999, 2_000_088];
    // From now on the checksum is known, and no word of patience comes before the head.
    let verify = FetchSettings { verify: true, ..settings() };
    get(world.address, &scratch.path("target"), &verify).expect("it is fetched");
    for verify in [false, true] {
        for at in places {
            scratch.write("target", b"old");
            // The first connection asks what there is, the second brings the file.
            let address = proxy(world.address, vec![Harm::None, Harm::Cut(at)]);
            let settings = FetchSettings { verify, ..resuming() };
            let failure = get(address, &scratch.path("target"), &settings).expect_err("cut");
            assert_eq!(failure.kind, Kind::Cut, "{failure}");
            let came = at - 86;
            assert!(failure.text.contains(&format!("after {came} of {SIZE} bytes")), "{failure}");
            let kept = came / 65_536 * 65_536;
            assert_eq!(failure.kept_bytes, kept);
            assert_eq!(scratch.read("target"), b"old");
            let left = [".target.overlapped-fetch", ".target.overlapped-fetched"];
            assert_eq!(scratch.names_without_marks(), [left[0], left[1], "source", "target"]);

            let fetched = get(world.address, &scratch.path("target"), &settings).expect("the rest");
            assert_eq!((fetched.resumed_bytes, fetched.bytes), (kept, SIZE as u64));
            assert_eq!(fetched.received_bytes, SIZE as u64 - kept);
            assert!(scratch.read("target") == contents(SIZE), "cut at {at}");
            assert_eq!(scratch.names(), ["source", "target"]);
        }
    }
    let delivered = |end: overlapped_file_transfer::Ended| match end.outcome {
        Outcome::Delivered { from, .. } if from > 0 => Some(from),
        _ => None,
    };
    drop(world.sender);
    assert!(world.told.iter().filter_map(delivered).any(|from| from == 1_966_080));
}

#[test]
fn a_cut_in_the_head_is_told_and_keeps_what_was_there() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    let target = scratch.path("target");
    let address =
        proxy(world.address, vec![Harm::None, Harm::Cut(1_000_086), Harm::None, Harm::Cut(50)]);
    let first = get(address, &target, &resuming()).expect_err("cut");
    let second = get(address, &target, &resuming()).expect_err("cut");
    assert_eq!((first.kept_bytes, second.kept_bytes), (983_040, 983_040), "{second}");
    let third = get(address, &target, &resuming()).expect("the rest");
    assert_eq!(third.resumed_bytes, 983_040);
    assert!(scratch.read("target") == contents(SIZE));
}

#[test]
fn without_resume_a_cut_leaves_nothing() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    let address = proxy(world.address, vec![Harm::Cut(700_000)]);
    let failure = get(address, &scratch.path("target"), &settings()).expect_err("cut");
    assert!(failure.text.contains("with --resume it could go on"), "{failure}");
    assert_eq!(scratch.names(), ["source"]);
}

/// What it was told.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl Watch for Notes {
    fn note(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
}

#[test]
fn a_file_that_was_changed_meanwhile_is_fetched_anew_and_that_is_told() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    for change in ["contents and time", "length", "the record"] {
        std::fs::write(&source, contents(SIZE)).expect("it can be written");
        let target = scratch.path("target");
        let address = proxy(world.address, vec![Harm::None, Harm::Cut(1_500_000)]);
        assert!(get(address, &target, &resuming()).expect_err("cut").kept_bytes > 0);
        let mut now = contents(SIZE);
        match change {
            "contents and time" => {
                now[5] ^= 1;
                std::fs::write(&source, &now).expect("it can be written");
                let file = OpenOptions::new().write(true).open(&source).expect("it opens");
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
                file.set_modified(time).expect("it has a time");
            }
            "length" => {
                now.push(7);
                std::fs::write(&source, &now).expect("it can be written");
            }
            _ => {
                let record = scratch.left(".overlapped-fetched-");
                std::fs::write(record, b"overlapped-rec-1 nonsense").expect("it can be written");
            }
        }
        let notes = Notes::default();
        let stop = overlapped_file_transfer::Stop::default();
        let fetched = overlapped_file_transfer::fetch(
            world.address,
            Some(&target),
            &resuming(),
            &notes,
            &stop,
        )
        .expect("it is fetched");
        assert_eq!(fetched.resumed_bytes, 0, "{change}");
        assert!(scratch.read("target") == now, "{change}");
        let notes = notes.0.into_inner();
        assert!(notes.iter().any(|note| note.contains("anew")), "{change}: {notes:?}");
    }
}

#[test]
fn what_was_left_and_damaged_is_not_gone_on_from() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    let target = scratch.path("target");
    let address = proxy(world.address, vec![Harm::None, Harm::Cut(1_500_000)]);
    get(address, &target, &resuming()).expect_err("cut");
    let mut left = OpenOptions::new()
        .write(true)
        .open(scratch.left(".overlapped-fetch-"))
        .expect("it is there");
    left.seek(SeekFrom::Start(700_000)).and_then(|_| left.write_all(b"XY")).expect("damage");
    drop(left);
    let fetched = get(world.address, &target, &resuming()).expect("it is fetched");
    assert_eq!(fetched.resumed_bytes, 655_360, "up to the piece that is wrong");
    assert!(scratch.read("target") == contents(SIZE));
}

#[test]
fn a_file_that_is_there_already_is_not_fetched_again() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(SIZE));
    let world = World::new(&source, &quick());
    let target = scratch.path("target");
    let resume = FetchSettings { resume: true, ..settings() };
    assert!(!get(world.address, &target, &resume).expect("it is fetched").was_there);
    assert!(get(world.address, &target, &resume).expect("it is there").was_there);
    let anew = get(world.address, &target, &resuming()).expect("it is fetched");
    assert_eq!((anew.was_there, anew.received_bytes), (false, SIZE as u64));
}
