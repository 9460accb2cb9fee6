//! Loom models of a handle's state: event, start, cancel and close, each from its own thread.
//!
//! The socket is a number of units of data that may arrive at any moment, followed by an edge. An
//! operation takes one unit. Whatever the order, each operation completes once, and none is left
//! waiting while there is data that it could have.

use super::lane::{Advance, Lane};
use crate::operation::Progress;
use crate::sync::Mutex;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

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
    lane: Lane<u32>,
    ended: bool,
    closed: bool,
    shut: bool,
    end_when_sent: bool,
    outcomes: Vec<(u32, Outcome)>,
}

impl State {
    fn end_if_sent(&mut self) {
        if self.end_when_sent && self.lane.is_empty() {
            self.end_when_sent = false;
            self.outcomes.push((0, Outcome::End));
        }
    }
}

struct Handle {
    state: Mutex<State>,
    units: AtomicUsize,
}

impl Handle {
    fn new() -> Arc<Self> {
        let state = State {
            lane: Lane::new(),
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
        if !state.lane.may_attempt() {
            state.lane.push(operation);
            return;
        }
        let progress = self.attempt();
        let ended = state.ended;
        state.lane.note(progress, ended);
        match progress {
            Progress::Complete { .. } => state.outcomes.push((operation, Outcome::Performed)),
            Progress::Blocked | Progress::Deferred | Progress::Yields => state.lane.push(operation),
        }
    }

    /// Data arrives, and some thread takes its edge from the driver.
    fn arrive(&self) {
        self.units.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock();
        state.lane.set_ready();
        let ended = state.ended;
        while let Advance::Complete(operation) = state.lane.advance(ended, |_| self.attempt()) {
            state.outcomes.push((operation, Outcome::Performed));
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
        if state.lane.remove(|pending| *pending == operation).is_some() {
            state.outcomes.push((operation, Outcome::Aborted));
        }
        state.end_if_sent();
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        while let Some(operation) = state.lane.pop() {
            state.outcomes.push((operation, Outcome::Aborted));
        }
    }

    fn outcomes_of(&self, operation: u32) -> Vec<Outcome> {
        let state = self.state.lock();
        let of_this = state.outcomes.iter().filter(|(done, _)| *done == operation);
        of_this.map(|(_, outcome)| *outcome).collect()
    }

    fn is_stuck(&self) -> bool {
        !self.state.lock().lane.is_empty() && self.units.load(Ordering::SeqCst) > 0
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Runs each part in its own thread and waits for all.
fn together(handle: &Arc<Handle>, parts: &[fn(&Handle)]) {
    let threads: Vec<_> = parts
        .iter()
        .map(|part| {
            let (handle, part) = (handle.clone(), *part);
            thread::spawn(move || part(&handle))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn an_edge_between_would_block_and_going_idle_is_not_lost() {
    check(|| {
        let handle = Handle::new();
        together(&handle, &[|handle| handle.start(1), Handle::arrive]);
        assert_eq!(handle.outcomes_of(1), [Outcome::Performed]);
    });
}

#[test]
fn f41_one_edge_after_another_serves_operations_in_their_order() {
    check(|| {
        let handle = Handle::new();
        handle.start(1);
        together(&handle, &[|handle| handle.start(2), Handle::arrive, Handle::arrive]);
        assert!(!handle.is_stuck());
        assert_eq!(
            handle.state.lock().outcomes,
            [(1, Outcome::Performed), (2, Outcome::Performed)]
        );
    });
}

#[test]
fn p132_a_cancelled_operation_completes_once_and_its_data_goes_to_the_next() {
    check(|| {
        let handle = Handle::new();
        handle.start(1);
        handle.start(2);
        together(&handle, &[|handle| handle.cancel(1), Handle::arrive]);
        assert!(!handle.is_stuck());
        assert_eq!(handle.outcomes_of(1).len(), 1);
        let first_took_it = handle.outcomes_of(1) == [Outcome::Performed];
        assert_eq!(handle.outcomes_of(2).is_empty(), first_took_it);
    });
}

#[test]
fn p140_closing_against_start_and_event_completes_each_operation_once() {
    check(|| {
        let handle = Handle::new();
        handle.start(1);
        together(&handle, &[|handle| handle.start(2), Handle::arrive, Handle::close]);
        assert_eq!(handle.outcomes_of(1).len(), 1);
        assert!(handle.outcomes_of(2).len() <= 1);
        assert!(handle.state.lock().lane.is_empty(), "a closed handle keeps nothing");
    });
}

#[test]
fn after_the_end_a_short_read_does_not_hide_what_is_left() {
    check(|| {
        let handle = Handle::new();
        handle.state.lock().ended = true;
        handle.units.store(1, Ordering::SeqCst);
        handle.start(1);
        // The end itself is one more unit whose edge came before it was looked for.
        handle.units.fetch_add(1, Ordering::SeqCst);
        handle.start(2);
        assert_eq!(handle.outcomes_of(2), [Outcome::Performed]);
    });
}

#[test]
fn p162_the_end_goes_out_once_and_behind_what_was_started_before_it() {
    check(|| {
        let handle = Handle::new();
        handle.start(1);
        handle.start(2);
        let parts: [fn(&Handle); 3] =
            [Handle::shut_down, Handle::arrive, |handle| handle.cancel(2)];
        together(&handle, &parts);
        handle.shut_down();
        handle.start(3);
        let outcomes = handle.state.lock().outcomes.clone();
        assert_eq!(outcomes.last(), Some(&(0, Outcome::End)));
        assert_eq!(outcomes.len(), 3, "two operations and one end: {outcomes:?}");
    });
}
