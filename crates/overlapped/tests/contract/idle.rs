//! An idle port wakes nobody (F15).
#![cfg(target_os = "linux")]

use crate::crew::{Crew, Shape, let_pass, until_shape};
use crate::on_every_driver;
use crate::world::{PATIENCE, World};
use overlapped::Buffer;
use std::time::{Duration, Instant};

/// Longer than the half second of the periodic wake-ups that other libraries have.
const OBSERVATION: Duration = Duration::from_millis(700);

/// The kernel's name for the worker's thread.
fn task(crew: &Crew, worker: usize) -> String {
    crew.run(worker, |_| {
        let link = std::fs::read_link("/proc/thread-self").expect("the kernel names the thread");
        format!("/proc/{}", link.display())
    })
}

/// Whether the thread sleeps, and how often it went to sleep or was interrupted so far.
fn sleep_and_switches(task: &str) -> (bool, u64) {
    let status = std::fs::read_to_string(format!("{task}/status")).expect("the thread is alive");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says it");
        line[name.len()..].trim().to_owned()
    };
    let count = |name: &str| -> u64 { field(name).parse().expect("it is a number") };
    let switches = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
    (field("State:").starts_with('S'), switches)
}

/// How often the threads were woken while nothing happened, once all of them had come to rest.
fn wakes_at_rest(tasks: &[String]) -> u64 {
    let switches = || tasks.iter().map(|task| sleep_and_switches(task)).collect::<Vec<_>>();
    let start = Instant::now();
    let mut before = switches();
    // They are at rest when they sleep and have slept on for a short while.
    loop {
        assert!(start.elapsed() < PATIENCE, "they do not come to rest");
        let_pass(Duration::from_millis(20));
        let now = switches();
        if now == before && now.iter().all(|(sleeps, _)| *sleeps) {
            break;
        }
        before = now;
    }
    let_pass(OBSERVATION);
    let total = |all: &[(bool, u64)]| all.iter().map(|(_, switches)| switches).sum::<u64>();
    total(&switches()) - total(&before)
}

fn f15_an_idle_port_wakes_nobody(world: &World) {
    let crew = Crew::with_monitor(world, 2, 4);
    let tasks: Vec<_> = (0..4).map(|worker| task(&crew, worker)).collect();
    let (listener, _) = world.listen(&crew.port, 0);
    listener.accept(0).expect("an accept is posted");
    let (stream, _peer) = world.stream(&crew.port, 0);
    stream.receive(Buffer::with_capacity(8), 0).expect("a receive starts");
    // It was busy before it was idle.
    crew.post(0..2_000);
    for worker in 0..4 {
        crew.run(worker, |port| while port.take_timeout(Duration::from_millis(2)).is_ok() {});
    }
    (0..4).for_each(|worker| crew.wait(worker));
    until_shape(&crew.port, Shape { waiting: 4, ..Shape::EMPTY });
    assert_eq!(wakes_at_rest(&tasks), 0);
}

fn f15_a_port_whose_threads_block_wakes_nobody_while_nothing_comes(world: &World) {
    let crew = Crew::with_monitor(world, 1, 4);
    let tasks: Vec<_> = (0..4).map(|worker| task(&crew, worker)).collect();
    crew.busy(0);
    let sleeper = crew.hold(0, |inside, go_on| {
        let _ = inside.send(());
        let _ = go_on.recv();
    });
    (1..4).for_each(|worker| crew.wait(worker));
    assert_eq!(wakes_at_rest(&tasks), 0);
    // The monitor is there all the same.
    crew.post([1]);
    crate::crew::until(|| crew.shape().queued == 0, || format!("{:?}", crew.shape()));
    sleeper.release();
}

on_every_driver! {
    f15_an_idle_port_wakes_nobody,
    f15_a_port_whose_threads_block_wakes_nobody_while_nothing_comes,
}
