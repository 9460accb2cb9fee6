//! Any bytes as a document: a value or an error, and a value is the same when it was written and read again.
//!
//! What is read of files and of servers: results of `stress` with their histograms, what its processes tell each other,
//! recordings, views of a server, and lines for `merge`.

use crate::folders;
use overlapped_load::document::Outcome;
use overlapped_load::stress_document::StressDocument;
use overlapped_observe::{Recording, View, prometheus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The code of `overlapped merge` that reads files. The tool is a program, and has no library.
#[path = "../../crates/cli/src/commands/merge/input.rs"]
mod input;

static FOLDER: LazyLock<TempDir> = LazyLock::new(folders::fresh);

/// The first byte says which document it is.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 5 {
        0 => {
            if let Some(document) = same::<StressDocument>(rest) {
                add(&document);
            }
        }
        1 => {
            if let Some(outcome) = same::<Outcome>(rest) {
                let mut twice = outcome.clone();
                twice.merge(&outcome);
                let _ = (twice.is_clean(), twice.messages_per_second(), twice.latencies.summary());
                let _ = twice.latencies.percentile_distribution();
            }
        }
        2 => drop(same::<Recording>(rest)),
        3 => {
            if let Some(view) = same::<View>(rest) {
                let _ = prometheus::text(&view);
            }
        }
        _ => merge(rest),
    }
}

/// Reads it; what could be read is written and read again.
fn same<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value: T = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let text = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let twice = serde_json::to_string(&again).expect("it was written before");
    assert_eq!(text, twice);
    Some(value)
}

/// As `merge` does with a result.
fn add(document: &StressDocument) {
    match document.outcome() {
        Err(why) => assert!(!why.is_empty() && !why.contains('\n'), "{why:?}"),
        Ok(outcome) => {
            let mut sum = Outcome::default();
            sum.merge(&outcome);
            sum.merge(&outcome);
            let runs = document.runs.clone();
            let _ = runs.iter().map(|run| run.recorded()).collect::<Vec<_>>();
            let sum = StressDocument::of(&sum, "two".into(), document.message_bytes, runs);
            let text = serde_json::to_string(&sum).expect("a sum can be written");
            let again: StressDocument = serde_json::from_str(&text).expect("a sum can be read");
            again.outcome().unwrap_or_else(|why| panic!("a sum cannot be added: {why}: {text}"));
        }
    }
}

/// Reads the bytes as a file.
fn merge(bytes: &[u8]) {
    let path = FOLDER.path().join("results");
    std::fs::write(&path, bytes).expect("a file");
    let mut results = 0;
    let read = input::read(&path, |document, place| {
        results += 1;
        assert!(place.contains("results:"), "{place}");
        add(&document);
        Ok(())
    });
    match read {
        Ok(()) => assert!(results > 0, "nothing was read, and nothing was wrong"),
        Err(error) => assert!(!format!("{error:#}").contains('\n'), "{error:#}"),
    }
}
