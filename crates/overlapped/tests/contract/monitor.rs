//! Threads that block without saying so (P72-P74, P83, T9, T10, T12).
//!
//! The monitor sees a thread asleep within about a millisecond; these tests require that it happens
//! at all, and that it does not happen to a thread that runs.

use crate::crew::{Crew, Held, Shape, let_pass, number, until, until_shape};
use crate::on_every_driver;
use crate::world::{PATIENCE, World};
use overlapped::{Buffer, Packet, Port};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Worker 0 has a packet and blocks without a word; nobody else has asked yet.
fn with_a_silent_sleeper(world: &World, size: usize) -> (Crew, Held) {
    let crew = Crew::with_monitor(world, 1, size);
    crew.busy(0);
    let sleeper = sleep_silently(&crew);
    (crew, sleeper)
}

/// The same, and the monitor has let worker 1 in for it.
fn with_a_sleeper_that_was_seen(world: &World) -> (Crew, Held) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 2);
    crew[1].take();
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    crew.expect(Shape { released: 1, paused: 1, ..Shape::EMPTY });
    (crew, sleeper)
}

fn sleep_silently(crew: &Crew) -> Held {
    crew.hold(0, |inside, go_on| {
        let _ = inside.send(());
        let _ = go_on.recv();
    })
}

fn p72_what_is_posted_while_a_thread_blocks_is_taken_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 3);
    crew.wait(1);
    crew.wait(2);
    crew.post([1]);
    until_shape(&crew.port, Shape { waiting: 1, released: 1, paused: 1, queued: 0 });
    assert!(crew.port.counters().released_on_block >= 1);
    assert!(crew.port.counters().monitor_looks >= 1);
    sleeper.release();
}

fn p72_what_was_queued_before_a_thread_blocked_is_taken_as_the_monitor_sees_it(world: &World) {
    let crew = Crew::with_monitor(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post([1]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    let sleeper = sleep_silently(&crew);
    assert_eq!(crew[1].posted(), 1);
    sleeper.release();
}

fn p72_who_asks_while_a_thread_blocks_is_let_in_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 2);
    crew.post([1]);
    crew[1].take();
    assert_eq!(crew[1].posted(), 1);
    sleeper.release();
}

fn p72_a_socket_is_served_while_a_thread_blocks_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 2);
    let (stream, peer) = world.stream(&crew.port, 0);
    stream.receive(Buffer::with_capacity(8), 5).expect("a receive starts");
    crew.wait(1);
    peer.send(b"x");
    let result = crew[1].result();
    assert!(matches!(result, Ok(Packet::Received { operation: 5, .. })), "{result:?}");
    sleeper.release();
}

fn p72_a_timer_runs_out_while_a_thread_blocks_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 2);
    crew.wait(1);
    crew.port.timer(Duration::from_millis(1), 6).expect("a timer starts");
    let result = crew[1].result();
    assert!(matches!(result, Ok(Packet::Timer { operation: 6, .. })), "{result:?}");
    sleeper.release();
}

fn p72_every_blocked_thread_lets_one_in_as_the_monitor_sees_it(world: &World) {
    let crew = Crew::with_monitor(world, 1, 4);
    let mut sleepers = Vec::new();
    for worker in 0..3 {
        crew.post([worker as u64]);
        crew[worker].take();
        assert_eq!(crew[worker].posted(), worker as u64, "though {worker} sleep");
        sleepers.push(crew.hold(worker, |inside, go_on| {
            let _ = inside.send(());
            let _ = go_on.recv();
        }));
    }
    crew.wait(3);
    crew.post([7]);
    assert_eq!(crew[3].posted(), 7);
    sleepers.into_iter().for_each(Held::release);
    for worker in 0..4 {
        crew.wait(worker);
    }
    assert_eq!(crew.shape(), Shape { waiting: 4, ..Shape::EMPTY }, "all are counted back");
}

