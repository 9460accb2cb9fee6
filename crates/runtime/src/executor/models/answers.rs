//! Models of the place where an answer arrives: it is given once, or dropped with its place, and who waits
//! last is woken.

use super::{Drops, check, together};
use crate::answer::Answer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts its wakes. It orders nothing, and loom need not see it.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls by a waker of its own, and says what came, and afterwards how often it was woken.
fn poll(answer: &Answer<u32>) -> (Poll<u32>, Arc<Wakes>) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    (answer.poll(&Context::from_waker(&waker)), wakes)
}

#[test]
fn an_answer_comes_or_its_waker_is_woken() {
    check(|| {
        let answer = Answer::new();
        let arrives = Arc::clone(&answer);
        let waits = Arc::clone(&answer);
        together(vec![
            Box::new(move || arrives.arrived(1)),
            Box::new(move || {
                // It goes to another task between its polls.
                let (first, first_wakes) = poll(&waits);
                let (second, second_wakes) = poll(&waits);
                let woken = loop {
                    if first == Poll::Ready(1) || second == Poll::Ready(1) {
                        break false;
                    }
                    let wakes = |wakes: &Wakes| wakes.0.load(Ordering::Relaxed);
                    if wakes(&second_wakes) == 1 {
                        break true;
                    }
                    assert_eq!(wakes(&first_wakes), 0, "the second one took its place");
                    loom::thread::yield_now();
                };
                let third = poll(&waits).0;
                assert_eq!(third.is_ready(), woken, "it is given once");
            }),
        ]);
    });
}

#[test]
fn an_answer_for_which_nobody_waits_any_more_is_dropped_with_its_place() {
    check(|| {
        let drops = Drops::default();
        let (answer, value) = (Answer::new(), drops.counted());
        let arrives = Arc::clone(&answer);
        together(vec![
            Box::new(move || arrives.arrived(value)),
            Box::new(move || {
                let came = answer.poll(&Context::from_waker(Waker::noop()));
                drop(answer);
                drop(came);
            }),
        ]);
        assert_eq!(drops.count(), 1);
    });
}
