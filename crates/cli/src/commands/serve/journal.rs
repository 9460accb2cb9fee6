//! Lines about what goes on, written by a thread of their own, so that no terminal and no disk holds
//! the server up.
//!
//! Between the server's threads and that one is a queue of bounded length. What finds it full is
//! lost, counted, and told with the next line that is written.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::live::terminal;
use crate::{exit, recent};

/// How many lines wait at the most.
const QUEUE: usize = 1_024;

/// How long the end waits for lines that are still queued.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes lines from any thread.
#[derive(Debug)]
pub struct Journal {
    queue: SyncSender<Entry>,
    /// Those that are yet to be told, and those that were.
    lost: Arc<Lost>,
    done: Mutex<Receiver<()>>,
    json: bool,
    is_file: bool,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    End,
}

#[derive(Debug, Default)]
struct Lost {
    untold: AtomicU64,
    told: AtomicU64,
}

/// That lines were lost; its schema is `schema/serve-log.schema.json`.
#[derive(Serialize)]
struct LinesLost {
    format: &'static str,
    event: &'static str,
    lines: u64,
}

/// The name of the form of all lines.
pub const FORMAT: &str = "overlapped-serve-log-1";

/// Standard error, unless a screen has the terminal: the screen shows the lines that are kept.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if terminal::is_screen() { Ok(bytes.len()) } else { io::stderr().write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Journal {
    /// Lines go to standard error, or to the end of a file.
    pub fn open(file: Option<&Path>, json: bool) -> anyhow::Result<Arc<Self>> {
        let Some(path) = file else { return Ok(Self::start(StandardError, None, json)?) };
        let target = OpenOptions::new().create(true).append(true).open(path);
        let target = target.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::start(target, Some(path.to_owned()), json)?)
    }

    fn start(
        mut target: impl Write + Send + 'static,
        path: Option<PathBuf>,
        json: bool,
    ) -> io::Result<Arc<Self>> {
        let (queue, entries) = sync_channel(QUEUE);
        let (ended, done) = channel();
        let lost = Arc::<Lost>::default();
        let counts = Arc::clone(&lost);
        let is_file = path.is_some();
        std::thread::Builder::new().name("journal".into()).spawn(move || {
            write(&mut target, &entries, &counts, path.as_deref(), json);
            // Nobody waits for it where the server has ended by force.
            let _ = ended.send(());
        })?;
        Ok(Arc::new(Self { queue, lost, done: Mutex::new(done), json, is_file }))
    }

    /// Whether lines are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Queues a line, which has no line end yet; never waits.
    pub fn line(&self, line: String) {
        recent::note(&line);
        if self.queue.try_send(Entry::Line(line)).is_err() {
            self.lost.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues a document.
    pub fn document(&self, document: &impl Serialize) {
        // Documents of this program's own have no keys that JSON cannot have.
        self.line(serde_json::to_string(document).unwrap_or_default());
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lost.untold.load(Ordering::Relaxed) + self.lost.told.load(Ordering::Relaxed)
    }

    /// Waits until all is written that was queued before, unless that takes too long.
    pub fn finish(&self) {
        let deadline = Instant::now() + FAREWELL;
        let mut end = Entry::End;
        while let Err(TrySendError::Full(back)) = self.queue.try_send(end) {
            if Instant::now() > deadline {
                return;
            }
            end = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let is_late = done.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
        // Where standard error is stuck, a complaint would be stuck as well.
        if is_late && self.is_file {
            exit::complain("lines of the log were lost at the end: nobody takes them");
        }
    }
}

/// Writes what is queued until its end comes.
fn write(
    target: &mut impl Write,
    entries: &Receiver<Entry>,
    lost: &Lost,
    path: Option<&Path>,
    json: bool,
) {
    let mut has_complained = false;
    while let Ok(entry) = entries.recv() {
        let mut text = match entry {
            Entry::Line(line) => line + "\n",
            Entry::End => String::new(),
        };
        let is_end = text.is_empty();
        let gap = lost.untold.swap(0, Ordering::Relaxed);
        if gap > 0 {
            lost.told.fetch_add(gap, Ordering::Relaxed);
            text += &gap_line(gap, json);
        }
        // As one call, so that lines of several processes do not mix.
        if let Err(error) = target.write_all(text.as_bytes()).and_then(|()| target.flush()) {
            lost.told.fetch_add(text.lines().count() as u64, Ordering::Relaxed);
            if let Some(path) = path.filter(|_| !has_complained) {
                exit::complain(&format!(
                    "cannot write {}: {error}; lines are lost",
                    path.display()
                ));
                has_complained = true;
            }
        }
        if is_end {
            return;
        }
    }
}

fn gap_line(lines: u64, json: bool) -> String {
    if !json {
        return format!(
            "({lines} lines are missing here: they came faster than they could be written)\n"
        );
    }
    let document = LinesLost { format: FORMAT, event: "lines_lost", lines };
    serde_json::to_string(&document).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Condvar;

    /// A terminal that takes nothing until it is let.
    #[derive(Clone, Default)]
    struct Slow(Arc<(Mutex<(bool, String)>, Condvar)>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (state, changed) = &*self.0;
            let mut state = state.lock().expect("no panic");
            while !state.0 {
                state = changed.wait(state).expect("no panic");
            }
            state.1 += std::str::from_utf8(bytes).expect("text");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_nobody_up_and_the_lost_lines_are_told() {
        let terminal = Slow::default();
        let journal = Journal::start(terminal.clone(), None, false).expect("a thread");
        // One may be in the writer's hands besides.
        for number in 0..QUEUE + 101 {
            journal.line(format!("line {number}"));
        }
        let lost = journal.lost();
        assert!((100..=101).contains(&lost), "{lost}");
        let (state, changed) = &*terminal.0;
        state.lock().expect("no panic").0 = true;
        changed.notify_all();
        journal.finish();
        let written = state.lock().expect("no panic").1.clone();
        assert!(written.starts_with("line 0\n"), "{written:.80}");
        assert!(written.contains(&format!("({lost} lines are missing here")), "{lost}");
        assert_eq!(written.lines().count() as u64, QUEUE as u64 + 101 - lost + 1);
        assert_eq!(journal.lost(), lost);
    }

    #[test]
    fn the_end_does_not_wait_for_a_terminal_that_takes_nothing() {
        let journal = Journal::start(Slow::default(), None, true).expect("a thread");
        for _ in 0..2 * QUEUE {
            journal.line("{}".to_owned());
        }
        journal.finish();
        assert!(journal.lost() > 0);
    }
}
