//! The five structures of a completion port, as they are now and as they were in the last minute.

use overlapped_observe::view::PortView;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Picture;
use super::rates::spark_width;
use crate::live::looks::{cut, row, sparkline, title};
use crate::words::{count, grouped};

/// How many rows there are.
pub const ROWS: u16 = 5;

/// How many lines it takes, with rows of so many.
pub fn height(picture: &Picture, lines: u16) -> u16 {
    let has_port = picture.history.last().is_some_and(|view| view.port.is_some());
    if has_port { 1 + ROWS * lines } else { 2 }
}

/// Columns of names and of numbers.
const NAMES: u16 = 18;
const NUMBERS: u16 = 12;

/// Draws it with rows of `lines`.
pub fn draw(area: Rect, buffer: &mut Buffer, picture: &Picture, lines: u16) {
    let looks = picture.looks;
    let history = picture.history;
    let Some(port) = history.last().and_then(|view| view.port.as_ref()) else {
        title(row(area, 0), buffer, looks, "port", "");
        let text = match history.last().map_or(1, |view| view.processes) {
            1 => " this model has no completion port, and so no structures of one",
            _ => " each process has a port of its own: they are not added up",
        };
        return Line::from(text).render(row(area, 1), buffer);
    };
    let more = format!(
        "at most {} of {} run (│)",
        grouped(port.concurrency),
        count(port.most_threads, "thread")
    );
    title(row(area, 0), buffer, looks, "port", &more);

    let spark = spark_width(area.width);
    let bar_width = area.width.saturating_sub(NAMES + NUMBERS + spark + 2);
    let ports = || history.views().filter_map(|view| view.port.as_ref());
    let most = |of: fn(&PortView) -> u64| ports().map(of).max().unwrap_or(0);
    // One column is one thread, unless there are more of them than columns.
    let threads =
        most(|port| port.waiting.max(port.released).max(port.paused)).max(port.concurrency + 1);
    let threads = threads.max(u64::from(bar_width));
    type Figure = fn(&PortView) -> u64;
    let rows: [(&str, u64, u64, Style, Figure); 5] = [
        ("device list", port.devices, most(|it| it.devices).max(1), looks.bar(), |it| it.devices),
        ("completion queue", port.queued, most(|it| it.queued).max(10), looks.queued(), |it| {
            it.queued
        }),
        ("waiting threads", port.waiting, threads, Style::new(), |it| it.waiting),
        ("released threads", port.released, threads, looks.released(), |it| it.released),
        ("paused threads", port.paused, threads, looks.paused(), |it| it.paused),
    ];
    for (number, (name, value, whole, style, of)) in rows.into_iter().enumerate() {
        let line = row(area, 1 + number as u16 * lines);
        let is_released = number == 3;
        let shown = if is_released {
            format!("{} of {}", grouped(value), grouped(port.concurrency))
        } else {
            grouped(value)
        };
        let mut spans = vec![
            Span::raw(format!(" {name:<width$}", width = usize::from(NAMES) - 1)),
            Span::styled(
                format!("{shown:>width$} ", width = usize::from(NUMBERS) - 2),
                looks.bold(),
            ),
        ];
        let limit = is_released.then_some(port.concurrency);
        spans.extend(bar(value, whole, usize::from(bar_width), limit, style));
        let (words, _) = cut(line, area.width.saturating_sub(spark + 1));
        Line::from(spans).render(words, buffer);
        let place =
            Rect { x: area.right() - spark, width: spark, height: (lines - 1).max(1), ..line };
        let newest_first = history.views().rev().map(|view| view.port.as_ref().map(of)).collect();
        sparkline(place.intersection(area), buffer, style, newest_first);
    }
}

/// A bar of `value` out of `whole` on `width` columns, with a mark behind the column of `limit`.
fn bar(
    value: u64,
    whole: u64,
    width: usize,
    limit: Option<u64>,
    style: Style,
) -> Vec<Span<'static>> {
    let columns = |value: u64| {
        let of_width = u128::from(value) * width as u128;
        // What there is at all is seen.
        usize::try_from(of_width.div_ceil(u128::from(whole.max(1)))).unwrap_or(width).min(width)
    };
    let filled = columns(value);
    let part = |number: usize| Span::styled("█".repeat(number), style);
    let Some(mark) = limit.map(columns).filter(|mark| *mark < width) else {
        return vec![part(filled)];
    };
    let before = filled.min(mark);
    vec![
        part(before),
        Span::raw("·".repeat(mark - before)),
        Span::raw("│"),
        part((filled - before).min(width - mark - 1)),
    ]
}
