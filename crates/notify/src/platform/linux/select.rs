//! A select on Linux: one `poll` of all entries of all sets, and what its answers mean for each.

use super::record::Phase;
use super::socket::Core;
use crate::SocketSet;
use crate::select::Sought;
use crate::sys::{Ready, Wanted, wait_for};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// One socket of one set.
struct Entry<'a> {
    sought: Sought,
    core: &'a Core,
    is_ready: bool,
    /// It will not become ready during this call, whatever is polled.
    is_out: bool,
}

pub(crate) fn select(
    sets: &mut [(Sought, &mut SocketSet<'_>)],
    timeout: Option<Duration>,
) -> io::Result<()> {
    // A time that lies beyond what can be told is for ever.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut entries = Vec::new();
    for (sought, set) in sets.iter() {
        entries.extend(set.iter().map(|socket| Entry {
            sought: *sought,
            core: socket.platform(),
            is_ready: false,
            is_out: false,
        }));
    }
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let look = look(&mut entries, left)?;
        // A connect that has ended is to be looked at for what it is now.
        if look.is_any_ready || (left == Some(Duration::ZERO) && !look.has_settled) {
            break;
        }
    }
    let mut is_ready = entries.iter().map(|entry| entry.is_ready);
    for (_, set) in sets {
        set.sockets.retain(|_| is_ready.next() == Some(true));
    }
    Ok(())
}

#[derive(Default)]
struct Look {
    is_any_ready: bool,
    /// A connect that was under way has ended.
    has_settled: bool,
}

/// Polls once.
fn look(entries: &mut [Entry<'_>], timeout: Option<Duration>) -> io::Result<Look> {
    let mut polled = Vec::with_capacity(entries.len());
    let mut descriptors = Vec::with_capacity(entries.len());
    let mut look = Look::default();
    for (index, entry) in entries.iter_mut().enumerate() {
        if entry.is_out {
            continue;
        }
        let phase = entry.core.phase();
        if phase == Phase::Failed && entry.sought == Sought::Except {
            entry.is_ready = true;
            look.is_any_ready = true;
        } else if let Some(wanted) = wanted(entry.sought, phase) {
            polled.push(index);
            descriptors.push((entry.core.system.as_fd(), wanted));
        }
    }
    let timeout = if look.is_any_ready { Some(Duration::ZERO) } else { timeout };
    let answers = wait_for(&descriptors, timeout)?;
    // First of all: which connects have ended, and how, since a socket may be in several sets.
    for (index, ready) in polled.iter().zip(&answers) {
        let core = entries[*index].core;
        if *ready != Ready::default() && core.phase() == Phase::Connecting {
            core.was_seen(*ready);
            look.has_settled |= core.phase() != Phase::Connecting;
        }
    }
    for (index, ready) in polled.into_iter().zip(answers) {
        let entry = &mut entries[index];
        entry.is_ready = is_ready(entry.sought, entry.core.phase(), ready);
        entry.is_out = !entry.is_ready && ready.is_broken();
        look.is_any_ready |= entry.is_ready;
    }
    Ok(look)
}

/// What is polled for; `None` when the socket cannot become ready in this set while it is as it is.
fn wanted(sought: Sought, phase: Phase) -> Option<Wanted> {
    let nothing = Wanted::default();
    match (sought, phase) {
        // A socket that never connected is ready for nothing, whatever Linux says (M42).
        (_, Phase::Fresh | Phase::Failed) => None,
        (_, Phase::Connecting) => Some(Wanted { write: true, ..nothing }),
        (Sought::Read, _) => Some(Wanted { read: true, ..nothing }),
        (Sought::Write, Phase::Connected | Phase::Datagram) => {
            Some(Wanted { write: true, ..nothing })
        }
        (Sought::Except, Phase::Connected) => Some(Wanted { urgent: true, ..nothing }),
        (Sought::Write | Sought::Except, _) => None,
    }
}

fn is_ready(sought: Sought, phase: Phase, ready: Ready) -> bool {
    match (sought, phase) {
        // Only in the set for exceptions (M39).
        (Sought::Except, Phase::Failed) => true,
        (_, Phase::Fresh | Phase::Connecting | Phase::Failed) => false,
        (Sought::Read, _) => ready.readable || ready.is_over(),
        (Sought::Write, _) => ready.writable || ready.is_broken(),
        (Sought::Except, _) => ready.urgent,
    }
}
