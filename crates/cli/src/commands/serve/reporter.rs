//! The status line of every second and the summary at the end.

use std::num::NonZero;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::figures::{ErrorCounts, Figures, ThreadCounts};
use crate::{exit, output, platform, words};

/// Time between two status lines.
const PERIOD: Duration = Duration::from_secs(1);

/// The same complaint is not made more often than this.
const COMPLAINT_PERIOD: Duration = Duration::from_secs(10);

/// Says how a server is doing.
pub struct Reporter {
    started: Instant,
    quiet: bool,
    json: bool,
    processes: u32,
    next_line: Instant,
    last: (Instant, Figures),
    last_complaint: Option<Instant>,
}

/// A status line as JSON.
#[derive(Serialize)]
struct StatusLine {
    format: &'static str,
    seconds: f64,
    connected: u64,
    accepted: u64,
    messages: u64,
    messages_per_second: f64,
    bytes_per_second: f64,
    threads: ThreadCounts,
    processes: u32,
    workers_lost: u64,
}

/// The summary as JSON.
#[derive(Serialize)]
struct Summary {
    format: &'static str,
    seconds: f64,
    accepted: u64,
    peak_connected: u64,
    messages: u64,
    bytes: u64,
    errors: ErrorCounts,
    accept_deferrals: u64,
    refused: u64,
    log_lines_lost: u64,
    left: u64,
    processor_seconds: f64,
    processor_microseconds_per_message: Option<f64>,
    machine_share_percent: f64,
    processes: u32,
    workers_lost: u64,
}

