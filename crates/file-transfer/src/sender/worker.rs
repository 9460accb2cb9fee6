//! What comes of each packet of the sender's port.
//!
//! ```text
//! Accepted -> receive -> Received -> a whole request? -> transmit -> Transmitted -> receive -> the end
//!                ^           |  no         | the checksum is not known           (of the fetcher's side)
//!                +-----------+             +-> wait for the thread that makes it
//! ```

use super::Shared;
use super::connection::{Body, Connection, Late, Message, Sending, Stream, Waits, Work};
use super::served::identity_of;
use super::settings::{Ended, Outcome};
use crate::wire::{Answer, FileHead, REQUEST_BYTES, REQUEST_MAGIC, Reason, Request, Unreadable};
use overlapped::{Accepted, Buffer, OrPacket, Packet, Received, Transmission, is_aborted};
use overlapped_serving::{Notice, lock};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A thread of the port, as it sees the sender.
pub(crate) struct Worker<'a>(pub(crate) &'a Arc<Shared>);

/// Which of the counters of errors it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    TimedOut,
    NotUnderstood,
    File,
}

impl Worker<'_> {
    /// Does what a packet asks for.
    pub(crate) fn serve(&self, packet: Packet<Sending>) {
        match packet {
            Packet::Accepted { result: Ok(accepted), .. } => self.accepted(*accepted),
            Packet::Received { stream, buffer, operation, result } => match operation {
                Work::Request(bytes, count) => {
                    self.received(&stream, bytes, count, &buffer, result)
                }
                Work::Farewell(outcome) => self.farewell(&stream, outcome, result),
                _ => {}
            },
            Packet::Transmitted {
                stream,
                operation: Work::Body(body),
                transferred,
                result,
                ..
            } => {
                self.transmitted(&stream, &body, transferred, result);
            }
            Packet::Sent { stream, operation: Work::Wait, result, .. } => {
                stream.key().is_told.store(false, Ordering::Release);
                if let Err(error) = result {
                    self.waits_no_more(&stream, &error);
                }
            }
            Packet::Sent { stream, operation: Work::Refusal, .. } => {
                // It was told to the watch before; what is left is an end that loses nothing.
                let _ = stream.shutdown(Shutdown::Write);
                self.listen_for_end(&stream, Outcome::Failed(String::new()));
            }
            Packet::Posted(Message::Known(stream, request)) => {
                let _in_hand = self.0.connections.in_hand(&stream);
                self.answer(&stream, request);
            }
            Packet::Posted(Message::Unknown(stream, reason, text)) => {
                let _in_hand = self.0.connections.in_hand(&stream);
                self.refuse(&stream, reason, text);
            }
            Packet::Timer { .. } => self.look_at_the_time(),
            // The listener was closed, or nothing that the sender started.
            _ => {}
        }
    }

    fn accepted(&self, accepted: Accepted) {
        let connection = Connection::new(Some(accepted.remote));
        connection.waits(Waits::Request, Some(self.0.settings.request_time));
        let Ok(stream) = self.0.port.associate(accepted.socket, connection) else { return };
        self.0.connections.add(&stream);
        let _in_hand = self.0.connections.in_hand(&stream);
        self.receive_request(&stream, [0; REQUEST_BYTES], 0);
        if self.0.is_stopping() && stream.key().waits_for() == Waits::Request {
            // The stop may have looked at the list before this one was in it.
            stream.close();
        }
    }

    fn receive_request(&self, stream: &Stream, bytes: [u8; REQUEST_BYTES], count: usize) {
        let room = Buffer::with_capacity(REQUEST_BYTES - count);
        if let Err(refused) = stream.receive(room, Work::Request(bytes, count)) {
            self.fail(stream, Fault::Cut, &format!("nothing came of it: {}", refused.error));
        }
    }

    fn received(
        &self,
        stream: &Stream,
        mut bytes: [u8; REQUEST_BYTES],
        count: usize,
        came: &[u8],
        result: io::Result<Received>,
    ) {
        match result {
            Ok(Received::Data(_)) => {}
            Ok(_) if count == 0 => return self.fail(stream, Fault::Cut, "it went without asking"),
            Ok(_) => return self.fail(stream, Fault::Cut, "it went within its request"),
            Err(_) if stream.key().late() == Some(Late::Request) => {
                let text = format!("no request came within {:?}", self.0.settings.request_time);
                return self.fail(stream, Fault::TimedOut, &text);
            }
            // The stop has closed it, and it had asked for nothing.
            Err(error) if is_aborted(&error) => {
                self.0.connections.remove(stream, None);
                return;
            }
            Err(error) => return self.fail(stream, Fault::Cut, &format!("it was cut: {error}")),
        }
        let end = count + came.len();
        bytes[count..end].copy_from_slice(came);
        // What is none of ours is known by its first bytes, and need not be waited for.
        let is_ours = REQUEST_MAGIC.starts_with(&bytes[..end.min(REQUEST_MAGIC.len())]);
        if end < REQUEST_BYTES && is_ours {
            return self.receive_request(stream, bytes, end);
        }
        match Request::decode(&bytes) {
            Ok(request) => self.consider(stream, request),
            Err(unreadable) => {
                let text = match unreadable {
                    Unreadable::Foreign => "it asked for something else than a file".to_owned(),
                    Unreadable::Version(number) => format!("it speaks version {number}"),
                    Unreadable::Contradiction => "its request contradicts itself".to_owned(),
                };
                self.refuse(stream, Reason::NotUnderstood, text);
            }
        }
    }

    /// Answers at once, or when there is a checksum.
    fn consider(&self, stream: &Stream, request: Request) {
        let is_unknown = request.with_checksum
            && match self.0.served.open() {
                Ok((_, identity)) => self.0.checksums.of(identity).is_none(),
                // The answer says so.
                Err(_) => false,
            };
        if is_unknown {
            self.0.checksums.wait(self.0, stream.clone(), request);
        } else {
            self.answer(stream, request);
        }
    }

    /// Sends head and file as one operation.
    fn answer(&self, stream: &Stream, request: Request) {
        let served = &self.0.served;
        let (file, identity) = match served.open() {
            Ok(opened) => opened,
            Err(error) => {
                let text = format!("the file cannot be read: {error}");
                return self.refuse(stream, Reason::Unreadable, text);
            }
        };
        let checksum = request.with_checksum.then(|| self.0.checksums.of(identity)).flatten();
        if request.with_checksum && checksum.is_none() {
            let text = "the file was changed while its checksum was made".to_owned();
            return self.refuse(stream, Reason::Restless, text);
        }
        let from = if request.identity == identity { request.offset } else { 0 };
        let name_bytes = served.name.len();
        let head = Answer::File(FileHead { name_bytes, identity, offset: from, checksum });
        let mut head = head.encode().to_vec();
        head.extend_from_slice(served.name.as_bytes());
        let body_bytes = if request.head_only { 0 } else { identity.bytes - from };
        let head_bytes = head.len() as u64;
        let transmission =
            Transmission::of(Arc::clone(&file)).range(from, body_bytes).head(head).end_stream(true);
        let limit = self.0.settings.stall_time;
        stream.key().transmits(transmission.progress(), head_bytes, limit);
        let body = Body { file, identity, request, from, head_bytes, body_bytes };
        if let Err(refused) = stream.transmit_file(transmission, Work::Body(Box::new(body))) {
            let text = format!("nothing could be sent: {}", refused.error);
            self.fail(stream, Fault::Cut, &text);
        }
    }

    fn transmitted(&self, stream: &Stream, body: &Body, transferred: u64, result: io::Result<()>) {
        let sent = transferred.saturating_sub(body.head_bytes);
        let of = body.body_bytes;
        if let Err(error) = result {
            let settings = &self.0.settings;
            let late = match stream.key().late() {
                Some(Late::Body) => Some(format!("nothing for {:?}", settings.stall_time)),
                Some(Late::Rate) => Some(format!(
                    "less than {} bytes a second for {:?}",
                    settings.least_rate, settings.rate_time
                )),
                _ => None,
            };
            if let Some(late) = late {
                let text = format!("it took {late}, after {sent} of {of} bytes");
                return self.fail(stream, Fault::TimedOut, &text);
            }
            let text = format!("it was cut after {sent} of {of} bytes: {error}");
            return self.fail(stream, Fault::Cut, &text);
        }
        if sent < of {
            // The fetcher counts, and sees the end too early.
            let text = format!(
                "the file has become shorter while it was sent: {sent} of {of} bytes went out"
            );
            return self.fail(stream, Fault::File, &text);
        }
        let outcome = match body.request.head_only {
            true => Outcome::Inquired,
            false => Outcome::Delivered {
                from: body.from,
                changed: body
                    .file
                    .metadata()
                    .and_then(|facts| identity_of(&facts))
                    .is_ok_and(|now| now != body.identity),
            },
        };
        self.await_end(stream, outcome);
    }

    /// All is sent. That it has arrived is known when the fetcher ends its side.
    fn await_end(&self, stream: &Stream, outcome: Outcome) {
        stream.key().waits(Waits::Farewell, Some(self.0.settings.stall_time));
        self.listen_for_end(stream, outcome);
    }

    /// Goes on waiting for the end. What comes before it gives no more time.
    fn listen_for_end(&self, stream: &Stream, outcome: Outcome) {
        if let Err(refused) = stream.receive(Buffer::with_capacity(64), Work::Farewell(outcome)) {
            let Work::Farewell(outcome) = refused.returned.1 else { return };
            self.farewell(stream, outcome, Err(refused.error));
        }
    }

    fn farewell(&self, stream: &Stream, outcome: Outcome, result: io::Result<Received>) {
        match (&outcome, &result) {
            // Whatever it still says, it is not listened to.
            (_, Ok(Received::Data(_))) => return self.listen_for_end(stream, outcome),
            // A refusal was told before.
            (Outcome::Failed(_), _) => {
                self.0.connections.remove(stream, None);
                return;
            }
            (_, Ok(_)) | (Outcome::Inquired, _) => {}
            (_, Err(_)) if stream.key().late() == Some(Late::Farewell) => {
                let limit = self.0.settings.stall_time;
                let text = format!("all was sent, and it did not end within {limit:?}");
                return self.fail(stream, Fault::TimedOut, &text);
            }
            (_, Err(error)) => {
                let text = format!("all was sent, and it was cut before the end: {error}");
                return self.fail(stream, Fault::Cut, &text);
            }
        }
        self.end(stream, outcome, None);
    }

    /// Tells the fetcher that it gets no file, and why.
    fn refuse(&self, stream: &Stream, reason: Reason, text: String) {
        let fault = match reason {
            Reason::NotUnderstood => Fault::NotUnderstood,
            _ => Fault::File,
        };
        stream.key().waits(Waits::Farewell, Some(self.0.settings.request_time));
        let answer = Answer::Refusal(reason).encode();
        let is_told = stream.send(answer.to_vec(), Work::Refusal).is_ok();
        // One that was ended by force meanwhile is counted as that.
        if is_told || self.0.connections.remove(stream, None) {
            self.note(stream, Outcome::Failed(text), Some(fault));
        }
    }

    /// Every tick: ends those whose time is over, and tells those that wait for a checksum to go on
    /// waiting.
    fn look_at_the_time(&self) {
        let now = Instant::now();
        let is_over = |key: &Connection| key.is_over(now, &self.0.settings);
        self.0.connections.for_each(is_over, |stream| {
            // What is in flight comes back as aborted, to whoever ends the connection.
            match stream.key().waits_for() {
                Waits::Body => stream.abort(),
                _ => stream.close(),
            }
        });
        let is_waiting = |key: &Connection| key.waits_for() == Waits::Checksum;
        self.0.connections.for_each(is_waiting, |stream| {
            let word = Answer::Wait.encode();
            let told = stream.key().tell_to_wait(|| {
                stream.send(word.to_vec(), Work::Wait).map(drop).map_err(|refused| refused.error)
            });
            if let Err(error) = told {
                self.waits_no_more(stream, &error);
            }
        });
        // A port that is closed needs no further look.
        self.0.port.timer(self.0.settings.tick, Work::Other).or_packet();
    }

    /// A fetcher cannot be told to wait. A checksum may take hours, for which one that has gone shall not
    /// keep its place.
    fn waits_no_more(&self, stream: &Stream, error: &io::Error) {
        if stream.key().waits_for() == Waits::Checksum {
            self.0.checksums.forget(stream);
            let text = format!("it went while its checksum was made: {error}");
            self.fail(stream, Fault::Cut, &text);
            stream.close();
        }
    }

    fn fail(&self, stream: &Stream, fault: Fault, text: &str) {
        self.end(stream, Outcome::Failed(text.to_owned()), Some(fault));
    }

    /// Ends a connection: the last handle closes it, and that is the caller's.
    fn end(&self, stream: &Stream, outcome: Outcome, fault: Option<Fault>) {
        if self.0.connections.remove(stream, None) {
            self.note(stream, outcome, fault);
        }
    }

    fn note(&self, stream: &Stream, outcome: Outcome, fault: Option<Fault>) {
        let key = stream.key();
        let bytes = key.bytes();
        let mut status = lock(&self.0.counts);
        status.bytes += key.count();
        match (&outcome, fault) {
            (Outcome::Delivered { .. }, _) => status.deliveries += 1,
            (Outcome::Inquired, _) => status.inquiries += 1,
            (_, Some(Fault::Cut)) => status.errors.cut += 1,
            (_, Some(Fault::TimedOut)) => status.errors.timed_out += 1,
            (_, Some(Fault::NotUnderstood)) => status.errors.not_understood += 1,
            (_, Some(Fault::File)) => status.errors.file += 1,
            (_, None) => {}
        }
        drop(status);
        let _told = GivenAtEnd(&self.0.changed);
        if let Some(peer) = key.peer {
            self.0.watch.ended(&Ended { peer, bytes, time: key.begun.elapsed(), outcome });
        }
    }
}

/// Has whoever waits look again when this is dropped, also by a watch that panics.
struct GivenAtEnd<'a>(&'a Notice);

impl Drop for GivenAtEnd<'_> {
    fn drop(&mut self) {
        self.0.give();
    }
}
