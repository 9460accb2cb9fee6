//! Room for the file: a look whether there is any before the first byte, and then steps that grow with
//! what has arrived. What the sender states takes no room of its own.

use super::Fetch;
use super::failure::{Failure, Kind};
use super::target::Unfinished;
use std::io;
use std::path::Path;

/// How much is taken beyond what has arrived: as much again, within these bounds.
const STEP_BYTES_MIN: u64 = 1 << 20;
const STEP_BYTES_MAX: u64 = 64 << 20;

/// The room that was taken so far.
pub(super) struct Room {
    taken: u64,
    end: u64,
}

impl Room {
    /// Of a file that has arrived as far as `from`, and shall have `end` bytes.
    pub(super) fn new(from: u64, end: u64) -> Self {
        Self { taken: from, end }
    }

    /// Sees that there is room for the first `needed` bytes.
    pub(super) fn reach(&mut self, unfinished: &Unfinished, needed: u64) -> Result<(), Failure> {
        if needed <= self.taken {
            return Ok(());
        }
        let step = needed.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        self.taken = needed.saturating_add(step).min(self.end);
        match unfinished.file.preallocate(self.taken) {
            Ok(()) => Ok(()),
            // Not every file system can; a full disk is found by a write then.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.taken = self.end;
                Ok(())
            }
            Err(error) => Err(no_room(unfinished, self.end, &error)),
        }
    }
}

impl Fetch<'_> {
    /// Whether the file system of the target has room for a file of so many bytes, as far as that can be
    /// said now.
    pub(super) fn check_room(&self, unfinished: &Unfinished, bytes: u64) -> Result<(), Failure> {
        let folder = unfinished.target.parent().unwrap_or(Path::new(""));
        let Some(free) = free_bytes(folder) else { return Ok(()) };
        let there = unfinished.file.size().unwrap_or_default();
        if bytes.saturating_sub(there) <= free {
            return Ok(());
        }
        let text = format!(
            "{}: there is no room for its {bytes} bytes, since {free} are free; make room there, or \
             choose another target",
            unfinished.target.display()
        );
        Err(Failure::new(Kind::Write, text))
    }
}

fn no_room(unfinished: &Unfinished, bytes: u64, error: &io::Error) -> Failure {
    Failure::at(&unfinished.target, &format!("there is no room for its {bytes} bytes"), error)
}

/// What is free on the file system of a folder, also for its administrator; None where that is not said.
#[cfg(target_os = "linux")]
fn free_bytes(folder: &Path) -> Option<u64> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let facts = rustix::fs::statvfs(folder).ok()?;
    // Some file systems say nothing by saying zero.
    (facts.f_blocks > 0).then(|| facts.f_bfree.saturating_mul(facts.f_frsize))
}

#[cfg(not(target_os = "linux"))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}
