//! The last lines of the log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line as Words;
use ratatui::widgets::Widget;

use super::Picture;
use crate::live::figures::clock;
use crate::live::history::Line;
use crate::live::looks::{row, title};
use crate::words::plain;

/// Draws as many lines as there is room for, the latest at the bottom unless it was scrolled.
pub fn draw(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let lines: Vec<&Line> =
        picture.history.lines().filter(|line| picture.shown.passes(&line.text)).collect();
    let room = usize::from(area.height.saturating_sub(1));
    if room == 0 {
        return;
    }
    // A page that is scrolled to its top is full.
    let below = picture.shown.scrolled.min(lines.len().saturating_sub(room));
    let last = lines.len() - below;
    let first = last.saturating_sub(room);
    let mut more = Vec::new();
    if !picture.shown.filter.is_empty() {
        more.push(format!("only \"{}\"", plain(&picture.shown.filter)));
    }
    if first > 0 {
        more.push(format!("{first} more above"));
    }
    if below > 0 {
        more.push(format!("{below} below"));
    }
    let more = if more.is_empty() { String::new() } else { format!("({})", more.join(", ")) };
    title(row(area, 0), buffer, picture.looks, "log", &more);
    for (number, line) in lines[first..last].iter().enumerate() {
        let text = plain(without_time(&line.text)).replace(['\n', '\t'], " ");
        let text = format!(" {} {text}", clock(line.at_ms));
        Words::from(text).render(row(area, 1 + number as u16), buffer);
    }
}

/// A line without the time that it begins with, as those of --log do: it has one already.
fn without_time(text: &str) -> &str {
    match text.split_once(' ') {
        Some((time, rest)) if humantime::parse_rfc3339(time).is_ok() => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_time() {
        assert_eq!(without_time("2026-11-28T15:08:44.970Z left 127.0.0.1:1"), "left 127.0.0.1:1");
        assert_eq!(without_time("left 127.0.0.1:1"), "left 127.0.0.1:1");
    }
}
