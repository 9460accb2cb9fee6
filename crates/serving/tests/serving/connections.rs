//! The list of connections.

use crate::world::{Key, PATIENCE, Stream, World, patience};
use overlapped_serving::{Errors, Failure, Listed, SHARDS};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Instant;

fn place(stream: &Stream) -> u32 {
    Listed::place(stream.key())
}

fn places(streams: &[Stream]) -> BTreeSet<u32> {
    streams.iter().map(place).collect()
}

#[test]
fn a_connection_is_counted_before_it_can_be_found() {
    let world = World::new();
    for count in 1..=3 {
        let stream = world.stream();
        world.list.add(&stream);
        assert_eq!(stream.key().open_when_listed.load(Ordering::Relaxed), count);
    }
    assert_eq!(world.list.take_all(drop), 3);
}

#[test]
fn never_more_go_than_have_come_whoever_takes_them_out() {
    const THREADS: usize = 3;
    const EACH: usize = 200;
    let world = World::new();
    let handles = || (0..EACH).map(|_| world.stream()).collect::<Vec<_>>();
    let per_thread: Vec<Vec<Stream>> = (0..THREADS).map(|_| handles()).collect();
    let start = Barrier::new(THREADS + 1);
    let mut taken = 0;
    let mut removed = 0;
    std::thread::scope(|scope| {
        let adding = |streams: &Vec<Stream>| {
            let (world, start, streams) = (&world, &start, streams.clone());
            scope.spawn(move || {
                start.wait();
                let mut removed = 0;
                for (number, stream) in streams.iter().enumerate() {
                    world.list.add(stream);
                    let failure = Some(Failure::Reset);
                    removed += u64::from(number % 4 == 0 && world.list.remove(stream, failure));
                }
                removed
            })
        };
        let threads: Vec<_> = per_thread.iter().map(adding).collect();
        start.wait();
        while !threads.iter().all(|thread| thread.is_finished()) {
            taken += world.list.take_all(drop);
            let open = world.list.open();
            assert!(open <= (THREADS * EACH) as u64, "{open} are open");
        }
        for thread in threads {
            removed += thread.join().expect("it adds without a panic");
        }
    });
    taken += world.list.take_all(drop);
    assert_eq!(taken + removed, (THREADS * EACH) as u64);
    assert_eq!((world.list.open(), world.list.accepted()), (0, taken + removed));
    let errors = Errors { reset: removed, aborted: taken, ..Errors::default() };
    assert_eq!(world.list.errors(), errors);
    assert!(world.list.peak() <= (THREADS * EACH) as u64);
    assert!(world.list.wait_until_none(patience()));
}

#[test]
fn places_are_used_again_but_not_those_that_a_stop_has_emptied() {
    let world = World::new();
    let (first, second, third) = (world.round(), world.round(), world.round());
    for stream in &first {
        assert!(world.list.remove(stream, None));
        assert!(!world.list.remove(stream, None), "it has gone");
    }
    let fourth = world.round();
    assert_eq!(places(&fourth), places(&first));
    let open = 3 * SHARDS as u64;
    assert_eq!((world.list.open(), world.list.peak()), (open, open));

    let mut ended = BTreeSet::new();
    assert_eq!(world.list.take_all(|stream| assert!(ended.insert(place(&stream)))), open);
    assert!(world.list.wait_until_none(patience()));
    let fifth = world.round();
    assert!(ended.is_disjoint(&places(&fifth)));
    // Whoever still holds one that was ended by force takes out no other.
    for stream in second.iter().chain(&third).chain(&fourth) {
        assert!(!world.list.remove(stream, Some(Failure::Other)));
    }
    assert_eq!(world.list.open(), SHARDS as u64);
    assert_eq!(world.list.errors(), Errors { aborted: open, ..Errors::default() });
    assert!(fifth.iter().all(|stream| world.list.remove(stream, None)));
}

#[test]
fn every_connection_is_found_in_its_shard_if_its_key_is_asked_for() {
    let world = World::new();
    let streams: Vec<_> = (0..SHARDS * 2 + 1).map(|_| world.stream()).collect();
    streams.iter().for_each(|stream| world.list.add(stream));
    assert_eq!(world.list.those_of(0, |_| true).len(), 3);
    assert_eq!(world.list.those_of(1, |_| true).len(), 2);
    assert_eq!(world.list.those_of(1, |_| false).len(), 0);
    let is_even = |key: &Key| key.place().is_multiple_of(2);
    let mut found = BTreeSet::new();
    world.list.for_each(is_even, |stream| assert!(found.insert(place(stream))));
    let expected = streams.iter().filter(|stream| is_even(stream.key())).map(place);
    assert_eq!(found, expected.collect());
}

