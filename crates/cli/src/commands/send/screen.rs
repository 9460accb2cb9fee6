//! What is seen while a file is sent: a line of progress where standard error is a terminal, and a line
//! for each fetcher that has ended.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overlapped_file_transfer::{Ended, Outcome, SendStatus, SendWatch};

use crate::exit::complain;
use crate::output;
use crate::words::{grouped, megabytes_a_second, size};

/// Lines that wait to be printed at most. What is more is left out, and that is told.
const LINES_MAX: usize = 1_024;

/// How long the end waits for the lines to be printed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The line of progress, and the thread that prints what the sender tells.
pub struct Screen {
    bar: ProgressBar,
    lines: SyncSender<Line>,
}

enum Line {
    Status(String),
    Complaint(String),
    /// All before it is printed.
    End(SyncSender<()>),
}

impl Screen {
    pub fn new(quiet: bool) -> io::Result<Self> {
        let bar = ProgressBar::new_spinner();
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{spinner} {msg}, {bytes} sent, {bytes_per_sec}";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        let (lines, waiting) = sync_channel(LINES_MAX);
        let above = bar.clone();
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || waiting.iter().for_each(|line| print(&above, line)))?;
        Ok(Self { bar, lines })
    }

    /// A line above it.
    pub fn say(&self, line: &str) {
        print(&self.bar, Line::Status(line.to_owned()));
    }

    pub fn draw(&self, status: &SendStatus) {
        let (connected, deliveries) = (status.connected, status.deliveries);
        self.bar.set_message(format!(
            "{} connected, {} deliveries",
            grouped(connected),
            grouped(deliveries)
        ));
        self.bar.set_position(status.bytes);
    }

    /// Takes the line of progress away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Waits until what was told is printed, if somebody reads it.
    pub fn settle(&self) {
        let (tell, told) = sync_channel(1);
        if self.lines.try_send(Line::End(tell)).is_ok() {
            let _ = told.recv_timeout(FAREWELL);
        }
    }
}

fn print(bar: &ProgressBar, line: Line) {
    let print = || match line {
        Line::Status(text) => output::status(&text),
        Line::Complaint(text) => complain(&text),
        Line::End(tell) => drop(tell.send(())),
    };
    // What waits for a reader then keeps nobody from the bar.
    if bar.is_hidden() { print() } else { bar.suspend(print) }
}

/// Tells of each fetcher's end. It waits for nobody: standard error may be a pipe that nobody reads, and the
/// sender's threads have fetchers to serve.
pub struct Told {
    lines: SyncSender<Line>,
    left_out: AtomicU64,
    quiet: bool,
}

impl Told {
    pub fn new(screen: &Screen, quiet: bool) -> Self {
        Self { lines: screen.lines.clone(), left_out: AtomicU64::new(0), quiet }
    }

    fn tell(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let text =
                format!("{left_out} lines were left out before this, since nobody read them");
            let _ = self.lines.try_send(Line::Complaint(text));
        }
    }
}

impl SendWatch for Told {
    fn ended(&self, ended: &Ended) {
        let peer = ended.peer;
        match &ended.outcome {
            Outcome::Failed(text) => self.tell(Line::Complaint(format!("{peer}: {text}"))),
            Outcome::Delivered { changed, from } => {
                if *changed {
                    self.tell(Line::Complaint(format!(
                        "{peer}: the file was changed while it was sent: what arrived may be a \
                         mixture; it is well to fetch it again"
                    )));
                }
                if !self.quiet {
                    self.tell(Line::Status(delivered(ended, *from)));
                }
            }
            Outcome::Inquired => {}
        }
    }
}

fn delivered(ended: &Ended, from: u64) -> String {
    let rest = if from > 0 { format!(" from byte {} on", grouped(from)) } else { String::new() };
    format!(
        "{}: delivered{rest}: {} in {}, {}",
        ended.peer,
        size(ended.bytes as f64),
        short(ended.time),
        megabytes_a_second(ended.bytes, ended.time)
    )
}

fn short(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