impl Reporter {
    /// A reporter for a server that starts now.
    pub fn new(quiet: bool, json: bool, processes: u32) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            quiet,
            json,
            processes,
            next_line: now + PERIOD,
            last: (now, Figures::default()),
            last_complaint: None,
        }
    }

    /// How long until the next status line is due.
    pub fn wait(&self) -> Duration {
        self.next_line.saturating_duration_since(Instant::now())
    }

    /// Prints the status line of this second.
    pub fn status(&mut self, figures: &Figures) {
        let now = Instant::now();
        let (then, before) = std::mem::replace(&mut self.last, (now, *figures));
        while self.next_line <= now {
            self.next_line += PERIOD;
        }
        let seconds = (now - then).as_secs_f64().max(1e-9);
        // A process that has died takes its counts with it, so that a sum may shrink.
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let line = StatusLine {
            format: "overlapped-serve-status-1",
            seconds: (now - self.started).as_secs_f64(),
            connected: figures.connected,
            accepted: figures.accepted,
            messages: figures.messages,
            messages_per_second: rate(figures.messages, before.messages).round(),
            bytes_per_second: rate(figures.bytes, before.bytes).round(),
            threads: figures.threads,
            processes: self.processes,
            workers_lost: figures.workers_lost,
        };
        if !self.quiet {
            output::status(&if self.json { json(&line) } else { line.words() });
        }
        self.complain_of_deferrals(now, figures.accept_deferrals, before.accept_deferrals);
    }

    fn complain_of_deferrals(&mut self, now: Instant, deferrals: u64, before: u64) {
        let silent = self.last_complaint.is_some_and(|last| now - last < COMPLAINT_PERIOD);
        if deferrals > before && !silent {
            self.last_complaint = Some(now);
            exit::complain(&format!(
                "no descriptor was free for new connections, which wait until others end; {}",
                platform::REMEDY_FOR_DEFERRALS
            ));
        }
    }

    /// Prints the summary on standard output. `left` connections were ended by force.
    pub fn summary(&self, figures: &Figures, left: u64) -> anyhow::Result<()> {
        let life = self.started.elapsed();
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let processor = figures.processor_time.as_secs_f64();
        let per_message = (figures.messages > 0).then(|| processor * 1e6 / figures.messages as f64);
        let summary = Summary {
            format: "overlapped-serve-summary-1",
            seconds: life.as_secs_f64(),
            accepted: figures.accepted,
            peak_connected: figures.peak_connected,
            messages: figures.messages,
            bytes: figures.bytes,
            errors: figures.errors,
            accept_deferrals: figures.accept_deferrals,
            refused: figures.refused,
            log_lines_lost: figures.log_lines_lost,
            left,
            processor_seconds: processor,
            processor_microseconds_per_message: per_message,
            machine_share_percent: processor * 100.0 / (life.as_secs_f64() * processors as f64),
            processes: self.processes,
            workers_lost: figures.workers_lost,
        };
        if self.json { output::json_line(&summary) } else { output::line(&summary.words()) }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl StatusLine {
    fn words(&self) -> String {
        format!(
            "{:.0} s: {} connected, {} messages/s, {}/s, threads {} waiting {} released {} paused",
            self.seconds,
            words::grouped(self.connected),
            words::grouped(self.messages_per_second as u64),
            words::size(self.bytes_per_second),
            self.threads.waiting,
            self.threads.released,
            self.threads.paused,
        )
    }
}

impl Summary {
    fn words(&self) -> String {
        let errors: Vec<String> = self
            .errors
            .named()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {}", words::grouped(*count)))
            .collect();
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
        let per_message = self
            .processor_microseconds_per_message
            .map_or(String::new(), |figure| format!(" ({figure:.2} us per message)"));
        let some = |count: u64, words: &str| match count {
            0 => String::new(),
            count => format!("; {} {words}", words::grouped(count)),
        };
        let refused = some(self.refused, "connections refused, since their clients had too many");
        let unlogged = some(self.log_lines_lost, "lines of the log lost");
        let left = match self.left {
            0 => "nothing was left".to_owned(),
            1 => "1 connection was left and ended by force".to_owned(),
            left => format!("{} connections were left and ended by force", words::grouped(left)),
        };
        let lost = match self.workers_lost {
            0 => String::new(),
            1 => "; 1 worker process died".to_owned(),
            lost => format!("; {} worker processes died", words::grouped(lost)),
        };
        format!(
            "served {} connections ({} at a time at most), {} messages, {}; errors: \
             {errors}{refused}{unlogged}; {:.2} s of processor time{per_message}, {:.2} % of the \
             machine over {:.0} s; {left}{lost}",
            words::grouped(self.accepted),
            words::grouped(self.peak_connected),
            words::grouped(self.messages),
            words::size(self.bytes as f64),
            self.processor_seconds,
            self.machine_share_percent,
            self.seconds,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_served_spent_and_left() {
        let mut summary = Summary {
            format: "overlapped-serve-summary-1",
            seconds: 12.0,
            accepted: 30_000,
            peak_connected: 28_000,
            messages: 90_000,
            bytes: 5_760_000,
            errors: ErrorCounts { reset: 3, other: 1, ..ErrorCounts::default() },
            accept_deferrals: 0,
            refused: 0,
            log_lines_lost: 0,
            left: 1,
            processor_seconds: 0.9,
            processor_microseconds_per_message: Some(10.0),
            machine_share_percent: 3.75,
            processes: 2,
            workers_lost: 0,
        };
        assert_eq!(
            summary.words(),
            "served 30,000 connections (28,000 at a time at most), 90,000 messages, 5.5 MiB; \
             errors: reset 3, other 1; 0.90 s of processor time (10.00 us per message), 3.75 % of \
             the machine over 12 s; 1 connection was left and ended by force"
        );
        summary.left = 0;
        summary.errors = ErrorCounts::default();
        let words = summary.words();
        assert!(words.contains("errors: none;") && words.ends_with("nothing was left"), "{words}");
        summary.workers_lost = 2;
        assert!(summary.words().ends_with("nothing was left; 2 worker processes died"));
        summary.refused = 1_000;
        summary.log_lines_lost = 3;
        let words = summary.words();
        let expected = "errors: none; 1,000 connections refused, since their clients had too many; \
                        3 lines of the log lost; 0.90 s";
        assert!(words.contains(expected), "{words}");
    }
}
