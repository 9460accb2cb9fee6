//! Files that arrive whole, and where they go.

use crate::world::{PATIENCE, Scratch, World, contents, get, quick, settings};
use overlapped_file_transfer::{
    FetchSettings, Kind, Outcome, SendSettings, Sender, Stop, Sync, fetch,
};
use std::time::{Duration, SystemTime};

/// Around every border there is: blocks, buffers, and pieces of the record.
const SIZES: [usize; 9] = [0, 1, 4_096, 65_535, 65_536, 65_537, 262_144, 262_145, 5_000_000];

#[test]
fn r65_r67_every_size_arrives_whole_by_one_operation_that_ends_the_connection() {
    let scratch = Scratch::new();
    let (source, target) = (scratch.path("source"), scratch.path("target"));
    std::fs::write(&source, "").expect("it can be written");
    let world = World::new(&source, &quick());
    for size in SIZES {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890 + size as u64);
        std::fs::write(&source, contents(size)).expect("it can be written");
        let file = std::fs::OpenOptions::new().write(true).open(&source).expect("it opens");
        file.set_modified(time).expect("it has a time");
        drop(file);
        for (buffers, buffer_bytes) in [(8, 256 << 10), (1, 4_096), (3, 10_000)] {
            for sync in [Sync::None, Sync::All] {
                for (resume, verify) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    if size > 1_000_000 && buffers == 1 {
                        continue;
                    }
                    let _ = std::fs::remove_file(&target);
                    let settings =
                        FetchSettings { buffers, buffer_bytes, sync, resume, verify, ..settings() };
                    let fetched = get(world.address, &target, &settings)
                        .unwrap_or_else(|failure| panic!("{size} {settings:?}: {failure}"));
                    assert!(scratch.read("target") == contents(size), "{size} {settings:?}");
                    assert_eq!(fetched.bytes, size as u64);
                    assert_eq!(fetched.received_bytes, size as u64);
                    assert!(fetched.peak_in_flight <= buffers, "{fetched:?}");
                    assert_eq!(fetched.verified_bytes, if verify { size as u64 } else { 0 });
                    assert_eq!(fetched.checksum.is_some(), verify);
                    assert!(!fetched.was_there);
                    let facts = target.metadata().expect("it is there");
                    assert_eq!(facts.modified().expect("a time"), time);
                    assert_eq!(scratch.names(), ["source", "target"], "and nothing else");
                    let mut end = world.next_end();
                    if resume {
                        // Two connections, whose ends may be told in any order.
                        let other = world.next_end();
                        let is_first = end.outcome == Outcome::Inquired;
                        let inquiry =
                            if is_first { std::mem::replace(&mut end, other) } else { other };
                        assert_eq!((inquiry.outcome, inquiry.bytes), (Outcome::Inquired, 0));
                    }
                    assert_eq!(end.outcome, Outcome::Delivered { from: 0, changed: false });
                    assert_eq!(end.bytes, size as u64);
                }
            }
        }
    }
    let stopped = world.sender.stop(PATIENCE);
    assert_eq!((stopped.left, stopped.status.errors.total()), (0, 0));
}

#[test]
fn two_at_once_get_the_same() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(3_000_000));
    let world = World::new(&source, &quick());
    std::thread::scope(|threads| {
        for number in 0..4 {
            let (scratch, address) = (&scratch, world.address);
            threads.spawn(move || {
                let name = format!("target{number}");
                let verify = FetchSettings { verify: number % 2 == 0, ..settings() };
                get(address, &scratch.path(&name), &verify).expect("it is fetched");
                assert!(scratch.read(&name) == contents(3_000_000));
            });
        }
    });
    assert!(world.sender.wait_for_deliveries(4, PATIENCE));
    let stopped = world.sender.stop(PATIENCE);
    assert_eq!((stopped.status.deliveries, stopped.status.bytes), (4, 12_000_000));
}