fn p73_every_kind_of_sleep_lets_another_in_as_the_monitor_sees_it(world: &World) {
    /// A sleep: it says that it begins, and comes back when it is told to.
    type Sleep = fn(Sender<()>, Receiver<()>);
    let kinds: [(&str, Sleep); 5] = [
        ("a sleep of a length", |inside, go_on| {
            let _ = inside.send(());
            while let Err(std::sync::mpsc::TryRecvError::Empty) = go_on.try_recv() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }),
        ("a lock", |inside, go_on| {
            let lock = Arc::new(Mutex::new(()));
            std::thread::scope(|scope| {
                let (locked, is_locked) = channel();
                let (unlock, told_to_unlock) = channel::<()>();
                let theirs = Arc::clone(&lock);
                scope.spawn(move || {
                    let guard = theirs.lock();
                    let _ = locked.send(());
                    let _ = told_to_unlock.recv();
                    drop(guard);
                });
                let _ = is_locked.recv();
                until_told(scope, inside, go_on, move || {
                    let _ = unlock.send(());
                });
                drop(lock.lock());
            });
        }),
        ("a condition variable", |inside, go_on| {
            let pair = Arc::new((Mutex::new(false), Condvar::new()));
            std::thread::scope(|scope| {
                let theirs = Arc::clone(&pair);
                until_told(scope, inside, go_on, move || {
                    *theirs.0.lock().expect("nobody panics") = true;
                    theirs.1.notify_one();
                });
                let set = pair.0.lock().expect("nobody panics");
                drop(pair.1.wait_while(set, |set| !*set));
            });
        }),
        ("the end of a thread", |inside, go_on| {
            std::thread::scope(|scope| {
                let (end, told_to_end) = channel::<()>();
                let other = scope.spawn(move || told_to_end.recv());
                until_told(scope, inside, go_on, move || {
                    let _ = end.send(());
                });
                let _ = other.join();
            });
        }),
        ("a socket call that blocks", |inside, go_on| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("one can listen");
            let address = listener.local_addr().expect("it has an address");
            let peer = TcpStream::connect(address).expect("the listener is there");
            let (mut stream, _) = listener.accept().expect("the peer has connected");
            std::thread::scope(|scope| {
                until_told(scope, inside, go_on, move || drop(peer));
                let _ = stream.read(&mut [0]);
            });
        }),
    ];
    for (kind, sleep) in kinds {
        let crew = Crew::with_monitor(world, 1, 2);
        crew.busy(0);
        let sleeper = crew.hold(0, sleep);
        crew[1].take();
        crew.post([1]);
        until(|| crew.shape().queued == 0, || format!("{kind}: {:?}", crew.shape()));
        assert_eq!(crew[1].posted(), 1, "{kind}");
        sleeper.release();
    }
}

/// Says that the sleep begins, and has another thread end it when the test says so.
fn until_told<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    inside: Sender<()>,
    go_on: Receiver<()>,
    end: impl FnOnce() + Send + 'scope,
) {
    scope.spawn(move || {
        let _ = go_on.recv();
        end();
    });
    let _ = inside.send(());
}

fn p74_a_thread_that_runs_lets_nobody_in_as_the_monitor_sees_it(world: &World) {
    let crew = Crew::with_monitor(world, 1, 2);
    if !crew.port.driver().blocked_thread_monitor.contains("wait channel") {
        println!(
            "p74 is skipped: the monitor cannot tell a thread without a processor from a \
                  sleeping one here ({})",
            crew.port.driver().blocked_thread_monitor
        );
        return;
    }
    crew.busy(0);
    let busy = crew.hold(0, |inside, go_on| {
        let _ = inside.send(());
        let (sender, receiver) = channel();
        let lock = Mutex::new(0u64);
        // Yields, spins, locks that are free, waits that are over at once.
        while let Err(std::sync::mpsc::TryRecvError::Empty) = go_on.try_recv() {
            std::thread::yield_now();
            (0..1_000).for_each(|_| std::hint::spin_loop());
            *lock.lock().expect("nobody panics") += 1;
            sender.send(()).expect("it is received below");
            receiver.recv().expect("it was sent above");
            std::thread::sleep(Duration::ZERO);
        }
    });
    crew.wait(1);
    crew.post([1]);
    let looks = crew.port.counters().monitor_looks;
    until(
        || crew.port.counters().monitor_looks >= looks + 100,
        || format!("the monitor does not look: {:?}", crew.port.counters()),
    );
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    busy.release();
    crew[0].take();
    assert_eq!(crew[0].posted(), 1);
}

fn p83_without_a_monitor_only_blocking_lets_others_in(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    let silent = sleep_silently(&crew);
    crew.wait(1);
    crew.post([1]);
    let_pass(Duration::from_millis(50));
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    assert_eq!(crew.port.counters().monitor_looks, 0);
    silent.release();
    let said = crew.pause(0);
    assert_eq!(crew[1].posted(), 1);
    said.release();
}

fn p83_the_port_says_how_blocked_threads_are_noticed(world: &World) {
    let exact = world.exact_port(1);
    assert!(exact.driver().blocked_thread_monitor.starts_with("off"), "{:?}", exact.driver());
    let default: Port<crate::world::Numbers> = world.port(|builder| builder);
    let report = default.driver();
    assert!(
        report.blocked_thread_monitor.starts_with("on, by")
            || report.blocked_thread_monitor.contains("only blocking()")
    );
}

fn t9_t10_a_sleeper_that_runs_again_is_counted_again_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 3);
    crew[1].take();
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    assert_eq!(crew.shape(), Shape { released: 1, paused: 1, ..Shape::EMPTY }, "T9");
    sleeper.release();
    // Worker 0 runs now, as worker 1 does; the next looks see both.
    crew.wait(2);
    crew.post([2]);
    until(|| crew.shape().released == 2, || format!("T10: {:?}", crew.shape()));
    crew.expect(Shape { queued: 1, waiting: 1, released: 2, paused: 0 });
    crew[0].take();
    crew.run(1, |port| port.leave());
    until(|| crew.shape().queued == 0, || format!("{:?}", crew.shape()));
}

