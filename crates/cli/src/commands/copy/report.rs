//! The summary of a copy, in words and as a document.

use std::fmt::Write;

use overlapped_copy::{Settings, Summary, Warning};
use serde::Serialize;

use crate::words::{grouped, megabytes_a_second, megabytes_per_second, of_sync, size};

/// The summary as a document; its schema is `schema/copy.schema.json`.
#[derive(Serialize)]
pub struct Document<'a> {
    format: &'static str,
    complete: bool,
    interrupted: bool,
    seconds: f64,
    files: u64,
    files_kept: u64,
    folders: u64,
    links: u64,
    bytes: u64,
    hole_bytes: u64,
    resumed_bytes: u64,
    verified_bytes: u64,
    megabytes_per_second: Option<f64>,
    operations: Operations,
    block_bytes: u64,
    in_flight: u64,
    peak_in_flight: u64,
    buffering: Buffering<'a>,
    backend: &'a str,
    sync: &'static str,
    warnings: Vec<Warned>,
    failures: Vec<Failed>,
}

/// A warning as documents have it.
#[derive(Serialize)]
pub struct Warned {
    kind: &'static str,
    path: String,
    text: String,
}

impl Warned {
    pub fn all(warnings: &[Warning]) -> Vec<Self> {
        let warned = |it: &Warning| Self {
            kind: it.kind.word(),
            path: it.path.display().to_string(),
            text: it.text.clone(),
        };
        warnings.iter().map(warned).collect()
    }
}

#[derive(Serialize)]
struct Operations {
    reads: u64,
    writes: u64,
    flushes: u64,
}

#[derive(Serialize)]
struct Buffering<'a> {
    files_unbuffered: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct Failed {
    path: String,
    text: String,
}

impl<'a> Document<'a> {
    pub fn of(summary: &'a Summary, settings: &Settings) -> Self {
        let failed = |it: &overlapped_copy::Failure| Failed {
            path: it.path.display().to_string(),
            text: it.text.clone(),
        };
        Self {
            format: "overlapped-copy-1",
            complete: !summary.stopped && summary.failures.is_empty(),
            interrupted: summary.stopped,
            seconds: summary.time.as_secs_f64(),
            files: summary.files,
            files_kept: summary.files_kept,
            folders: summary.folders,
            links: summary.links,
            bytes: summary.bytes,
            hole_bytes: summary.hole_bytes,
            resumed_bytes: summary.resumed_bytes,
            verified_bytes: summary.verified_bytes,
            megabytes_per_second: megabytes_per_second(summary.bytes, summary.time),
            operations: Operations {
                reads: summary.reads,
                writes: summary.writes,
                flushes: summary.flushes,
            },
            block_bytes: settings.block_bytes as u64,
            in_flight: settings.in_flight as u64,
            peak_in_flight: summary.peak_in_flight,
            buffering: Buffering {
                files_unbuffered: summary.files_unbuffered,
                reason: &summary.buffering,
            },
            backend: &summary.backend,
            sync: of_sync(settings.sync),
            warnings: Warned::all(&summary.warnings),
            failures: summary.failures.iter().map(failed).collect(),
        }
    }
}

/// The summary as the lines that go to standard output.
pub fn text(summary: &Summary, settings: &Settings) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    let mut made = format!("{} file(s)", grouped(summary.files));
    for (count, what) in [
        (summary.files_kept, "file(s) that were there"),
        (summary.folders, "folder(s)"),
        (summary.links, "link(s)"),
    ] {
        if count > 0 {
            made.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    row("copied", made);
    let mut bytes = format!(
        "{} ({}) in {:.2} s, {}",
        grouped(summary.bytes),
        size(summary.bytes as f64),
        summary.time.as_secs_f64(),
        megabytes_a_second(summary.bytes, summary.time)
    );
    for (count, what) in [
        (summary.hole_bytes, "kept as holes"),
        (summary.resumed_bytes, "there from a former run"),
        (summary.verified_bytes, "read back and right"),
    ] {
        if count > 0 {
            bytes.push_str(&format!("; {} {what}", size(count as f64)));
        }
    }
    row("bytes", bytes);
    row(
        "operations",
        format!(
            "{} reads, {} writes, {} flushes of blocks of {}; at most {} of {} in flight",
            grouped(summary.reads),
            grouped(summary.writes),
            grouped(summary.flushes),
            size(settings.block_bytes as f64),
            summary.peak_in_flight,
            settings.in_flight
        ),
    );
    let how = match summary.files_unbuffered {
        0 => "buffered".to_owned(),
        count if count == summary.files => "unbuffered".to_owned(),
        count => format!("{} file(s) unbuffered", grouped(count)),
    };
    row("cache", format!("{how} ({})", summary.buffering));
    row("backend", summary.backend.clone());
    row("sync", of_sync(settings.sync).to_owned());
    text
}
