//! A recording says of each thread and packet where it went, and when.

use crate::crew::{Crew, Shape, shape, until, until_shape};
use crate::on_every_driver;
use crate::threads::Order;
use crate::world::{Numbers, World};
use overlapped::{
    Buffer, Moved, Packet, Port, Received, Recording, RecordingEnd, ThreadPlace, blocking,
};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::time::Duration;

/// Plays a recording, which must be consistent, and says where all are at its end.
fn play(recording: &Recording) -> Shape {
    let mut places: Vec<ThreadPlace> =
        recording.threads.iter().map(|thread| thread.place).collect();
    let mut queued = recording.queued;
    let mut before = Duration::ZERO;
    for one in &recording.moves {
        assert!(before <= one.at && one.at <= recording.length, "in order of time: {one:?}");
        before = one.at;
        match one.what {
            Moved::Thread { thread, from, to } => {
                assert_eq!(places[thread], from, "where it went to before: {one:?}");
                assert_ne!(from, to, "a move: {one:?}");
                places[thread] = to;
            }
            Moved::Queued { queued: now } => {
                assert_eq!(now, queued + 1, "{one:?}");
                queued = now;
            }
            Moved::Taken { thread, queued: now } => {
                assert_eq!(now + 1, queued, "{one:?}");
                queued = now;
                let thread = thread.expect("who takes is known here");
                assert_eq!(places[thread], ThreadPlace::Released, "who takes runs: {one:?}");
            }
            _ => assert_eq!(recording.ended, RecordingEnd::Closed),
        }
    }
    let count = |place| places.iter().filter(|one| **one == place).count();
    Shape {
        queued,
        waiting: count(ThreadPlace::Waiting),
        released: count(ThreadPlace::Released),
        paused: count(ThreadPlace::Paused),
    }
}

fn what(recording: &Recording) -> Vec<Moved> {
    recording.moves.iter().map(|one| one.what).collect()
}

fn thread(thread: usize, from: ThreadPlace, to: ThreadPlace) -> Moved {
    Moved::Thread { thread, from, to }
}

/// Whether this port cannot be recorded, which is asserted then.
fn cannot(port: &Port<Numbers>) -> bool {
    let cannot = port.driver().name == "iocp";
    if cannot {
        let refused = port.record(10).expect_err("the kernel tells nobody");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
    cannot
}

fn a_recording_shows_who_blocks_and_who_is_let_in(world: &World) {
    use ThreadPlace::{Paused, Released, Waiting};
    let crew = Crew::new(world, 1, 2);
    if cannot(&crew.port) {
        return;
    }
    crew.busy(0);
    crew.wait(1);
    let recorder = crew.port.record(100).expect("nothing else is recorded");
    crew.post([1]);
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 1);
    pause.release();
    let recording = recorder.finish();
    let places: Vec<ThreadPlace> = recording.threads.iter().map(|thread| thread.place).collect();
    assert_eq!(places, [Released, Waiting], "as they were, who last moved longest ago first");
    let expected = [
        Moved::Queued { queued: 1 },
        thread(0, Released, Paused),
        thread(1, Waiting, Released),
        Moved::Taken { thread: Some(1), queued: 0 },
        thread(0, Paused, Released),
    ];
    assert_eq!(what(&recording), expected);
    assert_eq!(play(&recording), crew.shape());
    assert_eq!((recording.concurrency, recording.ended), (1, RecordingEnd::Finished));
}

