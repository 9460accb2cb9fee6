//! The fetcher: asks a sender for its file, and writes it beside its place until it is whole.
//!
//! One thread does it all: it takes packets, and each starts what comes next. The writes are carried by
//! the port's backend of files meanwhile.
//!
//! - `settings` is how it is done and what comes of it, `failure` what can go wrong.
//! - `conversation` connects, asks, and reads the answer up to the body.
//! - `target` says where the file goes, and is the unfinished file until it has its name.
//! - `room` looks whether the file fits, and takes its room in steps.
//! - `body` receives and writes, `reading` reads again what was written.

mod body;
mod conversation;
pub(crate) mod failure;
mod reading;
mod room;
pub(crate) mod settings;
mod target;

use crate::wire::{Identity, Request};
use conversation::Head;
use failure::{Failure, Kind};
use overlapped::{FilesChoice, Packet, Port, Protocol, TakeError, TcpStream};
use overlapped_copy::{Stop, Sync};
use settings::{FetchSettings, Fetched, Stage, Watch};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use target::{Place, Unfinished};

/// How soon a fetch that waits notices that it was stopped.
const LOOK: Duration = Duration::from_millis(50);

/// The types that travel through the fetcher's port.
struct Fetching;

impl Protocol for Fetching {
    type Key = ();
    type Operation = Work;
    type Message = ();
}

/// What an operation is for.
#[derive(Debug)]
enum Work {
    Talk,
    Body,
    Write,
    Read(u64),
    Flush,
}

type Stream = TcpStream<Fetching>;

/// One fetch under way.
struct Fetch<'a> {
    port: Port<Fetching>,
    address: SocketAddr,
    settings: &'a FetchSettings,
    watch: &'a dyn Watch,
    stop: &'a Stop,
}

/// Fetches the file of the sender at `address`.
///
/// With a `target` that is a folder, or none, which is the current folder, the file gets the name that
/// the sender says, if it is a plain one; else it gets the name of the target. It is written without
/// a name, or beside its place (`.NAME.overlapped-fetch-MARK`), and gets its name when it is whole, so what
/// was there before stays until then, and stays for good if the fetch fails. Its time is that of the sender's file.
///
/// # Errors
/// [`Failure`] says what was wrong. Nothing new is left then, save with
/// [`resume`](FetchSettings::resume) what a later fetch can go on from.
pub fn fetch(
    address: SocketAddr,
    target: Option<&Path>,
    settings: &FetchSettings,
    watch: &dyn Watch,
    stop: &Stop,
) -> Result<Fetched, Failure> {
    if settings.buffers == 0 || settings.buffer_bytes < 4_096 {
        return Err(Failure::new(
            Kind::System,
            "a fetch needs at least one buffer, of 4,096 bytes or more",
        ));
    }
    let begun = Instant::now();
    // With what is buffered, helper threads are faster than an io_uring, which writes one part of a
    // file at a time.
    let choice = match std::env::var_os("OVERLAPPED_FILES") {
        None if cfg!(target_os = "linux") => FilesChoice::Helpers,
        _ => FilesChoice::Automatic,
    };
    let port = Port::builder().files(choice).build().map_err(|error| Failure::system(&error))?;
    let fetch = Fetch { port, address, settings, watch, stop };
    let place = Place::of(target)?;
    let mut fetched = if settings.resume { fetch.resumed(&place) } else { fetch.anew(&place) }?;
    fetched.time = begun.elapsed();
    Ok(fetched)
}

