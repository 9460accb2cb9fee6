//! The checksum of the file, made once for each state of it, on a thread of its own: reading a large
//! file takes minutes, and nobody else shall wait for that.

use super::Shared;
use super::connection::{Message, Stream, Waits};
use super::served::{identity_of, open_for_reads};
use crate::wire::{Identity, Reason, Request};
use overlapped_serving::lock;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// How much is read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// How often a file that was changed meanwhile is read again.
const TRIES: usize = 3;

#[derive(Default)]
pub(crate) struct Checksums(Mutex<State>);

#[derive(Default)]
struct State {
    known: Option<(Identity, [u8; 32])>,
    waiting: Vec<(Stream, Request)>,
    is_running: bool,
}

impl Checksums {
    /// The checksum of the file as it is now, if it is known.
    pub(crate) fn of(&self, identity: Identity) -> Option<[u8; 32]> {
        lock(&self.0).known.filter(|known| known.0 == identity).map(|known| known.1)
    }

    /// Answers the request when the checksum is known.
    pub(crate) fn wait(&self, shared: &Arc<Shared>, stream: Stream, request: Request) {
        // Nothing limits it: a file may be as large as it likes.
        stream.key().waits(Waits::Checksum, None);
        let mut state = lock(&self.0);
        state.waiting.push((stream, request));
        if std::mem::replace(&mut state.is_running, true) {
            return;
        }
        drop(state);
        let of_thread = Arc::clone(shared);
        let started = std::thread::Builder::new().name("checksum".to_owned()).spawn(move || {
            let outcome = make(&of_thread);
            of_thread.checksums.tell(&of_thread, outcome);
        });
        if let Err(error) = started {
            self.tell(shared, Err((Reason::Unreadable, error.to_string())));
        }
    }

    /// Lets go of a fetcher that waits no more.
    pub(crate) fn forget(&self, stream: &Stream) {
        let mut state = lock(&self.0);
        let is_it =
            |(waiting, _): &mut (Stream, Request)| std::ptr::eq(waiting.key(), stream.key());
        let gone: Vec<_> = state.waiting.extract_if(.., is_it).collect();
        drop(state);
        // The last handle of a connection goes where no lock is held.
        drop(gone);
    }

    /// Tells everybody who waits.
    fn tell(&self, shared: &Shared, outcome: Made) {
        let mut state = lock(&self.0);
        state.is_running = false;
        let waiting = std::mem::take(&mut state.waiting);
        if let Ok(known) = &outcome {
            state.known = Some(*known);
        }
        drop(state);
        for (stream, request) in waiting {
            // The workers answer, since this thread ends now: on Windows a system may cancel what a
            // thread has in flight when it ends.
            let message = match &outcome {
                Ok(_) => Message::Known(stream, request),
                Err((reason, text)) => Message::Unknown(stream, *reason, text.clone()),
            };
            // A port that is closed has nobody left who waits.
            let _ = shared.port.post(message);
        }
    }
}

type Made = Result<(Identity, [u8; 32]), (Reason, String)>;

fn make(shared: &Shared) -> Made {
    let unreadable = |error: io::Error| (Reason::Unreadable, format!("it cannot be read: {error}"));
    for _ in 0..TRIES {
        let file = open_for_reads(&shared.served.path).map_err(unreadable)?;
        let identity = || file.metadata().and_then(|facts| identity_of(&facts));
        let before = identity().map_err(unreadable)?;
        let sum = sum_of(shared, &file, before.bytes).map_err(unreadable)?;
        if identity().map_err(unreadable)? == before {
            let sum = sum.ok_or_else(|| unreadable(io::ErrorKind::UnexpectedEof.into()))?;
            return Ok((before, sum));
        }
    }
    Err((Reason::Restless, "it changes too often for a checksum".to_owned()))
}

/// The checksum of the first `bytes` of the file, and not of what is added meanwhile; None if there are
/// fewer.
fn sum_of(shared: &Shared, file: &std::fs::File, bytes: u64) -> io::Result<Option<[u8; 32]>> {
    let mut file = file.take(bytes);
    let mut block = vec![0; BLOCK_BYTES];
    let mut sum = Sha256::new();
    loop {
        if shared.is_ending() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the sender ends"));
        }
        match file.read(&mut block) {
            Ok(0) => return Ok((file.limit() == 0).then(|| sum.finalize().into())),
            Ok(count) => sum.update(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
