//! Timers: operations of the port itself.

use crate::errno;
use crate::on_every_driver;
use crate::packets::{assert_nothing_comes, code, next};
use crate::world::{Numbers, World};
use overlapped::{Packet, Port};
use std::io;
use std::time::{Duration, Instant};

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

fn timer(port: &Port<Numbers>) -> (u64, io::Result<()>) {
    match next(port) {
        Packet::Timer { operation, result } => (operation, result),
        other => panic!("the packet of a timer was owed, not {other:?}"),
    }
}

fn a_timer_completes_no_earlier_than_its_time(world: &World) {
    let port = world.exact_port(1);
    let after = Duration::from_millis(30);
    let start = Instant::now();
    port.timer(after, 5).expect("a timer can be started");
    assert_nothing_comes(&port);
    let (operation, result) = timer(&port);
    assert!(start.elapsed() >= after);
    assert_eq!(operation, 5);
    assert!(result.is_ok());
    assert_nothing_comes(&port);
}

fn timers_complete_in_the_order_of_their_times(world: &World) {
    let port = world.exact_port(1);
    for number in [4, 2, 3, 1, 0_u64] {
        let after = Duration::from_millis(10 * number);
        port.timer(after, number).expect("a timer can be started");
    }
    for number in 0..5 {
        assert_eq!(timer(&port).0, number);
    }
}

fn p132_a_cancelled_timer_completes_once_as_aborted(world: &World) {
    let port = world.exact_port(1);
    let first = port.timer(NEVER_IN_THIS_TEST, 1).expect("a timer can be started");
    port.timer(NEVER_IN_THIS_TEST, 2).expect("a timer can be started");
    port.cancel_timer(first).expect("it has not run out");
    assert_eq!(port.snapshot().queued, 1, "the packet is there when the call returns (F16)");
    let (operation, result) = timer(&port);
    assert_eq!((operation, code(&result)), (1, Some(errno::CANCELED)));
    let again = port.cancel_timer(first).expect_err("it was cancelled before");
    assert_eq!(again.kind(), io::ErrorKind::NotFound);
    assert_nothing_comes(&port);
}

fn p131_a_timer_that_ran_out_cannot_be_cancelled(world: &World) {
    let port = world.exact_port(1);
    let id = port.timer(Duration::ZERO, 1).expect("a timer can be started");
    assert!(timer(&port).1.is_ok());
    let error = port.cancel_timer(id).expect_err("it ran out");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_nothing_comes(&port);
}

fn p46_each_of_many_timers_completes_exactly_once_under_cancel(world: &World) {
    const THREADS: u64 = 4;
    const EACH: u64 = 500;
    let port = world.exact_port(2);
    let mut seen = vec![0_u32; (THREADS * EACH) as usize];
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let port = &port;
            scope.spawn(move || {
                for number in thread * EACH..(thread + 1) * EACH {
                    let after = Duration::from_micros(number % 7 * 100);
                    let id = port.timer(after, number).expect("a timer can be started");
                    if number % 3 == 0 {
                        // Whether it has run out by now is the race that is tested.
                        let _ = port.cancel_timer(id);
                    }
                }
            });
        }
        for _ in 0..THREADS * EACH {
            seen[timer(&port).0 as usize] += 1;
        }
    });
    assert!(seen.iter().all(|times| *times == 1));
    assert_nothing_comes(&port);
}

