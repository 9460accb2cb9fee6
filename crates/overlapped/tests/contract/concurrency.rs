//! The concurrency count: who runs, who is held back, and who is not counted (P59-P63, P70-P79,
//! P84, P97).

use crate::crew::{AtTheEnd, Crew, Shape, expect_shape, number, poll_number, shape, until_shape};
use crate::packets::{expect_queued, sent};
use crate::threads::{Order, Worker};
use crate::world::{Numbers, PATIENCE, World};
use crate::{on_every_driver, on_every_driver_that_limits};
use overlapped::{Port, TakeError, blocking};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Whether a poll is in vain.
fn finds_nothing(port: &Port<Numbers>) -> bool {
    matches!(port.try_take(), Ok(None))
}

fn p59_a_take_waits_although_packets_are_queued_while_too_many_run(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post([1, 2, 3]);
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 1);
    pause.release();
    crew.expect(Shape { queued: 2, released: 2, ..Shape::EMPTY });
    crew.wait(1);
    crew.expect(Shape { queued: 2, waiting: 1, released: 1, paused: 0 });
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 2, "until the other one blocks");
    pause.release();
    crew.wait(1);
    crew.run(0, |port| port.leave());
    assert_eq!(crew[1].posted(), 3, "or goes");
}

fn p60_never_more_threads_are_released_than_the_concurrency(world: &World) {
    const CONCURRENCY: usize = 2;
    const POSTS: usize = 5_000;
    let port = world.exact_port(CONCURRENCY);
    let (running, most, taken) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while port.take_timeout(PATIENCE).is_ok() {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let all = taken.fetch_add(1, Ordering::SeqCst) + 1 == POSTS;
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    if all {
                        port.close();
                    }
                }
            });
        }
        until_shape(&port, Shape { waiting: 8, ..Shape::EMPTY });
        (0..POSTS as u64).for_each(|number| port.post(number).expect("the port is open"));
    });
    assert_eq!(taken.into_inner(), POSTS);
    assert!(most.into_inner() <= CONCURRENCY, "more ran at once");
    assert_eq!(port.counters().over_limit_moments, 0);
}

fn p62_a_thread_that_timed_out_goes_on_as_a_running_one(world: &World) {
    let crew = Crew::new(world, 1, 2);
    let timed_out = |worker: usize| {
        crew[worker].order(Order::Take(Some(Duration::from_millis(1))));
        assert_eq!(crew[worker].result().err(), Some(TakeError::TimedOut));
    };
    timed_out(0);
    crew.wait(1);
    crew.post([1]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 1, "let in when it blocks");
    pause.release();
    crew.run(1, |port| port.leave());
    timed_out(0);
    crew.wait(1);
    crew.post([2]);
    crew.run(0, |port| port.leave());
    assert_eq!(crew[1].posted(), 2, "or leaves");
}

fn p63_a_thread_that_polls_counts_as_running(world: &World) {
    let crew = Crew::new(world, 1, 2);
    assert!(crew.run(0, finds_nothing));
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    crew.wait(1);
    crew.post([1]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    let polled = crew.run(0, poll_number);
    assert_eq!(polled, 1, "the next poll of the same thread finds it");
    assert!(crew[1].still_waits());
}

fn p70_p71_a_thread_that_resumes_exceeds_the_limit_and_nothing_is_handed_out(world: &World) {
    let crew = Crew::new(world, 1, 3);
    crew.busy(0);
    let before = crew.port.counters().over_limit_moments;
    crew.wait(1);
    crew.wait(2);
    crew.post([1]);
    let pause = crew.pause(0);
    assert_eq!(crew[2].posted(), 1);
    pause.release();
    crew.expect(Shape { waiting: 1, released: 2, ..Shape::EMPTY });
    assert_eq!(crew.port.counters().over_limit_moments, before + 1);
    crew.post([2]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 2, paused: 0 });
    crew.wait(2);
    // The limit is kept again, by withholding.
    crew.expect(Shape { queued: 1, waiting: 2, released: 1, paused: 0 });
    crew[0].take();
    assert_eq!(crew[0].posted(), 2);
}

/// What a thread has completed itself lies nearest to it, and is withheld all the same.
fn p71_a_thread_that_resumed_over_the_limit_gets_nothing_of_its_own_either(world: &World) {
    let mut crew = Crew::new(world, 1, 1);
    let port = &crew.port.clone();
    let (stream, _peer) = world.stream(port, 7);
    port.post(0).expect("the port is open");
    assert_eq!(poll_number(port), 0);
    crew.wait(0);
    crew.post([1]);
    blocking(|| assert_eq!(crew[0].posted(), 1));
    crew.expect(Shape { released: 2, ..Shape::EMPTY });
    stream.send(b"x", 2).expect("it is connected");
    expect_queued(port, 1);
    assert!(finds_nothing(port), "two threads run where one may");
    crew.dismiss(0);
    assert_eq!(sent(port).operation, 2);
}

