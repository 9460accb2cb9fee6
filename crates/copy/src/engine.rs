//! The port, its threads and the slots.
//!
//! A slot is the right to one operation in flight. It is in an operation, in a packet, in a message,
//! or idle, so operations in flight and idle slots are always as many as were made, whatever fails:
//! an operation that is refused at its start gives its slot back like one that has completed.
//! When all slots are idle, nothing is in flight, nothing is left to claim, and the copy is over.

mod opening;
mod tallies;

use crate::plan::Plan;
use crate::platform::{self, Attributes};
use crate::record::Piece;
use crate::runs::GRAIN;
use crate::settings::{Settings, Sync};
use crate::summary::{Failure, Summary};
use crate::transfer::{Claim, Phase, Transfer, failure};
use crate::{Watch, temporary};
use overlapped::{Buffer, FilesChoice, Packet, Port, Protocol, Refused};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tallies::Tallies;

/// The types that travel through the port.
pub(crate) struct Copying;

impl Protocol for Copying {
    type Key = ();
    type Operation = Block;
    type Message = Message;
}

/// What an operation is about, and the slot it occupies.
pub(crate) struct Block {
    transfer: Arc<Transfer>,
    claim: Claim,
    /// Of what was read of the source.
    sum: u32,
    slot: Slot,
}

/// What is posted.
pub(crate) enum Message {
    /// A slot has nothing to do.
    Free(Slot),
    /// The copy is over.
    End,
}

/// The right to one operation in flight, and the buffer that it has used for whole blocks.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    buffer: Option<Buffer>,
}

/// Ends a copy early, from any thread: nothing more is started, what is in flight is waited for.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the end. Asking again changes nothing.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

struct Engine<'a> {
    port: Port<Copying>,
    plan: &'a Plan,
    settings: &'a Settings,
    watch: &'a dyn Watch,
    stop: &'a Stop,
    /// Something is wrong that would stop every other file, too.
    hopeless: AtomicBool,
    threads: usize,
    /// Folders of the plan that were not there before, so nothing is in them.
    new_folders: Vec<bool>,
    work: Mutex<Work>,
    tallies: Tallies,
    #[cfg(test)]
    hooks: &'a crate::tests::Hooks,
}

/// What is to be done, and the slots that have nothing to do.
#[derive(Default)]
struct Work {
    /// The next file of the plan that nobody has opened.
    next_file: usize,
    /// Transfers with parts that can be claimed.
    ready: VecDeque<Arc<Transfer>>,
    idle: Vec<Slot>,
}

enum Next {
    Block(Arc<Transfer>, Claim),
    Open(usize),
}

/// Copies what is planned.
///
/// # Errors
/// No port can be made, or the settings cannot be. What goes wrong with single files is in the
/// summary, and told to `watch` when it happens.
pub fn copy(plan: &Plan, settings: &Settings, watch: &dyn Watch) -> io::Result<Summary> {
    copy_until(plan, settings, watch, &Stop::default())
}

/// The same, until `stop` is requested. Files that are not complete then do not get their names.
///
/// # Errors
/// As for [`copy`].
pub fn copy_until(
    plan: &Plan,
    settings: &Settings,
    watch: &dyn Watch,
    stop: &Stop,
) -> io::Result<Summary> {
    run(
        plan,
        settings,
        watch,
        stop,
        #[cfg(test)]
        &crate::tests::Hooks::default(),
    )
}

