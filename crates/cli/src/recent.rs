//! The last lines that the tool has written about what goes on, for who looks at a server while it runs.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use overlapped_observe::view::LogLine;

use crate::words;

/// So many lines are kept.
const LINES: usize = 200;

static LAST: Mutex<VecDeque<LogLine>> = Mutex::new(VecDeque::new());

/// Keeps a line, which others may have written elsewhere.
pub fn note(line: &str) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let number = last.back().map_or(1, |line| line.number + 1);
    if last.len() == LINES {
        last.pop_front();
    }
    last.push_back(LogLine { number, at_ms: now_ms(), text: words::plain(line).into_owned() });
}

/// What is kept, oldest first.
pub fn lines() -> Vec<LogLine> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
