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
use crate::record::{Piece, Record, Source};
use crate::runs::{GRAIN, Part, Runs};
use crate::settings::{Settings, Sync};
use crate::summary::Failure;
use crate::temporary::{self, Temporary};
use overlapped::File;
use std::collections::VecDeque;
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
    pub(crate) source_path: PathBuf,
    pub(crate) target_path: PathBuf,
    pub(crate) source: File<Copying>,
    pub(crate) target: File<Copying>,
    pub(crate) temporary: TemporaryFile,
    pub(crate) size: u64,
    pub(crate) hole_bytes: u64,
    state: Mutex<State>,
}

/// The temporary file without its name, until the transfer lets go of it.
pub(crate) struct TemporaryFile {
    pub(crate) path: PathBuf,
    pub(crate) unbuffered: bool,
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
    /// The temporary file was put away, and its name may be another copy's by now.
    let_go: bool,
    /// To give the temporary file its attributes while it is open.
    file: Option<std::fs::File>,
}

/// What is needed to begin.
pub(crate) struct Beginning {
    pub(crate) source_path: PathBuf,
    pub(crate) target_path: PathBuf,
    pub(crate) source: File<Copying>,
    pub(crate) target: File<Copying>,
    pub(crate) temporary: Temporary,
    pub(crate) facts: std::fs::Metadata,
    pub(crate) runs: Runs,
}

impl Transfer {
    /// Gives the temporary file its size and, if that is wanted, looks for what is in it already.
    pub(crate) fn begin(beginning: Beginning, settings: &Settings) -> io::Result<Self> {
        let Beginning { source_path, target_path, source, target, temporary, facts, runs } =
            beginning;
        let size = facts.len();
        let Temporary { path, file, unbuffered, is_old } = temporary;
        let mut attributes = Attributes::of(&facts);
        attributes.synced = settings.sync != Sync::None;
        let (mut record, mut pieces) = (None, Vec::new());
        if settings.resume && !runs.is_empty() {
            let at = temporary::record_for(&target_path);
            let found = if is_old { Record::resume(&at, Source::of(&facts))? } else { None };
            (record, pieces) = match found {
                Some((record, pieces)) => (Some(record), pieces),
                None => (Some(Record::begin(&at, Source::of(&facts))?), Vec::new()),
            };
        }
        if is_old && pieces.is_empty() {
            file.set_len(0)?;
        }
        // A file of one block is made longer by the write of it.
        let padded = if unbuffered { size.next_multiple_of(GRAIN) } else { size };
        let hole_bytes = size - runs.bytes();
        if size > settings.block_bytes as u64 || hole_bytes > 0 || !pieces.is_empty() {
            platform::preset(&file, padded, unbuffered && hole_bytes == 0)?;
        }
        if padded != size || (is_old && !pieces.is_empty()) {
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
            let_go: false,
            file: Some(file),
        };
        let temporary = TemporaryFile { path, unbuffered };
        Ok(Self {
            source_path,
            target_path,
            source,
            target,
            temporary,
            size,
            hole_bytes,
            state: Mutex::new(state),
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
    pub(crate) fn next_phase(&self, settings: &Settings) -> Result<Phase, Option<Failure>> {
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
                let settled = match &state.file {
                    Some(file) => platform::settle_open(file, &state.attributes),
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
                if let Some(file) = &state.file {
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
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let mut state = self.state();
        self.source.close();
        self.target.close();
        let had_record = state.record.take().is_some();
        if cfg!(windows) {
            // What is open cannot be renamed there.
            state.file = None;
        }
        platform::settle_closed(&self.temporary.path, &state.attributes)
            .and_then(|()| match had_record {
                true => temporary::remove(&temporary::record_for(&self.target_path)),
                false => Ok(()),
            })
            .and_then(|()| std::fs::rename(&self.temporary.path, &self.target_path))
            .map_err(|error| self.failure_at_target("it cannot get its name", &error))?;
        state.let_go = true;
        // The lock goes with it.
        state.file = None;
        Ok(())
    }

    /// Gives the file up. Nothing is outstanding. What can be gone on from stays if `keep` says so.
    pub(crate) fn abandon(&self, keep: bool) -> io::Result<()> {
        let mut state = self.state();
        if state.let_go {
            return Ok(());
        }
        state.let_go = true;
        self.source.close();
        self.target.close();
        let record = state.record.take();
        if cfg!(windows) {
            state.file = None;
        }
        let outcome = match record {
            Some(mut record) if keep => record.flush(),
            record => {
                let had_record = record.is_some();
                drop(record);
                let removed = match had_record {
                    true => temporary::remove(&temporary::record_for(&self.target_path)),
                    false => Ok(()),
                };
                removed.and_then(|()| temporary::remove(&self.temporary.path))
            }
        };
        state.file = None;
        outcome
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
