//! One file on its way: its blocks, the phases it goes through, and its end.
//!
//! A transfer goes through up to four phases. Each but the flush has parts that slots claim, and is
//! over when all are claimed and none is outstanding.
//!
//! 1. *Checking*: what a former run has left is read, and what is right need not be written.
//! 2. *Writing*: source to temporary file.
//! 3. *Flushing*: the file and its attributes go to the device.
//! 4. *Verifying*: the temporary file is read, and compared with what was read of the source.
//!
//! Then it gets its name. If anything fails, nothing more is claimed, what is outstanding is waited
//! for, and the temporary file is removed, or left with its record for the next run to go on from.

use crate::engine::Copying;
use crate::platform::{self, Attributes};
use crate::runs::{GRAIN, Part, Runs};
use crate::settings::{Settings, Sync};
use crate::summary::Failure;
use crate::unfinished::{Piece, Record, Temporary, Warnings};
use overlapped::File;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Checking,
    Writing,
    Flushing,
    Verifying,
    Finished,
}

/// What a slot has claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) part: Part,
    /// The checksum that the temporary file must have there; None where the source is copied.
    pub(crate) expected: Option<u32>,
}

/// One file on its way.
pub(crate) struct Transfer {
    /// Which file of the plan it is.
    pub(crate) number: usize,
    pub(crate) source_path: PathBuf,
    pub(crate) target_path: PathBuf,
    pub(crate) source: File<Copying>,
    pub(crate) target: File<Copying>,
    pub(crate) unbuffered: bool,
    /// Something was there that is replaced.
    replaces: bool,
    pub(crate) size: u64,
    pub(crate) hole_bytes: u64,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Parts of the source that nobody has claimed yet.
    runs: Runs,
    /// Parts of the temporary file that are to be looked at.
    pieces: VecDeque<Piece>,
    outstanding: usize,
    /// Parts that need not be written any more.
    right: Vec<Part>,
    /// What was written, if it will be verified.
    written: Vec<Piece>,
    record: Option<Record>,
    /// It does not get its name: why, unless the copy was stopped.
    ended: Option<Option<Failure>>,
    attributes: Attributes,
    /// None once it has its name, or was put away.
    temporary: Option<Temporary>,
}

/// What is needed to begin.
pub(crate) struct Beginning {
    pub(crate) number: usize,
    pub(crate) source_path: PathBuf,
    pub(crate) target_path: PathBuf,
    pub(crate) source: File<Copying>,
    pub(crate) target: File<Copying>,
    pub(crate) temporary: Temporary,
    pub(crate) replaces: bool,
    pub(crate) size: u64,
    pub(crate) attributes: Attributes,
    pub(crate) runs: Runs,
    /// What is gone on from, and what it says is there.
    pub(crate) record: Option<(Record, Vec<Piece>)>,
}

