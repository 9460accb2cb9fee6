//! The list of connections.

use crate::world::{Key, PATIENCE, Stream, World, patience};
use overlapped_serving::{Listed, SHARDS};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Instant;

fn place(stream: &Stream) -> u32 {
    Listed::place(stream.key())
}

#[test]
fn a_connection_is_counted_before_it_can_be_found() {
    let world = World::new();
    for count in 1..=3 {
        let stream = world.stream();
        world.list.add(&stream, 0);
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
        let adding = |(near, streams): (usize, &'_ Vec<Stream>)| {
            let (world, start, streams) = (&world, &start, streams.clone());
            scope.spawn(move || {
                start.wait();
                let mut removed = 0;
                for (number, stream) in streams.iter().enumerate() {
                    // All in few shards, so that they meet.
                    world.list.add(stream, near % 2);
                    removed += u64::from(number % 4 == 0 && world.list.remove(stream));
                }
                removed
            })
        };
        let threads: Vec<_> = per_thread.iter().enumerate().map(adding).collect();
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
    assert_eq!(world.list.open(), 0);
    assert!(world.list.peak() <= (THREADS * EACH) as u64);
    assert!(world.list.wait_until_none(patience()));
}

#[test]
fn places_are_used_again_but_not_those_that_a_stop_has_emptied() {
    let world = World::new();
    let [first, second, third, fourth] = std::array::from_fn(|_| world.stream());
    world.list.add(&first, 5);
    world.list.add(&second, 5);
    assert!(world.list.remove(&first));
    assert!(!world.list.remove(&first), "it has gone");
    world.list.add(&third, 5);
    assert_eq!(place(&third), place(&first));
    assert_eq!((world.list.open(), world.list.peak()), (2, 2));

    let mut ended = Vec::new();
    assert_eq!(world.list.take_all(|stream| ended.push(place(&stream))), 2);
    assert_eq!(ended.len(), 2);
    assert!(world.list.wait_until_none(patience()));
    world.list.add(&fourth, 5);
    assert!(!ended.contains(&place(&fourth)));
    // Whoever still holds one that was ended by force takes out no other.
    assert!(!world.list.remove(&third));
    assert_eq!(world.list.open(), 1);
    assert!(world.list.remove(&fourth));
}

#[test]
fn every_connection_is_found_in_its_shard_if_its_key_is_asked_for() {
    let world = World::new();
    let streams: Vec<_> = (0..SHARDS * 2 + 1).map(|_| world.stream()).collect();
    for (near, stream) in streams.iter().enumerate() {
        world.list.add(stream, near);
    }
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
    world.list.add(&stays, 0);
    assert!(!world.list.wait_until_none(Some(Instant::now())));
    assert!(world.list.remove(&stays));
    // Mostly the other thread waits when the last one goes; it may not have begun.
    for _ in 0..100 {
        let (first, second) = (world.stream(), world.stream());
        world.list.add(&first, 0);
        world.list.add(&second, 1);
        let (begins, has_begun) = channel();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let begun = Instant::now();
                begins.send(()).expect("somebody hears it");
                world.list.wait_until_none(patience()) && begun.elapsed() < PATIENCE
            });
            has_begun.recv_timeout(PATIENCE).expect("it begins");
            assert!(world.list.remove(&first));
            assert!(world.list.remove(&second));
            assert!(waits.join().expect("it waits without a panic"));
        });
    }
}

#[test]
fn whoever_waits_for_room_is_woken_by_a_departure_and_by_the_stop() {
    let world = World::new();
    let (goes, stays) = (world.stream(), world.stream());
    world.list.add(&goes, 0);
    world.list.add(&stays, 0);
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
    assert!(world.list.remove(&goes));
    assert!(waits.join().expect("it waits without a panic"), "one has gone");

    let waits = wait(1);
    is_over.store(true, Ordering::SeqCst);
    world.list.look_again();
    assert!(waits.join().expect("it waits without a panic"), "the stop");
    assert!(world.list.remove(&stays));
}

#[test]
fn one_that_was_taken_out_removes_nobody_who_has_its_place_since() {
    let world = World::new();
    let (gone, stays) = (world.stream(), world.stream());
    world.list.add(&gone, 0);
    assert!(world.list.remove(&gone));
    world.list.add(&stays, 0);
    assert_eq!(place(&gone), place(&stays), "places are used again");
    assert!(!world.list.remove(&gone));
    assert_eq!(world.list.open(), 1);
    assert!(world.list.remove(&stays));
}

#[test]
fn what_a_thread_has_in_hand_when_it_unwinds_is_taken_out_and_reset() {
    let world = World::new();
    let (stream, mut client) = world.connection();
    world.list.add(&stream, 0);
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
