//! Queue discipline: packets first in first out, threads last in first out (P50-P68).
//!
//! Of the threads that wait with nothing queued, as many as there are free slots stand in the
//! driver's wait, where their order is the kernel's business; the later ones are parked, and of
//! those the newest is released first. So these tests have more waiters than slots.

use crate::crew::{Crew, Shape, number, poll_number, until, until_shape};
use crate::threads::Order;
use crate::world::{PATIENCE, World};
use crate::{on_every_driver, on_every_driver_that_limits};
use overlapped::{Buffer, Packet, Received, TakeError};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

fn p50_packets_leave_in_the_order_they_were_queued(world: &World) {
    let crew = Crew::new(world, 4, 4);
    crew.post(0..1_000);
    for expected in 0..1_000 {
        let worker = expected as usize % 4;
        crew[worker].take();
        assert_eq!(crew[worker].posted(), expected, "whoever asks");
    }
}

fn p51_waiting_threads_are_released_last_in_first_out(world: &World) {
    let crew = Crew::waiting(world, 2, 4);
    crew.post([1]);
    assert_eq!(crew[3].posted(), 1, "the last to wait is the first released");
    crew.expect(Shape { waiting: 3, released: 1, ..Shape::EMPTY });
    crew.post([2]);
    assert_eq!(crew[2].posted(), 2, "then the one before it, while the first still runs");
    crew.expect(Shape { waiting: 2, released: 2, ..Shape::EMPTY });
    assert!(crew[0].still_waits() && crew[1].still_waits());
}

fn p53_a_later_packet_may_be_finished_first(world: &World) {
    let crew = Crew::new(world, 2, 2);
    crew.post([1, 2, 3]);
    crew[0].take();
    assert_eq!(crew[0].posted(), 1);
    crew[1].take();
    assert_eq!(crew[1].posted(), 2);
    // Worker 1 asks again, so its packet is finished; worker 0 still works on the older one.
    crew[1].take();
    assert_eq!(crew[1].posted(), 3);
}

fn p54_with_a_concurrency_of_1_packets_are_processed_in_queue_order(world: &World) {
    const POSTS: u64 = 2_000;
    let port = world.exact_port(1);
    let log = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Ok(packet) = port.take_timeout(PATIENCE) {
                    let number = number(&packet);
                    std::thread::yield_now();
                    let mut log = log.lock().expect("nobody panics");
                    log.push(number);
                    if log.len() as u64 == POSTS {
                        port.close();
                    }
                }
            });
        }
        for number in 0..POSTS {
            port.post(number).expect("the port is open");
            if number % 64 == 0 {
                std::thread::yield_now();
            }
        }
    });
    assert!(log.into_inner().expect("nobody panics").into_iter().eq(0..POSTS));
}

fn p55_a_packet_goes_straight_to_a_waiter_while_a_slot_is_free(world: &World) {
    let crew = Crew::waiting(world, 2, 4);
    crew.post([1]);
    // Handed over within the post: it was never to be seen in the queue.
    crew.expect(Shape { waiting: 3, released: 1, ..Shape::EMPTY });
    crew.post([2]);
    crew.expect(Shape { waiting: 2, released: 2, ..Shape::EMPTY });
    crew.post([3]);
    assert_eq!(
        crew.shape(),
        Shape { queued: 1, waiting: 2, released: 2, paused: 0 },
        "without a free slot it is appended"
    );
}

fn p56_a_post_of_a_running_thread_does_not_free_its_slot(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.run(0, |port| port.post(5).is_ok());
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 5, "the waiter gets it when the poster blocks");
    pause.release();
}

fn p56_below_the_limit_a_post_of_a_running_thread_releases_a_waiter(world: &World) {
    let crew = Crew::new(world, 2, 2);
    crew.busy(0);
    crew.wait(1);
    crew.run(0, |port| port.post(5).is_ok());
    crew.expect(Shape { released: 2, ..Shape::EMPTY });
    assert_eq!(crew[1].posted(), 5);
}

