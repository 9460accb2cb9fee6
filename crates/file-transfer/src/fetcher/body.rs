//! The file itself: one receive after the other, each handed on as a write while the next is in flight.
//!
//! A buffer is in a receive, in a write, or free, and there are never more than were made. When all
//! are being written, nothing is received, and the sender is held back by TCP.

use super::conversation::unexpected;
use super::failure::{Failure, Kind};
use super::room::Room;
use super::settings::Fetched;
use super::target::Unfinished;
use super::{Fetch, Stream, Work};
use crate::rate::is_below;
use overlapped::{Buffer, Packet, Received};
use std::io;
use std::time::{Duration, Instant};

/// How long the end of the stream is waited for when the file is whole.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is in flight.
struct Flight<'a> {
    unfinished: &'a mut Unfinished,
    free: Vec<Buffer>,
    receiving: bool,
    writing: usize,
    /// Where the next byte of the stream belongs.
    at: u64,
    end: u64,
    room: Room,
    pace: Pace,
}

/// How much has come in how much time, in which the sender could have sent more.
#[derive(Default)]
struct Pace {
    /// Since when the receive in flight waits.
    since: Option<Instant>,
    time: Duration,
    bytes: u64,
}

impl Fetch<'_> {
    /// Receives and writes what lies between `from` and `end`. Nothing is in flight afterwards, however
    /// it ends.
    pub(super) fn receive_body(
        &self,
        stream: &Stream,
        unfinished: &mut Unfinished,
        from: u64,
        end: u64,
        fetched: &mut Fetched,
    ) -> Result<(), Failure> {
        let buffers = self.settings.buffers;
        let free =
            (0..buffers).map(|_| Buffer::with_capacity(self.settings.buffer_bytes)).collect();
        let mut flight = Flight {
            unfinished,
            free,
            receiving: false,
            writing: 0,
            at: from,
            end,
            room: Room::new(from, end),
            pace: Pace::default(),
        };
        let outcome = self
            .keep_going(stream, &mut flight, fetched)
            .and_then(|()| self.nothing_comes_after(stream));
        if outcome.is_err() {
            stream.close();
            self.settle(&mut flight);
        }
        fetched.received_bytes = flight.at - from;
        outcome
    }

    fn keep_going(
        &self,
        stream: &Stream,
        flight: &mut Flight<'_>,
        fetched: &mut Fetched,
    ) -> Result<(), Failure> {
        let mut silent_at = self.silence_from_now();
        loop {
            if !flight.receiving
                && flight.at < flight.end
                && let Some(buffer) = flight.free.pop()
            {
                if let Err(refused) = stream.receive(buffer, Work::Body) {
                    return Err(self.cut(flight, &refused.error.to_string()));
                }
                flight.receiving = true;
                flight.pace.since = Some(Instant::now());
                silent_at = self.silence_from_now();
            }
            let in_flight = flight.writing + usize::from(flight.receiving);
            fetched.peak_in_flight = fetched.peak_in_flight.max(in_flight);
            if in_flight == 0 {
                return Ok(());
            }
            // While all buffers are being written, it is not the sender who is silent.
            let until = if flight.receiving { silent_at } else { None };
            match self.next(until)? {
                Some(Packet::Received { buffer, result, .. }) => {
                    flight.receiving = false;
                    self.received(flight, buffer, result)?;
                    fetched.receives += 1;
                    fetched.writes += 1;
                }
                Some(Packet::Written { mut buffer, result, .. }) => {
                    flight.writing -= 1;
                    let target = &flight.unfinished.target;
                    result.map_err(|error| Failure::at(target, "it cannot be written", &error))?;
                    buffer.clear();
                    flight.free.push(buffer);
                }
                Some(_) => return Err(unexpected()),
                None => {
                    let limit = self.settings.silence_time;
                    let what = format!("the sender said nothing for {limit:?}");
                    return Err(self.ended_early(Kind::Silent, flight, &what));
                }
            }
        }
    }

    fn received(
        &self,
        flight: &mut Flight<'_>,
        buffer: Buffer,
        result: io::Result<Received>,
    ) -> Result<(), Failure> {
        match result {
            Ok(Received::Data(_)) => {}
            Ok(_) => {
                let what = "the sender ended the connection (it was stopped, or its file has become \
                            shorter)";
                return Err(self.ended_early(Kind::Cut, flight, what));
            }
            Err(error) => return Err(self.cut(flight, &error.to_string())),
        }
        let count = buffer.len() as u64;
        if count > flight.end - flight.at {
            return Err(self.too_much());
        }
        self.keeps_pace(flight, count)?;
        flight.room.reach(flight.unfinished, flight.at + count)?;
        flight.unfinished.note(flight.at, &buffer)?;
        let started = flight.unfinished.file.write_at(buffer, flight.at, Work::Write);
        if let Err(refused) = started {
            let target = &flight.unfinished.target;
            return Err(Failure::at(target, "it cannot be written", &refused.error));
        }
        flight.writing += 1;
        flight.at += count;
        self.watch.advanced(count);
        Ok(())
    }

    /// Whether the sender is not slower than is allowed.
    fn keeps_pace(&self, flight: &mut Flight<'_>, count: u64) -> Result<(), Failure> {
        let pace = &mut flight.pace;
        pace.time += pace.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        pace.bytes += count;
        let settings = self.settings;
        if pace.time < settings.rate_time {
            return Ok(());
        }
        let is_slow = is_below(settings.least_rate, pace.bytes, pace.time);
        *pace = Pace::default();
        if !is_slow {
            return Ok(());
        }
        let (least, time) = (settings.least_rate, settings.rate_time);
        let what = format!("less than {least} bytes a second (--least-rate) came for {time:?},");
        Err(self.ended_early(Kind::Slow, flight, &what))
    }

    /// Sees that the stream ends with the file. What comes behind it is of no sender; a sender that only
    /// does not end is not waited for.
    fn nothing_comes_after(&self, stream: &Stream) -> Result<(), Failure> {
        if stream.receive(Buffer::with_capacity(1), Work::Talk).is_err() {
            return Ok(());
        }
        match self.next(Some(Instant::now() + FAREWELL))? {
            Some(Packet::Received { result: Ok(Received::Data(_)), .. }) => Err(self.too_much()),
            _ => Ok(()),
        }
    }

    fn too_much(&self) -> Failure {
        let text = format!("{}: it sends more than it has told: it is no sender", self.address);
        Failure::new(Kind::NotASender, text)
    }

    /// Waits for what is in flight. The stream is closed, so a receive comes back at once.
    fn settle(&self, flight: &mut Flight<'_>) {
        while flight.writing > 0 || flight.receiving {
            match self.port.take() {
                Ok(Packet::Written { .. }) => flight.writing -= 1,
                Ok(Packet::Received { .. }) => flight.receiving = false,
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn cut(&self, flight: &Flight<'_>, why: &str) -> Failure {
        self.ended_early(Kind::Cut, flight, &format!("the connection was cut ({why})"))
    }

    fn ended_early(&self, kind: Kind, flight: &Flight<'_>, what: &str) -> Failure {
        let remedy = match self.settings.resume {
            true => "fetch again, and it goes on from there",
            false => "fetch again; with --resume it could go on from there",
        };
        let (at, end) = (flight.at, flight.end);
        Failure::new(kind, format!("{what} after {at} of {end} bytes: {remedy}"))
    }

    /// Brings what was written to the device.
    pub(super) fn flush(&self, unfinished: &Unfinished) -> Result<(), Failure> {
        let failed =
            |error: &io::Error| Failure::at(&unfinished.target, "it cannot be flushed", error);
        unfinished.file.flush(Work::Flush).map_err(|refused| failed(&refused.error))?;
        loop {
            // Anything else is what the closed stream has left.
            if let Some(Packet::Flushed { result, .. }) = self.next(None)? {
                return result.map_err(|error| failed(&error));
            }
        }
    }
}