#[test]
fn a_file_goes_where_it_is_told_and_replaces_nothing_by_itself() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"new");
    let folder = scratch.path("folder");
    std::fs::create_dir(&folder).expect("a folder can be made");
    let world = World::new(&source, &quick());
    let to = |target: &std::path::Path, settings: &FetchSettings| {
        fetch(world.address, Some(target), settings, &(), &Stop::default())
    };

    // A folder gets the sender's name.
    let fetched = to(&folder, &settings()).expect("it is fetched");
    assert_eq!(fetched.path, folder.join("source"));
    assert_eq!(scratch.read("folder/source"), b"new");

    // What is there stays, unless it is said otherwise.
    let old = scratch.write("old", b"old");
    let failure = to(&old, &settings()).expect_err("it is there");
    assert_eq!(failure.kind, Kind::Target);
    assert!(failure.text.contains("--force"), "{failure}");
    assert_eq!(scratch.read("old"), b"old");
    to(&old, &FetchSettings { force: true, ..settings() }).expect("it is replaced");
    assert_eq!(scratch.read("old"), b"new");

    // Nor does a fetch make folders, or replace them.
    for (target, word) in [
        (scratch.path("none").join("x"), "make its folder first"),
        (scratch.path("none").join(""), "no such folder"),
    ] {
        let failure = to(&target, &settings()).expect_err("there is no such folder");
        assert!(failure.text.contains(word), "{failure}");
    }
    std::fs::create_dir(folder.join("in")).expect("a folder can be made");
    std::fs::rename(&source, scratch.path("in")).expect("it can be renamed");
    let world = World::new(&scratch.path("in"), &quick());
    let failure = fetch(
        world.address,
        Some(&folder),
        &FetchSettings { force: true, ..settings() },
        &(),
        &Stop::default(),
    )
    .expect_err("a folder has the name");
    assert!(failure.text.contains("a folder is in the place"), "{failure}");
    assert_eq!(scratch.names(), ["folder", "in", "old"]);
}

#[test]
fn a_target_that_comes_into_being_meanwhile_is_not_replaced() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(100_000));
    let target = scratch.path("target");
    struct MakesIt<'a>(&'a std::path::Path);
    impl overlapped_file_transfer::Watch for MakesIt<'_> {
        fn advanced(&self, _: u64) {
            std::fs::write(self.0, "theirs").expect("it can be written");
        }
    }
    let world = World::new(&source, &quick());
    let failure =
        fetch(world.address, Some(&target), &settings(), &MakesIt(&target), &Stop::default())
            .expect_err("it is there");
    assert_eq!(failure.kind, Kind::Target);
    assert_eq!(scratch.read("target"), b"theirs");
    assert_eq!(scratch.names(), ["source", "target"]);
}

#[test]
fn a_stopped_fetch_leaves_the_old_target_and_nothing_else() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(20_000_000));
    let target = scratch.write("target", b"old");
    struct Stops(Stop);
    impl overlapped_file_transfer::Watch for Stops {
        fn advanced(&self, _: u64) {
            self.0.request();
        }
    }
    let world = World::new(&source, &quick());
    let stop = Stop::default();
    let force = FetchSettings { force: true, ..settings() };
    let failure = fetch(world.address, Some(&target), &force, &Stops(stop.clone()), &stop)
        .expect_err("it was stopped");
    assert_eq!(failure.kind, Kind::Stopped);
    assert_eq!(scratch.read("target"), b"old");
    assert_eq!(scratch.names(), ["source", "target"]);
    // Bytes that were on their way may hide from a sender on Windows that its peer has gone.
    if let Outcome::Failed(text) = world.next_end().outcome {
        assert!(text.contains("cut"), "{text}");
    }
}

#[test]
fn a_sender_with_a_name_that_nobody_takes_does_not_start() {
    let scratch = Scratch::new();
    let hidden = scratch.write(".hidden", b"x");
    let start = |path: &std::path::Path, name: Option<&str>| {
        let settings = SendSettings { name: name.map(str::to_owned), ..quick() };
        Sender::start(crate::world::listen().0, path, &settings, ())
    };
    let error = start(&hidden, None).expect_err("it begins with a dot");
    assert!(error.to_string().contains("begins with a dot"), "{error}");
    assert_eq!(start(&hidden, Some("plain")).expect("a sender").name(), "plain");
    assert!(start(&hidden, Some("a/b")).is_err());
    assert!(start(&scratch.path("none"), None).is_err());
    assert!(start(&scratch.path(""), Some("folder")).is_err());
}
