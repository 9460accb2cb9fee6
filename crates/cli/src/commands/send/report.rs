//! The summary of a sender, in words and as a document.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use overlapped_file_transfer::Stopped;
use serde::Serialize;

use crate::words::{grouped, size};

/// The summary as a document; its schema is `schema/send.schema.json`.
#[derive(Serialize)]
pub struct Document {
    format: &'static str,
    complete: bool,
    address: String,
    name: String,
    seconds: f64,
    times: Option<u32>,
    deliveries: u64,
    inquiries: u64,
    bytes: u64,
    left: u64,
    errors: Errors,
}

#[derive(Serialize)]
struct Errors {
    cut: u64,
    timed_out: u64,
    not_understood: u64,
    file: u64,
    aborted: u64,
}

impl Document {
    pub fn of(
        name: &str,
        address: SocketAddr,
        times: Option<u32>,
        time: Duration,
        stopped: &Stopped,
    ) -> Self {
        let status = &stopped.status;
        let errors = &status.errors;
        Self {
            format: "overlapped-send-1",
            complete: stopped.left == 0
                && times.is_none_or(|times| status.deliveries >= u64::from(times)),
            address: address.to_string(),
            name: name.to_owned(),
            seconds: time.as_secs_f64(),
            times,
            deliveries: status.deliveries,
            inquiries: status.inquiries,
            bytes: status.bytes,
            left: stopped.left,
            errors: Errors {
                cut: errors.cut,
                timed_out: errors.timed_out,
                not_understood: errors.not_understood,
                file: errors.file,
                aborted: errors.aborted,
            },
        }
    }
}

/// The summary as the lines that go to standard output.
pub fn text(document: &Document) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    row(
        "delivered",
        format!(
            "{:?} {} time(s), {}",
            document.name,
            grouped(document.deliveries),
            size(document.bytes as f64)
        ),
    );
    let errors = &document.errors;
    let counts = [
        (errors.cut, "cut"),
        (errors.timed_out, "timed out"),
        (errors.not_understood, "not understood"),
        (errors.file, "for the file"),
        (errors.aborted, "ended by force"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    row("errors", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    text
}