/// Copies, with a look from outside in tests.
pub(crate) fn run(
    plan: &Plan,
    settings: &Settings,
    watch: &dyn Watch,
    stop: &Stop,
    #[cfg(test)] hooks: &crate::tests::Hooks,
) -> io::Result<Summary> {
    let block = settings.block_bytes;
    if block == 0 || !block.is_multiple_of(GRAIN as usize) || settings.in_flight == 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a block has a multiple of {GRAIN} bytes, and at least one is in flight"),
        ));
    }
    let begun = Instant::now();
    let (choice, why) = carrier_for(plan, settings);
    let port = Port::<Copying>::builder().files(choice).build()?;
    let threads = (2 * port.concurrency()).min(settings.in_flight);
    let mut engine = Engine {
        port,
        plan,
        settings,
        watch,
        stop,
        hopeless: AtomicBool::new(false),
        threads,
        new_folders: Vec::new(),
        work: Mutex::default(),
        tallies: Tallies::default(),
        #[cfg(test)]
        hooks,
    };
    for refused in &plan.refused {
        engine.tell(refused.clone());
    }
    engine.make_folders();
    engine.run_threads();
    engine.copy_links();
    engine.settle_folders();
    let summary = engine.tallies.summary(settings);
    let carrier = match (why, summary.reads) {
        (_, 0) => "none: there was nothing to read".to_owned(),
        (Some(why), _) => why.to_owned(),
        (None, _) => engine.port.driver().files,
    };
    let stopped = stop.is_requested() || engine.hopeless.load(Ordering::Acquire);
    Ok(Summary { time: begun.elapsed(), carrier, stopped, ..summary })
}

/// What carries the operations, and why if it is not what the port would take by itself.
///
/// On Linux helper threads are faster as long as the system's cache takes what is written: io_uring
/// hands each such write to a thread of the kernel's and lets one at a time write to a file.
fn carrier_for(plan: &Plan, settings: &Settings) -> (FilesChoice, Option<&'static str>) {
    let is_unbuffered = settings.wants_unbuffered(plan.largest_bytes());
    let is_named = std::env::var_os("OVERLAPPED_FILES").is_some();
    if cfg!(not(target_os = "linux")) || is_unbuffered || is_named {
        return (FilesChoice::Automatic, None);
    }
    (FilesChoice::Helpers, Some("helper threads: the faster ones for buffered copies"))
}

