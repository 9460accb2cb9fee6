//! What one connection goes through: open, wait for its time, echo, close; with churn it opens again.
//!
//! A receive is posted for as long as the connection is open, so that a server which closes early
//! is seen at once, also between two messages. Send and receive may be handled by two threads, so
//! the state is behind a lock, which nearly always is free.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use overlapped::{Buffer, Received, TcpStream};

use super::under_way::UnderWay;
use super::worker::Recording;
use super::{Load, Shared, Step, opening};
use crate::failure::FailureKind;
use crate::pattern::{MessageName, Verifier};
use crate::schedule::Pace;

/// One connection of the share.
pub(crate) struct Connection {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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

pub(super) struct State {
    pub(super) stage: Stage,
    /// Number of the next message.
    pub(super) message: u32,
    pub(super) stream: Option<TcpStream<Load>>,
    pub(super) under_way: Option<Box<UnderWay>>,
}

impl State {
    /// How many messages are under way.
    fn messages_under_way(&self) -> u32 {
        self.under_way.as_ref().map_or(0, |under_way| under_way.intended.len() as u32)
    }
}

impl Default for Connection {
    fn default() -> Self {
        let state = State { stage: Stage::Opening, message: 0, stream: None, under_way: None };
        Self { state: Mutex::new(state) }
    }
}

impl Connection {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
    pub(super) fn connection(&self) -> &'a Connection {
        &self.shared.connections[self.index as usize]
    }

    pub(super) fn set_deadline(&self) {
        let end = self.shared.started.elapsed() + self.shared.config.timeout;
        self.shared.deadlines.set(self.index, end);
    }

    /// Starts to connect.
    pub(crate) fn open(&mut self) {
        let mut state = self.connection().state();
        if state.stage != Stage::Opening {
            return;
        }
        self.shared.progress.connection_tried();
        self.set_deadline();
        self.connect(&mut state, None);
    }

    fn connect(&mut self, state: &mut State, source: Option<IpAddr>) {
        match opening::start_connect(self.shared, self.index, source) {
            Ok(stream) => state.stream = Some(stream),
            Err(error) => self.fail_by(state, &error),
        }
    }

    /// Opens the connection again after its echo. It counts as the same one.
    pub(super) fn open_again(&mut self, state: &mut State) {
        if let Some(stream) = state.stream.take() {
            stream.close();
        }
        state.stage = Stage::Opening;
        // The message is under way from now on, and is sent when the connection is there.
        let under_way = state.under_way.get_or_insert_with(UnderWay::new);
        under_way.intended.push_back(Instant::now());
        self.set_deadline();
        let source = opening::source_for_again(self.shared, self.index, state.message);
        self.connect(state, source);
    }

