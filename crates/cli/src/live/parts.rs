//! Parts that all screens have: the first line, what is wrong, and the line of keys.

use overlapped_observe::view::{Verdict, Weight};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::looks::{Looks, row};
use crate::words;

/// How many lines a verdict may take.
const VERDICT_LINES: usize = 3;

/// Draws the first line: a name, and at its right end how things are.
pub fn head(area: Rect, buffer: &mut Buffer, looks: Looks, name: &str, right: &str) {
    /// Columns that the name has in any case.
    const LEAST: usize = 12;
    buffer.set_style(area, looks.reverse());
    let right = Line::from(right.to_owned());
    let width = usize::from(area.width);
    let room = width.saturating_sub(right.width() + 2).max(LEAST);
    Line::from(format!(" {}", shortened(&words::plain(name), room))).render(area, buffer);
    let width = right.width().min(width.saturating_sub(room + 2)) as u16;
    right.render(Rect { x: area.right() - width, width, ..area }, buffer);
}

/// At most so many letters of a text, with dots where some are left out.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(2)).collect();
    kept + ".."
}

/// Draws what is wrong; gives the area below.
pub fn verdict(area: Rect, buffer: &mut Buffer, verdict: &Verdict, looks: Looks) -> Rect {
    // Green words are hard to read on white ground.
    let (mark, of_mark, style) = match verdict.weight {
        Weight::Good => ("ok", looks.good(), looks.bold()),
        Weight::Note => ("--", looks.bold(), looks.bold()),
        Weight::Bad => ("!!", looks.bad(), looks.bad()),
    };
    let lines = wrapped(&words::plain(&verdict.text), usize::from(area.width).saturating_sub(5));
    let shown = lines.len().clamp(1, VERDICT_LINES);
    for (number, line) in lines.into_iter().take(shown).enumerate() {
        let mark = if number == 0 { mark } else { "" };
        let mark = Span::styled(format!(" {mark:<3}"), of_mark);
        Line::from(vec![mark, Span::styled(line, style)]).render(row(area, number as u16), buffer);
    }
    let used = (shown as u16).min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}

/// A text in lines of at most `width` columns, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What keys do.
pub fn key_line(keys: &[(&str, &str)], looks: Looks) -> Line<'static> {
    let spans = keys.iter().flat_map(|(key, what)| {
        [Span::styled(format!(" {key} "), looks.reverse()), Span::raw(format!(" {what}  "))]
    });
    Line::from_iter(spans)
}
