//! Loom models of a connection's state: event, start, cancel and close, each from its own thread.
//!
//! The socket is a number of units of data that may arrive at any moment, followed by an edge. An
//! operation takes one unit. Whatever the order, each operation completes once, and none is left
//! waiting while there is data that it could have. What completes in place overtakes nothing.

use super::in_place::{HandedOut, StartCounts};
use super::operation::{Direction, Progress};
use super::queue::{OperationQueue, Ready};
use crate::sync::Mutex;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::collections::VecDeque;

/// What became of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Performed,
    Aborted,
    /// Not of an operation: our end went out.
    End,
}

#[derive(Debug)]
struct State {
    queue: OperationQueue<u32>,
    ready: Ready,
    ended: bool,
    closed: bool,
    shut: bool,
    end_when_sent: bool,
    outcomes: Vec<(u32, Outcome)>,
}

impl State {
    fn end_if_sent(&mut self) {
        if self.end_when_sent && self.queue.is_empty() {
            self.end_when_sent = false;
            self.outcomes.push((0, Outcome::End));
        }
    }
}

struct Connection {
    state: Mutex<State>,
    units: AtomicUsize,
}

impl Connection {
    fn new() -> Arc<Self> {
        let state = State {
            queue: OperationQueue::new(),
            ready: Ready(true),
            ended: false,
            closed: false,
            shut: false,
            end_when_sent: false,
            outcomes: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), units: AtomicUsize::new(0) })
    }

    /// One non-blocking receive: the kernel's own lock makes it one step.
    fn attempt(&self) -> Progress {
        match self.units.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |u| u.checked_sub(1)) {
            Ok(before) => Progress::Complete { drained: before == 1 },
            Err(_) => Progress::Blocked,
        }
    }

    fn start(&self, operation: u32) {
        let mut state = self.state.lock();
        if state.closed || state.shut {
            return;
        }
        if !state.ready.0 || !state.queue.is_empty() {
            state.queue.push(operation);
            return;
        }
        let progress = self.attempt();
        let ended = state.ended;
        state.ready.update(progress, ended);
        match progress {
            Progress::Complete { .. } => state.outcomes.push((operation, Outcome::Performed)),
            Progress::Blocked | Progress::Deferred | Progress::Yields => {
                state.queue.push(operation)
            }
        }
    }

    /// Data arrives, and some thread takes its edge from the system.
    fn arrive(&self) {
        self.units.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock();
        state.ready.0 = true;
        let ended = state.ended;
        let State { queue, ready, outcomes, .. } = &mut *state;
        while let Some(Progress::Complete { .. }) = queue.attempt(ready, ended, |_| self.attempt())
        {
            let operation = queue.pop().expect("it was attempted");
            outcomes.push((operation, Outcome::Performed));
        }
        state.end_if_sent();
    }

    /// Ends sending behind the operations that wait. To end it again is no error.
    fn shut_down(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.shut, true) {
            state.end_when_sent = true;
            state.end_if_sent();
        }
    }

    fn cancel(&self, operation: u32) {
        let mut state = self.state.lock();
        if state.queue.remove(|pending| *pending == operation).is_some() {
            state.outcomes.push((operation, Outcome::Aborted));
        }
        state.end_if_sent();
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        while let Some(operation) = state.queue.pop() {
            state.outcomes.push((operation, Outcome::Aborted));
        }
    }

    fn outcomes_of(&self, operation: u32) -> Vec<Outcome> {
        let state = self.state.lock();
        let of_this = state.outcomes.iter().filter(|(done, _)| *done == operation);
        of_this.map(|(_, outcome)| *outcome).collect()
    }

    fn is_stuck(&self) -> bool {
        !self.state.lock().queue.is_empty() && self.units.load(Ordering::SeqCst) > 0
    }
}

/// A connection whose packets lie in a port's queue until they are handed out, and operations that may
/// give theirs to the one who starts them. The units that operations take are numbered.
struct Port {
    state: Mutex<Owing>,
    next_unit: AtomicUsize,
    queued: Mutex<VecDeque<usize>>,
    handed_out: HandedOut,
    /// The units in the order in which they were given to somebody.
    given: Mutex<Vec<usize>>,
}

#[derive(Default)]
struct Owing {
    starts: StartCounts,
}

