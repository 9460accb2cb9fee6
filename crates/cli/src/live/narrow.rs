//! A terminal that has no room for a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};

/// Says how large the terminal is and how large it must be.
pub fn draw(area: Rect, buffer: &mut Buffer, least: (u16, u16)) {
    let what = match (area.width < least.0, area.height < least.1) {
        (true, false) => "too narrow",
        (false, _) => "too low",
        (true, true) => "too small",
    };
    let text =
        format!("{what}: it is {}x{}, {}x{} is needed", area.width, area.height, least.0, least.1);
    Paragraph::new(Line::from(text)).wrap(Wrap { trim: true }).render(area, buffer);
}
