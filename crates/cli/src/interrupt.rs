//! Ctrl-C and SIGTERM: the first one is told to the command, the second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// The exit code of a process that a second Ctrl-C has ended.
const ENDED_AT_ONCE: i32 = 130;

/// Calls `told` at the first Ctrl-C or SIGTERM. Once per process.
pub fn on_first(told: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let seen = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::AcqRel) {
            std::process::exit(ENDED_AT_ONCE);
        }
        told();
    })
    .context("Ctrl-C cannot be caught")
}