fn a_timer_set_before_an_earlier_one_does_not_delay_it(world: &World) {
    let port = world.exact_port(1);
    port.timer(NEVER_IN_THIS_TEST, 1).expect("a timer can be started");
    let start = Instant::now();
    port.timer(Duration::from_millis(5), 2).expect("a timer can be started");
    assert_eq!(timer(&port).0, 2);
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn p123_a_closed_port_starts_no_timer_and_gives_the_operation_back(world: &World) {
    let port = world.exact_port(1);
    port.close();
    let refused = port.timer(Duration::ZERO, 9).expect_err("the port is closed");
    assert_eq!(refused.returned, 9);
}

fn a_timer_that_is_reset_completes_once_at_its_new_time(world: &World) {
    let port = world.exact_port(1);
    let put_off = port.timer(Duration::from_millis(20), 1).expect("a timer can be started");
    let brought_forward = port.timer(NEVER_IN_THIS_TEST, 2).expect("a timer can be started");
    port.reset_timer(put_off, NEVER_IN_THIS_TEST).expect("it has not run out");
    let start = Instant::now();
    port.reset_timer(brought_forward, Duration::from_millis(60)).expect("it has not run out");
    assert_eq!(timer(&port).0, 2, "the other one was put off");
    assert!(start.elapsed() >= Duration::from_millis(60));
    let error = port.reset_timer(brought_forward, Duration::ZERO).expect_err("it ran out");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    port.reset_timer(put_off, Duration::ZERO).expect("it has not run out");
    assert_eq!(timer(&port).0, 1);
    assert_nothing_comes(&port);
}

fn a_timer_that_is_stopped_gives_its_operation_back_and_no_packet(world: &World) {
    let port = world.exact_port(1);
    let first = port.timer(Duration::from_millis(5), 1).expect("a timer can be started");
    assert_eq!(port.stop_timer(first).ok(), Some(1));
    assert_eq!(port.stop_timer(first).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    port.timer(Duration::from_millis(30), 2).expect("a timer can be started");
    assert_eq!(timer(&port).0, 2, "nothing came of the first one");
    assert_nothing_comes(&port);
}

fn a_timer_beyond_all_time_starts_and_can_be_stopped(world: &World) {
    let port = world.exact_port(1);
    let timer = port.timer(Duration::MAX, 1).expect("a timer can be started");
    port.reset_timer(timer, Duration::MAX).expect("it is there");
    assert_nothing_comes(&port);
    assert_eq!(port.stop_timer(timer).ok(), Some(1));
}

fn timers_of_moments_complete_in_the_order_of_their_times_and_never_early(world: &World) {
    let port = world.exact_port(1);
    let at = |after_ms| Instant::now() + Duration::from_millis(after_ms);
    // The first is far away, and those that follow are earlier than all that was there.
    let far =
        port.timer_at(Instant::now() + NEVER_IN_THIS_TEST, 1).expect("a timer can be started");
    let (second, third) = (at(90), at(60));
    port.timer_at(second, 2).expect("a timer can be started");
    port.timer_at(third, 3).expect("a timer can be started");
    assert_eq!(timer(&port).0, 3);
    assert!(Instant::now() >= third);
    assert_eq!(timer(&port).0, 2);
    assert!(Instant::now() >= second);
    // When nothing was due for a while, the next one comes at its time as well.
    let (put_forward, passed) = (at(60), Instant::now());
    port.reset_timer_at(far, put_forward).expect("it has not run out");
    port.timer_at(passed, 4).expect("a timer can be started");
    assert_eq!(timer(&port).0, 4, "its moment has passed");
    assert_eq!(timer(&port).0, 1);
    assert!(Instant::now() >= put_forward);
    let error = port.reset_timer_at(far, put_forward).expect_err("it ran out");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_nothing_comes(&port);
    port.close();
    let refused = port.timer_at(Instant::now(), 9).expect_err("the port is closed");
    assert_eq!(refused.returned, 9);
}

on_every_driver! {
    timers_of_moments_complete_in_the_order_of_their_times_and_never_early,
    a_timer_beyond_all_time_starts_and_can_be_stopped,
    a_timer_that_is_reset_completes_once_at_its_new_time,
    a_timer_that_is_stopped_gives_its_operation_back_and_no_packet,
    a_timer_completes_no_earlier_than_its_time,
    a_timer_set_before_an_earlier_one_does_not_delay_it,
    timers_complete_in_the_order_of_their_times,
    p46_each_of_many_timers_completes_exactly_once_under_cancel,
    p123_a_closed_port_starts_no_timer_and_gives_the_operation_back,
    p131_a_timer_that_ran_out_cannot_be_cancelled,
    p132_a_cancelled_timer_completes_once_as_aborted,
}
