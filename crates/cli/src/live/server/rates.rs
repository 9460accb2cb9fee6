//! What a second brings: connections, messages, errors, the wait for a thread, and processor time.

use std::time::Duration;

use overlapped_observe::between::{Between, errors};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Picture;
use crate::live::figures::{self, rate};
use crate::live::looks::{cut, row, sparkline};
use crate::live::parts::shortened;
use crate::words::{grouped, size};

/// How many rows there are.
const ROWS: u16 = 5;

/// How many lines it takes, with rows of so many.
pub fn height(lines: u16) -> u16 {
    ROWS * lines
}

/// Columns that the words of a row have at least.
const WORDS: u16 = 54;

/// How wide the lines of figures are. At most there is a figure for each column.
pub fn spark_width(width: u16) -> u16 {
    width.saturating_sub(WORDS).min(width * 2 / 5).min(60)
}

/// Draws it with rows of `lines`.
pub fn draw(area: Rect, buffer: &mut Buffer, picture: &Picture, lines: u16) {
    let looks = picture.looks;
    let history = picture.history;
    let Some(view) = history.last() else { return };
    let spark = spark_width(area.width);
    let now = history.now();
    let of = |figure: fn(&Between) -> String| now.as_ref().map_or("-".to_owned(), figure);
    let connections = &view.connections;
    let mut refused = String::new();
    if connections.refused > 0 {
        refused = format!(", {} refused", grouped(connections.refused));
    }
    let wait = now.and_then(|now| now.wait);
    let texts = [
        (
            "connections",
            grouped(connections.open),
            format!(
                "open (most {}), {} accepted/s{refused}",
                grouped(connections.peak),
                of(|now| rate(now.accepted))
            ),
        ),
        ("messages", of(|now| rate(now.messages)), format!("/s, {}/s", of(|now| size(now.bytes)))),
        ("errors", of(|now| rate(now.errors)), format!("/s, {}", errors_so_far(picture))),
        (
            "queue wait",
            wait.map_or("-".to_owned(), |wait| format!("< {}", figures::short(wait.p99))),
            wait.map_or("no packet was timed".to_owned(), |wait| {
                format!("p99, p50 < {}", figures::short(wait.p50))
            }),
        ),
        (
            "processor",
            of(|now| format!("{:.0} %", now.processors * 100.0)),
            "of one processor".to_owned(),
        ),
    ];
    let figure = |number: usize, between: Option<Between>| {
        let between = between?;
        Some(match number {
            1 => between.messages.round() as u64,
            2 => between.errors.ceil() as u64,
            3 => log_of(between.wait?.p99),
            _ => (between.processors * 100.0).round() as u64,
        })
    };
    for (number, (name, value, more)) in texts.into_iter().enumerate() {
        let top = number as u16 * lines;
        let line = row(area, top);
        let (words, _) = cut(line, area.width.saturating_sub(spark + 1));
        Line::from(vec![
            Span::raw(format!(" {name:<12}")),
            Span::styled(format!("{value:>9} "), looks.bold()),
            Span::raw(shortened(&more, usize::from(words.width).saturating_sub(23))),
        ])
        .render(words, buffer);
        let newest_first = if number == 0 {
            history.views().rev().map(|view| Some(view.connections.open)).collect()
        } else {
            history.rates().rev().map(|between| figure(number, between)).collect()
        };
        let place =
            Rect { x: area.right() - spark, width: spark, height: (lines - 1).max(1), ..line };
        let style = if number == 2 { looks.bad() } else { looks.bar() };
        sparkline(place.intersection(area), buffer, style, newest_first);
    }
}

/// The height of a wait: each doubling is a step, since waits differ by thousands of times.
fn log_of(time: Duration) -> u64 {
    u64::from((time.as_micros() as u64).checked_ilog2().map_or(0, |log| log + 1))
}

fn errors_so_far(picture: &Picture) -> String {
    let Some(view) = picture.history.last() else { return String::new() };
    let all = errors(view);
    if all == 0 {
        return "none so far".to_owned();
    }
    let named = [
        ("reset", view.errors.reset),
        ("timed out", view.errors.timed_out),
        ("aborted", view.errors.aborted),
        ("other", view.errors.other),
    ];
    let told: Vec<String> = named
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{name} {}", grouped(*number)))
        .collect();
    format!("so far: {}", told.join(", "))
}
