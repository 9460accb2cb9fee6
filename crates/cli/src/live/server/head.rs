//! The first line and the line of keys.

use std::time::Duration;

use overlapped_observe::view::Phase;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Picture;
use crate::live::figures;
use crate::live::parts::{head, key_line};
use crate::words;

/// Draws who is shown, since when and in which state.
pub fn title(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let looks = picture.looks;
    let Some(view) = picture.history.last() else {
        return head(area, buffer, looks, "no answer yet", "");
    };
    let state = match view.phase {
        Phase::Serving => "serving",
        Phase::Paused => "PAUSED",
        Phase::Draining => "ENDING",
    };
    let mut right = format!(
        "{state}  {}  up {} ",
        words::count(u64::from(view.processes), "process"),
        figures::age(Duration::from_millis(view.uptime_ms))
    );
    if picture.shown.is_still {
        right.insert_str(0, "SCREEN STANDS STILL  ");
    }
    if picture.lost.is_some() {
        right.insert_str(0, "NO ANSWER, was ");
    }
    head(area, buffer, looks, &view.name, &right);
}

/// Draws what keys do, or the filter as it is typed.
pub fn keys(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let looks = picture.looks;
    let shown = picture.shown;
    if shown.is_typing {
        let mut line = Line::from(vec![
            Span::styled(" filter: ", looks.bold()),
            Span::raw(words::plain(&shown.filter).into_owned()),
            Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
        ]);
        line.push_span(Span::raw("   Enter keeps it, Esc takes it back"));
        return line.render(area, buffer);
    }
    let is_paused = picture.history.last().is_some_and(|view| view.phase == Phase::Paused);
    let mut keys =
        vec![("q", "quit"), ("p", if shown.is_still { "go on" } else { "pause screen" })];
    if picture.can_pause {
        keys.push(("s", if is_paused { "start serving" } else { "stop serving" }));
    }
    keys.extend([("/", "filter"), ("↑↓", "log"), ("?", "help")]);
    key_line(&keys, looks).render(area, buffer);
}
