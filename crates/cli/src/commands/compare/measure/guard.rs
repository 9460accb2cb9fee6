//! Keeps a measurement from taking what the machine does not have.
//!
//! Before a measurement its needs are estimated, on the safe side, and one that cannot fit is passed
//! over. While it runs the memory that is left is looked at, and when little is left it is ended. The
//! threads of a model that has one for each connection are limited so that other programs find some.

use std::cell::Cell;
use std::time::{Duration, Instant};

use overlapped_load::kernel_figures::MemoryFigures;
use overlapped_load::limits;

use super::Task;
use crate::words;

/// What the kernel holds for a connection with both its ends, in KiB. Measured are 10.
const KERNEL_KIB: u64 = 12;

/// What both ends hold for a connection themselves, in KiB, without its buffers.
const ENDS_KIB: u64 = 6;

/// What a thread takes, in KiB: what it touches of its stack, its stack in the kernel, page tables.
const THREAD_KIB: u64 = 48;

/// A message lies in the buffers of both ends and of the kernel, which holds no more of it than this.
const BUFFERS: u64 = 3;
const LARGEST_BUFFER_KIB: u64 = 8 * 1_024;

/// The part of all memory, and at most how much of it in KiB, that others shall find.
const FLOOR_PART: u64 = 16;
const HIGHEST_FLOOR_KIB: u64 = 1_024 * 1_024;

/// How often the memory that is left is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Looks after the machine's memory.
pub struct Guard {
    looked: Cell<Option<Instant>>,
}

impl Guard {
    pub fn new() -> Self {
        Self { looked: Cell::new(None) }
    }

    /// Why `task` cannot be measured here, if it cannot.
    pub fn refuses(&self, task: &Task) -> Option<String> {
        let memory = MemoryFigures::read().ok()?;
        let needed = needed_kib(task);
        (memory.available_kib < needed + floor_kib(&memory)).then(|| {
            format!(
                "passed over: it may need {} of memory, and {} are available, of which {} are left \
                 to other programs",
                words::size(needed as f64 * 1_024.0),
                words::size(memory.available_kib as f64 * 1_024.0),
                words::size(floor_kib(&memory) as f64 * 1_024.0)
            )
        })
    }

    /// Why a measurement must end now, if it must. Looks seldom, however often it is called.
    pub fn low(&self) -> Option<String> {
        if self.looked.get().is_some_and(|looked| looked.elapsed() < LOOK) {
            return None;
        }
        self.looked.set(Some(Instant::now()));
        let memory = MemoryFigures::read().ok()?;
        (memory.available_kib < floor_kib(&memory)).then(|| {
            format!(
                "ended early: only {} of memory were left",
                words::size(memory.available_kib as f64 * 1_024.0)
            )
        })
    }
}

/// How many connections the threads of the machine allow in all; None for a model that needs no thread
/// for a connection, and where the system does not tell.
pub fn connection_threads(task: &Task) -> Option<u64> {
    if !task.contender.has_a_thread_per_connection() {
        return None;
    }
    let free = limits::machine_threads().ok()?.saturating_sub(limits::machine_threads_open().ok()?);
    Some(free / 4 * 3)
}

fn needed_kib(task: &Task) -> u64 {
    let messages = task.message_bytes as u64 * u64::from(task.depth);
    let message = (messages / 1_024).min(LARGEST_BUFFER_KIB) * BUFFERS;
    let thread = if task.contender.has_a_thread_per_connection() { THREAD_KIB } else { 0 };
    u64::from(task.connections) * (KERNEL_KIB + ENDS_KIB + message + thread)
}

fn floor_kib(memory: &MemoryFigures) -> u64 {
    (memory.total_kib / FLOOR_PART).min(HIGHEST_FLOOR_KIB)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::commands::compare::contender::Contender;

    fn task(model: &str, connections: u32, message_bytes: usize) -> Task {
        Task {
            contender: Arc::new(Contender::model(model)),
            connections,
            message_bytes,
            ..Task::example()
        }
    }

    #[test]
    fn a_thread_for_each_connection_and_large_messages_are_counted() {
        let plain = needed_kib(&task("completion-port", 1_000, 64));
        assert_eq!(plain, 18_000);
        assert_eq!(needed_kib(&task("blocking", 1_000, 64)), plain + 48_000);
        let mebibytes = 64 * 1_024 * 1_024;
        assert_eq!(needed_kib(&task("completion-port", 1, mebibytes)), 18 + 3 * 8 * 1_024);
    }

    #[test]
    fn what_no_machine_has_is_refused_in_words() {
        let reason = Guard::new().refuses(&task("completion-port", u32::MAX, 64_000_000));
        assert!(reason.as_ref().is_some_and(|it| it.contains("passed over")), "{reason:?}");
        assert_eq!(Guard::new().refuses(&task("completion-port", 1, 64)), None);
    }

    #[test]
    fn only_a_model_with_threads_for_connections_is_limited_by_them() {
        assert_eq!(connection_threads(&task("completion-port", 9, 64)), None);
        let limit = connection_threads(&task("blocking", 9, 64));
        assert_eq!(limit.is_some_and(|limit| limit > 0), cfg!(target_os = "linux"));
    }
}
