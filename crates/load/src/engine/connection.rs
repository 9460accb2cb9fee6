//! What one connection goes through: open, wait for its time, echo, close; with churn it opens again.
//!
//! A receive is posted for as long as the connection is open, so that a server which closes early
//! is seen at once, also between two messages. Send and receive may be handled by two threads, so
//! the state is behind a lock, which nearly always is free.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use overlapped::{Buffer, Received, TcpStream};

use super::worker::Recording;
use super::{Load, Phase, Shared, Step, opening};
use crate::failure::FailureKind;
use crate::pattern::{MessageName, Verifier};
use crate::schedule::Pace;

/// No deadline is set.
const NEVER: u64 = u64::MAX;

/// One connection of the share.
pub(crate) struct Connection {
    state: Mutex<State>,
    /// Milliseconds after the start of the run at which patience ends.
    deadline_ms: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not opened yet, or its connect is under way.
    Opening,
    /// Open, and not yet time for the next message.
    Idle,
    /// Messages are under way.
    Echoing,
    /// The last message is done and our side is shut down.
    Closing,
    /// Nothing will happen any more.
    Ended,
}

struct State {
    stage: Stage,
    stream: Option<TcpStream<Load>>,
    /// Number of the next message.
    message: u32,
    /// When the next message was to be sent.
    intended: Instant,
    /// The same of those that are under way, the oldest first.
    under_way: VecDeque<Instant>,
    /// Of the oldest that is under way.
    verifier: Option<Verifier>,
}

impl Default for Connection {
    fn default() -> Self {
        let state = State {
            stage: Stage::Opening,
            stream: None,
            message: 0,
            intended: Instant::now(),
            under_way: VecDeque::new(),
            verifier: None,
        };
        Self { state: Mutex::new(state), deadline_ms: AtomicU64::new(NEVER) }
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection together with what its steps need.
pub(crate) struct Steps<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) recording: &'a mut Recording,
    pub(crate) index: u32,
}

