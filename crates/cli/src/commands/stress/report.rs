//! The result of a load in words.

use std::fmt::Write;

use overlapped_load::document::Outcome;
use overlapped_load::failure::FailureKind;
use overlapped_load::held::{Held, ProcessMemory};
use overlapped_load::histogram::LatencySummary;
use overlapped_load::limits::WIDEN_PORT_RANGE;

use crate::platform;
use crate::words::{grouped, latency, size};

/// The result as the lines that go to standard output. `from` says who made the load.
pub fn text(outcome: &Outcome, target: &str, from: &str) -> String {
    let counts = &outcome.counts;
    let latencies = outcome.latencies.summary();
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    row("target", format!("{target}, from {from}"));
    row(
        "connections",
        format!(
            "{} attempted, {} established ({} at a time) in {:.1} s, {} completed",
            grouped(counts.attempted),
            grouped(counts.established),
            grouped(counts.peak_connected),
            outcome.connect_time.as_secs_f64(),
            grouped(counts.completed)
        ),
    );
    row(
        "messages",
        format!(
            "{} sent, {} echoed right ({}), {}",
            grouped(counts.messages_sent),
            grouped(counts.messages_echoed),
            size(counts.bytes_echoed as f64),
            rate(outcome)
        ),
    );
    row("latency", if latencies.count == 0 { "-".to_owned() } else { percentiles(&latencies) });
    row("failures", outcome.failures.to_string());
    if let Some(held) = &outcome.held {
        let rate = outcome.connects_per_second().map_or("-".to_owned(), |it| grouped(it as u64));
        row(
            "held",
            format!("{} connections, opened at {rate} a second", grouped(held.connections)),
        );
        memory(held, row);
    }
    text
}

/// What the connections took while all of them were open.
fn memory(held: &Held, mut row: impl FnMut(&str, String)) {
    let kib = |kib: u64| size(kib as f64 * 1_024.0);
    let ours = |of: &ProcessMemory| {
        format!(
            "{} of {} process(es), {} before; {} bytes for each connection",
            kib(of.memory.held_kib),
            of.processes,
            kib(of.memory.before_kib),
            of.memory.whole_bytes_each(held.connections)
        )
    };
    row("at server", held.server.as_ref().map_or("-".to_owned(), ours));
    row("at load", ours(&held.load));
    let kernel = held.kernel.map(|kernel| {
        format!(
            "{}, {} before; {} bytes more for each connection",
            kib(kernel.held_kib),
            kib(kernel.before_kib),
            kernel.bytes_each(held.connections)
        )
    });
    row("in kernel", kernel.unwrap_or_else(|| "-".to_owned()));
    let available = held.available;
    row("available", format!("{}, {} before", kib(available.held_kib), kib(available.before_kib)));
}

/// How many messages there were in a second, with a hyphen where none was measured.
fn rate(outcome: &Outcome) -> String {
    if outcome.recorded_time.is_zero() {
        return "- a second".to_owned();
    }
    let rate = grouped(outcome.messages_per_second().round() as u64);
    format!("{rate} a second over {:.1} s", outcome.recorded_time.as_secs_f64())
}

fn percentiles(latencies: &LatencySummary) -> String {
    format!(
        "p50 {}, p90 {}, p99 {}, p99.9 {}, longest {}",
        latency(latencies.p50_us),
        latency(latencies.p90_us),
        latency(latencies.p99_us),
        latency(latencies.p99_9_us),
        latency(latencies.max_us)
    )
}

/// One line that says what went wrong and what to do about the kind that was met most.
/// `start_server` is the advice for a target where nobody listens.
pub fn complaint(outcome: &Outcome, target: &str, start_server: String) -> String {
    let counts = &outcome.counts;
    let most = outcome.failures.by_kind.iter().max_by_key(|(_, count)| **count);
    let Some((&kind, _)) = most else {
        return format!(
            "{} of {} connections did not complete",
            counts.attempted - counts.completed,
            counts.attempted
        );
    };
    let remedy = match kind {
        FailureKind::Refused => format!("nobody listens on {target}: {start_server}"),
        FailureKind::Reset | FailureKind::ClosedEarly => {
            "the server ended connections: look at its limits and its log".to_owned()
        }
        FailureKind::TimedOut => "the server is full, or too slow for this load: raise its \
                                  --max-connections or --processes, or give a longer --timeout"
            .to_owned(),
        FailureKind::NoBuffers => {
            "the kernel has no memory for socket buffers: use fewer --connections".to_owned()
        }
        FailureKind::NoPorts => format!(
            "no local ports are left: wait a minute for those in TIME_WAIT, or {WIDEN_PORT_RANGE}"
        ),
        FailureKind::NoDescriptors => {
            format!("no descriptors are left: {}", platform::REMEDY_FOR_NO_DESCRIPTORS)
        }
        FailureKind::WrongBytes => "what came back is not what was sent".to_owned(),
        FailureKind::Unreachable => format!("there is no way to {target}: check the address"),
        FailureKind::Interrupted => "the run was ended early".to_owned(),
        FailureKind::Other => "see the system's words above".to_owned(),
    };
    format!(
        "{} of {} connections failed ({}): {remedy}",
        grouped(outcome.failures.total()),
        grouped(counts.attempted),
        outcome.failures
    )
}
