//! One worker: takes packets, and turns each into the next operation of its connection.
//!
//! ```text
//! Accepted -> receive -> Received -> a whole head? -> transmit or send -> Transmitted, Sent
//!                ^           |  no                                              |
//!                +-----------+--------------------------------------------------+
//! ```
//!
//! A connection has one operation in flight or is in one worker's hands, never both. So responses go
//! out in the order of their requests, and a client that does not read stops only itself: nothing is
//! received from it meanwhile.

use crate::access_log::Entry;
use crate::answer::Reply;
use crate::connection::{After, Answer, Connection, Part, Phase, Serving, Stream, Work};
use crate::counters::Own;
use crate::deadline::has_expired;
use crate::request::{Parsed, may_be_whole, parse};
use crate::response::DateText;
use crate::server::Shared;
use overlapped::{Accepted, Buffers, OrPacket, Packet, Received, Transmission, is_aborted};
use overlapped_serving::{Failure, OnDuty};
use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::SystemTime;

/// How much of a file goes out as one operation. Where the system tells how far it is only between
/// the parts of its own, they are short enough for a slow client to be seen moving.
const PART_BYTES: u64 = if cfg!(windows) { 1 << 20 } else { 1 << 40 };

/// A thread that serves, as it sees the server.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    counters: OnDuty<Own>,
    date: RefCell<DateText>,
}

