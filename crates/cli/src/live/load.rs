//! The screen of a load: what a second brings, and how long echoes take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use overlapped_load::histogram::{Latencies, LatencySummary};
use overlapped_observe::view::{Verdict, Weight};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::keys::{Shown, Wish};
use super::looks::{Looks, cut, row, sparkline, title};
use super::parts::{head, key_line, verdict};
use super::{Screen, Then, figures, narrow};
use crate::recent;
use crate::words::{grouped, latency, plain};

/// The least screen that has room for it.
const LEAST: (u16, u16) = (60, 16);

/// Columns that the words of a row have at most.
const WORDS: u16 = 60;

/// How many seconds are kept.
const SECONDS: usize = 60;

/// A second of a load, as often as there is one.
const SECOND: Duration = Duration::from_secs(1);

/// A load that can be run again and again.
pub trait Load {
    /// What it has told since the last time. It does not wait.
    fn told(&mut self) -> Vec<Told>;

    /// Starts it, unless it runs.
    fn start(&mut self) -> anyhow::Result<()>;

    /// Has it end early.
    fn stop(&mut self);
}

/// What a load tells.
#[derive(Debug)]
pub enum Told {
    /// How far it is.
    Now(Now),
    /// Latencies of echoes since the last time.
    Latencies(Latencies),
    /// Its end: the result in words, and what went wrong.
    Ended { result: String, complaint: Option<String> },
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub connected: u64,
    pub failed: u64,
    pub echoed: u64,
    /// All connections are open or have failed.
    pub is_open: bool,
}

/// A second that is over.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    connected: u64,
    echoes: f64,
    failed: f64,
    latencies: LatencySummary,
}

#[derive(Debug)]
enum State {
    Runs,
    IsEnding,
    Ended { result: String, complaint: Option<String> },
}

/// The screen of a load.
pub struct LoadScreen<Of: Load> {
    load: Of,
    name: String,
    /// Connections, and messages if their number is known.
    connections: u64,
    messages: Option<u64>,
    state: State,
    since: Instant,
    lasted: Duration,
    now: Now,
    /// Where the second under way began.
    begun: (Instant, Now),
    latencies: Latencies,
    seconds: VecDeque<Second>,
    shown: Shown,
    looks: Looks,
}

impl<Of: Load> LoadScreen<Of> {
    /// The screen of a load that runs already.
    pub fn new(load: Of, name: String, connections: u64, messages: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            load,
            name,
            connections,
            messages,
            state: State::Runs,
            since: now,
            lasted: Duration::ZERO,
            now: Now::default(),
            begun: (now, Now::default()),
            latencies: Latencies::default(),
            seconds: VecDeque::new(),
            shown: Shown::default(),
            looks: Looks::of_environment(),
        }
    }

    /// The load, when its screen is left.
    pub fn into_load(self) -> Of {
        self.load
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Now(now) => self.now = now,
            Told::Latencies(latencies) => self.latencies.merge(&latencies),
            Told::Ended { result, complaint } => {
                self.now.connected = 0;
                self.state = State::Ended { result, complaint };
            }
        }
    }

    /// Ends the second under way, if it is over.
    fn end_second(&mut self, at: Instant) -> bool {
        let (begun, before) = self.begun;
        let passed = at - begun;
        if passed < SECOND || matches!(self.state, State::Ended { .. }) {
            return false;
        }
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / passed.as_secs_f64();
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(Second {
            connected: self.now.connected,
            echoes: rate(before.echoed, self.now.echoed),
            failed: rate(before.failed, self.now.failed),
            latencies: std::mem::take(&mut self.latencies).summary(),
        });
        self.begun = (at, self.now);
        self.lasted = at - self.since;
        true
    }

    fn verdict(&self) -> Verdict {
        let (weight, text) = match &self.state {
            State::Ended { complaint: Some(complaint), .. } => {
                (Weight::Bad, format!("ended: {complaint}"))
            }
            State::Ended { .. } => (Weight::Good, "ended: every echo came back right".to_owned()),
            State::IsEnding => (Weight::Note, "it is being ended".to_owned()),
            State::Runs if self.now.failed > 0 => {
                let failed = grouped(self.now.failed);
                (Weight::Bad, format!("{failed} connections have failed; the result says why"))
            }
            State::Runs if !self.now.is_open => {
                (Weight::Note, "connections are being opened".to_owned())
            }
            State::Runs if self.seconds.back().is_some_and(|it| it.latencies.count == 0) => {
                (Weight::Note, "no echo came back in the last second".to_owned())
            }
            State::Runs => (Weight::Good, "every echo came back right so far".to_owned()),
        };
        Verdict { weight, text }
    }

    fn draw_rows(&self, area: Rect, buffer: &mut Buffer, lines: u16) {
        let last = self.seconds.back().copied();
        let time = |of: fn(&LatencySummary) -> f64| {
            last.filter(|it| it.latencies.count > 0)
                .map_or("-".to_owned(), |it| latency(of(&it.latencies)))
        };
        let rate =
            |of: fn(&Second) -> f64| last.map_or("-".to_owned(), |it| figures::rate(of(&it)));
        let messages = self.messages.map_or(String::new(), |all| format!(" of {}", grouped(all)));
        type Figure = fn(&Second) -> u64;
        let rows: [(&str, String, String, Style, Figure); 6] = [
            (
                "connections",
                grouped(self.now.connected),
                format!("open of {}", grouped(self.connections)),
                self.looks.bar(),
                |it| it.connected,
            ),
            (
                "echoes",
                rate(|it| it.echoes),
                format!("/s, {}{messages} so far", grouped(self.now.echoed)),
                self.looks.bar(),
                |it| it.echoes.round() as u64,
            ),
            (
                "failed",
                rate(|it| it.failed),
                format!("/s, {} so far", grouped(self.now.failed)),
                self.looks.bad(),
                |it| it.failed.ceil() as u64,
            ),
            (
                "latency p50",
                time(|it| it.p50_us),
                "half took no longer".to_owned(),
                self.looks.released(),
                |it| it.latencies.p50_us.round() as u64,
            ),
            (
                "p99",
                time(|it| it.p99_us),
                "99 of 100 took no longer".to_owned(),
                self.looks.released(),
                |it| it.latencies.p99_us.round() as u64,
            ),
            (
                "longest",
                time(|it| it.max_us),
                "in the last second".to_owned(),
                self.looks.paused(),
                |it| it.latencies.max_us.round() as u64,
            ),
        ];
        let spark = (area.width / 2).saturating_sub(8).min(SECONDS as u16);
        // Beside the words, also where the screen is wide.
        let left = area.x + (area.width - spark).min(WORDS);
        for (number, (name, value, more, style, figure)) in rows.into_iter().enumerate() {
            let line = row(area, number as u16 * lines);
            let (words, _) = cut(line, area.width.saturating_sub(spark + 1));
            Line::from(vec![
                Span::raw(format!(" {name:<12}")),
                Span::styled(format!("{value:>9} "), self.looks.bold()),
                Span::raw(more),
            ])
            .render(words, buffer);
            let place = Rect { x: left, width: spark, height: (lines - 1).max(1), ..line };
            let newest_first = self.seconds.iter().rev().map(|it| Some(figure(it))).collect();
            sparkline(place.intersection(area), buffer, style, newest_first);
        }
    }

    fn draw_below(&self, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let recent = recent::lines();
        let (name, lines): (&str, Vec<&str>) = match &self.state {
            State::Ended { result, .. } => ("result", result.lines().collect()),
            _ => ("log", recent.iter().map(|line| line.text.as_str()).collect()),
        };
        title(row(area, 0), buffer, self.looks, name, "");
        if lines.is_empty() {
            return Line::from(" nothing so far").render(row(area, 1), buffer);
        }
        let room = usize::from(area.height - 1);
        let first = lines.len().saturating_sub(room);
        for (number, line) in lines[first..].iter().enumerate() {
            Line::from(format!(" {}", plain(line))).render(row(area, 1 + number as u16), buffer);
        }
    }
}