impl<'a> Steps<'a> {
    fn connection(&self) -> &'a Connection {
        &self.shared.connections[self.index as usize]
    }

    fn set_deadline(&self, connection: &Connection) {
        let end = self.shared.started.elapsed() + self.shared.config.timeout;
        connection.deadline_ms.store(end.as_millis() as u64, Ordering::Relaxed);
    }

    /// Starts to connect.
    pub(crate) fn open(&mut self) {
        let shared = self.shared;
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage != Stage::Opening {
            return;
        }
        shared.progress.connection_tried();
        self.set_deadline(connection);
        self.connect(&mut state, None);
    }

    fn connect(&mut self, state: &mut State, source: Option<IpAddr>) {
        match opening::start_connect(self.shared, self.index, source) {
            Ok(stream) => state.stream = Some(stream),
            Err(error) => self.fail_by(state, &error),
        }
    }

    /// Opens the connection again after its echo. It counts as the same one.
    fn open_again(&mut self, connection: &Connection, state: &mut State) {
        if let Some(stream) = state.stream.take() {
            stream.close();
        }
        state.stage = Stage::Opening;
        state.intended = Instant::now();
        self.set_deadline(connection);
        let source = opening::source_for_again(self.shared, self.index, state.message);
        self.connect(state, source);
    }

    /// The connect has ended.
    pub(crate) fn connected(&mut self, result: io::Result<()>) {
        let shared = self.shared;
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage != Stage::Opening {
            return;
        }
        if let Err(error) = result {
            self.fail_by(&mut state, &error);
            return;
        }
        connection.deadline_ms.store(NEVER, Ordering::Relaxed);
        state.stage = Stage::Idle;
        let is_again = state.message > 0;
        if !is_again {
            shared.progress.connection_established();
        }
        if let Some(stream) = state.stream.as_ref() {
            let posted = stream
                .set_nodelay(true)
                .and_then(|()| stream.receive_pooled(Step::Receive).map_err(io::Error::from));
            if let Err(error) = posted {
                self.fail_by(&mut state, &error);
            }
        }
        if is_again {
            // The time since the connect was started belongs to the message.
            self.send(connection, &mut state, 1);
            return;
        }
        drop(state);
        settle(shared);
    }

    /// The schedule begins for this connection, or goes on after an echo.
    pub(crate) fn next_message(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        self.schedule_next(connection, &mut state);
    }

    fn schedule_next(&mut self, connection: &Connection, state: &mut State) {
        if !matches!(state.stage, Stage::Idle | Stage::Echoing) {
            return;
        }
        let shared = self.shared;
        let over = match shared.schedule.messages() {
            Some(messages) => state.message >= messages,
            None => shared.progress.is_closing(),
        };
        if over {
            if state.under_way.is_empty() {
                self.shut_down(connection, state);
            }
            return;
        }
        let Some(begun) = shared.begun() else { return };
        match shared.schedule.send_at(self.index, state.message) {
            None => {
                let room = shared.config.depth.max(1).saturating_sub(state.under_way.len() as u32);
                state.intended = Instant::now();
                self.send(connection, state, room);
            }
            // A message of an idle connection is its only one.
            Some(_) if state.message > 0 && matches!(shared.config.pace, Pace::Idle { .. }) => {}
            Some(after) => {
                state.intended = begun + after;
                let wait = state.intended.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    self.send(connection, state, 1);
                } else if let Err(refused) = shared.port.timer(wait, Step::Due(self.index)) {
                    self.fail_by(state, &refused.error);
                }
            }
        }
    }

    /// The time of the next message has come.
    pub(crate) fn due(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Idle {
            if self.shared.progress.is_recording() {
                self.recording.lateness.record(state.intended.elapsed());
            }
            self.send(connection, &mut state, 1);
        }
    }

    /// The run is over: closes the connection unless a message is under way.
    pub(crate) fn close_if_idle(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Idle {
            self.shut_down(connection, &mut state);
        }
    }

    fn name(&self, message: u32) -> MessageName {
        let config = &self.shared.config;
        let connection = config.share.first + self.index;
        let mark = (config.hot > 0).then_some(if connection < config.hot { b'H' } else { b'L' });
        MessageName { connection, message, mark }
    }

    /// Sends the next `count` messages in one piece.
    fn send(&mut self, connection: &Connection, state: &mut State, count: u32) {
        if count == 0 {
            return;
        }
        let shared = self.shared;
        let length = shared.config.message_bytes;
        let mut buffer = shared.port.buffer();
        if buffer.capacity() < length * count as usize {
            buffer = Buffer::with_capacity(length * count as usize);
        }
        if state.under_way.is_empty() {
            state.verifier = Some(Verifier::new(self.name(state.message), length));
        }
        for _ in 0..count {
            self.name(state.message).write(length, |piece| buffer.extend_from_slice(piece));
            state.under_way.push_back(state.intended);
            state.message += 1;
            shared.progress.message_sent();
        }
        state.stage = Stage::Echoing;
        self.set_deadline(connection);
        let sent = state.stream.as_ref().map(|stream| stream.send(buffer, Step::Send));
        if let Some(Err(refused)) = sent {
            self.fail_by(state, &refused.error);
        }
    }

    /// The send has ended.
    pub(crate) fn sent(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            let mut state = self.connection().state();
            self.fail_by(&mut state, &error);
        }
    }

    /// A receive has ended.
    pub(crate) fn received(&mut self, buffer: &[u8], result: io::Result<Received>) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Ended {
            return;
        }
        match result {
            Err(error) => self.fail_by(&mut state, &error),
            Ok(Received::End) if state.stage == Stage::Closing => {
                let is_churn = matches!(self.shared.config.pace, Pace::Churn { .. });
                if is_churn && !self.shared.progress.is_closing() {
                    self.open_again(connection, &mut state);
                } else {
                    self.complete(&mut state);
                }
            }
            Ok(Received::End) => self.fail(&mut state, FailureKind::ClosedEarly),
            Ok(Received::Readable) => self.receive_again(&mut state),
            Ok(Received::Data(length)) => {
                self.echoed(connection, &mut state, &buffer[..length]);
                self.receive_again(&mut state);
            }
        }
    }

    fn receive_again(&mut self, state: &mut State) {
        let posted = state.stream.as_ref().map(|stream| stream.receive_pooled(Step::Receive));
        if let Some(Err(refused)) = posted {
            self.fail_by(state, &refused.error);
        }
    }

    fn echoed(&mut self, connection: &Connection, state: &mut State, piece: &[u8]) {
        let (mut rest, mut complete) = (piece, false);
        while !rest.is_empty() {
            let Some(verifier) = state.verifier.as_mut() else {
                // Bytes that nobody asked for.
                self.fail(state, FailureKind::WrongBytes);
                return;
            };
            let (own, others) = rest.split_at(rest.len().min(verifier.left()));
            match verifier.check(own) {
                Err(_) => {
                    self.fail(state, FailureKind::WrongBytes);
                    return;
                }
                Ok(false) => {}
                Ok(true) => {
                    complete = true;
                    self.message_complete(state);
                }
            }
            rest = others;
        }
        if complete {
            if state.under_way.is_empty() {
                connection.deadline_ms.store(NEVER, Ordering::Relaxed);
                state.stage = Stage::Idle;
            } else {
                self.set_deadline(connection);
            }
            match self.shared.config.pace {
                Pace::Churn { .. } => self.shut_down(connection, state),
                _ => self.schedule_next(connection, state),
            }
        }
    }

    /// The oldest message that is under way has come back.
    fn message_complete(&mut self, state: &mut State) {
        let shared = self.shared;
        shared.progress.message_echoed(shared.config.message_bytes);
        let intended = state.under_way.pop_front();
        if let Some(intended) = intended
            && shared.progress.is_recording()
        {
            let is_hot = self.index < shared.schedule.hot;
            let recording = &mut *self.recording;
            let latencies =
                if is_hot { &mut recording.hot_latencies } else { &mut recording.latencies };
            let latency = intended.elapsed();
            latencies.record(latency);
            shared.recent.record(latency);
            recording.messages += 1;
        }
        let next = state.message - state.under_way.len() as u32;
        state.verifier = (!state.under_way.is_empty())
            .then(|| Verifier::new(self.name(next), shared.config.message_bytes));
    }

    fn shut_down(&mut self, connection: &Connection, state: &mut State) {
        state.stage = Stage::Closing;
        self.set_deadline(connection);
        let done = state.stream.as_ref().map(|stream| stream.shutdown(Shutdown::Write));
        if let Some(Err(error)) = done {
            self.fail_by(state, &error);
        }
    }

    fn complete(&mut self, state: &mut State) {
        self.shared.progress.connection_completed();
        self.end(state);
    }

    /// Ends the connection if its deadline has passed.
    pub(crate) fn look_at_deadline(&mut self, now: Duration) {
        let connection = self.connection();
        let passed = |at: &AtomicU64| u128::from(at.load(Ordering::Relaxed)) <= now.as_millis();
        if passed(&connection.deadline_ms) {
            let mut state = connection.state();
            if passed(&connection.deadline_ms) {
                self.fail(&mut state, FailureKind::TimedOut);
            }
        }
    }

    /// Ends the connection because the run was stopped.
    pub(crate) fn interrupt(&mut self) {
        let mut state = self.connection().state();
        if state.stream.is_some() || state.stage != Stage::Opening {
            self.fail(&mut state, FailureKind::Interrupted);
        } else {
            // It was never tried, so nothing is counted.
            self.end(&mut state);
        }
    }

    fn fail_by(&mut self, state: &mut State, error: &io::Error) {
        if state.stage != Stage::Ended {
            self.recording.failures.count_error(error);
            self.shared.progress.connection_failed();
            self.end(state);
        }
    }

    fn fail(&mut self, state: &mut State, kind: FailureKind) {
        if state.stage != Stage::Ended {
            self.recording.failures.count(kind);
            self.shared.progress.connection_failed();
            self.end(state);
        }
    }

    /// Packets of operations that this aborts find the stage `Ended` and change nothing.
    fn end(&mut self, state: &mut State) {
        let before = std::mem::replace(&mut state.stage, Stage::Ended);
        if before == Stage::Ended {
            return;
        }
        self.connection().deadline_ms.store(NEVER, Ordering::Relaxed);
        if let Some(stream) = state.stream.take() {
            stream.close();
        }
        if before == Stage::Opening && state.message == 0 {
            settle(self.shared);
        } else {
            self.shared.progress.connection_closed();
        }
        if self.shared.living.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.enter(Phase::Finished);
        }
    }
}

/// One connect has succeeded or failed; the last one opens the next phase.
fn settle(shared: &Shared) {
    if shared.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
        shared.enter(Phase::Open);
    }
}