fn p72_a_thread_that_blocks_lets_the_newest_waiter_in_at_once(world: &World) {
    let crew = Crew::new(world, 1, 3);
    crew.busy(0);
    crew.wait(1);
    crew.wait(2);
    crew.post([11, 12]);
    let before = crew.port.counters().released_on_block;
    let pause = crew.pause(0);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 1 });
    assert_eq!(crew[2].posted(), 11, "the newest waiter, the oldest packet");
    assert_eq!(crew.port.counters().released_on_block, before + 1);
    pause.release();
}

fn p72_a_thread_that_blocks_with_nothing_queued_leaves_a_free_slot(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    let pause = crew.pause(0);
    crew.expect(Shape { waiting: 1, paused: 1, ..Shape::EMPTY });
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    pause.release();
}

fn p72_a_free_slot_serves_sockets_too(world: &World) {
    let crew = Crew::new(world, 1, 2);
    let (listener, address) = world.listen(&crew.port, 0);
    listener.accept(5).expect("an accept is posted");
    crew.busy(0);
    crew.wait(1);
    let pause = crew.pause(0);
    let _peer = world.connect(address);
    let result = crew[1].result();
    assert!(matches!(result, Ok(overlapped::Packet::Accepted { operation: 5, .. })), "{result:?}");
    pause.release();
}

fn p75_waiting_on_the_port_itself_is_not_blocking(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.busy(0);
    crew.wait(0);
    crew.expect(Shape { waiting: 1, ..Shape::EMPTY });
    crew.post([1]);
    assert_eq!(crew[0].posted(), 1);
    // Even where somebody wraps the call: no slot is lost or counted twice.
    let result = crew.run(0, |port| blocking(|| port.take_timeout(Duration::from_millis(1)).err()));
    assert_eq!(result, Some(TakeError::TimedOut));
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
}

fn p76_waiting_on_another_port_unbinds_from_this_one(world: &World) {
    let crew = Crew::new(world, 1, 2);
    let other = world.exact_port(1);
    crew.busy(0);
    crew.wait(1);
    crew.post([1]);
    let on_other = other.clone();
    crew[0].order(Order::Run(Box::new(move |_| drop(on_other.take()))));
    assert_eq!(crew[1].posted(), 1, "its slot went to the waiter");
    until_shape(&other, Shape { waiting: 1, ..Shape::EMPTY });
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    other.post(2).expect("the port is open");
    until_shape(&other, Shape { released: 1, ..Shape::EMPTY });
    // It does not get its slot here back by itself.
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    crew.run(1, |port| port.leave());
    crew.post([3]);
    crew[0].take();
    assert_eq!(crew[0].posted(), 3);
    assert_eq!(shape(&other), Shape::EMPTY, "and taking here unbinds it there");
}

fn p76_a_thread_that_went_elsewhere_while_it_said_it_blocks_owes_nothing(world: &World) {
    let crew = Crew::new(world, 1, 1);
    let other = world.exact_port(1);
    crew.busy(0);
    let on_other = other.clone();
    assert!(crew.run(0, move |_| blocking(|| finds_nothing(&on_other))));
    crew.expect(Shape::EMPTY);
    expect_shape(&other, Shape { released: 1, ..Shape::EMPTY });
}

fn p77_a_thread_is_bound_from_its_first_take_until_it_goes(world: &World) {
    let mut crew = Crew::new(world, 4, 3);
    assert_eq!(crew.shape(), Shape::EMPTY, "who never asked is not bound");
    for worker in 0..3 {
        assert!(crew.run(worker, finds_nothing));
    }
    crew.expect(Shape { released: 3, ..Shape::EMPTY });
    crew.run(0, |port| port.leave());
    assert_eq!(crew.shape().released, 2, "it left");
    crew.dismiss(1);
    assert_eq!(crew.shape().released, 1, "its thread ended");
    let other = world.exact_port(1);
    // Worker 2 has become worker 1.
    crew.run(1, move |_| drop(other.try_take()));
    assert_eq!(crew.shape(), Shape::EMPTY, "it took from another port");
}

