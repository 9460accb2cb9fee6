//! Thousands of operations with events and with routines, in an order that chance chooses, racing
//! with cancellations, drops and other threads: each one that started ends once, and no byte is lost
//! or made up.

use super::world::{LONG, NONE, auto, manual, pair};
use overlapped_notify::{
    Completed, EventObject, Overlapped, Received, Stream, Waited, sleep_alertable, wait_any,
};
use std::cell::Cell;
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Numbers that look random and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's multiplier for 64 bits.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

/// Two streams of the library that are connected with each other.
fn streams() -> (Stream, Stream) {
    let (stream, peer) = pair();
    (stream, Stream::try_from(peer).expect("a stream"))
}

#[derive(Default)]
struct Ledger {
    started: usize,
    ended: usize,
    sent: usize,
    received: usize,
}

enum Pending {
    Send(Overlapped<Vec<u8>, ()>),
    Receive(Overlapped<Vec<u8>, Received>),
}

impl Ledger {
    /// Takes what a pending operation ends with; false at the end of the stream.
    fn enter(&mut self, pending: Pending) -> bool {
        self.ended += 1;
        match pending {
            Pending::Send(send) => {
                self.sent += send.result().transferred;
                true
            }
            Pending::Receive(receive) => {
                let done = receive.result();
                self.received += done.transferred;
                assert_eq!(done.transferred, done.buffer.len());
                !matches!(done.result, Ok(Received::End))
            }
        }
    }
}

/// Starts and ends operations as chance has it.
fn play(rounds: usize, seed: u64, (near, far): (&Stream, &Stream), event: &EventObject) -> Ledger {
    let (mut chance, mut ledger) = (Chance(seed), Ledger::default());
    let mut pending: Vec<Pending> = Vec::new();
    let own = manual();
    while ledger.started < rounds {
        let shared = if chance.below(2) == 0 { event } else { &own };
        match chance.below(5) {
            0 if pending.len() < 12 => {
                let data = vec![7; 1 + chance.below(30_000)];
                pending.push(Pending::Send(near.send(data, shared).expect("starts")));
                ledger.started += 1;
            }
            1 | 2 if pending.len() < 12 => {
                let room = Vec::with_capacity(1 + chance.below(30_000));
                pending.push(Pending::Receive(far.receive(room, shared).expect("starts")));
                ledger.started += 1;
            }
            3 => {
                let _ = wait_any(&[event, &own], NONE, false).expect("a wait");
            }
            _ if !pending.is_empty() => {
                let one = pending.swap_remove(chance.below(pending.len()));
                match &one {
                    Pending::Send(send) => send.cancel(),
                    Pending::Receive(receive) => receive.cancel(),
                }
                ledger.enter(one);
            }
            _ => {}
        }
    }
    far.cancel_all();
    near.cancel_all();
    for one in pending {
        ledger.enter(one);
    }
    // What is under way still comes.
    near.shutdown(Shutdown::Write).expect("ends");
    loop {
        ledger.started += 1;
        let rest = far.receive(Vec::with_capacity(60_000), &own).expect("starts");
        if !ledger.enter(Pending::Receive(rest)) {
            return ledger;
        }
    }
}

#[test]
fn ten_thousand_operations_with_events_each_end_once_and_no_byte_is_lost() {
    let stop = AtomicBool::new(false);
    let event = auto();
    thread::scope(|threads| {
        // Takes the event that all share away from everybody else.
        let takes = threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = wait_any(&[&event], LONG, false).expect("a wait");
            }
        });
        let plays: Vec<_> = (1..=4)
            .map(|seed| {
                let event = &event;
                threads.spawn(move || {
                    let (near, far) = streams();
                    play(2500, seed, (&near, &far), event)
                })
            })
            .collect();
        for play in plays {
            let ledger = play.join().expect("no panic");
            assert!(ledger.started > 2500 && ledger.sent > 0);
            assert_eq!(ledger.started, ledger.ended);
            assert_eq!(ledger.sent, ledger.received);
        }
        stop.store(true, Ordering::Relaxed);
        event.set();
        takes.join().expect("no panic");
    });
}

