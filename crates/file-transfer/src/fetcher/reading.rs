//! Reads again what was written: several reads in flight, looked at in the order of their places.

use super::failure::Failure;
use super::target::Unfinished;
use super::{Fetch, Work};
use overlapped::{Buffer, Packet};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;

impl Fetch<'_> {
    /// Gives the first `end` bytes of the unfinished file to `look`, in order, until it says false.
    pub(super) fn read_in_order(
        &self,
        unfinished: &Unfinished,
        end: u64,
        mut look: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        let failed = |error: &io::Error| {
            Failure::at(&unfinished.target, "what was written cannot be read", error)
        };
        let bytes = self.settings.buffer_bytes;
        let mut free: Vec<Buffer> =
            (0..self.settings.buffers).map(|_| Buffer::with_capacity(bytes)).collect();
        let (mut next, mut seen, mut reading) = (0, 0, 0);
        let mut come: BTreeMap<u64, Buffer> = BTreeMap::new();
        let mut outcome = Ok(());
        let mut goes_on = true;
        loop {
            while goes_on
                && next < end
                && let Some(mut buffer) = free.pop()
            {
                buffer.clear();
                match unfinished.file.read_at(buffer, next, Work::Read(next)) {
                    Ok(_) => reading += 1,
                    Err(refused) => {
                        (outcome, goes_on) = (Err(failed(&refused.error)), false);
                        break;
                    }
                }
                next += bytes as u64;
            }
            if reading == 0 {
                return outcome;
            }
            // What is in flight is waited for, also when it is not wanted any more.
            let packet = match goes_on {
                true => self.next(None),
                false => self.port.take().map(Some).map_err(|_| super::conversation::unexpected()),
            };
            match packet {
                Ok(Some(Packet::Read {
                    mut buffer, operation: Work::Read(at), result, ..
                })) => {
                    reading -= 1;
                    buffer.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
                    let wanted = (end - at).min(bytes as u64);
                    match result {
                        Err(error) if goes_on => {
                            (outcome, goes_on) = (Err(failed(&error)), false);
                        }
                        // As much was written, so somebody has cut it.
                        Ok(_) if goes_on && (buffer.len() as u64) < wanted => {
                            let error = io::ErrorKind::UnexpectedEof.into();
                            (outcome, goes_on) = (Err(failed(&error)), false);
                        }
                        _ => {
                            come.insert(at, buffer);
                        }
                    }
                }
                Ok(_) => {}
                Err(failure) if goes_on => (outcome, goes_on) = (Err(failure), false),
                // The port is gone, and everything with it.
                Err(_) => return outcome,
            }
            while goes_on && let Some(buffer) = come.remove(&seen) {
                seen += bytes as u64;
                goes_on = look(&buffer);
                free.push(buffer);
            }
        }
    }

    /// The SHA-256 of what was written.
    pub(super) fn checksum_of(
        &self,
        unfinished: &Unfinished,
        bytes: u64,
    ) -> Result<[u8; 32], Failure> {
        unfinished.forget_cached();
        let mut sum = Sha256::new();
        self.read_in_order(unfinished, bytes, |bytes| {
            sum.update(bytes);
            self.watch.advanced(bytes.len() as u64);
            true
        })?;
        Ok(sum.finalize().into())
    }
}