impl Fetch<'_> {
    /// Fetches without a look at what may be there.
    fn anew(&self, place: &Place) -> Result<Fetched, Failure> {
        let request = Request { with_checksum: self.settings.verify, ..Request::default() };
        if let Place::File(path) = place {
            // Nobody need be asked for what cannot be put there.
            place.look_at(path, self.settings.force)?;
        }
        let (stream, head) = self.ask(request)?;
        let path = place.path_for(&head)?;
        place.look_at(&path, self.settings.force)?;
        self.watch.found(&path, head.identity.bytes);
        let unfinished = Unfinished::open(&self.port, &path, head.identity, false)?;
        self.bring(&stream, &head, unfinished, 0)
    }

    /// Asks what there is, and goes on from what is there of it.
    fn resumed(&self, place: &Place) -> Result<Fetched, Failure> {
        let request = Request { head_only: true, ..Request::default() };
        let (stream, head) = self.ask(request)?;
        stream.close();
        let path = place.path_for(&head)?;
        if target::is_there(&path, head.identity) && !self.settings.force {
            self.watch.found(&path, head.identity.bytes);
            return Ok(Fetched {
                path,
                bytes: head.identity.bytes,
                was_there: true,
                ..Fetched::default()
            });
        }
        place.look_at(&path, self.settings.force)?;
        self.watch.found(&path, head.identity.bytes);
        let mut unfinished = Unfinished::open(&self.port, &path, head.identity, true)?;
        let right = match self.right_bytes(&mut unfinished) {
            Ok(right) => right,
            Err(failure) => return Err(unfinished.abandon(true, failure)),
        };
        let request = Request {
            head_only: false,
            with_checksum: self.settings.verify,
            offset: right,
            identity: head.identity,
        };
        let (stream, now) = match self.ask(request) {
            Ok(answered) => answered,
            Err(failure) => return Err(unfinished.abandon(true, failure)),
        };
        if now.identity == head.identity && now.offset == right {
            return self.bring(&stream, &now, unfinished, right);
        }
        if now.identity == head.identity || now.offset != 0 {
            let text = format!("{}: it sends another part than it was asked for", self.address);
            return Err(unfinished.abandon(true, Failure::new(Kind::NotASender, text)));
        }
        self.watch.note("the sender's file was changed this moment: it is fetched anew");
        self.watch.found(&path, now.identity.bytes);
        drop(unfinished.abandon(false, Failure::new(Kind::Stopped, "")));
        let unfinished = Unfinished::open(&self.port, &path, now.identity, true)?;
        self.bring(&stream, &now, unfinished, 0)
    }

    /// How much of the file, from its start, is there from a former run and right.
    fn right_bytes(&self, unfinished: &mut Unfinished) -> Result<u64, Failure> {
        if unfinished.is_of_another {
            self.watch.note(
                "what a former fetch has left is of another file, or of this one before it was \
                 changed: it is fetched anew",
            );
        }
        let chain = unfinished.take_chain();
        let Some(last) = chain.last() else { return Ok(0) };
        // A record may say more than had reached the file when the run before ended.
        let there = unfinished.file.size().map_err(|error| Failure::system(&error))?;
        let end = (last.part.offset + last.part.length as u64).min(there);
        self.watch.stage(Stage::Checking, 0, end);
        let mut right = 0;
        let mut pieces = chain.iter();
        let mut piece = pieces.next();
        let mut sum = crc32fast::Hasher::new();
        let mut filled = 0;
        self.read_in_order(unfinished, end, |mut bytes| {
            self.watch.advanced(bytes.len() as u64);
            while let Some(this) = piece {
                let (now, rest) = bytes.split_at(bytes.len().min(this.part.length - filled));
                sum.update(now);
                filled += now.len();
                bytes = rest;
                if filled < this.part.length {
                    return true;
                }
                let found = std::mem::replace(&mut sum, crc32fast::Hasher::new()).finalize();
                if found != this.sum {
                    return false;
                }
                right += filled as u64;
                filled = 0;
                piece = pieces.next();
            }
            false
        })?;
        unfinished.is_right_to(right);
        Ok(right)
    }

    /// Receives the body, and gives the file its name.
    fn bring(
        &self,
        stream: &Stream,
        head: &Head,
        mut unfinished: Unfinished,
        from: u64,
    ) -> Result<Fetched, Failure> {
        let Identity { bytes, .. } = head.identity;
        if let Some(path) = unfinished.temporary_path() {
            self.watch.begun(&path);
        }
        let mut fetched = Fetched {
            path: unfinished.target.clone(),
            bytes,
            resumed_bytes: from,
            ..Fetched::default()
        };
        let outcome = self.bring_in(stream, head, &mut unfinished, from, &mut fetched);
        stream.close();
        match outcome {
            Ok(()) => {}
            // What is wrong somewhere is nothing to go on from.
            Err(failure) => {
                let keep = self.settings.resume && failure.kind != Kind::Checksum;
                return Err(unfinished.abandon(keep, failure));
            }
        }
        fetched.warnings = unfinished.finish(self.settings)?;
        for warning in &fetched.warnings {
            self.watch.note(&format!("warning: {warning}"));
        }
        Ok(fetched)
    }

    fn bring_in(
        &self,
        stream: &Stream,
        head: &Head,
        unfinished: &mut Unfinished,
        from: u64,
        fetched: &mut Fetched,
    ) -> Result<(), Failure> {
        let bytes = head.identity.bytes;
        self.check_room(unfinished, bytes)?;
        unfinished.begin_record(self.settings.resume, from)?;
        let begun = Instant::now();
        self.watch.stage(Stage::Receiving, from, bytes);
        self.receive_body(stream, unfinished, from, bytes, fetched)?;
        fetched.receiving_time = begun.elapsed();
        // The sender need not wait for what comes now.
        stream.close();
        if self.settings.sync != Sync::None || self.settings.verify {
            self.flush(unfinished)?;
        }
        if self.settings.verify {
            let checksum = head.checksum.ok_or_else(|| {
                Failure::new(
                    Kind::NotASender,
                    format!("{}: it was asked for a checksum and sent none", self.address),
                )
            })?;
            self.watch.stage(Stage::Verifying, 0, bytes);
            let found = self.checksum_of(unfinished, bytes)?;
            if found != checksum {
                return Err(Failure::new(
                    Kind::Checksum,
                    format!(
                        "{}: what was written is not what the sender has: the file was changed while \
                         it was sent, or bytes were changed on the way or by the device; fetch it \
                         again",
                        unfinished.target.display()
                    ),
                ));
            }
            fetched.verified_bytes = bytes;
            fetched.checksum = Some(checksum);
        }
        Ok(())
    }

    /// The next packet; None when `until` has come first.
    fn next(&self, until: Option<Instant>) -> Result<Option<Packet<Fetching>>, Failure> {
        loop {
            if self.stop.is_requested() {
                return Err(Failure::new(Kind::Stopped, "interrupted"));
            }
            let rest = until.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()));
            match self.port.take_timeout(rest.min(LOOK)) {
                Ok(packet) => return Ok(Some(packet)),
                Err(TakeError::TimedOut) if rest > LOOK => {}
                Err(TakeError::TimedOut) if until.is_none() => {}
                Err(TakeError::TimedOut) => return Ok(None),
                Err(error) => {
                    return Err(Failure::new(Kind::System, format!("the port is gone: {error}")));
                }
            }
        }
    }

    /// When silence from now on has lasted too long.
    fn silence_from_now(&self) -> Option<Instant> {
        Instant::now().checked_add(self.settings.silence_time)
    }
}