fn p57_a_thread_that_comes_back_takes_the_next_packet_itself(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post(1..=3);
    for expected in 1..=3 {
        crew[0].take();
        assert_eq!(crew[0].posted(), expected);
        assert!(crew[1].still_waits());
    }
    crew.expect(Shape { waiting: 1, released: 1, ..Shape::EMPTY });
}

/// Eight threads of a port of concurrency 1, a queue of 64 packets that each taken packet is put
/// back into, and perhaps somebody else who posts meanwhile: how many threads ever took one?
fn threads_that_serve_a_queue_that_never_runs_dry(world: &World, posts_of_others: u64) -> usize {
    const TAKES: usize = 5_000;
    let port = world.exact_port(1);
    let taken = AtomicUsize::new(0);
    let served: Mutex<HashSet<ThreadId>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while port.take_timeout(PATIENCE).is_ok() {
                    served.lock().expect("nobody panics").insert(std::thread::current().id());
                    match taken.fetch_add(1, Ordering::Relaxed) {
                        0 => (0..64).for_each(|number| port.post(number).expect("it is open")),
                        TAKES => port.close(),
                        // It is closed when another thread is let in although one is running.
                        _ => drop(port.post(1)),
                    }
                }
            });
        }
        until_shape(&port, Shape { waiting: 8, ..Shape::EMPTY });
        port.post(0).expect("the port is open");
        until(|| taken.load(Ordering::Relaxed) > 0, || "nobody took the first packet".into());
        (0..posts_of_others).for_each(|number| drop(port.post(number)));
    });
    served.into_inner().expect("nobody panics").len()
}

fn p58_under_constant_load_one_thread_does_everything(world: &World) {
    assert_eq!(threads_that_serve_a_queue_that_never_runs_dry(world, 0), 1);
}

fn p58_under_constant_load_one_thread_does_everything_while_others_post(world: &World) {
    assert_eq!(threads_that_serve_a_queue_that_never_runs_dry(world, 20_000), 1);
}

fn p61_who_arrives_overtakes_who_waits(world: &World) {
    let crew = Crew::new(world, 1, 3);
    crew.busy(0);
    crew.wait(1);
    crew.post([1]);
    let pause = crew.pause(0);
    assert_eq!(crew[1].posted(), 1);
    crew.wait(2);
    crew.post([2, 3]);
    crew.expect(Shape { queued: 2, waiting: 1, released: 1, paused: 1 });
    crew[1].take();
    assert_eq!(crew[1].posted(), 2, "found on arrival");
    assert!(crew[2].still_waits());
    pause.release();
}

fn p64_a_thread_that_timed_out_and_waits_again_is_the_newest(world: &World) {
    let crew = Crew::new(world, 1, 3);
    crew.wait(0);
    // Worker 1 waits before worker 2, times out, and waits again after it.
    crew[1].order(Order::Take(Some(Duration::from_secs(2))));
    crate::threads::until(&crew.port, "two wait", |snapshot| snapshot.waiting == 2);
    crew.wait(2);
    assert_eq!(crew[1].result().err(), Some(TakeError::TimedOut));
    crew.wait(1);
    crew.post([1]);
    assert_eq!(crew[1].posted(), 1);
    assert!(crew[0].still_waits() && crew[2].still_waits());
}

/// Recorded on Windows with two waiters. Here two more hold the places in the driver's wait.
fn p65_two_posts_to_two_waiters_and_one_to_who_comes_later(world: &World) {
    let crew = Crew::new(world, 2, 5);
    (0..4).for_each(|worker| crew.wait(worker));
    crew.post([3, 4]);
    assert_eq!((crew[3].posted(), crew[2].posted()), (3, 4));
    crew.run(3, |port| port.leave());
    crew.run(2, |port| port.leave());
    crew.wait(4);
    crew.post([5]);
    assert_eq!(crew[4].posted(), 5, "who arrived last gets the next one");
}

