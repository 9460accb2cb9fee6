//! What keys do, and what the words on the screen mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

use super::Picture;

/// Widest line of the text, and the frame.
const WIDTH: u16 = 58;

/// Draws it over the screen.
pub fn draw(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let pause = match picture.can_pause {
        true => "s        stop accepting clients, and start again",
        false => "s        not here: the server is another process",
    };
    let lines = [
        "q Esc    quit            p   the screen stands still",
        pause,
        "/        only lines and handlers with these letters",
        "↑↓ PgUp PgDn Home End    scroll the log",
        "",
        "device list       what the port has under it",
        "completion queue  packets that wait for a thread",
        "waiting threads   the last that came is woken first",
        "released threads  they run, at most up to the mark",
        "paused threads    blocked in a handler; for each of",
        "                  them another one may run",
        "queue wait        how long packets were queued",
        "",
        "any key closes this",
    ];
    let height = (lines.len() as u16 + 2).min(area.height);
    let width = WIDTH.min(area.width);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, buffer);
    let text = Text::from_iter(lines.map(|line| Line::from(format!(" {line}"))));
    Paragraph::new(text).block(Block::bordered().title(" help ")).render(place, buffer);
}
