//! What ends a command early: Ctrl-C and SIGTERM, or, where that is asked for, the end of standard
//! input. The first is told to the command; a second Ctrl-C ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;

/// The exit code of a process that a second Ctrl-C has ended.
const ENDED_AT_ONCE: i32 = 130;

/// How a command may be told to end, beside Ctrl-C.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct EndArguments {
    /// End as after Ctrl-C when standard input ends, for scripts and for systems without signals.
    #[arg(long)]
    until_input_ends: bool,
}

/// Calls `told` at the first Ctrl-C or SIGTERM. Once per process.
pub fn on_first(told: impl Fn() + Send + Sync + 'static) -> anyhow::Result<()> {
    on_first_or(EndArguments::default(), told)
}

/// Calls `told` at the first Ctrl-C or SIGTERM, or when what `end` names has come. Once per process.
pub fn on_first_or(
    end: EndArguments,
    told: impl Fn() + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let seen = Arc::new(AtomicBool::new(false));
    let told = Arc::new(told);
    if end.until_input_ends {
        let (seen, told) = (seen.clone(), told.clone());
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                // Input that cannot be read has ended, too.
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                if !seen.swap(true, Ordering::AcqRel) {
                    told();
                }
            })
            .context("cannot start a thread to watch standard input")?;
    }
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::AcqRel) {
            std::process::exit(ENDED_AT_ONCE);
        }
        told();
    })
    .context("Ctrl-C cannot be caught")
}