impl Engine<'_> {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_requested() || self.hopeless.load(Ordering::Acquire)
    }

    /// Something could not be copied.
    fn tell(&self, failure: Failure) {
        self.watch.failed(&failure);
        self.tallies.failed(failure);
    }

    fn make_folders(&mut self) {
        for folder in &self.plan.folders {
            let made = match &folder.like {
                None => false,
                Some(_) => match std::fs::create_dir(&folder.target) {
                    Ok(()) => true,
                    Err(_) if folder.target.is_dir() => false,
                    Err(error) => {
                        self.tell(failure(&folder.target, "the folder cannot be made", &error));
                        false
                    }
                },
            };
            self.tallies.folders(u64::from(made));
            self.new_folders.push(made);
        }
    }

    fn run_threads(&self) {
        if self.plan.files.is_empty() {
            return;
        }
        // The primers: every slot starts as one that has nothing to do.
        for _ in 0..self.settings.in_flight {
            self.post(Message::Free(Slot::default()));
        }
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                let builder = std::thread::Builder::new().name("copy".to_owned());
                // The threads that there are do all the work.
                let _ = builder.spawn_scoped(scope, || self.take_packets());
            }
            self.take_packets();
            self.port.leave();
        });
    }

    fn post(&self, message: Message) {
        // Only a closed port refuses, and nobody closes this one.
        let _ = self.port.post(message);
    }

    /// One thread of the port.
    fn take_packets(&self) {
        while let Ok(packet) = self.port.take() {
            match packet {
                Packet::Posted(Message::End) => {
                    // It ends the next thread, too; the last one leaves it in the queue.
                    return self.post(Message::End);
                }
                Packet::Posted(Message::Free(slot)) => self.next(slot),
                Packet::Read { buffer, operation, result, .. } => {
                    self.tallies.completed();
                    self.was_read(buffer, operation, result);
                }
                Packet::Written { buffer, operation, result, .. } => {
                    self.tallies.completed();
                    self.was_written(buffer, operation, result);
                }
                Packet::Flushed { operation, result, .. } => {
                    self.tallies.completed();
                    if let Err(error) = result {
                        let transfer = &operation.transfer;
                        transfer.fail(transfer.failure_at_target("it cannot be flushed", &error));
                    }
                    self.done(operation.transfer, operation.slot);
                }
                _ => {}
            }
        }
    }

    /// Finds something to do for a slot, and starts it.
    fn next(&self, mut slot: Slot) {
        loop {
            let Some(next) = self.claim(&mut slot) else { return };
            match next {
                Next::Block(transfer, claim) => {
                    match self.start_read(transfer, claim, slot) {
                        None => return,
                        Some(free) => slot = free,
                    };
                }
                Next::Open(number) => match self.open(number) {
                    Err(failure) => self.tell_of_file(failure),
                    Ok(None) => {}
                    Ok(Some(transfer)) => match self.set_out(Arc::new(transfer), slot) {
                        None => return,
                        Some(free) => slot = free,
                    },
                },
            }
        }
    }

    /// Claims a block, or the next file; if there is neither, the slot is idle from now on.
    fn claim(&self, slot: &mut Slot) -> Option<Next> {
        let mut work = self.work();
        if !self.is_stopped() {
            while let Some(transfer) = work.ready.front() {
                let claimed = transfer.claim(self.settings.block_bytes);
                if let Some((claim, true)) = claimed {
                    return Some(Next::Block(Arc::clone(transfer), claim));
                }
                let transfer = work.ready.pop_front();
                if let (Some((claim, _)), Some(transfer)) = (claimed, transfer) {
                    return Some(Next::Block(transfer, claim));
                }
            }
            if work.next_file < self.plan.files.len() {
                work.next_file += 1;
                return Some(Next::Open(work.next_file - 1));
            }
        }
        work.idle.push(std::mem::take(slot));
        if work.idle.len() == self.settings.in_flight {
            // Nothing is in flight. What is here still was not finished since the copy was stopped.
            let left = std::mem::take(&mut work.ready);
            drop(work);
            left.iter().for_each(|transfer| self.abandon(transfer));
            self.post(Message::End);
        }
        None
    }

    /// A transfer has a new phase with parts to claim: this slot and idle ones turn to it.
    fn announce(&self, transfer: &Arc<Transfer>) {
        let count = transfer.claimable(self.settings.block_bytes, self.settings.in_flight);
        let mut work = self.work();
        work.ready.push_back(Arc::clone(transfer));
        // One part is for the slot that the caller has.
        let first = work.idle.len() - work.idle.len().min(count.saturating_sub(1));
        let woken: Vec<Slot> = work.idle.drain(first..).collect();
        drop(work);
        for slot in woken {
            self.post(Message::Free(slot));
        }
    }

    /// Starts to read a part, of the source or of the temporary file. Gives the slot back when that
    /// cannot be, or when the transfer has come to its end by that.
    fn start_read(&self, transfer: Arc<Transfer>, claim: Claim, mut slot: Slot) -> Option<Slot> {
        let length = claim.part.length;
        let block = self.settings.block_bytes;
        let buffer = match slot.buffer.take() {
            Some(buffer) if length == block => buffer,
            kept => {
                slot.buffer = kept;
                if length == block || transfer.temporary.unbuffered {
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
            Err(Refused { error, returned: (_, block) }) => {
                self.tallies.refused();
                let Block { transfer, slot, .. } = block;
                transfer.fail(self.failure_of_read(&transfer, claim, &error));
                self.done_for(transfer, slot)
            }
        }
    }

    fn failure_of_read(&self, transfer: &Transfer, claim: Claim, error: &io::Error) -> Failure {
        match claim.expected {
            None => failure(&transfer.source_path, "it cannot be read", error),
            Some(_) => transfer.failure_at_target("what was written cannot be read", error),
        }
    }

    fn too_short(&self, transfer: &Transfer, is_source: bool) -> Failure {
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

    fn was_read(&self, mut buffer: Buffer, mut block: Block, result: io::Result<usize>) {
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
        let padding = if transfer.temporary.unbuffered {
            part.length.next_multiple_of(GRAIN as usize) - part.length
        } else {
            0
        };
        // Unbuffered, only whole grains are written; what is too much is cut off at the end.
        buffer.extend_from_slice(&[0; GRAIN as usize][..padding]);
        let target = transfer.target.clone();
        self.tallies.starts_write();
        if let Err(Refused { error, returned: (buffer, block) }) =
            target.write_at(buffer, part.offset, block)
        {
            self.tallies.refused();
            let Block { transfer, slot, .. } = block;
            transfer.fail(transfer.failure_at_target("it cannot be written", &error));
            self.done(transfer, keep(slot, buffer, self.settings));
        }
    }

    fn was_written(&self, buffer: Buffer, block: Block, result: io::Result<()>) {
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
    fn done(&self, transfer: Arc<Transfer>, slot: Slot) {
        if let Some(slot) = self.done_for(transfer, slot) {
            self.next(slot);
        }
    }

    fn done_for(&self, transfer: Arc<Transfer>, slot: Slot) -> Option<Slot> {
        if transfer.done() { self.go_on(&transfer, slot) } else { Some(slot) }
    }

    /// Begins the first phase of a transfer.
    fn set_out(&self, transfer: Arc<Transfer>, slot: Slot) -> Option<Slot> {
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
    fn go_on(&self, transfer: &Arc<Transfer>, slot: Slot) -> Option<Slot> {
        loop {
            let ended = transfer.phase();
            let phase = match transfer.next_phase(self.settings) {
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

    fn start_flush(&self, transfer: &Arc<Transfer>, slot: Slot) -> Option<Slot> {
        transfer.flushes();
        self.tallies.starts_flush();
        let part = crate::runs::Part { offset: 0, length: 0 };
        let claim = Claim { part, expected: None };
        let block = Block { transfer: Arc::clone(transfer), claim, sum: 0, slot };
        match transfer.target.flush(block) {
            Ok(_) => None,
            Err(Refused { error, returned: block }) => {
                self.tallies.refused();
                transfer.fail(transfer.failure_at_target("it cannot be flushed", &error));
                self.done_for(block.transfer, block.slot)
            }
        }
    }

    fn finish(&self, transfer: &Transfer) {
        match transfer.finish() {
            Ok(()) => {
                self.tallies.finished(transfer);
                self.watch.advanced(transfer.hole_bytes, 1);
            }
            Err(failure) => {
                self.abandon(transfer);
                self.tell(failure);
            }
        }
    }

    fn abandon(&self, transfer: &Transfer) {
        if let Err(error) = transfer.abandon(self.settings.resume) {
            let path = &transfer.temporary.path;
            self.tell(failure(path, "what was not finished cannot be put away", &error));
        }
    }

    fn tell_of_file(&self, (failure, hopeless): (Failure, bool)) {
        if hopeless {
            self.hopeless.store(true, Ordering::Release);
        }
        self.tell(failure);
    }

    fn copy_links(&self) {
        for entry in self.plan.links.iter().take_while(|_| !self.is_stopped()) {
            let (source, target) = (self.plan.source_of(entry), self.plan.target_of(entry));
            let there = target.symlink_metadata();
            let copied = if there.is_ok_and(|there| there.is_dir()) {
                Err(io::ErrorKind::IsADirectory.into())
            } else {
                let path = temporary::path_for(&target);
                temporary::remove(&path)
                    .and_then(|()| platform::copy_link(&source, &path))
                    .and_then(|()| std::fs::rename(&path, &target))
            };
            match copied {
                Ok(()) => self.tallies.linked(),
                Err(error) => self.tell(failure(&target, "the link cannot be made", &error)),
            }
        }
    }

    /// Gives folders that were made the attributes of their sources, and brings names to the device.
    fn settle_folders(&self) {
        let folders = self.plan.folders.iter().zip(&self.new_folders);
        // The innermost come first: making an entry changes a folder's time.
        for (folder, _) in folders.clone().rev().filter(|(_, is_new)| **is_new) {
            let Some(like) = &folder.like else { continue };
            if let Err(error) = platform::settle_folder(&folder.target, &Attributes::of(like)) {
                self.tell(failure(
                    &folder.target,
                    "its permissions or times cannot be set",
                    &error,
                ));
            }
        }
        if self.settings.sync != Sync::All {
            return;
        }
        let mut done: HashSet<PathBuf> = HashSet::new();
        for (folder, is_new) in folders {
            let above = folder.target.parent().filter(|_| *is_new).map(PathBuf::from);
            for path in [Some(folder.target.clone()), above].into_iter().flatten() {
                if !done.contains(&path) {
                    if let Err(error) = platform::sync_folder(&path) {
                        self.tell(failure(&path, "the folder cannot be flushed", &error));
                    }
                    done.insert(path);
                }
            }
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

/// Whether every other file of the copy would fail by this, too.
fn would_fail_again(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    )
}
