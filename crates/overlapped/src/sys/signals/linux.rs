//! Signals of Linux, by actions that signal-hook runs in its handler.
//!
//! Such an action may do very little: it adds to a number and writes to an `eventfd`.
#![allow(unsafe_code)]

use super::Arrived;
use nix::sys::signal::{SigSet, Signal};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::low_level;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// signal-hook never takes its handler back, so the handler does what the system would have done.
static NOBODY_WATCHES: AtomicBool = AtomicBool::new(true);

static WATCHES: Mutex<Watches> = Mutex::new(Watches { living: 0, former: None });

struct Watches {
    living: usize,
    /// What the signals did before the first watch.
    former: Option<Dispositions>,
}

/// A process's dispositions as the kernel shows them: a bit for each signal.
#[derive(Clone, Copy, Default)]
struct Dispositions {
    ignored: u64,
    caught: u64,
}

#[derive(Debug)]
pub(crate) struct Watch {
    counts: Arc<Counts>,
    actions: Vec<SigId>,
    receiver: Option<Receiver>,
}

/// A thread that blocks no signal that is watched. It ends when this is dropped.
#[derive(Debug)]
struct Receiver {
    _ends: Sender<()>,
}

#[derive(Debug)]
struct Counts {
    /// Readable once a signal has arrived.
    eventfd: OwnedFd,
    interrupts: AtomicU32,
    terminations: AtomicU32,
    is_over: AtomicBool,
}

/// What a thread waits for that is not one of a port.
#[derive(Debug)]
pub(crate) struct Wakeup(Arc<Counts>);

impl Watch {
    /// Counts signals from now on. A hangup that the process was started to ignore, by `nohup`, stays
    /// ignored.
    pub(crate) fn start() -> io::Result<Self> {
        let counts = Arc::new(Counts {
            eventfd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            interrupts: AtomicU32::new(0),
            terminations: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        });
        let mut watches = lock();
        watches.living += 1;
        NOBODY_WATCHES.store(false, Ordering::SeqCst);
        // Dropped on the way out, it takes back what was done.
        let mut watch = Self { counts, actions: Vec::new(), receiver: None };
        let watching = watch.watch(&mut watches);
        drop(watches);
        watching.map(|()| watch)
    }

    fn watch(&mut self, watches: &mut Watches) -> io::Result<()> {
        let former = match watches.former {
            Some(former) => former,
            None => {
                let former = Dispositions::now();
                for signal in SIGNALS.into_iter().filter(|signal| former.is_default(*signal)) {
                    register_conditional_default(signal, &NOBODY_WATCHES)?;
                }
                *watches.former.insert(former)
            }
        };
        let watched = |signal: &i32| *signal != SIGHUP || !former.is_ignored(SIGHUP);
        let mut signals = SigSet::empty();
        for signal in SIGNALS.into_iter().filter(watched) {
            let counts = Arc::clone(&self.counts);
            let action = move || counts.count(signal);
            // SAFETY: the action runs in a signal handler, so it may only do what is safe there: it
            // adds to an atomic number and makes the system call `write`, whose descriptor the
            // action itself keeps open. It does not allocate, lock or panic.
            self.actions.push(unsafe { low_level::register(signal, action) }?);
            signals.add(Signal::try_from(signal)?);
        }
        // A signal that all threads block would never arrive. Threads inherit what they block, so the others
        // probably block what this one does; and this one may end before the watch.
        let blocked = SigSet::thread_get_mask()?;
        if signals.iter().any(|signal| blocked.contains(signal)) {
            self.receiver = Some(Receiver::start(signals)?);
        }
        Ok(())
    }

    /// What has arrived since the last call.
    pub(crate) fn take(&self) -> Arrived {
        Arrived {
            interrupts: self.counts.interrupts.swap(0, Ordering::SeqCst),
            terminations: self.counts.terminations.swap(0, Ordering::SeqCst),
        }
    }

    /// For a thread to wait for.
    pub(crate) fn wakeup(&self) -> Wakeup {
        Wakeup(Arc::clone(&self.counts))
    }
}

impl Receiver {
    fn start(signals: SigSet) -> io::Result<Self> {
        let (ends, end) = channel();
        let wait = move || {
            // Only a wrong number of what to do could fail.
            let _ = signals.thread_unblock();
            // Nothing is sent: it waits until the sender is gone.
            let _ = end.recv();
        };
        std::thread::Builder::new().name("overlapped-signals".into()).spawn(wait)?;
        Ok(Self { _ends: ends })
    }
}

/// Becomes readable with each signal, and stays so until somebody reads it.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counts.eventfd.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = lock();
        watches.living -= 1;
        // Before the actions go: a signal in between must not be lost.
        NOBODY_WATCHES.store(watches.living == 0, Ordering::SeqCst);
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
        drop(watches);
        self.counts.is_over.store(true, Ordering::SeqCst);
        self.counts.wake();
    }
}

impl Counts {
    fn count(&self, signal: i32) {
        let number = if signal == SIGINT { &self.interrupts } else { &self.terminations };
        number.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        // A full counter (after 2^64 signals) would be the only error.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
    }
}

impl Wakeup {
    /// Waits for the next signal; false when the watch is over.
    pub(crate) fn wait(&self) -> bool {
        let mut readable = [PollFd::new(&self.0.eventfd, PollFlags::IN)];
        // An interrupted wait is a look too many.
        let _ = poll(&mut readable, None);
        let _ = rustix::io::read(&self.0.eventfd, &mut [0; 8]);
        !self.0.is_over.load(Ordering::SeqCst)
    }
}

impl Dispositions {
    /// Where the kernel does not show them, everything counts as left alone.
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
        };
        Self { ignored: mask("SigIgn:"), caught: mask("SigCgt:") }
    }

    fn is_ignored(self, signal: i32) -> bool {
        self.ignored & bit(signal) != 0
    }

    fn is_default(self, signal: i32) -> bool {
        (self.ignored | self.caught) & bit(signal) == 0
    }
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

fn lock() -> MutexGuard<'static, Watches> {
    WATCHES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