impl Port {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Owing::default()),
            next_unit: AtomicUsize::new(0),
            queued: Mutex::new(VecDeque::new()),
            handed_out: HandedOut::default(),
            given: Mutex::new(Vec::new()),
        })
    }

    /// Starts a receive, which finds its unit at once.
    fn start(&self, may_be_in_place: bool) {
        let mut state = self.state.lock();
        let unit = self.next_unit.fetch_add(1, Ordering::SeqCst);
        let is_owed = self.handed_out.is_behind(Direction::Receive, state.starts);
        if may_be_in_place && !is_owed {
            self.given.lock().push(unit);
            return;
        }
        state.starts.count(Direction::Receive);
        self.queued.lock().push_back(unit);
    }

    fn take(&self) {
        let mut queued = self.queued.lock();
        if let Some(unit) = queued.pop_front() {
            self.given.lock().push(unit);
            drop(queued);
            self.handed_out.count(Direction::Receive);
        }
    }
}

#[test]
fn p150_what_completes_in_place_overtakes_no_packet_that_is_owed() {
    check(|| {
        let port = Port::new();
        let threads = [
            |port: &Port| port.start(false),
            |port: &Port| (port.take(), port.start(true)).1,
            |port: &Port| (port.start(true), port.take()).1,
        ]
        .map(|part| {
            let port = port.clone();
            thread::spawn(move || part(&port))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        while !port.queued.lock().is_empty() {
            port.take();
        }
        assert_eq!(*port.given.lock(), [0, 1, 2], "in the order of their starts");
    });
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Runs each part in its own thread and waits for all.
fn together(connection: &Arc<Connection>, parts: &[fn(&Connection)]) {
    let threads: Vec<_> = parts
        .iter()
        .map(|part| {
            let (connection, part) = (connection.clone(), *part);
            thread::spawn(move || part(&connection))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn an_edge_between_would_block_and_going_idle_is_not_lost() {
    check(|| {
        let connection = Connection::new();
        together(&connection, &[|connection| connection.start(1), Connection::arrive]);
        assert_eq!(connection.outcomes_of(1), [Outcome::Performed]);
    });
}

#[test]
fn f41_one_edge_after_another_serves_operations_in_their_order() {
    check(|| {
        let connection = Connection::new();
        connection.start(1);
        together(
            &connection,
            &[|connection| connection.start(2), Connection::arrive, Connection::arrive],
        );
        assert!(!connection.is_stuck());
        assert_eq!(
            connection.state.lock().outcomes,
            [(1, Outcome::Performed), (2, Outcome::Performed)]
        );
    });
}

#[test]
fn p132_a_cancelled_operation_completes_once_and_its_data_goes_to_the_next() {
    check(|| {
        let connection = Connection::new();
        connection.start(1);
        connection.start(2);
        together(&connection, &[|connection| connection.cancel(1), Connection::arrive]);
        assert!(!connection.is_stuck());
        assert_eq!(connection.outcomes_of(1).len(), 1);
        let first_took_it = connection.outcomes_of(1) == [Outcome::Performed];
        assert_eq!(connection.outcomes_of(2).is_empty(), first_took_it);
    });
}

#[test]
fn p140_closing_against_start_and_event_completes_each_operation_once() {
    check(|| {
        let connection = Connection::new();
        connection.start(1);
        together(
            &connection,
            &[|connection| connection.start(2), Connection::arrive, Connection::close],
        );
        assert_eq!(connection.outcomes_of(1).len(), 1);
        assert!(connection.outcomes_of(2).len() <= 1);
        assert!(connection.state.lock().queue.is_empty(), "a closed connection keeps nothing");
    });
}

#[test]
fn after_the_end_a_short_read_does_not_hide_what_is_left() {
    check(|| {
        let connection = Connection::new();
        connection.state.lock().ended = true;
        connection.units.store(1, Ordering::SeqCst);
        connection.start(1);
        // The end itself is one more unit whose edge came before it was looked for.
        connection.units.fetch_add(1, Ordering::SeqCst);
        connection.start(2);
        assert_eq!(connection.outcomes_of(2), [Outcome::Performed]);
    });
}

#[test]
fn p162_the_end_goes_out_once_and_behind_what_was_started_before_it() {
    check(|| {
        let connection = Connection::new();
        connection.start(1);
        connection.start(2);
        let parts: [fn(&Connection); 3] =
            [Connection::shut_down, Connection::arrive, |connection| connection.cancel(2)];
        together(&connection, &parts);
        connection.shut_down();
        connection.start(3);
        let outcomes = connection.state.lock().outcomes.clone();
        assert_eq!(outcomes.last(), Some(&(0, Outcome::End)));
        assert_eq!(outcomes.len(), 3, "two operations and one end: {outcomes:?}");
    });
}
