//! The fourteen transitions of a thread, seen by the snapshot (P96, P98, F7).
//!
//! Each test names the row of the table. Where it matters, all slots are taken before the second
//! thread waits: then it is parked.

use crate::crew::{Crew, Shape, poll_number, shape, until_shape};
use crate::threads::Order;
use crate::world::World;
use crate::{on_every_driver, on_every_driver_that_limits};
use overlapped::{TakeError, blocking};
use std::sync::mpsc::channel;
use std::time::Duration;

fn t1_who_is_not_bound_takes_the_head_and_is_released(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.post([1, 2]);
    crew[0].take();
    assert_eq!(crew[0].posted(), 1);
    crew.expect(Shape { queued: 1, released: 1, ..Shape::EMPTY });
}

fn t2_who_is_not_bound_waits_when_nothing_is_queued(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.wait(0);
    crew.expect(Shape { waiting: 1, ..Shape::EMPTY });
}

fn t2_who_is_not_bound_waits_when_every_slot_is_taken(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.post([1]);
    crew.wait(1);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
}

fn t3_who_is_released_takes_the_next_head(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.busy(0);
    crew.post([1, 2]);
    crew[0].take();
    assert_eq!(crew[0].posted(), 1);
    crew.expect(Shape { queued: 1, released: 1, ..Shape::EMPTY });
}

fn t4_who_is_released_waits_when_nothing_is_queued(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.busy(0);
    crew.wait(0);
    crew.expect(Shape { waiting: 1, ..Shape::EMPTY });
}

fn t5_who_waits_is_released_by_an_insertion(world: &World) {
    let crew = Crew::waiting(world, 2, 3);
    crew.post([1]);
    crew.expect(Shape { waiting: 2, released: 1, ..Shape::EMPTY });
    assert_eq!(crew[2].posted(), 1, "the top of the stack");
}

/// Worker 0 runs, worker 1 waits, a packet is queued; then worker 0 does something.
fn t6<R>(world: &World, does: impl FnOnce(&mut Crew) -> R) -> Shape {
    let mut crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post([1]);
    crew.expect(Shape { queued: 1, waiting: 1, released: 1, paused: 0 });
    let _held = does(&mut crew);
    crew.shape()
}

fn t6_who_waits_is_released_when_a_running_thread_blocks(world: &World) {
    let after = t6(world, |crew| {
        let pause = crew.pause(0);
        assert_eq!(crew[1].posted(), 1);
        pause
    });
    assert_eq!(after, Shape { released: 1, paused: 1, ..Shape::EMPTY });
}

fn t6_who_waits_is_released_when_a_running_thread_leaves(world: &World) {
    let after = t6(world, |crew| {
        crew.run(0, |port| port.leave());
        assert_eq!(crew[1].posted(), 1);
    });
    assert_eq!(after, Shape { released: 1, ..Shape::EMPTY });
}

fn t6_t12_who_waits_is_released_when_a_running_thread_ends(world: &World) {
    let after = t6(world, |crew| {
        crew.dismiss(0);
        assert_eq!(crew[0].posted(), 1, "the one that is left");
    });
    assert_eq!(after, Shape { released: 1, ..Shape::EMPTY });
}

fn t6_t11_who_waits_is_released_when_a_running_thread_takes_elsewhere(world: &World) {
    let other = world.exact_port(1);
    let there = other.clone();
    let after = t6(world, |crew| {
        assert!(crew.run(0, move |_| matches!(there.try_take(), Ok(None))));
        assert_eq!(crew[1].posted(), 1);
    });
    assert_eq!(after, Shape { released: 1, ..Shape::EMPTY });
    until_shape(&other, Shape::EMPTY);
}

fn t7_who_times_out_is_released_without_a_packet(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew[0].order(Order::Take(Some(Duration::from_millis(1))));
    assert_eq!(crew[0].result().err(), Some(TakeError::TimedOut));
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
    // The same for one that is parked, since no slot is free; the limit does not hold it.
    crew[1].order(Order::Take(Some(Duration::from_millis(1))));
    assert_eq!(crew[1].result().err(), Some(TakeError::TimedOut));
    crew.expect(Shape { released: 2, ..Shape::EMPTY });
}

fn t8_who_waits_is_let_go_when_the_port_is_closed(world: &World) {
    let crew = Crew::waiting(world, 1, 3);
    crew.port.close();
    for worker in 0..3 {
        assert_eq!(crew[worker].result().err(), Some(TakeError::Abandoned));
    }
    crew.expect(Shape::EMPTY);
}

fn t9_who_blocks_is_paused(world: &World) {
    let crew = Crew::new(world, 2, 1);
    crew.busy(0);
    let pause = crew.pause(0);
    crew.expect(Shape { paused: 1, ..Shape::EMPTY });
    pause.release();
}

