//! Completion routines, queued routines and alertable waits (M120-M133, P146, P147).

use super::world::{ABORTED, LONG, NONE, auto, client, comes, listener, manual, pair};
use overlapped_notify::{
    Completed, Received, RoutineThread, Stream, Waited, sleep_alertable, wait_all, wait_any,
};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

fn room() -> Vec<u8> {
    Vec::with_capacity(64)
}

type Log = Rc<RefCell<Vec<String>>>;

/// A receive that writes down what it got.
fn receive_into(log: &Log, stream: &Stream, capacity: usize) {
    let log = Rc::clone(log);
    let note = move |completed: Completed<Vec<u8>, Received>| {
        let text = match &completed.result {
            Ok(_) => String::from_utf8_lossy(&completed.buffer).into_owned(),
            Err(error) => format!("{:?}", error.raw_os_error()),
        };
        log.borrow_mut().push(text);
    };
    stream.receive_then(Vec::with_capacity(capacity), note).expect("starts");
}

/// Sleeps alertably until so many are written down.
fn until(log: &Log, count: usize) -> Vec<String> {
    while log.borrow().len() < count {
        assert!(sleep_alertable(LONG), "only {:?}", log.borrow());
    }
    log.borrow().clone()
}

#[test]
fn m120_m124_a_routine_runs_only_in_an_alertable_wait_also_when_its_operation_ended_at_once() {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let event = auto();
    peer.write_all(b"before").expect("sends");
    receive_into(&log, &stream, 64);
    assert!(log.borrow().is_empty(), "not within the start");
    event.set();
    assert_eq!(wait_any(&[&event], LONG, false).expect("a wait"), Waited::Signaled(0));
    assert_eq!(wait_any(&[&event], NONE, false).expect("a wait"), Waited::TimedOut);
    assert!(log.borrow().is_empty(), "not within a wait that is not alertable (M121)");
    assert_eq!(until(&log, 1), ["before"]);
}

#[test]
fn m121_each_alertable_wait_of_the_module_runs_routines() {
    let event = manual();
    let here = RoutineThread::current().expect("a name");
    let ran = Arc::new(AtomicUsize::new(0));
    for (turn, wait) in [wait_any, wait_all].into_iter().enumerate() {
        let ran_there = Arc::clone(&ran);
        here.queue(move || {
            ran_there.fetch_add(1, Ordering::Relaxed);
        })
        .expect("queues");
        assert_eq!(wait(&[&event], LONG, true).expect("a wait"), Waited::RoutinesRan);
        assert_eq!(ran.load(Ordering::Relaxed), turn + 1);
    }
}

#[test]
fn m122_one_alertable_wait_runs_all_that_is_due_and_what_becomes_due_meanwhile() {
    let (sender, receiver) = mpsc::channel();
    let here = RoutineThread::current().expect("a name");
    for number in 0..3 {
        let (sender, here_too) = (sender.clone(), here.clone());
        here.queue(move || {
            sender.send(number).expect("somebody listens");
            here_too
                .queue(move || sender.send(number + 10).expect("somebody listens"))
                .expect("queues");
        })
        .expect("queues");
    }
    drop(sender);
    assert!(sleep_alertable(NONE));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2, 10, 11, 12]);
    assert!(!sleep_alertable(NONE), "nothing is due any more");
}

#[test]
fn m122_routines_that_are_due_end_a_wait_for_an_event_that_is_not_set() {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let event = manual();
    receive_into(&log, &stream, 64);
    peer.write_all(b"x").expect("sends");
    assert_eq!(wait_any(&[&event], LONG, true).expect("a wait"), Waited::RoutinesRan);
    assert_eq!(*log.borrow(), ["x"]);
}

