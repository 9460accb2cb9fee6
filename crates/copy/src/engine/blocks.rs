//! One block after the other: what is started, what is done with each packet, and what comes when a
//! phase of a transfer is over.

use super::{Block, Engine, Slot, would_fail_again};
use crate::runs::{GRAIN, Part};
use crate::settings::Settings;
use crate::summary::Failure;
use crate::transfer::{Claim, Phase, Transfer, failure};
use crate::unfinished::Piece;
use overlapped::{Buffer, Refused};
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine<'_> {
    /// Starts to read a part, of the source or of the temporary file. Gives the slot back when that
    /// cannot be, or when the transfer has come to its end by that.
    pub(super) fn start_read(
        &self,
        transfer: Arc<Transfer>,
        claim: Claim,
        mut slot: Slot,
    ) -> Option<Slot> {
        let length = claim.part.length;
        let block = self.settings.block_bytes;
        let buffer = match slot.buffer.take() {
            Some(buffer) if length == block => buffer,
            kept => {
                slot.buffer = kept;
                if length == block || transfer.unbuffered {
                    let grain = GRAIN as usize;
                    Buffer::aligned(length.next_multiple_of(grain), grain)
                } else {
                    Buffer::with_capacity(length)
                }
            }
        };
        #[cfg(test)]
        self.hooks.claimed(&transfer, claim.part);
        let file = match claim.expected {
            None => transfer.source.clone(),
            Some(_) => transfer.target.clone(),
        };
        let block = Block { transfer, claim, sum: 0, slot };
        self.tallies.starts_read();
        match file.read_at(buffer, claim.part.offset, block) {
            Ok(_) => None,
            Err(Refused { error, returned: (_, block), .. }) => {
                self.tallies.refused();
                let Block { transfer, slot, .. } = block;
                transfer.fail(self.failure_of_read(&transfer, claim, &error));
                self.done_for(transfer, slot)
            }
        }
    }

    pub(super) fn failure_of_read(
        &self,
        transfer: &Transfer,
        claim: Claim,
        error: &io::Error,
    ) -> Failure {
        match claim.expected {
            None => failure(&transfer.source_path, "it cannot be read", error),
            Some(_) => transfer.failure_at_target("what was written cannot be read", error),
        }
    }

    pub(super) fn too_short(&self, transfer: &Transfer, is_source: bool) -> Failure {
        if !is_source {
            let error = io::ErrorKind::UnexpectedEof.into();
            return transfer.failure_at_target("what was written cannot be read", &error);
        }
        Failure {
            path: transfer.source_path.clone(),
            text: format!(
                "it has become shorter than {} bytes while it was copied: copy it again when \
                 nobody writes it",
                transfer.size
            ),
        }
    }

    pub(super) fn was_read(&self, mut buffer: Buffer, mut block: Block, result: io::Result<usize>) {
        let transfer = &block.transfer;
        let (part, expected) = (block.claim.part, block.claim.expected);
        let problem = match result {
            Err(error) => Some(self.failure_of_read(transfer, block.claim, &error)),
            Ok(count) if count < part.length => Some(self.too_short(transfer, expected.is_none())),
            Ok(_) => None,
        };
        if let Some(problem) = problem {
            // What the next run finds wrong here it writes anew, and so does this one.
            if transfer.phase() != Phase::Checking {
                transfer.fail(problem);
            }
            return self.done(block.transfer, keep(block.slot, buffer, self.settings));
        }
        if self.is_stopped() {
            transfer.give_up();
            return self.done(block.transfer, keep(block.slot, buffer, self.settings));
        }
        buffer.truncate(part.length);
        if expected.is_some() {
            transfer.looked(block.claim, crc32fast::hash(&buffer));
            self.tallies.looked(transfer.phase(), part.length);
            return self.done(block.transfer, keep(block.slot, buffer, self.settings));
        }
        if self.settings.verify || self.settings.resume {
            block.sum = crc32fast::hash(&buffer);
        }
        let padding = if transfer.unbuffered {
            part.length.next_multiple_of(GRAIN as usize) - part.length
        } else {
            0
        };
        // Unbuffered, only whole grains are written; what is too much is cut off at the end.
        buffer.extend_from_slice(&[0; GRAIN as usize][..padding]);
        let target = transfer.target.clone();
        self.tallies.starts_write();
        if let Err(Refused { error, returned: (buffer, block), .. }) =
            target.write_at(buffer, part.offset, block)
        {
            self.tallies.refused();
            let Block { transfer, slot, .. } = block;
            transfer.fail(transfer.failure_at_target("it cannot be written", &error));
            self.done(transfer, keep(slot, buffer, self.settings));
        }
    }

    pub(super) fn was_written(&self, buffer: Buffer, block: Block, result: io::Result<()>) {
        let Block { transfer, claim, sum, slot } = block;
        match result {
            Ok(()) => {
                self.tallies.wrote(claim.part.length);
                self.watch.advanced(claim.part.length as u64, 0);
                transfer.written(Piece { part: claim.part, sum }, self.settings);
            }
            Err(error) => {
                transfer.fail(transfer.failure_at_target("it cannot be written", &error));
                if would_fail_again(&error) {
                    self.hopeless.store(true, Ordering::Release);
                }
            }
        }
        self.done(transfer, keep(slot, buffer, self.settings));
    }

    /// A part is done with: goes on with the transfer if it was the last, and with the slot.
    pub(super) fn done(&self, transfer: Arc<Transfer>, slot: Slot) {
        if let Some(slot) = self.done_for(transfer, slot) {
            self.next(slot);
        }
    }

    pub(super) fn done_for(&self, transfer: Arc<Transfer>, slot: Slot) -> Option<Slot> {
        if transfer.done() { self.go_on(&transfer, slot) } else { Some(slot) }
    }

    /// Begins the first phase of a transfer.
    pub(super) fn set_out(&self, transfer: Arc<Transfer>, slot: Slot) -> Option<Slot> {
        #[cfg(test)]
        self.hooks.opened(&transfer);
        if transfer.claimable(self.settings.block_bytes, 1) > 0 {
            self.announce(&transfer);
            return Some(slot);
        }
        self.go_on(&transfer, slot)
    }

    /// A phase of a transfer is over: begins the next one that has something to do, or ends it.
    /// Gives the slot back unless it is needed for that.
    pub(super) fn go_on(&self, transfer: &Arc<Transfer>, slot: Slot) -> Option<Slot> {
        loop {
            let ended = transfer.phase();
            let phase = match transfer.next_phase(self.settings, &self.warnings) {
                Ok(phase) => phase,
                Err(failure) => {
                    self.abandon(transfer);
                    if let Some(failure) = failure {
                        self.tell(failure);
                    }
                    return Some(slot);
                }
            };
            if ended == Phase::Checking {
                let bytes = transfer.right_bytes();
                self.tallies.resumed(bytes);
                self.watch.advanced(bytes, 0);
            }
            match phase {
                Phase::Finished => {
                    self.finish(transfer);
                    return Some(slot);
                }
                Phase::Flushing => return self.start_flush(transfer, slot),
                Phase::Checking | Phase::Writing | Phase::Verifying => {
                    #[cfg(test)]
                    self.hooks.phase(transfer, phase);
                    if transfer.claimable(self.settings.block_bytes, 1) > 0 {
                        self.announce(transfer);
                        return Some(slot);
                    }
                }
            }
        }
    }

    pub(super) fn start_flush(&self, transfer: &Arc<Transfer>, slot: Slot) -> Option<Slot> {
        transfer.flushes();
        self.tallies.starts_flush();
        let part = Part { offset: 0, length: 0 };
        let claim = Claim { part, expected: None };
        let block = Block { transfer: Arc::clone(transfer), claim, sum: 0, slot };
        match transfer.target.flush(block) {
            Ok(_) => None,
            Err(Refused { error, returned: block, .. }) => {
                self.tallies.refused();
                transfer.fail(transfer.failure_at_target("it cannot be flushed", &error));
                self.done_for(block.transfer, block.slot)
            }
        }
    }

    pub(super) fn finish(&self, transfer: &Transfer) {
        let entry = &self.plan.files[transfer.number];
        let target = self.plan.folders[entry.folder].target;
        let avoid = |name: &OsStr| self.plan.has_target(target, name);
        match transfer.finish(entry.new_name(), &avoid, &self.warnings) {
            Ok(()) => {
                self.tallies.finished(transfer);
                self.watch.advanced(transfer.hole_bytes, 1);
            }
            Err(error) => {
                let failure = if error.kind() == io::ErrorKind::AlreadyExists {
                    self.was_made_meanwhile(transfer)
                } else {
                    transfer.failure_at_target("it cannot get its name", &error)
                };
                self.abandon(transfer);
                self.tell(failure);
            }
        }
    }

    pub(super) fn abandon(&self, transfer: &Transfer) {
        if let Err(error) = transfer.abandon(self.settings.resume) {
            let what = "its temporary file (.NAME.overlapped-...) cannot be put away";
            self.tell(transfer.failure_at_target(what, &error));
        }
    }
}

/// Puts a buffer back into its slot if it is one for whole blocks.
fn keep(mut slot: Slot, buffer: Buffer, settings: &Settings) -> Slot {
    if buffer.capacity() == settings.block_bytes {
        slot.buffer = Some(buffer);
    }
    slot
}