fn t10_who_resumes_is_released_whatever_the_count(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    let pause = crew.pause(0);
    crew.busy(1);
    crew.expect(Shape { released: 1, paused: 1, ..Shape::EMPTY });
    pause.release();
    crew.expect(Shape { released: 2, ..Shape::EMPTY });
}

fn t10_who_panics_in_blocking_is_released_again(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.busy(0);
    let caught = crew.run(0, |_| {
        std::panic::catch_unwind(|| blocking(|| std::panic::resume_unwind(Box::new(()))))
    });
    assert!(caught.is_err());
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
}

fn t10_who_blocks_within_blocking_is_paused_once(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew.busy(0);
    let outer = crew.hold(0, |inside, go_on| {
        blocking(|| {
            blocking(|| ());
            let _ = inside.send(());
            let _ = go_on.recv();
        });
    });
    crew.expect(Shape { paused: 1, ..Shape::EMPTY });
    outer.release();
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
}

fn t12_who_ends_after_it_was_paused_is_gone(world: &World) {
    let mut crew = Crew::new(world, 1, 1);
    crew.busy(0);
    crew.pause(0).release();
    crew.dismiss(0);
    crew.expect(Shape::EMPTY);
}

fn t13_who_runs_or_is_paused_goes_on_when_the_port_is_closed(world: &World) {
    let crew = Crew::new(world, 2, 2);
    crew.busy(0);
    crew.busy(1);
    let pause = crew.pause(0);
    crew.port.close();
    pause.release();
    for worker in 0..2 {
        assert_eq!(crew.run(worker, |port| port.take().err()), Some(TakeError::Closed));
        let other = world.exact_port(1);
        let there = other.clone();
        assert!(crew.run(worker, move |_| matches!(there.try_take(), Ok(None))));
        assert_eq!(shape(&other), Shape { released: 1, ..Shape::EMPTY }, "it is free to bind");
    }
}

fn t14_who_polls_in_vain_is_released_without_a_packet(world: &World) {
    let crew = Crew::new(world, 1, 1);
    crew[0].order(Order::Take(Some(Duration::ZERO)));
    assert_eq!(crew[0].result().err(), Some(TakeError::TimedOut));
    crew.expect(Shape { released: 1, ..Shape::EMPTY });
}

/// The control survives when a handler has its work done by a thread of its own: the one that
/// waits for it is paused, the other is not counted.
fn f7_work_that_is_passed_on_does_not_lose_the_control(world: &World) {
    let crew = Crew::new(world, 1, 2);
    crew.busy(0);
    crew.wait(1);
    crew.post([1, 2]);
    let (finish, told_to_finish) = channel::<()>();
    let passed_on = crew.hold(0, |inside, go_on| {
        std::thread::scope(|scope| {
            let specialist = scope.spawn(move || told_to_finish.recv());
            let answer = blocking(|| {
                let _ = inside.send(());
                specialist.join()
            });
            assert!(answer.expect("it does not panic").is_ok());
            let _ = go_on.recv();
        });
    });
    crew.expect(Shape { queued: 1, released: 1, paused: 1, waiting: 0 });
    assert_eq!(crew[1].posted(), 1);
    finish.send(()).expect("the specialist waits");
    until_shape(&crew.port, Shape { queued: 1, released: 2, ..Shape::EMPTY });
    crew.wait(1);
    passed_on.release();
    let next = crew.run(0, poll_number);
    assert_eq!(next, 2, "one of them runs again, and takes what is left");
    crew.expect(Shape { waiting: 1, released: 1, ..Shape::EMPTY });
}

on_every_driver! {
    t1_who_is_not_bound_takes_the_head_and_is_released,
    t2_who_is_not_bound_waits_when_nothing_is_queued,
    t3_who_is_released_takes_the_next_head,
    t4_who_is_released_waits_when_nothing_is_queued,
    t5_who_waits_is_released_by_an_insertion,
    t7_who_times_out_is_released_without_a_packet,
    t8_who_waits_is_let_go_when_the_port_is_closed,
    t9_who_blocks_is_paused,
    t10_who_resumes_is_released_whatever_the_count,
    t10_who_panics_in_blocking_is_released_again,
    t10_who_blocks_within_blocking_is_paused_once,
    t12_who_ends_after_it_was_paused_is_gone,
    t13_who_runs_or_is_paused_goes_on_when_the_port_is_closed,
    t14_who_polls_in_vain_is_released_without_a_packet,
}

on_every_driver_that_limits! {
    t6_t11_who_waits_is_released_when_a_running_thread_takes_elsewhere,
    t6_who_waits_is_released_when_a_running_thread_leaves,
    f7_work_that_is_passed_on_does_not_lose_the_control,
    t2_who_is_not_bound_waits_when_every_slot_is_taken,
    t6_t12_who_waits_is_released_when_a_running_thread_ends,
    t6_who_waits_is_released_when_a_running_thread_blocks,
}
