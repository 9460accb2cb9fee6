//! Standard output, which may be closed by its reader at any time.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::OutputClosed;
use crate::words;

/// Writes `text`, and of what would not show as itself its number.
pub fn text(text: &str) -> anyhow::Result<()> {
    bytes(words::plain(text).as_bytes())
}

/// Writes `line` and a line end.
pub fn line(line: &str) -> anyhow::Result<()> {
    text(&format!("{line}\n"))
}

/// Writes a value as one line of JSON.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    bytes(format!("{}\n", serde_json::to_string(value)?).as_bytes())
}

/// Writes a value as a JSON document of many lines.
pub fn json_document(value: &impl Serialize) -> anyhow::Result<()> {
    bytes(format!("{}\n", serde_json::to_string_pretty(value)?).as_bytes())
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
    let _ = writeln!(io::stderr(), "{}", words::plain(line));
}