fn p66_a_parked_waiter_owns_its_packet_before_it_wakes(world: &World) {
    let crew = Crew::waiting(world, 2, 3);
    for number in 0..300 {
        crew.post([number]);
        // This thread may run too, and asks before the waiter can have woken.
        assert!(matches!(crew.port.try_take(), Ok(None)), "nobody snatches it");
        crew.port.leave();
        assert_eq!(crew[2].posted(), number);
        crew.wait(2);
    }
}

fn p66_a_waiter_in_the_driver_gets_its_packet_whoever_polls_meanwhile(world: &World) {
    let crew = Crew::waiting(world, 2, 1);
    for number in 0..300 {
        crew.post([number]);
        assert!(matches!(crew.port.try_take(), Ok(None)), "nobody snatches it");
        crew.port.leave();
        assert_eq!(crew[0].posted(), number, "nor its wake-up");
        crew.wait(0);
    }
}

fn p67_what_completes_again_and_again_goes_to_the_tail_each_time(world: &World) {
    let port = world.exact_port(1);
    let (hot, _peer) = world.stream(&port, 0);
    hot.send(b"x", 0).expect("a send starts");
    for round in 0..5 {
        (0..20).for_each(|number| port.post(number).expect("the port is open"));
        match port.try_take() {
            // Its next send completes at once and is queued at once.
            Ok(Some(Packet::Sent { stream, .. })) => {
                stream.send(b"x", round).map(drop).expect("starts")
            }
            other => panic!("round {round} begins with the hot socket, not {other:?}"),
        }
        for expected in 0..20 {
            assert_eq!(poll_number(&port), expected);
        }
    }
}

/// The same from the other side: a queue that never runs dry does not keep sockets from being
/// looked at.
fn p67_packets_that_return_for_ever_do_not_starve_a_socket(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 0);
    stream.receive(Buffer::with_capacity(8), 1).expect("a receive starts");
    (0..4).for_each(|number| port.post(number).expect("the port is open"));
    peer.send(b"x");
    let start = Instant::now();
    loop {
        match port.try_take() {
            Ok(Some(Packet::Posted(number))) => port.post(number).expect("the port is open"),
            Ok(Some(Packet::Received { result, .. })) => {
                assert_eq!(result.expect("it succeeds"), Received::Data(1));
                return;
            }
            other => panic!("not {other:?}"),
        }
        assert!(start.elapsed() < PATIENCE, "the socket was never looked at");
    }
}

fn p82_a_few_warm_threads_do_the_work_and_the_others_stay_idle(world: &World) {
    let crew = Crew::waiting(world, 1, 4);
    for number in 0..100 {
        crew.post([number]);
        assert_eq!(crew[3].posted(), number, "the newest waiter is the same each time");
        crew.wait(3);
    }
    assert!((0..3).all(|worker| crew[worker].still_waits()));
}

on_every_driver! {
    p50_packets_leave_in_the_order_they_were_queued,
    p51_waiting_threads_are_released_last_in_first_out,
    p53_a_later_packet_may_be_finished_first,
    p56_below_the_limit_a_post_of_a_running_thread_releases_a_waiter,
    p64_a_thread_that_timed_out_and_waits_again_is_the_newest,
    p67_what_completes_again_and_again_goes_to_the_tail_each_time,
    p67_packets_that_return_for_ever_do_not_starve_a_socket,
}

on_every_driver_that_limits! {
    p65_two_posts_to_two_waiters_and_one_to_who_comes_later,
    p54_with_a_concurrency_of_1_packets_are_processed_in_queue_order,
    p55_a_packet_goes_straight_to_a_waiter_while_a_slot_is_free,
    p56_a_post_of_a_running_thread_does_not_free_its_slot,
    p57_a_thread_that_comes_back_takes_the_next_packet_itself,
    p58_under_constant_load_one_thread_does_everything,
    p58_under_constant_load_one_thread_does_everything_while_others_post,
    p61_who_arrives_overtakes_who_waits,
    p66_a_parked_waiter_owns_its_packet_before_it_wakes,
    p66_a_waiter_in_the_driver_gets_its_packet_whoever_polls_meanwhile,
    p82_a_few_warm_threads_do_the_work_and_the_others_stay_idle,
}