    /// The connect has ended.
    pub(crate) fn connected(&mut self, result: io::Result<()>) {
        let shared = self.shared;
        let mut state = self.connection().state();
        if state.stage != Stage::Opening {
            return;
        }
        if let Err(error) = result {
            self.fail_by(&mut state, &error);
            return;
        }
        shared.deadlines.clear(self.index);
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
            let under_way = state.under_way.as_mut();
            let intended = under_way.and_then(|it| it.intended.pop_front());
            self.send(&mut state, 1, intended.unwrap_or_else(Instant::now));
            return;
        }
        drop(state);
        shared.settle();
    }

    /// The schedule begins for this connection, or goes on after an echo.
    pub(crate) fn next_message(&mut self) {
        let mut state = self.connection().state();
        self.schedule_next(&mut state);
    }

    fn schedule_next(&mut self, state: &mut State) {
        if !matches!(state.stage, Stage::Idle | Stage::Echoing) {
            return;
        }
        let shared = self.shared;
        let over = match shared.schedule.messages() {
            Some(messages) => state.message >= messages,
            None => shared.progress.is_closing(),
        };
        if over {
            if state.messages_under_way() == 0 {
                self.shut_down(state);
            }
            return;
        }
        let Some(begun) = shared.begun() else { return };
        let pace = shared.config.pace;
        let Some(after) = shared.schedule.send_at(self.index, state.message) else {
            let room = shared.config.depth.max(1).saturating_sub(state.messages_under_way());
            self.send(state, room, Instant::now());
            return;
        };
        // A message of an idle connection is its only one.
        if state.message > 0 && matches!(pace, Pace::Idle { .. }) {
            state.under_way = None;
            return;
        }
        let intended = begun + after;
        let wait = intended.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            self.send(state, 1, intended);
            return;
        }
        if state.messages_under_way() == 0 {
            state.under_way = None;
        }
        // Where connections have turns, the turn of this one comes.
        if !matches!(pace, Pace::Turns { .. })
            && let Err(refused) = shared.port.timer(wait, Step::Due(self.index))
        {
            self.fail_by(state, &refused.error);
        }
    }

    /// The time of the next message has come.
    pub(crate) fn due(&mut self) {
        let mut state = self.connection().state();
        self.send_when_due(&mut state);
    }

    /// The time of message `message` has come, unless it was sent already.
    pub(crate) fn turn(&mut self, message: u32) {
        let mut state = self.connection().state();
        if state.message == message {
            self.send_when_due(&mut state);
        }
    }

    fn send_when_due(&mut self, state: &mut State) {
        let shared = self.shared;
        let at = shared.schedule.send_at(self.index, state.message);
        if let (Stage::Idle, Some(begun), Some(after)) = (state.stage, shared.begun(), at) {
            let intended = begun + after;
            if shared.progress.is_recording() {
                self.recording.lateness.record(intended.elapsed());
            }
            self.send(state, 1, intended);
        }
    }

    /// The run is over: closes the connection unless a message is under way.
    pub(crate) fn close_if_idle(&mut self) {
        let mut state = self.connection().state();
        if state.stage == Stage::Idle {
            self.shut_down(&mut state);
        }
    }

    fn name(&self, message: u32) -> MessageName {
        let config = &self.shared.config;
        let connection = config.share.first + self.index;
        let mark = (config.hot > 0).then_some(if connection < config.hot { b'H' } else { b'L' });
        MessageName { connection, message, mark }
    }

    /// Sends the next `count` messages in one piece, which were to be sent at `intended`.
    fn send(&mut self, state: &mut State, count: u32, intended: Instant) {
        if count == 0 {
            return;
        }
        let shared = self.shared;
        let length = shared.config.message_bytes;
        let mut buffer = shared.port.buffer();
        if buffer.capacity() < length * count as usize {
            buffer = Buffer::with_capacity(length * count as usize);
        }
        let under_way = state.under_way.get_or_insert_with(UnderWay::new);
        if under_way.intended.is_empty() {
            under_way.verifier = Some(Verifier::new(self.name(state.message), length));
        }
        for _ in 0..count {
            self.name(state.message).write(length, |piece| buffer.extend_from_slice(piece));
            under_way.intended.push_back(intended);
            state.message += 1;
            shared.progress.message_sent();
        }
        state.stage = Stage::Echoing;
        self.set_deadline();
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
        let mut state = self.connection().state();
        if state.stage == Stage::Ended {
            return;
        }
        match result {
            Err(error) => self.fail_by(&mut state, &error),
            Ok(Received::End) if state.stage == Stage::Closing => {
                let is_churn = matches!(self.shared.config.pace, Pace::Churn { .. });
                if is_churn && !self.shared.progress.is_closing() {
                    self.open_again(&mut state);
                } else {
                    self.complete(&mut state);
                }
            }
            Ok(Received::End) => self.fail(&mut state, FailureKind::ClosedEarly),
            Ok(Received::Readable) => self.receive_again(&mut state),
            Ok(Received::Data(length)) => {
                self.echoed(&mut state, &buffer[..length]);
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

    fn echoed(&mut self, state: &mut State, piece: &[u8]) {
        let (mut rest, mut complete) = (piece, false);
        while !rest.is_empty() {
            let under_way = state.under_way.as_mut();
            let Some(verifier) = under_way.and_then(|it| it.verifier.as_mut()) else {
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
            if state.messages_under_way() == 0 {
                self.shared.deadlines.clear(self.index);
                state.stage = Stage::Idle;
            } else {
                self.set_deadline();
            }
            match self.shared.config.pace {
                Pace::Churn { .. } => self.shut_down(state),
                _ => self.schedule_next(state),
            }
        }
    }

    /// The oldest message that is under way has come back.
    fn message_complete(&mut self, state: &mut State) {
        let shared = self.shared;
        shared.progress.message_echoed(shared.config.message_bytes);
        let Some(under_way) = state.under_way.as_mut() else { return };
        if let Some(intended) = under_way.intended.pop_front()
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
        let next = state.message - under_way.intended.len() as u32;
        under_way.verifier = (!under_way.intended.is_empty())
            .then(|| Verifier::new(self.name(next), shared.config.message_bytes));
    }
}
