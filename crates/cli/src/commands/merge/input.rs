//! Files of documents, one a line, of which the results of `stress` are wanted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use overlapped_load::stress_document::{STRESS_FORMAT, StressDocument};
use serde::Deserialize;

/// The longest line that is read. A result takes half a megabyte at the most, and its runs 100 bytes each.
const LINE_BYTES: u64 = 64 << 20;

/// What every document of this tool says.
#[derive(Deserialize)]
struct Kind {
    format: String,
}

/// Calls `each` with the results in a file, and their places as messages name them. There is one at
/// least; other documents are passed over.
pub fn read(
    path: &Path,
    mut each: impl FnMut(StressDocument, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (name, source): (String, Box<dyn Read>) = if path.as_os_str() == "-" {
        ("standard input".to_owned(), Box::new(io::stdin().lock()))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        (name, Box::new(file))
    };
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    let (mut number, mut results, mut other) = (0_u64, 0_u64, None);
    loop {
        line.clear();
        number += 1;
        let place = format!("{name}:{number}");
        let length = source
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {name}"))?;
        if length == 0 {
            break;
        }
        anyhow::ensure!(
            length as u64 != LINE_BYTES || line.ends_with(b"\n"),
            "{place}: the line is too long for a result of `stress --json`"
        );
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let kind: Kind = parsed(&line, &place)?;
        if kind.format == STRESS_FORMAT {
            results += 1;
            each(parsed(&line, &place)?, &place)?;
        } else {
            other = Some(kind.format);
        }
    }
    let found = match other {
        _ if results > 0 => return Ok(()),
        Some(format) => format!("it has documents of the kind {format} alone"),
        None => "it is empty".to_owned(),
    };
    anyhow::bail!("{name} has no result of `stress --json`: {found}")
}

/// Reads a line as a document.
fn parsed<'a, T: Deserialize<'a>>(line: &'a [u8], place: &str) -> anyhow::Result<T> {
    serde_json::from_slice(line).map_err(|error| {
        let words = error.to_string();
        // The line is the file's, which it does not know.
        let words = words.split(" at line ").next().unwrap_or_default();
        match error.classify() {
            serde_json::error::Category::Eof => anyhow::anyhow!(
                "{place}: the document is cut off, or is not on one line: copy the file again"
            ),
            serde_json::error::Category::Data => {
                anyhow::anyhow!("{place}: this is no document that this version reads: {words}")
            }
            _ => anyhow::anyhow!(
                "{place}: this is no JSON (column {}: {words}): give what `stress --json` wrote",
                error.column()
            ),
        }
    })
}