#[test]
fn m123_an_event_that_is_set_wins_and_the_routine_stays_due() {
    let event = manual();
    let ran = Arc::new(AtomicBool::new(false));
    let here = RoutineThread::current().expect("a name");
    let ran_there = Arc::clone(&ran);
    here.queue(move || ran_there.store(true, Ordering::Relaxed)).expect("queues");
    event.set();
    for _ in 0..20 {
        assert_eq!(wait_any(&[&event], LONG, true).expect("a wait"), Waited::Signaled(0));
        assert_eq!(wait_all(&[&event], LONG, true).expect("a wait"), Waited::Signaled(0));
    }
    assert!(!ran.load(Ordering::Relaxed));
    assert!(sleep_alertable(NONE));
    assert!(ran.load(Ordering::Relaxed));
}

#[test]
fn m125_an_alertable_wait_in_a_routine_runs_further_routines_within_it() {
    let (sender, receiver) = mpsc::channel();
    let here = RoutineThread::current().expect("a name");
    let outer = sender.clone();
    here.queue(move || {
        outer.send("in").expect("somebody listens");
        assert!(sleep_alertable(NONE));
        outer.send("out").expect("somebody listens");
    })
    .expect("queues");
    here.queue(move || sender.send("within").expect("somebody listens")).expect("queues");
    assert!(sleep_alertable(NONE));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["in", "within", "out"]);
}

#[test]
fn m126_a_routine_is_given_the_error_and_the_buffer() {
    let (stream, _peer) = pair();
    let log = Log::default();
    receive_into(&log, &stream, 64);
    stream.cancel_all();
    assert_eq!(until(&log, 1), [format!("{:?}", Some(ABORTED))]);
}

/// A connection that echoes by routines alone until its end (M128).
fn echo(stream: Stream, buffer: Vec<u8>, ended: Rc<Cell<bool>>) {
    let again = stream.clone();
    let received = move |completed: Completed<Vec<u8>, Received>| match completed.result {
        Ok(Received::Data(_)) => {
            let (stream, next) = (again.clone(), again);
            let sent = move |sent: Completed<Vec<u8>, ()>| {
                sent.result.expect("sends");
                echo(next, sent.buffer, ended);
            };
            stream.send_then(completed.buffer, sent).expect("starts");
        }
        other => {
            assert_eq!(other.expect("the end"), Received::End);
            ended.set(true);
        }
    };
    stream.receive_then(buffer, received).expect("starts");
}

#[test]
fn m128_routines_start_the_next_operation() {
    let (stream, mut peer) = pair();
    let ended = Rc::new(Cell::new(false));
    echo(stream, room(), Rc::clone(&ended));
    let talks = thread::spawn(move || {
        for round in 0..500_u32 {
            peer.write_all(&round.to_le_bytes()).expect("sends");
            let mut answer = [0; 4];
            peer.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, round.to_le_bytes());
        }
        peer.shutdown(Shutdown::Write).expect("ends");
        assert_eq!(peer.read(&mut [0]).expect("the end"), 0);
    });
    while !ended.get() {
        assert!(sleep_alertable(LONG), "it stopped");
    }
    talks.join().expect("no panic");
}

#[test]
fn m129_routines_run_in_the_order_in_which_their_operations_ended() {
    let (first, mut first_peer) = pair();
    let (second, mut second_peer) = pair();
    let log = Log::default();
    receive_into(&log, &first, 2);
    receive_into(&log, &first, 2);
    receive_into(&log, &second, 2);
    second_peer.write_all(b"s1").expect("sends");
    assert_eq!(until(&log, 1), ["s1"]);
    first_peer.write_all(b"f1f2").expect("sends");
    assert_eq!(until(&log, 3), ["s1", "f1", "f2"]);
}

#[test]
fn m130_a_routine_runs_on_no_other_thread() {
    let (stream, mut peer) = pair();
    let log = Log::default();
    receive_into(&log, &stream, 2);
    peer.write_all(b"ab").expect("sends");
    thread::scope(|threads| {
        // Another thread looks at the same stream, so it may even perform the operation.
        let looks = threads.spawn(|| {
            let event = manual();
            let receive = stream.receive(Vec::with_capacity(2), &event).expect("starts");
            peer.write_all(b"cd").expect("sends");
            assert_eq!(wait_any(&[&event], LONG, true).expect("a wait"), Waited::Signaled(0));
            assert!(!sleep_alertable(NONE));
            assert_eq!(&receive.result().buffer[..], b"cd");
        });
        looks.join().expect("no panic");
    });
    assert!(log.borrow().is_empty());
    assert_eq!(until(&log, 1), ["ab"]);
}