#[test]
fn whoever_waits_until_none_is_open_hears_of_the_last() {
    let world = World::new();
    let stays = world.stream();
    world.list.add(&stays);
    assert!(!world.list.wait_until_none(Some(Instant::now())));
    assert!(world.list.remove(&stays, None));
    // Mostly the other thread waits when the last one goes; it may not have begun.
    for _ in 0..100 {
        let (first, second) = (world.stream(), world.stream());
        world.list.add(&first);
        world.list.add(&second);
        let (begins, has_begun) = channel();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let begun = Instant::now();
                begins.send(()).expect("somebody hears it");
                world.list.wait_until_none(patience()) && begun.elapsed() < PATIENCE
            });
            has_begun.recv_timeout(PATIENCE).expect("it begins");
            assert!(world.list.remove(&first, None));
            assert!(world.list.remove(&second, None));
            assert!(waits.join().expect("it waits without a panic"));
        });
    }
}

#[test]
fn whoever_waits_for_room_is_woken_by_a_departure_and_by_the_stop() {
    let world = World::new();
    let (goes, stays) = (world.stream(), world.stream());
    world.list.add(&goes);
    world.list.add(&stays);
    let is_over = Arc::new(AtomicBool::new(false));
    let (asks, asked) = channel();
    let wait = |limit| {
        let (world, is_over, asks) = (Arc::clone(&world), Arc::clone(&is_over), asks.clone());
        let waits = std::thread::spawn(move || {
            let begun = Instant::now();
            world.list.wait_for_room(limit, patience(), || {
                // Under the lock of the notice: whoever gives it from now on finds us waiting.
                let _ = asks.send(());
                is_over.load(Ordering::SeqCst)
            });
            begun.elapsed() < PATIENCE
        });
        asked.recv_timeout(PATIENCE).expect("it looks");
        waits
    };
    let waits = wait(2);
    assert!(world.list.remove(&goes, None));
    assert!(waits.join().expect("it waits without a panic"), "one has gone");

    let waits = wait(1);
    is_over.store(true, Ordering::SeqCst);
    world.list.look_again();
    assert!(waits.join().expect("it waits without a panic"), "the stop");
    assert!(world.list.remove(&stays, None));
}

#[test]
fn one_that_was_taken_out_removes_nobody_who_has_its_place_since() {
    let world = World::new();
    let gone = world.round();
    assert!(gone.iter().all(|stream| world.list.remove(stream, None)));
    let stay = world.round();
    assert_eq!(places(&stay), places(&gone));
    assert!(!gone.iter().any(|stream| world.list.remove(stream, None)));
    assert_eq!(world.list.open(), SHARDS as u64);
    assert!(stay.iter().all(|stream| world.list.remove(stream, None)));
}

#[test]
fn every_kind_of_failure_is_counted_in_its_place_and_a_graceful_end_in_none() {
    let world = World::new();
    let kinds = [Failure::Reset, Failure::TimedOut, Failure::Aborted, Failure::Other];
    for (count, kind) in (1..).zip(kinds) {
        for _ in 0..count {
            let stream = world.stream();
            world.list.add(&stream);
            assert!(world.list.remove(&stream, Some(kind)));
            assert!(!world.list.remove(&stream, Some(kind)), "it is counted once");
        }
        world.list.failed(kind);
    }
    let stream = world.stream();
    world.list.add(&stream);
    assert!(world.list.remove(&stream, None));
    let errors = Errors { reset: 2, timed_out: 3, aborted: 4, other: 5 };
    assert_eq!((world.list.errors(), world.list.errors().total()), (errors, 14));
    assert_eq!((world.list.accepted(), world.list.open(), world.list.peak()), (11, 0, 1));
}

#[test]
fn what_a_thread_has_in_hand_when_it_unwinds_is_taken_out_and_reset() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    world.list.add(&stream);
    drop(world.list.in_hand(&stream));
    assert_eq!(world.list.open(), 1, "it was let go of");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _in_hand = world.list.in_hand(&stream);
            panic!("as it is to");
        });
        thread.join().expect_err("it panicked");
    });
    assert_eq!(world.list.open(), 0);
    client.read(&mut [0; 1]).expect_err("a reset");
}