#[test]
fn operations_that_are_dropped_while_others_cancel_and_look_leave_a_stream_that_works() {
    let (near, far) = streams();
    let (first, second, stop) = (auto(), manual(), AtomicBool::new(false));
    thread::scope(|threads| {
        for stream in [&near, &far] {
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    stream.cancel_all();
                    thread::yield_now();
                }
            });
        }
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = wait_any(&[&first, &second], NONE, false).expect("a wait");
                second.reset();
            }
        });
        let mut chance = Chance(9);
        let mut pending = Vec::new();
        for _ in 0..3000 {
            let event = if chance.below(2) == 0 { &first } else { &second };
            let room = Vec::with_capacity(1 + chance.below(3000));
            pending.push(Pending::Receive(far.receive(room, event).expect("starts")));
            let data = vec![7; 1 + chance.below(3000)];
            pending.push(Pending::Send(near.send(data, event).expect("starts")));
            while pending.len() > chance.below(20) {
                drop(pending.swap_remove(chance.below(pending.len())));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    near.shutdown(Shutdown::Write).expect("ends");
    let event = manual();
    loop {
        let rest = far.receive(Vec::with_capacity(60_000), &event).expect("starts").result();
        if rest.result.expect("no error") == Received::End {
            break;
        }
    }
    // The other direction was not used.
    far.send(b"ok".to_vec(), &event).expect("starts").result().result.expect("sends");
    let answer = near.receive(Vec::with_capacity(9), &event).expect("starts").result();
    assert_eq!(&answer.buffer[..], b"ok");
}

#[derive(Default)]
struct Counts {
    started: Cell<usize>,
    ran: Cell<usize>,
    sent: Cell<usize>,
    received: Cell<usize>,
    has_ended: Cell<bool>,
}

fn add(count: &Cell<usize>, more: usize) {
    count.set(count.get() + more);
}

impl Counts {
    fn receive(self: &Rc<Self>, stream: &Stream, capacity: usize) {
        let counts = Rc::clone(self);
        let note = move |done: Completed<Vec<u8>, Received>| {
            add(&counts.ran, 1);
            add(&counts.received, done.transferred);
            counts.has_ended.set(matches!(done.result, Ok(Received::End)));
        };
        stream.receive_then(Vec::with_capacity(capacity), note).expect("starts");
        add(&self.started, 1);
    }

    fn send(self: &Rc<Self>, stream: &Stream, length: usize) {
        let counts = Rc::clone(self);
        let note = move |done: Completed<Vec<u8>, ()>| {
            add(&counts.ran, 1);
            add(&counts.sent, done.transferred);
        };
        stream.send_then(vec![7; length], note).expect("starts");
        add(&self.started, 1);
    }

    fn settle(&self) {
        while self.ran.get() < self.started.get() {
            assert!(sleep_alertable(LONG), "{} of {} ran", self.ran.get(), self.started.get());
        }
    }
}

#[test]
fn ten_thousand_operations_with_routines_each_run_theirs_once_and_no_byte_is_lost() {
    let (near, far) = streams();
    let (counts, stop) = (Rc::new(Counts::default()), AtomicBool::new(false));
    let event = manual();
    thread::scope(|threads| {
        // Cancels, and performs what is not its own by looking.
        threads.spawn(|| {
            let looks = auto();
            while !stop.load(Ordering::Relaxed) {
                near.cancel_all();
                let receive = near.receive(Vec::with_capacity(1), &looks).expect("starts");
                assert_ne!(wait_any(&[&looks], NONE, true).expect("a wait"), Waited::RoutinesRan);
                drop(receive);
            }
        });
        let mut chance = Chance(3);
        while counts.started.get() < 10_000 {
            match chance.below(8) {
                0..=2 => counts.send(&near, 1 + chance.below(9000)),
                3..=5 => counts.receive(&far, 1 + chance.below(9000)),
                6 => {
                    let _ = wait_any(&[&event], NONE, true).expect("a wait");
                }
                _ if chance.below(20) == 0 => far.cancel_all(),
                _ => {
                    sleep_alertable(NONE);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    near.cancel_all();
    far.cancel_all();
    counts.settle();
    near.shutdown(Shutdown::Write).expect("ends");
    while !counts.has_ended.get() {
        counts.receive(&far, 60_000);
        counts.settle();
    }
    assert_eq!(counts.ran.get(), counts.started.get());
    assert!(counts.sent.get() > 0);
    assert_eq!(counts.sent.get(), counts.received.get());
}
