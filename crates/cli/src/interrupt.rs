//! What ends a command early: Ctrl-C and SIGTERM, or, where that is asked for, the end of standard
//! input. The first is told to the command, and the time that it has to end begins; a command that has
//! not ended then is ended by force. A second Ctrl-C ends the process at once.
//!
//! The force is needed because a thread can be held where nothing reaches it: by a disk or a mount that
//! does not answer, or by a pipe on standard output that nobody reads. From here that looks like a
//! machine too busy to close a million connections in time, so what is said names both.
//!
//! Signals come as packets of a port that a thread waits on. What that port leaves alone is left
//! alone: a hangup that the process was started to ignore, by `nohup`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use overlapped::{Packet, Port, Protocol};

use crate::exit::{Usage, complain};
use crate::live::terminal;

/// The exit code of a process that a second Ctrl-C has ended.
const ENDED_AT_ONCE: i32 = 130;

/// The exit code of a process that did not end in time.
const ENDED_BY_FORCE: i32 = 1;

/// How long a command may take to end that has no option for it.
pub const USUAL_DRAIN: Duration = Duration::from_secs(5);

/// How long a command may take beyond its time, to say what it has done.
const SLACK: Duration = Duration::from_secs(3);

/// How long the last words and the removal of what is left may take; what holds the process may hold
/// these, too.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a command may be told to end, beside Ctrl-C.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct EndArguments {
    /// End as after Ctrl-C when standard input ends, for scripts and for systems without signals.
    #[arg(long)]
    until_input_ends: bool,
}

impl EndArguments {
    /// Refuses to wait for the end of standard input where `option` reads keys from there.
    pub fn refuse_beside(self, option: &str) -> Result<(), Usage> {
        if !self.until_input_ends {
            return Ok(());
        }
        let reason =
            "takes keys, so that standard input is not waited for: leave --until-input-ends out";
        Err(Usage(format!("{option} {reason}")))
    }
}

/// Files that are of no use to anybody if the process ends now.
static LEFTOVERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether this command was told to end.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Has this file removed if the process is ended by force.
pub fn remove_when_forced(path: &Path) {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// Calls `told` at the first Ctrl-C or SIGTERM. Once per process, which ends by force when it has not
/// ended `drain` and a little later.
pub fn on_first(drain: Duration, told: impl Fn() + Send + Sync + 'static) -> anyhow::Result<()> {
    on_first_or(EndArguments::default(), drain, told)
}

/// Calls `told` at the first Ctrl-C or SIGTERM, or when what `end` names has come. Once per process,
/// which ends by force when it has not ended `drain` and a little later.
pub fn on_first_or(
    end: EndArguments,
    drain: Duration,
    told: impl Fn() + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let (begin, begun) = sync_channel(1);
    // It is there before it is needed, when threads may be short.
    std::thread::Builder::new()
        .name("end by force".to_owned())
        .spawn(move || watch(&begun, drain))
        .context("cannot start a thread to watch the end")?;
    let first = Arc::new(First { begin, told });
    if end.until_input_ends {
        let first = Arc::clone(&first);
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                // Input that cannot be read has ended, too.
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                first.is_now();
            })
            .context("cannot start a thread to watch standard input")?;
    }
    on_each_signal(move || {
        if !first.is_now() {
            end_process(ENDED_AT_ONCE, terminal::give_back);
        }
    })
    .context("Ctrl-C cannot be caught")
}

/// A port for nothing but signals.
struct Signals;

impl Protocol for Signals {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// Calls `told` for each signal that asks for an end, on a thread of its own.
fn on_each_signal(told: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let port = Port::<Signals>::builder().concurrency(1).blocked_thread_monitor(false).build()?;
    let (watches, is_watching) = sync_channel(1);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // By the thread that waits, since a signal has to get through to the one that watches.
        let watching = port.watch_signals();
        let goes_on = watching.is_ok();
        if watches.send(watching).is_err() || !goes_on {
            return;
        }
        while let Ok(packet) = port.take() {
            if let Packet::Signal(_) = packet {
                told();
            }
        }
    })?;
    Ok(is_watching.recv()??)
}

/// The first that asks for the end.
struct First<Told> {
    /// Begins the time.
    begin: SyncSender<()>,
    told: Told,
}

impl<Told: Fn()> First<Told> {
    /// Tells the command, if nobody has done so yet.
    fn is_now(&self) -> bool {
        let is_first = !IS_ENDING.swap(true, Ordering::AcqRel);
        if is_first {
            // Before the command is told, which may be what is held.
            let _ = self.begin.try_send(());
            (self.told)();
        }
        is_first
    }
}

/// Ends the process when its time is over. A process that ends by itself takes this thread with it.
fn watch(begun: &Receiver<()>, drain: Duration) {
    if begun.recv().is_err() {
        return;
    }
    // A time that no clock expresses is none.
    let Some(limit) = drain.checked_add(SLACK) else { return };
    std::thread::sleep(limit);
    end_process(ENDED_BY_FORCE, move || {
        terminal::give_back();
        let leftovers =
            std::mem::take(&mut *LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner));
        for path in leftovers {
            let _ = std::fs::remove_file(path);
        }
        complain(&format!(
            "ended by force, since it had not ended {} s after it was told to: there was too much to do for \
             that time, or a disk does not answer, or nobody reads what it says",
            limit.as_secs()
        ));
    });
}

/// Ends the process, once `last_words` are said or have taken too long: what holds it may hold them, too.
fn end_process(code: i32, last_words: impl FnOnce() + Send + 'static) -> ! {
    let (tell, told) = channel();
    let say = move || {
        last_words();
        let _ = tell.send(());
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        let _ = told.recv_timeout(LAST_WORDS);
    }
    std::process::exit(code);
}
