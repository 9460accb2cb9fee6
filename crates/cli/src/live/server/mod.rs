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
use super::{Screen, Source, Then, narrow, verdict};
use overlapped_observe::view::Phase;

/// The least screen that has room for the parts that matter.
const LEAST: (u16, u16) = (60, 18);

/// From this width on there are two columns.
const WIDE: u16 = 130;

/// From this height on rows are several lines high.
const TALL: u16 = 40;

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
    let area = Rect::new(0, 0, width.max(LEAST.0), TALL - 1);
    let mut buffer = Buffer::empty(area);
    picture.draw_parts(Rect { height: area.height - 1, ..area }, &mut buffer);
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
        let verdict = self.lost.map_or_else(|| verdict::of(self.history), verdict::lost);
        let rest = draw_verdict(rest, buffer, &verdict, self.looks);
        if self.history.last().is_none() {
            return;
        }
        if area.width >= WIDE {
            self.in_two_columns(rest, buffer)
        } else {
            self.in_one(rest, buffer)
        }
    }

    fn in_one(&self, area: Rect, buffer: &mut Buffer) {
        let (rates, rest) = split(area, rates::height(1));
        let (port, rest) = split(rest, port::height(self, 1));
        rates::draw(rates, buffer, self, 1);
        port::draw(port, buffer, self, 1);
        // The log has what is left, and a third of it at least.
        let log = (rest.height / 3).max(3);
        let wanted = stalls::height(self) + stalls::busy_height(self);
        let (held, log) = split(rest, wanted.min(rest.height.saturating_sub(log)).max(4));
        let (stalls, busy) =
            split(held, held.height.saturating_sub(stalls::busy_height(self)).max(3));
        stalls::draw(stalls, buffer, self);
        stalls::draw_busy(busy, buffer, self);
        log::draw(log, buffer, self);
    }

    fn in_two_columns(&self, area: Rect, buffer: &mut Buffer) {
        let (of_rates, of_port) = if area.height >= TALL { (3, 2) } else { (1, 1) };
        let (rates_height, port_height) = (rates::height(of_rates), port::height(self, of_port));
        let (upper, log) = split(area, rates_height + port_height);
        let (left, right) = super::looks::cut(upper, upper.width / 2);
        let (rates, port) = split(left, rates_height);
        rates::draw(rates, buffer, self, of_rates);
        port::draw(port, buffer, self, of_port);
        let (stalls, busy) =
            split(right, right.height.saturating_sub(stalls::busy_height(self).max(4)));
        stalls::draw(stalls, buffer, self);
        stalls::draw_busy(busy, buffer, self);
        log::draw(log, buffer, self);
    }
}

#[cfg(test)]
mod tests;
