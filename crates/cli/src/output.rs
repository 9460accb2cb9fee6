//! Standard output, which may be closed by its reader at any time.
//!
//! With `--json` a command writes JSON there and nothing else: one document a line.

use std::io::{self, Write};
use std::net::SocketAddr;

use serde::Serialize;

use crate::exit::OutputClosed;
use crate::live::terminal;
use crate::{recent, words};

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

/// That a server listens; its schema is `schema/listening.schema.json`.
#[derive(Serialize)]
struct Listening {
    format: &'static str,
    address: String,
}

/// Says where a server listens, in words or as the first document of its output.
pub fn listening(address: SocketAddr, json: bool) -> anyhow::Result<()> {
    let address = address.to_string();
    if json {
        json_line(&Listening { format: "overlapped-listening-1", address })
    } else {
        line(&format!("listening on {address}"))
    }
}

/// Writes bytes and flushes them.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        other => Ok(other?),
    }
}

/// Writes a line to standard error, where status goes, or gives it to the screen that has the terminal. Status
/// that nobody reads is no error.
pub fn status(line: &str) {
    if terminal::is_screen() {
        return recent::note(line);
    }
    let _ = writeln!(io::stderr(), "{}", words::plain(line));
}
