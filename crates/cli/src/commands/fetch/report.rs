//! The summary of a fetch, in words and as a document.

use std::fmt::Write;

use overlapped_file_transfer::{Failure, FetchSettings, Fetched, Kind};
use serde::Serialize;

use crate::commands::copy::report::Warned;
use crate::words::{grouped, megabytes_a_second, megabytes_per_second, of_sync, size};

/// The summary as a document; its schema is `schema/fetch.schema.json`.
#[derive(Serialize)]
pub struct Document {
    format: &'static str,
    complete: bool,
    interrupted: bool,
    path: Option<String>,
    was_there: bool,
    bytes: u64,
    received_bytes: u64,
    resumed_bytes: u64,
    verified_bytes: u64,
    sha256: Option<String>,
    seconds: f64,
    receiving_seconds: f64,
    megabytes_per_second: Option<f64>,
    operations: Operations,
    buffers: usize,
    peak_in_flight: usize,
    sync: &'static str,
    warnings: Vec<Warned>,
    failure: Option<Failed>,
}

#[derive(Serialize)]
struct Operations {
    receives: u64,
    writes: u64,
}

#[derive(Serialize)]
struct Failed {
    kind: &'static str,
    text: String,
    kept_bytes: u64,
}

impl Document {
    pub fn of(outcome: &Result<Fetched, Failure>, settings: &FetchSettings) -> Self {
        let nothing = Fetched::default();
        let (fetched, failure) = match outcome {
            Ok(fetched) => (fetched, None),
            Err(failure) => (&nothing, Some(failure)),
        };
        Self {
            format: "overlapped-fetch-1",
            complete: failure.is_none(),
            interrupted: failure.is_some_and(|failure| failure.kind == Kind::Stopped),
            path: failure.is_none().then(|| fetched.path.display().to_string()),
            was_there: fetched.was_there,
            bytes: fetched.bytes,
            received_bytes: fetched.received_bytes,
            resumed_bytes: fetched.resumed_bytes,
            verified_bytes: fetched.verified_bytes,
            sha256: fetched.checksum.map(|sum| hex(&sum)),
            seconds: fetched.time.as_secs_f64(),
            receiving_seconds: fetched.receiving_time.as_secs_f64(),
            megabytes_per_second: rate(fetched),
            operations: Operations { receives: fetched.receives, writes: fetched.writes },
            buffers: settings.buffers,
            peak_in_flight: fetched.peak_in_flight,
            sync: of_sync(settings.sync),
            warnings: Warned::all(&fetched.warnings),
            failure: failure.map(|failure| Failed {
                kind: failure.kind.word(),
                text: failure.text.clone(),
                kept_bytes: failure.kept_bytes,
            }),
        }
    }
}

fn rate(fetched: &Fetched) -> Option<f64> {
    megabytes_per_second(fetched.received_bytes, fetched.receiving_time)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The summary as the lines that go to standard output.
pub fn text(fetched: &Fetched) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    row("file", fetched.path.display().to_string());
    if fetched.was_there {
        row(
            "fetched",
            "nothing: it is there already, as long and as old as the sender's".to_owned(),
        );
        return text;
    }
    let mut bytes = format!(
        "{} ({}) in {:.2} s, {}",
        grouped(fetched.received_bytes),
        size(fetched.received_bytes as f64),
        fetched.receiving_time.as_secs_f64(),
        megabytes_a_second(fetched.received_bytes, fetched.receiving_time)
    );
    if fetched.resumed_bytes > 0 {
        bytes
            .push_str(&format!("; {} there from a former run", size(fetched.resumed_bytes as f64)));
    }
    row("fetched", bytes);
    row(
        "operations",
        format!(
            "{} receives, {} writes; at most {} in flight",
            grouped(fetched.receives),
            grouped(fetched.writes),
            fetched.peak_in_flight
        ),
    );
    if let Some(sum) = &fetched.checksum {
        row("verified", format!("SHA-256 {}", hex(sum)));
    }
    text
}
