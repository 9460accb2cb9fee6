//! Standard output, which may be closed by its reader at any time.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::OutputClosed;

/// Writes `text` as it is.
pub fn text(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes `line` and a line end.
pub fn line(line: &str) -> anyhow::Result<()> {
    text(&format!("{line}\n"))
}

/// Writes a value as one line of JSON.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Writes a value as a JSON document of many lines.
pub fn json_document(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes bytes and flushes them.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        other => Ok(other?),
    }
}

/// Writes a line to standard error, where status goes. Status that nobody reads is no error.
pub fn status(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
