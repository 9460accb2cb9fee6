//! Many cycles and many posts (F14, F58).

use crate::crew::AtTheEnd;
use crate::on_every_driver;
use crate::rounds::rounds;
use crate::world::{PATIENCE, World};
use overlapped::{AcceptWindow, Buffer, OrPacket, Packet, Port, Protocol, Received, TakeError};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// A protocol of which each value can be seen to be dropped.
struct Counted;

impl Protocol for Counted {
    type Key = Arc<()>;
    type Operation = Arc<()>;
    type Message = Arc<()>;
}

/// Works until the port is closed: receives go on, everything else is dropped.
fn work(port: &Port<Counted>, polls: bool) -> TakeError {
    loop {
        let taken = if polls { port.try_take() } else { port.take().map(Some) };
        match taken {
            Ok(Some(Packet::Received {
                stream,
                buffer,
                operation,
                result: Ok(Received::Data(_)),
            })) => {
                // Refused when the close was faster.
                stream.send(buffer, Arc::clone(&operation)).or_packet();
                stream.receive(Buffer::with_capacity(16), operation).or_packet();
            }
            Ok(Some(_)) => {}
            Ok(None) => std::thread::yield_now(),
            Err(end) => return end,
        }
    }
}

fn one_cycle(world: &World, cycle: usize) {
    let value = Arc::new(());
    let port: Port<Counted> = world.port(|builder| builder.concurrency(1 + cycle % 3));
    let listener = port
        .associate(world.listen_socket(), Arc::clone(&value))
        .expect("a listener is associated");
    let address = listener.local_addr().expect("it has an address");
    let made = Arc::clone(&value);
    listener
        .accept_window(AcceptWindow::new(2), move || Arc::clone(&made))
        .expect("a window is kept");
    let (socket, peer) = world.connected_socket();
    let stream = port.associate(socket, Arc::clone(&value)).expect("a socket is associated");
    stream.receive(Buffer::with_capacity(16), Arc::clone(&value)).expect("a receive starts");

    let together = Arc::new(Barrier::new(5));
    let (ended, ends) = channel();
    let mut threads = Vec::new();
    for worker in 0..3 {
        let (port, ended, together) = (port.clone(), ended.clone(), Arc::clone(&together));
        threads.push(std::thread::spawn(move || {
            together.wait();
            // One of them only ever polls, so the others' wake-ups pass it by.
            let end = work(&port, worker == 2 && cycle.is_multiple_of(2));
            ended.send(end).expect("the test waits for it");
        }));
    }
    {
        let (port, value) = (port.clone(), Arc::clone(&value));
        let (ended, together) = (ended.clone(), Arc::clone(&together));
        threads.push(std::thread::spawn(move || {
            together.wait();
            while port.post(Arc::clone(&value)).is_ok() {
                std::thread::yield_now();
            }
            ended.send(TakeError::Closed).expect("the test waits for it");
        }));
    }
    together.wait();
    peer.send(b"x");
    let client = world.connect(address);
    // The close comes after some takes, a different number each time; 0 is at once.
    let after = (cycle % 7) as u64 * 3;
    let start = Instant::now();
    while port.counters().taken < after {
        assert!(start.elapsed() < PATIENCE, "cycle {cycle}: {:?}", port.snapshot());
        std::thread::yield_now();
    }
    if cycle.is_multiple_of(5) {
        stream.close();
    }
    port.close();
    for _ in 0..4 {
        let end = ends.recv_timeout(PATIENCE);
        assert!(end.is_ok(), "cycle {cycle}: a thread has missed the close: {:?}", port.snapshot());
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it did not panic"));
    drop((port, listener, stream, peer, client));
    assert_eq!(Arc::strong_count(&value), 1, "cycle {cycle}: something was not dropped");
}

fn f14_a_thousand_cycles_of_a_port_end_whatever_races(world: &World) {
    (0..rounds(1_000) as usize).for_each(|cycle| one_cycle(world, cycle));
}

/// Each post says when it was made.
struct Stamped;

impl Protocol for Stamped {
    type Key = ();
    type Operation = ();
    type Message = (usize, Instant);
}

/// Eight threads with waits of a millisecond; all posts must be taken, each once and soon.
fn many_posts_to_short_waits(world: &World, monitor: bool) {
    const OUTSTANDING: u64 = 64;
    const PARTS: usize = 20;
    // Under Wine a server carries each post and each take: how soon a post is taken says how fast that
    // server is, and it is as slow as the machine is busy.
    let is_wine = std::env::var_os("OVERLAPPED_WINE").is_some();
    let posts = match std::env::var_os("OVERLAPPED_LONG_TESTS") {
        Some(_) => 1_000_000,
        None => rounds(100_000) as usize,
    };
    let port: Port<Stamped> =
        world.port(|builder| builder.concurrency(2).blocked_thread_monitor(monitor));
    let seen: Vec<AtomicU8> = (0..posts).map(|_| AtomicU8::new(0)).collect();
    let (taken, longest_ns) = (AtomicU64::new(0), AtomicU64::new(0));
    let late_in_parts: [AtomicU64; PARTS] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    match port.take_timeout(Duration::from_millis(1)) {
                        Ok(Packet::Posted((number, at))) => {
                            let waited = at.elapsed();
                            seen[number].fetch_add(1, Ordering::Relaxed);
                            let is_late = u64::from(waited > Duration::from_millis(50));
                            let part = &late_in_parts[number * PARTS / posts];
                            part.fetch_add(is_late, Ordering::Relaxed);
                            longest_ns.fetch_max(waited.as_nanos() as u64, Ordering::Relaxed);
                            taken.fetch_add(1, Ordering::Release);
                        }
                        Ok(_) => unreachable!("nothing but posts is on this port"),
                        Err(TakeError::TimedOut) => {}
                        Err(_) => break,
                    }
                }
            });
        }
        let _takers_end = AtTheEnd(|| port.close());
        for number in 0..posts {
            // Few are on their way at a time, so that a wait is a wait for threads.
            wait_for(&taken, (number as u64).saturating_sub(OUTSTANDING));
            port.post((number, Instant::now())).expect("the port is open");
        }
        wait_for(&taken, posts as u64);
    });
    assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1), "each exactly once");
    let late = late_in_parts.map(AtomicU64::into_inner);
    let longest = Duration::from_nanos(longest_ns.into_inner());
    // The machine may stop any thread for longer than 50 ms, and a busy one often does. A wake-up that is
    // lost is not rare, and is lost in each part.
    let fewest = late.iter().min().expect("there are some");
    let is_soon = is_wine || *fewest <= (posts / PARTS / 100) as u64;
    assert!(
        is_soon && longest < PATIENCE / 2,
        "in parts of {} so many waited for more than 50 ms: {late:?}, the longest for {longest:?}",
        posts / PARTS
    );
}

fn wait_for(counter: &AtomicU64, value: u64) {
    let start = Instant::now();
    while counter.load(Ordering::Acquire) < value {
        assert!(start.elapsed() < PATIENCE, "a post was not taken");
        std::thread::yield_now();
    }
}

fn f58_every_post_reaches_one_of_many_short_waits(world: &World) {
    many_posts_to_short_waits(world, false);
}

fn f58_every_post_reaches_one_of_many_short_waits_beside_a_monitor(world: &World) {
    many_posts_to_short_waits(world, true);
}

on_every_driver! {
    f14_a_thousand_cycles_of_a_port_end_whatever_races,
    f58_every_post_reaches_one_of_many_short_waits,
    f58_every_post_reaches_one_of_many_short_waits_beside_a_monitor,
}