fn t9_who_was_seen_asleep_is_told_so_once(world: &World) {
    let (crew, sleeper) = with_a_sleeper_that_was_seen(world);
    sleeper.release();
    let asked = || (overlapped::was_seen_asleep(), overlapped::was_seen_asleep());
    assert_eq!(crew.run(0, move |_| asked()), (true, false));
    assert_eq!(crew.run(1, move |_| asked()), (false, false));
    assert_eq!(asked(), (false, false), "a thread that is bound to no port");
}

fn t12_a_sleeper_that_ends_is_gone_as_the_monitor_sees_it(world: &World) {
    let (mut crew, sleeper) = with_a_sleeper_that_was_seen(world);
    sleeper.release();
    crew.dismiss(0);
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
}

fn t10_a_sleeper_that_blocks_by_the_guard_too_is_paused_once(world: &World) {
    let (crew, sleeper) = with_a_sleeper_that_was_seen(world);
    sleeper.release();
    let said = crew.pause(0);
    assert_eq!(crew.shape().paused, 1);
    said.release();
    crew.expect(Shape { released: 2, ..Shape::EMPTY });
}

/// With one thread there is none to let in: what is queued waits until that thread is back, and nobody
/// looks at it.
fn p72_with_one_thread_what_is_queued_waits_for_it_as_the_monitor_sees_it(world: &World) {
    let (crew, sleeper) = with_a_silent_sleeper(world, 1);
    crew.post([1]);
    let_pass(Duration::from_millis(50));
    crew.expect(Shape { queued: 1, waiting: 0, released: 1, paused: 0 });
    assert_eq!(crew.port.counters().monitor_looks, 0, "there is nobody to let in");
    sleeper.release();
    crew[0].take();
    assert_eq!(crew[0].posted(), 1);
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    // It is as good as before, also when it waits.
    crew.wait(0);
    crew.post([2]);
    assert_eq!(crew[0].posted(), 2);
}

/// A thread that was found asleep in the middle of a batch ends there, by a return or by a panic: it is
/// gone, and others have what it had not looked at, in its order.
fn t12_p107_a_sleeper_that_ends_within_a_batch_leaves_the_rest_as_the_monitor_sees_it(
    world: &World,
) {
    for panics in [false, true] {
        let crew = Crew::with_monitor(world, 1, 1);
        crew.post([1, 2, 3]);
        let (inside, is_inside) = channel();
        let (go_on, told_to_go_on) = channel::<()>();
        let port = crew.port.clone();
        let sleeper = std::thread::spawn(move || {
            let mut batch = port.take_many(3, Some(PATIENCE)).expect("they are there");
            assert_eq!(batch.next().map(|packet| number(&packet)), Some(1));
            inside.send(()).expect("the test listens");
            let _ = told_to_go_on.recv();
            assert!(!panics, "the handler panics");
        });
        is_inside.recv_timeout(PATIENCE).expect("it has a batch");
        crew.wait(0);
        crew.post([4]);
        assert_eq!(crew[0].posted(), 4, "it is let in");
        crew.expect(Shape { released: 1, paused: 1, ..Shape::EMPTY });
        go_on.send(()).expect("it waits for that");
        assert_eq!(sleeper.join().is_err(), panics);
        crew.expect(Shape { queued: 2, released: 1, ..Shape::EMPTY });
        for expected in [2, 3] {
            crew[0].take();
            assert_eq!(crew[0].posted(), expected);
        }
        crew.expect(Shape { released: 1, ..Shape::EMPTY });
        let counters = crew.port.counters();
        assert_eq!((counters.queued, counters.taken), (4, 4));
    }
}

on_every_driver! {
    p72_what_is_posted_while_a_thread_blocks_is_taken_as_the_monitor_sees_it,
    p72_what_was_queued_before_a_thread_blocked_is_taken_as_the_monitor_sees_it,
    p72_who_asks_while_a_thread_blocks_is_let_in_as_the_monitor_sees_it,
    p72_a_socket_is_served_while_a_thread_blocks_as_the_monitor_sees_it,
    p72_a_timer_runs_out_while_a_thread_blocks_as_the_monitor_sees_it,
    p72_every_blocked_thread_lets_one_in_as_the_monitor_sees_it,
    p72_with_one_thread_what_is_queued_waits_for_it_as_the_monitor_sees_it,
    p73_every_kind_of_sleep_lets_another_in_as_the_monitor_sees_it,
    p74_a_thread_that_runs_lets_nobody_in_as_the_monitor_sees_it,
    p83_without_a_monitor_only_blocking_lets_others_in,
    p83_the_port_says_how_blocked_threads_are_noticed,
    t9_t10_a_sleeper_that_runs_again_is_counted_again_as_the_monitor_sees_it,
    t9_who_was_seen_asleep_is_told_so_once,
    t12_a_sleeper_that_ends_is_gone_as_the_monitor_sees_it,
    t12_p107_a_sleeper_that_ends_within_a_batch_leaves_the_rest_as_the_monitor_sees_it,
    t10_a_sleeper_that_blocks_by_the_guard_too_is_paused_once,
}
