//! The port, its threads and the slots.
//!
//! A slot is the right to one operation in flight. It is in an operation, in a packet, in a message,
//! or idle, so operations in flight and idle slots are always as many as were made, whatever fails:
//! an operation that is refused at its start gives its slot back like one that has completed.
//! When all slots are idle, nothing is in flight, nothing is left to claim, and the copy is over.
//!
//! Here are the threads, and how slots find work. `opening` begins files, `blocks` moves them,
//! `around` is what comes before and after them, `claims` knows what in the target is of this copy,
//! `tallies` counts.

mod around;
mod blocks;
mod claims;
mod opening;
mod tallies;

use crate::Watch;
use crate::plan::Plan;
use crate::runs::GRAIN;
use crate::settings::Settings;
use crate::summary::{Failure, Summary};
use crate::transfer::{Claim, Transfer};
use crate::unfinished::{Leftovers, Warnings};
use around::Place;
use claims::Claims;
use overlapped::{Buffer, FilesChoice, Packet, Port, Protocol};
use std::collections::{HashMap, VecDeque};
use std::io;
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

/// Ends a copy, or a fetch, early, from any thread: nothing more is started, what is in flight is
/// waited for.
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
    /// How each folder of the plan's `targets` was found.
    places: HashMap<usize, Place>,
    /// What former runs have left in folders of `targets`, to go on from.
    leftovers: HashMap<usize, Mutex<Leftovers>>,
    claims: Claims,
    warnings: Warnings,
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
    let (choice, why) = backend_for(plan, settings);
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
        places: HashMap::new(),
        leftovers: HashMap::new(),
        claims: Claims::default(),
        warnings: Warnings::default(),
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
    let backend = match (why, summary.reads) {
        (_, 0) => "none: there was nothing to read".to_owned(),
        (Some(why), _) => why.to_owned(),
        (None, _) => engine.port.driver().files,
    };
    let stopped = stop.is_requested() || engine.hopeless.load(Ordering::Acquire);
    let warnings = engine.warnings.all();
    Ok(Summary { time: begun.elapsed(), backend, stopped, warnings, ..summary })
}

/// What carries the operations, and why if it is not what the port would take by itself.
///
/// On Linux helper threads are faster as long as the system's cache takes what is written: io_uring
/// hands each such write to a thread of the kernel's and lets one at a time write to a file.
fn backend_for(plan: &Plan, settings: &Settings) -> (FilesChoice, Option<&'static str>) {
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

    fn tell_of_file(&self, (failure, hopeless): (Failure, bool)) {
        if hopeless {
            self.hopeless.store(true, Ordering::Release);
        }
        self.tell(failure);
    }
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