impl Transfer {
    /// Gives the temporary file its size.
    pub(crate) fn begin(beginning: Beginning, settings: &Settings) -> io::Result<Self> {
        let Beginning { number, source_path, target_path, source, target, .. } = beginning;
        let Beginning { temporary, replaces, size, mut attributes, runs, record, .. } = beginning;
        attributes.synced = settings.sync != Sync::None;
        let (record, pieces) = match record {
            Some((record, pieces)) => (Some(record), pieces),
            None => (None, Vec::new()),
        };
        let hole_bytes = size - runs.bytes();
        // A file of one block is made longer by the write of it.
        let unbuffered = temporary.unbuffered;
        let padded = if unbuffered { size.next_multiple_of(GRAIN) } else { size };
        let sized = temporary.file().and_then(|file| {
            if temporary.is_old && pieces.is_empty() {
                file.set_len(0)?;
            }
            if size > settings.block_bytes as u64 || hole_bytes > 0 || !pieces.is_empty() {
                platform::preset(file, padded, unbuffered && hole_bytes == 0)?;
            }
            Ok(())
        });
        if let Err(error) = sized {
            // The error that is told is the first one.
            let _ = record.map(Record::remove);
            return Err(error);
        }
        if padded != size || (temporary.is_old && !pieces.is_empty()) {
            attributes.cut_to = Some(size);
        }
        let phase = if pieces.is_empty() { Phase::Writing } else { Phase::Checking };
        let state = State {
            phase,
            runs,
            pieces: pieces.into(),
            outstanding: 0,
            right: Vec::new(),
            written: Vec::new(),
            record,
            ended: None,
            attributes,
            temporary: Some(temporary),
        };
        let state = Mutex::new(state);
        Ok(Self {
            number,
            source_path,
            target_path,
            source,
            target,
            unbuffered,
            replaces,
            size,
            hole_bytes,
            state,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Claims the next part of the phase; with it, whether there is more to claim.
    pub(crate) fn claim(&self, block: usize) -> Option<(Claim, bool)> {
        let mut state = self.state();
        let claim = match state.phase {
            Phase::Writing => state.runs.claim(block).map(|part| Claim { part, expected: None }),
            Phase::Checking | Phase::Verifying => {
                state.pieces.pop_front().map(|it| Claim { part: it.part, expected: Some(it.sum) })
            }
            Phase::Flushing | Phase::Finished => None,
        };
        let claim = claim?;
        state.outstanding += 1;
        Some((claim, state.has_more()))
    }

    /// How many parts of the phase can be claimed, at least; counted up to `enough`.
    pub(crate) fn claimable(&self, block: usize, enough: usize) -> usize {
        let state = self.state();
        match state.phase {
            Phase::Writing => {
                (state.runs.bytes().div_ceil(block as u64)).min(enough as u64) as usize
            }
            Phase::Checking | Phase::Verifying => state.pieces.len().min(enough),
            Phase::Flushing | Phase::Finished => 0,
        }
    }

    /// A part was written. `sum` is of what was read of the source, if that is wanted.
    pub(crate) fn written(&self, piece: Piece, settings: &Settings) {
        if !settings.verify && !settings.resume {
            return;
        }
        let mut state = self.state();
        let noted = state.record.as_mut().map_or(Ok(()), |record| record.add(piece));
        if settings.verify {
            state.written.push(piece);
        }
        drop(state);
        if let Err(error) = noted {
            self.fail(self.failure_at_target("its record cannot be written", &error));
        }
    }

    /// A part of the temporary file was read that should have the sum of `claim`.
    pub(crate) fn looked(&self, claim: Claim, sum: u32) {
        let is_right = claim.expected == Some(sum);
        let mut state = self.state();
        match state.phase {
            Phase::Checking if is_right => {
                state.right.push(claim.part);
                // That came from the cache perhaps.
                state.written.push(Piece { part: claim.part, sum });
            }
            Phase::Verifying if !is_right => {
                drop(state);
                self.fail(Failure {
                    path: self.target_path.clone(),
                    text: format!(
                        "what was read back is not what was written (within {} bytes from {} on): \
                         do not trust this device",
                        claim.part.length, claim.part.offset
                    ),
                });
            }
            _ => {}
        }
    }

    /// Something went wrong: nothing more is claimed. The first failure is kept.
    pub(crate) fn fail(&self, failure: Failure) {
        self.end(Some(failure));
    }

    /// The copy was stopped: nothing more is claimed.
    pub(crate) fn give_up(&self) {
        self.end(None);
    }

    fn end(&self, why: Option<Failure>) {
        let mut state = self.state();
        state.runs.clear();
        state.pieces.clear();
        state.ended.get_or_insert(why);
    }

    /// A claimed part, or the flush, is done with, well or not. True when that was the last of its
    /// phase, and the caller is the one to go on.
    pub(crate) fn done(&self) -> bool {
        let mut state = self.state();
        state.outstanding -= 1;
        state.outstanding == 0 && !state.has_more()
    }

    /// A flush is started.
    pub(crate) fn flushes(&self) {
        self.state().outstanding += 1;
    }

    /// The phase is over: goes to the next one, which may have nothing to do either.
    pub(crate) fn next_phase(
        &self,
        settings: &Settings,
        warnings: &Warnings,
    ) -> Result<Phase, Option<Failure>> {
        let mut state = self.state();
        if let Some(why) = state.ended.take() {
            return Err(why);
        }
        state.phase = match state.phase {
            Phase::Checking => {
                state.runs = state.runs.without(&state.right);
                Phase::Writing
            }
            Phase::Writing => {
                let noting = warnings.at(&self.target_path);
                let settled = match &state.temporary {
                    Some(temporary) => temporary.settle(&state.attributes, &noting),
                    None => Ok(()),
                };
                if let Err(error) = settled {
                    return Err(Some(self.failure_at_target("it cannot be finished", &error)));
                }
                if settings.sync != Sync::None || settings.verify {
                    Phase::Flushing
                } else {
                    Phase::Finished
                }
            }
            Phase::Flushing if settings.verify => {
                if let Some(file) = state.temporary.as_ref().and_then(|it| it.file().ok()) {
                    platform::forget_cached(file);
                }
                state.pieces = std::mem::take(&mut state.written).into();
                Phase::Verifying
            }
            Phase::Flushing | Phase::Verifying | Phase::Finished => Phase::Finished,
        };
        Ok(state.phase)
    }

    /// How many bytes a former run has written right.
    pub(crate) fn right_bytes(&self) -> u64 {
        self.state().right.iter().map(|part| part.length as u64).sum()
    }

    /// Gives the file its name. Nothing is outstanding.
    pub(crate) fn finish(
        &self,
        name: &OsStr,
        avoid: &dyn Fn(&OsStr) -> bool,
        warnings: &Warnings,
    ) -> io::Result<()> {
        let mut state = self.state();
        self.source.close();
        self.target.close();
        let State { temporary, attributes, .. } = &mut *state;
        if let Some(temporary) = temporary {
            let noting = warnings.at(&self.target_path);
            temporary.give_name(name, self.replaces, attributes, avoid, &noting)?;
        }
        state.temporary = None;
        if let Some(record) = state.record.take() {
            // It is of a file that is complete; a next copy would find it of no use.
            let _ = record.remove();
        }
        Ok(())
    }

    /// Gives the file up. Nothing is outstanding. What can be gone on from stays if `keep` says so.
    pub(crate) fn abandon(&self, keep: bool) -> io::Result<()> {
        let mut state = self.state();
        self.source.close();
        self.target.close();
        let record = state.record.take();
        let Some(mut temporary) = state.temporary.take() else { return Ok(()) };
        match record {
            Some(mut record) if keep => {
                record.flush()?;
                temporary.abandon(true)
            }
            record => {
                let removed = record.map_or(Ok(()), Record::remove);
                removed.and(temporary.abandon(false))
            }
        }
    }

    /// A path of the temporary file, which may have no name.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn open_path(&self) -> String {
        use std::os::fd::AsRawFd;
        let state = self.state();
        let temporary = state.temporary.as_ref().expect("it was not let go of");
        format!("/proc/self/fd/{}", temporary.file().expect("it is open").as_raw_fd())
    }

    pub(crate) fn failure_at_target(&self, what: &str, error: &io::Error) -> Failure {
        failure(&self.target_path, what, error)
    }
}

impl State {
    fn has_more(&self) -> bool {
        match self.phase {
            Phase::Writing => !self.runs.is_empty(),
            Phase::Checking | Phase::Verifying => !self.pieces.is_empty(),
            Phase::Flushing | Phase::Finished => false,
        }
    }
}

/// Says of `path` what could not be done, why, and what helps.
pub(crate) fn failure(path: &Path, what: &str, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "; make room there and copy again",
        io::ErrorKind::QuotaExceeded => "; the quota there is used up",
        io::ErrorKind::ReadOnlyFilesystem => "; choose another target",
        io::ErrorKind::PermissionDenied => "; look at its permissions and those of its folder",
        _ => "",
    };
    Failure { path: path.to_owned(), text: format!("{what}: {error}{remedy}") }
}
