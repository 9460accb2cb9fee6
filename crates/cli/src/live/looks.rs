//! How things look: few colours of the terminal's own, which are readable on dark and on light ground, and
//! none of them where the environment says so. No colour says what words do not.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

/// The styles of a screen.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    has_colours: bool,
}

impl Looks {
    /// As the environment wants them: no colours where `NO_COLOR` is set and not empty.
    pub fn of_environment() -> Self {
        let refuses = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { has_colours: !refuses }
    }

    /// Without colours.
    pub fn plain() -> Self {
        Self { has_colours: false }
    }

    /// With colours.
    #[cfg(test)]
    pub fn coloured() -> Self {
        Self { has_colours: true }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub fn good(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }

    pub fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub fn reverse(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// Of bars and lines of figures.
    pub fn bar(self) -> Style {
        self.colour(Color::Blue)
    }

    pub fn queued(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub fn released(self) -> Style {
        self.colour(Color::Green)
    }

    pub fn paused(self) -> Style {
        self.colour(Color::Magenta)
    }
}

/// A rectangle's row `number`, empty below its end.
pub fn row(area: Rect, number: u16) -> Rect {
    let top = area.y.saturating_add(number);
    Rect { y: top, height: u16::from(top < area.bottom()), ..area }
}

/// A row cut into a left part of `width` columns, and the rest behind a space.
pub fn cut(area: Rect, width: u16) -> (Rect, Rect) {
    let left = width.min(area.width);
    let right = (left + 1).min(area.width);
    (Rect { width: left, ..area }, Rect { x: area.x + right, width: area.width - right, ..area })
}

/// A title over the whole width.
pub fn title(area: Rect, buffer: &mut Buffer, looks: Looks, name: &str, more: &str) {
    let mut spans = vec![Span::raw("── "), Span::styled(name.to_owned(), looks.bold())];
    if !more.is_empty() {
        spans.push(Span::raw(format!(" {more}")));
    }
    let line = Line::from(spans);
    let rest = usize::from(area.width).saturating_sub(line.width() + 1);
    let mut line = line;
    line.push_span(Span::raw(format!(" {}", "─".repeat(rest))));
    line.render(area, buffer);
}

/// The last figures as a row of bars, the newest at the right end.
pub fn sparkline(area: Rect, buffer: &mut Buffer, style: Style, newest_first: Vec<Option<u64>>) {
    // A figure of one does not fill the row, and the highest leaves a gap to the row above.
    let most = newest_first.iter().flatten().copied().max().unwrap_or(0).max(8);
    let most = most.saturating_add(most / 7);
    Sparkline::default()
        .data(newest_first)
        .max(most)
        .direction(RenderDirection::RightToLeft)
        .style(style)
        .render(area, buffer);
}