#[cfg(target_os = "linux")]
fn a_recording_shows_who_was_found_asleep_as_the_monitor_sees_it(world: &World) {
    use ThreadPlace::{Paused, Released, Waiting};
    let crew = Crew::with_monitor(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    let recorder = crew.port.record(100_000).expect("nothing else is recorded");
    let sleeper = crew.hold(0, |inside, go_on| {
        let _ = inside.send(());
        let _ = go_on.recv();
    });
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    let recording = recorder.finish();
    sleeper.release();
    play(&recording);
    let what = what(&recording);
    let at = |wanted| what.iter().position(|moved| *moved == wanted).expect("it is recorded");
    let let_in = at(thread(1, Waiting, Released));
    assert_eq!(what[let_in - 1], thread(0, Released, Paused), "in the same step");
    assert_eq!(what[let_in + 1], Moved::Taken { thread: Some(1), queued: 0 });
}

/// Threads that take, defer, receive, send and block, as users do.
fn every_packet_is_recorded_with_the_thread_that_took_it(world: &World) {
    const TAKERS: usize = 4;
    const CHAINS: u64 = 20;
    const LENGTH: u64 = 10;
    const BYTES: usize = 50;
    let port = world.exact_port(2);
    if cannot(&port) {
        return;
    }
    let (stream, peer) = world.stream(&port, 0);
    stream.receive(Buffer::with_capacity(1), 0).expect("a receive starts");
    let taken = Mutex::new(HashMap::<String, usize>::new());
    let handle = |packet| {
        let name = std::thread::current().name().expect("it has one").to_owned();
        *taken.lock().expect("nobody panics").entry(name).or_default() += 1;
        match packet {
            Packet::Posted(0) => {}
            Packet::Posted(left) => {
                if left % 3 == 0 {
                    blocking(std::thread::yield_now);
                }
                port.defer(left - 1).expect("the port is open");
            }
            Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
                stream.send(buffer, 0).expect("a send starts");
            }
            Packet::Sent { stream, .. } => {
                stream.receive(Buffer::with_capacity(1), 0).expect("a receive starts");
            }
            other => panic!("unexpected: {other:?}"),
        }
    };
    std::thread::scope(|scope| {
        for taker in 0..TAKERS {
            let (port, handle) = (&port, &handle);
            let work = move || {
                while let Ok(packet) = port.take() {
                    handle(packet);
                }
            };
            let thread = std::thread::Builder::new().name(format!("taker {taker}"));
            thread.spawn_scoped(scope, work).expect("a thread starts");
        }
        let all_wait = Shape { waiting: TAKERS, ..Shape::EMPTY };
        until_shape(&port, all_wait);
        let recorder = port.record(100_000).expect("nothing else is recorded");
        for _ in 0..CHAINS {
            port.post(LENGTH).expect("the port is open");
        }
        for _ in 0..BYTES {
            peer.send(b"x");
            assert_eq!(peer.receive_exact(1), b"x");
        }
        let everything = CHAINS as usize * (LENGTH as usize + 1) + 2 * BYTES;
        let so_far = || taken.lock().expect("nobody panics").values().sum::<usize>();
        until(|| so_far() == everything, || format!("{} of {everything}", so_far()));
        until_shape(&port, all_wait);
        let recording = recorder.finish();
        port.close();

        assert_eq!(recording.ended, RecordingEnd::Finished);
        assert_eq!(play(&recording), all_wait);
        let mut recorded = HashMap::<String, usize>::new();
        for one in &recording.moves {
            if let Moved::Taken { thread: Some(thread), .. } = one.what {
                let name = recording.threads[thread].name.clone().expect("it has one");
                *recorded.entry(name).or_default() += 1;
            }
        }
        assert_eq!(recorded, *taken.lock().expect("nobody panics"));
    });
}

fn what_lay_in_a_threads_own_queue_is_in_the_queue_while_a_recording_runs(world: &World) {
    let crew = Crew::new(world, 1, 1);
    if cannot(&crew.port) {
        return;
    }
    crew.busy(0);
    crew.run(0, |port| (1..=3).for_each(|number| port.defer(number).expect("the port is open")));
    let recorder = crew.port.record(100).expect("nothing else is recorded");
    for number in 1..=4 {
        if number == 4 {
            crew.run(0, |port| port.defer(4).expect("the port is open"));
        }
        crew[0].take();
        assert_eq!(crew[0].posted(), number);
    }
    let recording = recorder.finish();
    assert_eq!(recording.queued, 3);
    let taken = |queued| Moved::Taken { thread: Some(0), queued };
    let expected = [taken(2), taken(1), taken(0), Moved::Queued { queued: 1 }, taken(0)];
    assert_eq!(what(&recording), expected, "the thread keeps running from one to the next");
}