fn p78_the_end_of_a_thread_frees_its_slot(world: &World) {
    let mut crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post([2]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    crew.dismiss(0);
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    assert_eq!(crew[0].posted(), 2, "the second worker, now the only one, has it");
}

fn p79_threads_that_are_not_bound_never_count(world: &World) {
    let crew = Crew::waiting(world, 1, 1);
    let outside = std::thread::current().id();
    blocking(|| assert_eq!(std::thread::current().id(), outside));
    crew.expect(Shape { waiting: 1, ..Shape::EMPTY });
    crew.post([1, 2]);
    blocking(|| assert_eq!(crew.shape(), Shape { queued: 1, released: 1, ..Shape::EMPTY }));
    crew.expect(Shape { queued: 1, released: 1, ..Shape::EMPTY });
    assert_eq!(crew[0].posted(), 1);
}

fn p84_the_count_is_exact_whatever_races(world: &World) {
    const THREADS: usize = 6;
    const END: u64 = u64::MAX;
    let port = world.exact_port(2);
    let racing = AtomicUsize::new(THREADS);
    let over = AtomicBool::new(false);
    let (posted, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seed in 1..=THREADS as u64 {
            let (port, racing, posted, taken) = (&port, &racing, &posted, &taken);
            scope.spawn(move || {
                let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let count = |got_one| {
                    taken.fetch_add(usize::from(got_one), Ordering::Relaxed);
                };
                for _ in 0..1_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    match random % 8 {
                        0..3 => {
                            port.post(1).expect("the port is open");
                            posted.fetch_add(1, Ordering::Relaxed);
                        }
                        3 => count(matches!(port.try_take(), Ok(Some(_)))),
                        4 | 5 => count(port.take_timeout(Duration::from_micros(20)).is_ok()),
                        6 => blocking(std::thread::yield_now),
                        _ => port.leave(),
                    }
                }
                racing.fetch_sub(1, Ordering::SeqCst);
                while let Ok(packet) = port.take()
                    && number(&packet) != END
                {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let Shape { waiting, released, paused, .. } = shape(&port);
                assert!(waiting + released + paused <= THREADS, "{:?}", shape(&port));
                std::thread::yield_now();
            }
        });
        let _all_end = AtTheEnd(|| {
            over.store(true, Ordering::Relaxed);
            if std::thread::panicking() {
                port.close();
            }
        });
        // At rest: whoever races no more waits, with nothing queued, and holds no slot.
        crate::crew::until(|| racing.load(Ordering::SeqCst) == 0, || "they race on".into());
        until_shape(&port, Shape { waiting: THREADS, ..Shape::EMPTY });
        (0..THREADS).for_each(|_| port.post(END).expect("the port is open"));
    });
    // A thread is unbound a moment after its scope has ended.
    until_shape(&port, Shape::EMPTY);
    assert_eq!(taken.into_inner(), posted.load(Ordering::Relaxed));
    let counters = port.counters();
    assert_eq!(counters.queued, counters.taken);
    assert_eq!(counters.taken as usize, posted.into_inner() + THREADS);
}

fn p97_a_poll_at_the_limit_finds_nothing_although_packets_are_queued(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.post([2]);
    assert!(crew.run(1, finds_nothing));
    crew.expect(Shape { queued: 1, released: 2, ..Shape::EMPTY });
    crew[1].order(Order::Take(Some(Duration::from_millis(1))));
    assert_eq!(crew[1].result().err(), Some(TakeError::TimedOut), "nor does a short wait");
    crew.run(0, |port| port.leave());
    assert_eq!(crew.run(1, poll_number), 2);
}

/// The worker of one port is bound to it, whatever clone of the port it uses.
fn p77_clones_are_the_same_port(world: &World) {
    let port = world.exact_port(1);
    let worker = Worker::start(&port.clone());
    worker.order(Order::Take(Some(Duration::ZERO)));
    assert_eq!(worker.result().err(), Some(TakeError::TimedOut));
    expect_shape(&port, Shape { released: 1, ..Shape::EMPTY });
    worker.end();
    expect_shape(&port, Shape::EMPTY);
}

/// What the page on the scheduler says of too few threads, and what mends it.
fn p72_while_every_thread_blocks_nothing_is_taken_until_one_is_added(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    let first = crew.pause(0);
    crew.busy(1);
    let second = crew.pause(1);
    crew.post([1]);
    crew.expect(Shape { queued: 1, paused: 2, ..Shape::EMPTY });
    let added = Worker::start(&crew.port);
    added.take();
    assert_eq!(added.posted(), 1, "though the others block still");
    first.release();
    second.release();
    added.end();
}

on_every_driver! {
    p72_while_every_thread_blocks_nothing_is_taken_until_one_is_added,
    p72_a_thread_that_blocks_with_nothing_queued_leaves_a_free_slot,
    p72_a_free_slot_serves_sockets_too,
    p75_waiting_on_the_port_itself_is_not_blocking,
    p76_waiting_on_another_port_unbinds_from_this_one,
    p77_a_thread_is_bound_from_its_first_take_until_it_goes,
    p77_clones_are_the_same_port,
    p84_the_count_is_exact_whatever_races,
}

on_every_driver_that_limits! {
    p78_the_end_of_a_thread_frees_its_slot,
    p59_a_take_waits_although_packets_are_queued_while_too_many_run,
    p71_a_thread_that_resumed_over_the_limit_gets_nothing_of_its_own_either,
    p60_never_more_threads_are_released_than_the_concurrency,
    p62_a_thread_that_timed_out_goes_on_as_a_running_one,
    p63_a_thread_that_polls_counts_as_running,
    p70_p71_a_thread_that_resumes_exceeds_the_limit_and_nothing_is_handed_out,
    p72_a_thread_that_blocks_lets_the_newest_waiter_in_at_once,
    p76_a_thread_that_went_elsewhere_while_it_said_it_blocks_owes_nothing,
    p79_threads_that_are_not_bound_never_count,
    p97_a_poll_at_the_limit_finds_nothing_although_packets_are_queued,
}
