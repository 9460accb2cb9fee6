//! What is looked at on Linux.

use std::fs;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use overlapped_load::{limits, plan};

use super::{CLASSIC_CONNECTIONS, Finding, io_uring};
use crate::words::{grouped, size};

/// A listening socket with less lets a burst of connects wait for a second.
const USUAL_BACKLOG: u32 = 4_096;

/// How long a thread may take to fall asleep before the blocked-thread monitor's look is called blind.
const SLEEP_PATIENCE: Duration = Duration::from_secs(1);

/// Everything but what all systems have.
pub fn others() -> Vec<Finding> {
    vec![
        wait_channel(),
        io_uring::finding(),
        files(),
        descriptors(),
        locked_memory(),
        ports(),
        backlog(),
        congestion_control(),
    ]
}

/// The kernel and its version.
pub fn kernel() -> Finding {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    Finding::good(
        "kernel",
        format!(
            "{} {} on {}",
            text(system.sysname()),
            text(system.release()),
            text(system.machine())
        ),
    )
}

/// Associates a file with a port and asks what carries it.
fn files() -> Finding {
    let name = "files";
    match super::backend_of("/dev/null".as_ref()) {
        Ok(found) if found.starts_with("io_uring") || found.contains("OVERLAPPED_FILES") => {
            Finding::good(name, found)
        }
        Ok(found) => Finding::limited(
            name,
            found,
            "for io_uring see kernel.io_uring_disabled, or the seccomp profile of the container",
        ),
        Err(error) => Finding::problem(
            name,
            error.to_string(),
            "unset OVERLAPPED_FILES, or set it to helpers",
        ),
    }
}

/// Looks at the wait channel of a thread of our own that sleeps, as the blocked-thread monitor does.
fn wait_channel() -> Finding {
    let name = "wait channel";
    let (release, released) = channel::<()>();
    let (tell, told) = channel();
    let sleeper = std::thread::Builder::new().name("sleeper".to_owned()).spawn(move || {
        let _ = tell.send(rustix::thread::gettid().as_raw_nonzero().get());
        let _ = released.recv();
    });
    let Ok(sleeper) = sleeper else {
        return Finding::problem(name, "no thread can be started", "raise the limit (ulimit -u)");
    };
    let seen = told.recv().ok().and_then(sleeping_place);
    drop(release);
    let _ = sleeper.join();
    match seen {
        Some(place) => Finding::good(name, format!("readable: a sleeping thread shows as {place}")),
        None => Finding::limited(
            name,
            "not readable: a sleeping thread cannot be told from a running one by it",
            "processor clocks serve instead; for exact counts wrap blocking work in \
             overlapped::blocking, or give the process leave to read /proc/self/task",
        ),
    }
}

/// Where thread `id` of this process sleeps, once it does.
fn sleeping_place(id: i32) -> Option<String> {
    let end = Instant::now() + SLEEP_PATIENCE;
    while Instant::now() < end {
        let place = fs::read_to_string(format!("/proc/self/task/{id}/wchan")).ok()?;
        if !place.is_empty() && place != "0" {
            return Some(place);
        }
        std::thread::yield_now();
    }
    None
}

fn descriptors() -> Finding {
    let name = "descriptors";
    let pair = limits::descriptors();
    let hard = pair.hard.unwrap_or(u64::MAX);
    let words = |limit: Option<u64>| limit.map_or("no limit".to_owned(), grouped);
    let room = plan::connections_per_process(hard);
    let found = format!(
        "{} now, {} at most; the tool raises its own limit to the most",
        words(pair.soft),
        words(pair.hard)
    );
    if room >= CLASSIC_CONNECTIONS {
        return Finding::good(name, found);
    }
    if room == 0 {
        return Finding::problem(name, found, "raise the hard limit (ulimit -Hn 20000)");
    }
    Finding::limited(
        name,
        format!("{found}: {} connections in one process", grouped(room)),
        format!(
            "for {} connections use --processes {}, or raise the hard limit \
             (ulimit -Hn, or nofile in /etc/security/limits.conf)",
            grouped(CLASSIC_CONNECTIONS),
            CLASSIC_CONNECTIONS.div_ceil(room)
        ),
    )
}

fn locked_memory() -> Finding {
    let pair = limits::locked_memory_bytes();
    let words = |limit: Option<u64>| limit.map_or("no limit".to_owned(), |it| size(it as f64));
    Finding::good(
        "locked memory",
        format!("{} now, {} at most", words(pair.soft), words(pair.hard)),
    )
}

fn ports() -> Finding {
    let name = "local ports";
    let range = match limits::port_range() {
        Ok(range) => range,
        Err(error) => return unreadable(name, &error),
    };
    let ports = limits::ports_in(range);
    let found = format!("{} to {}: {} towards one target", range.0, range.1, grouped(ports));
    if ports >= CLASSIC_CONNECTIONS {
        return Finding::good(name, found);
    }
    Finding::limited(
        name,
        found,
        "more connections to one loopback target take several source addresses, which stress \
         does by itself; to another machine widen net.ipv4.ip_local_port_range",
    )
}

fn backlog() -> Finding {
    let name = "backlog";
    match limits::backlog_limit() {
        Err(error) => unreadable(name, &error),
        Ok(limit) => {
            let found =
                format!("at most {} connections wait to be accepted", grouped(limit.into()));
            if limit >= USUAL_BACKLOG {
                return Finding::good(name, found);
            }
            Finding::limited(
                name,
                found,
                format!(
                    "set net.core.somaxconn to {USUAL_BACKLOG}; a burst of connects beyond \
                         it waits for a second"
                ),
            )
        }
    }
}

fn congestion_control() -> Finding {
    let name = "congestion control";
    match fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control") {
        Err(error) => unreadable(name, &error),
        Ok(text) => Finding::good(
            name,
            format!("{}; it is part of every figure, loopback too", text.trim()),
        ),
    }
}

fn unreadable(name: &'static str, error: &std::io::Error) -> Finding {
    Finding::limited(name, format!("cannot be read: {error}"), "mount /proc in this container")
}