/// Says when it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn m131_p147_what_a_thread_leaves_is_dropped_without_running() {
    let (stream, mut peer) = pair();
    let (dropped, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let thread = thread::scope(|threads| {
        let ends = threads.spawn(|| {
            let (guard, ran_there) = (Guard(Arc::clone(&dropped)), Arc::clone(&ran));
            let pending = move |_| {
                drop(guard);
                ran_there.fetch_add(1, Ordering::Relaxed);
            };
            stream.receive_then(room(), pending).expect("starts");
            let (guard, ran_there) = (Guard(Arc::clone(&dropped)), Arc::clone(&ran));
            let done = move |_| {
                drop(guard);
                ran_there.fetch_add(1, Ordering::Relaxed);
            };
            stream.send_then(b"out".to_vec(), done).expect("starts");
            let here = RoutineThread::current().expect("a name");
            let (guard, ran_there) = (Guard(Arc::clone(&dropped)), Arc::clone(&ran));
            let queued = move || {
                drop(guard);
                ran_there.fetch_add(1, Ordering::Relaxed);
            };
            here.queue(queued).expect("queues");
            here
        });
        ends.join().expect("no panic")
    });
    let guard = Guard(Arc::clone(&dropped));
    // A scope does not wait for the destructors of thread-local values; the refusal tells of them.
    let mut refused = thread.queue(move || drop(guard));
    while refused.is_ok() {
        thread::yield_now();
        refused = thread.queue(|| ());
    }
    let error = refused.expect_err("the thread has ended");
    assert!(error.to_string().contains("has ended"), "{error}");
    // The receive was cancelled, so its bytes are the next one's (P146).
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    peer.write_all(b"kept").expect("sends");
    assert_eq!(&receive.result().buffer[..], b"kept");
    while dropped.load(Ordering::Relaxed) < 4 {
        thread::yield_now();
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[test]
fn m132_a_sleep_of_no_time_only_runs_what_is_due() {
    assert!(!sleep_alertable(NONE));
    RoutineThread::current().expect("a name").queue(|| ()).expect("queues");
    assert!(sleep_alertable(NONE));
    assert!(!sleep_alertable(NONE));
}

#[test]
fn m132_a_routine_that_another_thread_queues_ends_a_sleep_without_end() {
    let here = RoutineThread::current().expect("a name");
    let ran = Arc::new(AtomicUsize::new(0));
    for count in 1..=200 {
        let (there, ran_there) = (here.clone(), Arc::clone(&ran));
        let queues = thread::spawn(move || {
            there
                .queue(move || {
                    ran_there.fetch_add(1, Ordering::Relaxed);
                })
                .expect("queues");
        });
        assert!(sleep_alertable(None));
        assert_eq!(ran.load(Ordering::Relaxed), count);
        queues.join().expect("no panic");
    }
}

/// Receives one byte after the other, and there is always one, until it is told to stop.
fn busy(stream: Stream, buffer: Vec<u8>, stop: Rc<Cell<bool>>, count: Rc<Cell<u32>>) {
    let again = stream.clone();
    let received = move |completed: Completed<Vec<u8>, Received>| {
        count.set(count.get() + 1);
        if completed.result.is_ok_and(|got| got != Received::End) && !stop.get() {
            busy(again, completed.buffer, stop, count);
        }
    };
    stream.receive_then(buffer, received).expect("starts");
}

#[test]
fn m133_a_connection_that_is_always_ready_does_not_keep_a_new_one_waiting() {
    let listener = listener();
    let (stream, mut peer) = pair();
    peer.write_all(&[7; 200_000]).expect("sends");
    let (stop, count) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let stops = Rc::clone(&stop);
    listener
        .accept_then(move |accepted| {
            accepted.result.expect("a connection");
            stops.set(true);
        })
        .expect("starts");
    busy(stream, Vec::with_capacity(1), Rc::clone(&stop), Rc::clone(&count));
    let _client = client(&listener);
    while !stop.get() {
        assert!(sleep_alertable(LONG), "it stopped");
    }
    assert!(count.get() < 200_000, "the new connection came when all was received");
}

#[test]
fn an_accept_with_a_routine_gives_the_connection() {
    let listener = listener();
    let event = manual();
    for waits_for_events in [false, true] {
        let got = Rc::new(RefCell::new(None));
        let keeps = Rc::clone(&got);
        listener.accept_then(move |accepted| *keeps.borrow_mut() = Some(accepted)).expect("starts");
        assert!(!sleep_alertable(NONE));
        let client = client(&listener);
        if waits_for_events {
            assert_eq!(wait_any(&[&event], LONG, true).expect("a wait"), Waited::RoutinesRan);
        } else {
            assert!(sleep_alertable(LONG));
        }
        let accepted = got.take().expect("the routine ran").result.expect("a connection");
        assert_eq!(accepted.remote, client.local_addr().expect("its address"));
    }
}

#[test]
fn m124_what_fails_at_once_drops_the_routine_without_running_it() {
    let (stream, _peer) = pair();
    stream.shutdown(Shutdown::Write).expect("shuts down");
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Guard(Arc::clone(&dropped));
    let refused = stream
        .send_then(b"late".to_vec(), move |_| {
            drop(guard);
            panic!("a routine of a refused operation ran");
        })
        .expect_err("it is shut down");
    assert_eq!(&refused.returned[..], b"late");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert!(!sleep_alertable(NONE));
}

#[test]
fn a_panic_of_a_routine_goes_through_the_wait_and_the_next_ones_stay_due() {
    let here = RoutineThread::current().expect("a name");
    here.queue(|| panic!("on purpose")).expect("queues");
    let ran = Arc::new(AtomicBool::new(false));
    let ran_there = Arc::clone(&ran);
    here.queue(move || ran_there.store(true, Ordering::Relaxed)).expect("queues");
    assert!(catch_unwind(AssertUnwindSafe(|| sleep_alertable(NONE))).is_err());
    assert!(!ran.load(Ordering::Relaxed));
    assert!(sleep_alertable(NONE));
    assert!(ran.load(Ordering::Relaxed));
}

#[test]
fn a_send_with_a_routine_tells_the_thread_while_another_one_waits_for_events() {
    let (stream, mut peer) = pair();
    let ran = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let counts = Rc::clone(&ran);
        stream
            .send_then(b"abc".to_vec(), move |sent| {
                sent.result.expect("sends");
                counts.set(counts.get() + sent.transferred);
            })
            .expect("starts");
    }
    while ran.get() < 9 {
        assert!(sleep_alertable(LONG));
    }
    peer.read_exact(&mut [0; 9]).expect("the bytes");
    let event = auto();
    event.set();
    assert!(comes(&event));
}

/// Values of a thread's are dropped when it ends, and a panic out of one would end the process.
#[test]
fn destructors_of_routines_that_never_run_panic_without_harm() {
    struct Panics(Arc<AtomicUsize>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("a destructor panics, as it is to");
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let value = || Panics(Arc::clone(&dropped));
    let (stream, _peer) = pair();
    thread::scope(|scope| {
        scope.spawn(|| {
            let here = RoutineThread::current().expect("a name");
            for _ in 0..2 {
                let (queued, kept) = (value(), value());
                here.queue(move || drop(queued)).expect("queues");
                stream.receive_then(room(), move |_| drop(kept)).expect("starts");
            }
        });
    });
    // The scope does not wait for the values of its threads.
    let start = std::time::Instant::now();
    while dropped.load(Ordering::SeqCst) < 4 {
        assert!(Some(start.elapsed()) < LONG, "{} of 4", dropped.load(Ordering::SeqCst));
        thread::yield_now();
    }
}