impl Worker {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let counters = shared.counters.enlist();
        Self { shared: Arc::clone(shared), counters, date: RefCell::default() }
    }

    /// Does what a packet asks for.
    pub(crate) fn serve(&self, packet: Packet<Serving>) {
        match packet {
            Packet::Received { stream, buffer, operation, result } => match result {
                Ok(Received::Data(_)) => self.received(stream, &buffer, operation),
                Ok(Received::End) => self.end(&stream),
                // Only a receive without room reports it, and none is started.
                Ok(Received::Readable) => self.receive(&stream, operation),
                Err(error) if is_aborted(&error) => self.receive_aborted(stream, operation),
                Err(error) => self.receive_failed(&stream, &operation, &error),
            },
            Packet::Transmitted {
                stream,
                transmission,
                transferred,
                operation: Work::Answer(answer),
                result,
            } => self.transmitted(stream, *transmission, transferred, answer, result),
            Packet::Sent {
                stream,
                buffers,
                transferred,
                operation: Work::Answer(answer),
                result,
            } => self.sent(stream, &buffers, transferred, answer, result),
            Packet::Accepted { result, .. } => match result {
                Ok(accepted) => self.accepted(*accepted),
                // The listener was closed.
                Err(error) if is_aborted(&error) => {}
                Err(error) => self.shared.connections.failed(Failure::of(&error)),
            },
            Packet::Timer { .. } => self.look_at_the_time(),
            // The server starts nothing else.
            _ => {}
        }
    }

    fn accepted(&self, accepted: Accepted) {
        let Some(place) = self.shared.addresses.admit(accepted.remote.ip()) else {
            // It is closed, which costs less than any answer would.
            return self.counters.refused();
        };
        let connection = Connection::new(Some(accepted.remote), Some(place));
        let stream = match self.shared.port.associate(accepted.socket, connection) {
            Ok(stream) => stream,
            Err(refused) => return self.shared.connections.failed(Failure::of(&refused.error)),
        };
        if cfg!(windows) {
            // Elsewhere it is inherited. One that is gone already takes none.
            let _ = stream.set_nodelay(true);
        }
        // In the list before its first operation, which may end it at once.
        self.shared.connections.add(&stream);
        let _in_hand = self.shared.connections.in_hand(&stream);
        self.wait_for_request(&stream, self.shared.deadlines.of_head());
    }

    fn wait_for_request(&self, stream: &Stream, until: u32) {
        self.shared.deadlines.waits(stream.key(), Phase::Request, until);
        self.receive(stream, Work::Waits);
    }

    fn receive(&self, stream: &Stream, work: Work) {
        let waits = matches!(work, Work::Waits);
        match stream.receive_pooled(work) {
            // The stop cancels what it finds waiting. It may have looked before this receive was
            // started; then the handle's lock shows us that it has begun.
            Ok(id) if waits && self.shared.is_stopping() => {
                // If it has completed meanwhile, its packet is served like any other.
                let _ = stream.cancel(id);
            }
            Ok(_) => {}
            Err(refused) => self.receive_failed(stream, &refused.returned, &refused.error),
        }
    }

    fn received(&self, stream: Stream, bytes: &[u8], work: Work) {
        self.shared.deadlines.in_hand(stream.key());
        match work {
            Work::Head { bytes: mut head, until, needs } => {
                let seen = head.len();
                head.extend_from_slice(bytes);
                let is_full = head.len() >= self.shared.site.settings.head_bytes;
                if is_full || may_be_whole(&head, seen, needs as usize) {
                    self.read(stream, &head, Some(until));
                } else {
                    self.wait_for_head(&stream, head, until, needs);
                }
            }
            Work::Discard { until } => self.discard(&stream, until),
            Work::Waits | Work::LastLook | Work::Answer(_) | Work::Other => {
                self.read(stream, bytes, None);
            }
        }
    }

    /// Answers the request at the start of `bytes`, or waits for more of it. `until` is when its head
    /// must be whole, if that is known already.
    fn read(&self, stream: Stream, bytes: &[u8], until: Option<u32>) {
        let site = &self.shared.site;
        match parse(bytes, &site.settings) {
            Parsed::Whole(request, length) => {
                let now = SystemTime::now();
                let mut date = self.date.borrow_mut();
                let rest = &bytes[length..];
                // What has come with it is answered as well, and the last of that says so.
                let may_go_on = !self.shared.retires() || !rest.is_empty();
                let reply = site.answer(&request, (now, date.at(now)), rest, may_go_on);
                self.respond(stream, reply);
            }
            Parsed::Partial(needs) => {
                let until = until.unwrap_or_else(|| self.shared.deadlines.of_head());
                let needs = u32::try_from(needs).unwrap_or(u32::MAX);
                self.wait_for_head(&stream, bytes.to_vec(), until, needs);
            }
            Parsed::Later(at) => {
                let mut bytes = bytes.to_vec();
                bytes[at] = b'1';
                self.read(stream, &bytes, until);
            }
            Parsed::Bad(status) => self.refuse(stream, status, bytes),
        }
    }

    fn wait_for_head(&self, stream: &Stream, bytes: Vec<u8>, until: u32, needs: u32) {
        self.shared.deadlines.waits(stream.key(), Phase::Head, until);
        self.receive(stream, Work::Head { bytes, until, needs });
    }

    fn refuse(&self, stream: Stream, status: u16, bytes: &[u8]) {
        let now = SystemTime::now();
        let mut date = self.date.borrow_mut();
        let reply = self.shared.site.refuse(status, (now, date.at(now)), bytes);
        self.respond(stream, reply);
    }

    fn respond(&self, stream: Stream, reply: Reply) {
        let (answer, bytes) = reply.written();
        if answer.file.is_some() {
            self.transmit(stream, answer, bytes)
        } else {
            self.send(stream, answer, bytes)
        }
    }

    /// Sends the next part of the file, after what is left of the head.
    fn transmit(&self, stream: Stream, mut answer: Box<Answer>, head: Vec<u8>) {
        answer.head_left = head.len();
        let Some(Part { file, offset, length }) = &answer.file else {
            return self.send(stream, answer, head);
        };
        let transmission = Transmission::of(Arc::clone(&file.open))
            .range(*offset, (*length).min(PART_BYTES))
            .head(head);
        let connection = stream.key();
        connection.set_progress(answer.body_sent, Some(transmission.progress()));
        let deadlines = &self.shared.deadlines;
        if answer.body_sent == 0 {
            deadlines.sending_begins(connection);
        }
        deadlines.waits(connection, Phase::Answer, deadlines.of_answer());
        if let Err(refused) = stream.transmit_file(transmission, Work::Answer(answer)) {
            // Nothing of this part went out, so a file that has become shorter comes here, too.
            self.fail(&stream, Failure::of(&refused.error));
        }
    }

    /// Sends a response that has no file.
    fn send(&self, stream: Stream, answer: Box<Answer>, bytes: Vec<u8>) {
        let connection = stream.key();
        connection.set_progress(0, None);
        let deadlines = &self.shared.deadlines;
        deadlines.sending_begins(connection);
        deadlines.waits(connection, Phase::Answer, deadlines.of_answer());
        if let Err(refused) = stream.send(bytes, Work::Answer(answer)) {
            self.fail(&stream, Failure::of(&refused.error));
        }
    }

    fn transmitted(
        &self,
        stream: Stream,
        transmission: Transmission,
        transferred: u64,
        mut answer: Box<Answer>,
        result: io::Result<()>,
    ) {
        let of_head = transferred.min(answer.head_left as u64) as usize;
        let of_body = transferred - of_head as u64;
        answer.body_sent += of_body;
        self.counters.sent(of_body);
        let (mut left, mut asked) = (0, 0);
        if let Some(part) = &mut answer.file {
            asked = part.length.min(PART_BYTES);
            part.offset += of_body;
            part.length -= of_body.min(part.length);
            left = part.length;
        }
        match result {
            Ok(()) if of_body < asked => {
                // The file has become shorter. The client counts, and sees the end too early.
                self.note(&stream, &answer);
                self.fail(&stream, Failure::Other);
            }
            Ok(()) if left > 0 => self.transmit(stream, answer, Vec::new()),
            Ok(()) => {
                // It may have been the last that held the file.
                drop(transmission);
                self.responded(stream, *answer);
            }
            Err(error) if is_aborted(&error) && !has_expired(stream.key()) => {
                // The stop or the sweep meant another operation, and this one goes on.
                let (head, _) = transmission.into_buffers();
                self.transmit(stream, answer, rest_of(&head, of_head));
            }
            Err(error) => self.answer_failed(&stream, &answer, &error),
        }
    }

    fn sent(
        &self,
        stream: Stream,
        buffers: &Buffers,
        transferred: usize,
        mut answer: Box<Answer>,
        result: io::Result<()>,
    ) {
        let of_head = transferred.min(answer.head_left);
        let of_body = (transferred - of_head) as u64;
        answer.head_left -= of_head;
        answer.body_sent += of_body;
        self.counters.sent(of_body);
        match result {
            Ok(()) => self.responded(stream, *answer),
            Err(error) if is_aborted(&error) && !has_expired(stream.key()) => {
                self.send(stream, answer, rest_of(buffers, transferred));
            }
            Err(error) => self.answer_failed(&stream, &answer, &error),
        }
    }

    fn answer_failed(&self, stream: &Stream, answer: &Answer, error: &io::Error) {
        self.note(stream, answer);
        if has_expired(stream.key()) {
            // The client does not read: what was not sent is lost, and it shall know.
            stream.abort();
            return self.fail(stream, Failure::TimedOut);
        }
        self.fail(stream, Failure::of(error));
    }

    /// A response is sent; what comes next?
    fn responded(&self, stream: Stream, answer: Answer) {
        self.note(&stream, &answer);
        self.counters.responded(answer.status);
        let connection = stream.key();
        connection.set_progress(0, None);
        self.shared.deadlines.in_hand(connection);
        match answer.after {
            After::Next(rest) if rest.is_empty() => {
                self.wait_for_request(&stream, self.shared.deadlines.of_idle());
            }
            After::Next(rest) => self.read(stream, &rest, None),
            After::End => {
                // Closing with data unread would reset the connection, and the client might lose our
                // answer. So only our side ends, and what comes is thrown away for a moment.
                if stream.shutdown(Shutdown::Write).is_err() {
                    return self.end(&stream);
                }
                self.discard(&stream, self.shared.deadlines.of_farewell());
            }
        }
    }

    fn discard(&self, stream: &Stream, until: u32) {
        self.shared.deadlines.waits(stream.key(), Phase::Discard, until);
        self.receive(stream, Work::Discard { until });
    }

    fn receive_aborted(&self, stream: Stream, work: Work) {
        let has_expired = has_expired(stream.key());
        match work {
            Work::Head { bytes, .. } if has_expired => {
                self.shared.connections.failed(Failure::TimedOut);
                self.refuse(stream, 408, &bytes);
            }
            _ if has_expired => self.end(&stream),
            Work::Waits if self.shared.is_stopping() => self.look_a_last_time(&stream),
            Work::LastLook | Work::Other | Work::Answer(_) => self.end(&stream),
            // The sweep or the stop meant what was in flight a moment ago.
            Work::Waits => self.wait_for_request(&stream, self.shared.deadlines.of_idle()),
            Work::Head { bytes, until, needs } => {
                self.wait_for_head(&stream, bytes, until, needs);
            }
            Work::Discard { until } => self.discard(&stream, until),
        }
    }

    /// A request may have come that nobody has looked at.
    fn look_a_last_time(&self, stream: &Stream) {
        match stream.receive_pooled(Work::LastLook) {
            // What has come completes it now; otherwise it waits, and nobody waits for it.
            Ok(id) => {
                let _ = stream.shutdown(Shutdown::Read);
                let _ = stream.cancel(id);
            }
            Err(_) => self.end(stream),
        }
    }

    fn receive_failed(&self, stream: &Stream, work: &Work, error: &io::Error) {
        match work {
            // All that was asked for is answered; a reset harms nobody.
            Work::Waits | Work::LastLook | Work::Discard { .. } => self.end(stream),
            _ => self.fail(stream, Failure::of(error)),
        }
    }

    fn look_at_the_time(&self) {
        let deadlines = &self.shared.deadlines;
        // What is in flight comes back as aborted, to a worker that ends the connection.
        deadlines.look(&self.shared.connections, |stream| {
            stream.cancel_all();
        });
        self.shared.site.files.trim();
        // A port that is closed needs no further look.
        self.shared.port.timer(deadlines.tick(), Work::Other).or_packet();
    }

    /// Writes an answer into the access log.
    fn note(&self, stream: &Stream, answer: &Answer) {
        let (Some(log), Some(line)) = (&self.shared.log, &answer.line) else { return };
        let Some(client) = stream.key().client else { return };
        log.add(Entry {
            client,
            time: SystemTime::now(),
            request: line.clone(),
            status: answer.status,
            body_bytes: answer.body_sent,
        });
    }

    /// Ends a connection before its time.
    fn fail(&self, stream: &Stream, failure: Failure) {
        self.shared.connections.remove(stream, Some(failure));
    }

    /// Ends a connection: the last handle closes it, and that is the caller's.
    fn end(&self, stream: &Stream) {
        self.shared.connections.remove(stream, None);
    }
}

/// What of `buffers` comes after the first `sent` bytes.
fn rest_of(buffers: &Buffers, sent: usize) -> Vec<u8> {
    buffers.iter().flat_map(|buffer| buffer.iter().copied()).skip(sent).collect()
}