impl<Of: Load> Screen for LoadScreen<Of> {
    fn update(&mut self) -> anyhow::Result<bool> {
        if self.shown.is_still {
            return Ok(false);
        }
        let told = self.load.told();
        let mut is_new = !told.is_empty();
        told.into_iter().for_each(|told| self.take(told));
        is_new |= self.end_second(Instant::now());
        Ok(is_new)
    }

    fn press(&mut self, key: KeyEvent) -> anyhow::Result<Then> {
        match self.shown.press(key, 0) {
            Wish::Quit => return Ok(Then::Quit),
            Wish::Nothing => {}
            Wish::StopOrStart => match self.state {
                State::IsEnding => {}
                State::Runs => {
                    self.load.stop();
                    self.state = State::IsEnding;
                }
                State::Ended { .. } => {
                    self.load.start()?;
                    self.state = State::Runs;
                    self.now = Now::default();
                    self.since = Instant::now();
                    self.begun = (self.since, self.now);
                    self.seconds.clear();
                }
            },
        }
        Ok(Then::GoOn)
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.width < LEAST.0 || area.height < LEAST.1 {
            return narrow::draw(area, buffer, LEAST);
        }
        let state = match (&self.state, self.now.is_open) {
            (State::Ended { .. }, _) => "ENDED",
            (State::IsEnding, _) => "ENDING",
            (State::Runs, true) => "loading",
            (State::Runs, false) => "opening",
        };
        let still = if self.shown.is_still { "SCREEN STANDS STILL  " } else { "" };
        head(
            row(area, 0),
            buffer,
            self.looks,
            &self.name,
            &format!("{still}{state}  {} ", figures::age(self.lasted)),
        );
        let below = Rect { y: area.y + 1, height: area.height - 2, ..area };
        let rest = verdict(below, buffer, &self.verdict(), self.looks);
        let lines = (rest.height.saturating_sub(7) / 6).clamp(1, 6);
        self.draw_rows(rest, buffer, lines);
        let used = (6 * lines).min(rest.height);
        self.draw_below(Rect { y: rest.y + used, height: rest.height - used, ..rest }, buffer);
        let stop = match self.state {
            State::Ended { .. } => "run it again",
            _ => "stop the load",
        };
        let pause = if self.shown.is_still { "go on" } else { "pause screen" };
        let keys = key_line(&[("q", "quit"), ("p", pause), ("s", stop)], self.looks);
        keys.render(Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    }
}

#[cfg(test)]
mod tests;
