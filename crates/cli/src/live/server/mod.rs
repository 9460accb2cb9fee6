//! The screen of a server.
//!
//! `head` has the first and the last line, `rates` what a second brings, `port` the five
//! structures, `stalls` who holds threads, `log` the last lines, and `help` what keys do. Here is where each
//! of them is on the screen.

mod head;
mod help;
mod log;
mod port;
mod rates;
mod stalls;

use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::history::History;
use super::keys::{Shown, Wish};
use super::looks::Looks;
use super::parts::verdict as draw_verdict;
use super::{Screen, Source, Then, narrow};
use overlapped_observe::view::{Phase, Verdict, Weight};

/// The least screen that has room for the parts that matter.
const LEAST: (u16, u16) = (60, 18);

/// From this width on there are two columns.
const WIDE: u16 = 150;

/// Lines of a screen as text.
const LINES: u16 = 38;

/// The screen of a server.
pub struct ServerScreen<From: Source> {
    source: From,
    every: Duration,
    next: Instant,
    history: History,
    /// What is shown instead while the screen stands still.
    still: Option<History>,
    shown: Shown,
    looks: Looks,
    /// Why there is no newer view.
    lost: Option<String>,
}

/// Everything that is drawn.
struct Picture<'a> {
    history: &'a History,
    shown: &'a Shown,
    looks: Looks,
    lost: Option<&'a str>,
    can_pause: bool,
}

impl<From: Source> ServerScreen<From> {
    /// Asks `source` for a view this often.
    pub fn new(source: From, every: Duration) -> Self {
        Self {
            source,
            every,
            next: Instant::now(),
            history: History::default(),
            still: None,
            shown: Shown::default(),
            looks: Looks::of_environment(),
            lost: None,
        }
    }
}

impl<From: Source> Screen for ServerScreen<From> {
    fn update(&mut self) -> anyhow::Result<bool> {
        let now = Instant::now();
        if now < self.next {
            return Ok(false);
        }
        match self.source.view() {
            Ok(None) => return Ok(false),
            Ok(Some(view)) => {
                self.history.add(view);
                self.lost = None;
            }
            Err(error) => self.lost = Some(format!("{error:#}")),
        }
        self.next += self.every;
        if self.next < now {
            self.next = now + self.every;
        }
        Ok(true)
    }

    fn press(&mut self, key: KeyEvent) -> anyhow::Result<Then> {
        let lines = self.history.lines().filter(|line| self.shown.passes(&line.text)).count();
        let wish = self.shown.press(key, lines);
        if self.shown.is_still != self.still.is_some() {
            self.still = self.shown.is_still.then(|| self.history.clone());
        }
        match wish {
            Wish::Nothing => {}
            Wish::Quit => return Ok(Then::Quit),
            Wish::StopOrStart if self.source.can_pause() => {
                let is_paused = self.history.last().is_some_and(|it| it.phase == Phase::Paused);
                self.source.pause(!is_paused)?;
                // What has become of it is to be seen at once.
                self.next = Instant::now();
            }
            Wish::StopOrStart => {}
        }
        Ok(Then::GoOn)
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let picture = Picture {
            history: self.still.as_ref().unwrap_or(&self.history),
            shown: &self.shown,
            looks: self.looks,
            lost: self.lost.as_deref(),
            can_pause: self.source.can_pause(),
        };
        picture.draw(area, buffer);
    }
}

/// One screen of text, without what only a terminal has. `width` is in columns.
pub fn text(history: &History, width: u16) -> String {
    let (shown, looks) = (Shown::default(), Looks::plain());
    let picture = Picture { history, shown: &shown, looks, lost: None, can_pause: false };
    let area = Rect::new(0, 0, width.max(LEAST.0), LINES);
    let mut buffer = Buffer::empty(area);
    picture.draw_parts(area, &mut buffer);
    lines_of(&buffer)
}

/// What a buffer says, without blanks at the ends.
pub fn lines_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let rows = buffer.content().chunks(width);
    let lines: Vec<String> = rows
        .map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned())
        .collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The upper `height` rows of an area, and the rest.
fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

impl Picture<'_> {
    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.width < LEAST.0 || area.height < LEAST.1 {
            return narrow::draw(area, buffer, LEAST);
        }
        let (parts, keys) = split(area, area.height - 1);
        self.draw_parts(parts, buffer);
        head::keys(keys, buffer, self);
        if self.shown.has_help {
            help::draw(area, buffer, self);
        }
    }

    fn draw_parts(&self, area: Rect, buffer: &mut Buffer) {
        let (first, rest) = split(area, 1);
        head::title(first, buffer, self);
        let rest = draw_verdict(rest, buffer, &self.verdict(), self.looks);
        if self.history.last().is_none() {
            return;
        }
        if area.width >= WIDE {
            self.in_two_columns(rest, buffer)
        } else {
            self.in_one(rest, buffer)
        }
    }

    /// What is wrong: what the server says, unless it says nothing.
    fn verdict(&self) -> Verdict {
        let (weight, text) = match (self.lost, self.history.last()) {
            (Some(why), _) => (Weight::Bad, format!("no answer, and it is tried again: {why}")),
            (None, None) => (Weight::Note, "nothing was seen yet".to_owned()),
            (None, Some(view)) => return view.verdict.clone(),
        };
        Verdict { weight, text }
    }

    fn in_one(&self, area: Rect, buffer: &mut Buffer) {
        let rest = self.draw_figures(area, buffer, 1);
        // The log has what is left, and a third of it at least.
        self.draw_lists(rest, buffer, (rest.height / 3).max(3));
    }

    /// Figures at the left, in rows as high as there is room for, and lists at the right.
    fn in_two_columns(&self, area: Rect, buffer: &mut Buffer) {
        let (left, right) = super::looks::cut(area, area.width / 2);
        let has_port = self.history.last().is_some_and(|view| view.port.is_some());
        let rows = rates::height(1) + if has_port { port::ROWS } else { 0 };
        self.draw_figures(left, buffer, (left.height.saturating_sub(2) / rows).clamp(1, 4));
        self.draw_lists(right, buffer, right.height / 3);
    }

    /// Draws rates and port with rows of `lines`; gives the area below.
    fn draw_figures(&self, area: Rect, buffer: &mut Buffer, lines: u16) -> Rect {
        let (rates, rest) = split(area, rates::height(lines));
        let (port, rest) = split(rest, port::height(self, lines));
        rates::draw(rates, buffer, self, lines);
        port::draw(port, buffer, self, lines);
        rest
    }

    /// Draws who holds threads, and the log, which has `log` lines at least.
    fn draw_lists(&self, area: Rect, buffer: &mut Buffer, log: u16) {
        let (stalls, busy) = (stalls::height(self), stalls::busy_height(self));
        let room = area.height.saturating_sub(log);
        let (held, log) = split(area, (stalls + busy).min(room).max(4));
        // Threads come and go: handlers are told of first.
        let of_stalls = held.height.saturating_sub(busy.min(held.height / 2)).max(3);
        let (stalls, busy) = split(held, of_stalls);
        stalls::draw(stalls, buffer, self);
        stalls::draw_busy(busy, buffer, self);
        log::draw(log, buffer, self);
    }
}

#[cfg(test)]
mod tests;