fn who_comes_and_who_goes_is_recorded(world: &World) {
    use ThreadPlace::{Elsewhere, Released};
    let crew = Crew::new(world, 2, 2);
    if cannot(&crew.port) {
        return;
    }
    let recorder = crew.port.record(100).expect("nothing else is recorded");
    crew.busy(0);
    crew.run(0, Port::leave);
    // It gets the number that is free in the scheduler, and is another thread all the same.
    crew[1].order(Order::Take(Some(Duration::ZERO)));
    assert!(crew[1].result().is_err(), "nothing is queued");
    let recording = recorder.finish();
    play(&recording);
    assert_eq!(recording.threads.len(), 2);
    assert!(recording.threads.iter().all(|thread| thread.place == Elsewhere));
    let of_first: Vec<Moved> = what(&recording)
        .into_iter()
        .filter(|moved| matches!(moved, Moved::Thread { thread: 0, .. }))
        .collect();
    assert_eq!(of_first, [thread(0, Elsewhere, Released), thread(0, Released, Elsewhere)]);
}

fn a_recording_ends_at_its_limit_and_the_port_goes_on(world: &World) {
    let crew = Crew::new(world, 1, 1);
    if cannot(&crew.port) {
        return;
    }
    let recorder = crew.port.record(3).expect("nothing else is recorded");
    crew.post(1..=5);
    assert_eq!(
        crew.port.record(3).expect_err("there is one already").kind(),
        ErrorKind::ResourceBusy
    );
    for number in 1..=5 {
        crew[0].take();
        assert_eq!(crew[0].posted(), number);
    }
    let recording = recorder.finish();
    assert_eq!(recording.ended, RecordingEnd::Limit);
    let queued = [1, 2, 3].map(|queued| Moved::Queued { queued });
    assert_eq!(what(&recording), queued);

    drop(crew.port.record(3).expect("the first is over"));
    let next = crew.port.record(3).expect("the second was dropped");
    crew.post([6]);
    assert_eq!(what(&next.finish()), [Moved::Queued { queued: 1 }]);
}

fn a_recording_ends_with_its_port(world: &World) {
    let crew = Crew::waiting(world, 1, 2);
    if cannot(&crew.port) {
        return;
    }
    let recorder = crew.port.record(100).expect("nothing else is recorded");
    crew.port.close();
    assert_eq!(crew.port.record(100).expect_err("it is closed").kind(), ErrorKind::BrokenPipe);
    let recording = recorder.finish();
    assert_eq!(recording.ended, RecordingEnd::Closed);
    assert_eq!(what(&recording), [Moved::Closed]);
    assert_eq!(play(&recording), Shape { waiting: 2, ..Shape::EMPTY });
    until(|| shape(&crew.port) == Shape::EMPTY, || format!("{:?}", crew.shape()));
}

on_every_driver!(
    a_recording_shows_who_blocks_and_who_is_let_in,
    every_packet_is_recorded_with_the_thread_that_took_it,
    what_lay_in_a_threads_own_queue_is_in_the_queue_while_a_recording_runs,
    who_comes_and_who_goes_is_recorded,
    a_recording_ends_at_its_limit_and_the_port_goes_on,
    a_recording_ends_with_its_port,
);

#[cfg(target_os = "linux")]
mod monitored {
    use super::a_recording_shows_who_was_found_asleep_as_the_monitor_sees_it as shows;
    use crate::world::World;

    #[test]
    fn a_recording_shows_who_was_found_asleep_as_the_monitor_sees_it() {
        shows(&World::System);
    }
}
