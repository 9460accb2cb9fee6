//! Handlers that hold their thread for long ([`overlapped::Workers::stall_after`]): each is told of by name, with what it
//! does meanwhile.

use crate::crew::{number, until};
use crate::on_every_driver;
use crate::world::{PATIENCE, World};
use overlapped::{StallKind, Workers, WorkersEvent, doing};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// What counts as long here.
const LONG: Duration = Duration::from_millis(20);

/// Says at its start how it is called; the other numbers do not.
const NAMED: u64 = 7;

fn a_handler_that_sleeps_is_named_with_where_it_sleeps(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let workers = Workers::new(&port).stall_after(Some(LONG)).handler_name("numbers").on_event(
        move |event| {
            if let WorkersEvent::HandlerStalled { stall, .. } = event {
                // The test may have ended.
                let _ = tell.lock().expect("nobody panics").send(stall.clone());
            }
        },
    );
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let running = workers.start(move |_, packet| {
        if number(&packet) == NAMED {
            doing("the report");
        }
        let _ = wait.lock().expect("nobody panics").recv_timeout(PATIENCE);
    });
    let running = running.expect("threads can be started");
    for (count, number, name) in [(1, NAMED, "the report"), (2, 1, "numbers (Posted)")] {
        port.post(number).expect("it is open");
        let stall = told.recv_timeout(PATIENCE).expect("it is told");
        assert_eq!(stall.name, name);
        assert!(stall.lasted >= LONG, "{stall:?}");
        if cfg!(target_os = "linux") {
            assert_eq!(stall.kind, StallKind::Blocks, "{stall:?}");
            assert_eq!(stall.asleep_in.as_deref(), Some("futex"), "{stall:?}");
        }
        until(|| running.stalled().len() == 1, || format!("{:?}", running.stalled()));
        assert_eq!(running.stalled()[0].name, name);
        release.send(()).expect("it waits");
        until(|| running.stalled().is_empty(), || format!("{:?}", running.stalled()));
        let stalls = running.stalls();
        assert_eq!((stalls.len(), stalls[0].count), (count, 1), "{stalls:?}");
        assert_eq!(stalls[0].name, name, "the last seen comes first");
        assert!(stalls[0].longest >= LONG && stalls[0].total >= LONG, "{stalls:?}");
    }
    drop(release);
    running.stop(PATIENCE);
}

/// The system knows late that a thread has waited for a processor. So one of several tries is enough.
fn a_handler_that_computes_is_told_from_one_that_sleeps(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    let workers = Workers::new(&port).stall_after(Some(LONG));
    let running = workers.start(|_, packet| {
        let start = Instant::now();
        let _ = number(&packet);
        while start.elapsed() < LONG * 5 {
            std::hint::spin_loop();
        }
    });
    let running = running.expect("threads can be started");
    let is_seen = || {
        let stalls = running.stalls();
        if !cfg!(target_os = "linux") {
            return stalls.iter().any(|stall| stall.kind == StallKind::Unknown);
        }
        let computes = |stall: &overlapped::StallSummary| {
            stall.kind == StallKind::Computes && stall.asleep_in.is_none()
        };
        stalls.iter().any(computes)
    };
    until(
        || {
            if running.in_handler() == 0 {
                port.post(1).expect("it is open");
            }
            is_seen()
        },
        || format!("{:?}", running.stalls()),
    );
    drop(running);
}

fn nobody_looks_if_that_is_not_wanted(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    let running = Workers::new(&port).stall_after(None).start(|_, packet| {
        let _ = number(&packet);
        std::thread::sleep(LONG * 5);
    });
    let running = running.expect("threads can be started");
    port.post(1).expect("it is open");
    until(
        || running.counters().handled == 1 && running.in_handler() == 0,
        || format!("{running:?}"),
    );
    assert_eq!(running.stalls(), []);
    running.stop(PATIENCE);
}

on_every_driver! {
    a_handler_that_sleeps_is_named_with_where_it_sleeps,
    a_handler_that_computes_is_told_from_one_that_sleeps,
    nobody_looks_if_that_is_not_wanted,
}
