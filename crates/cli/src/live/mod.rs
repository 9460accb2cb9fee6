//! Screens that show what goes on while it does: a server, or a load.
//!
//! [`show`] draws a [`Screen`] on the terminal until it is left. `terminal` takes that and gives it back,
//! `keys` is what keys do, `looks` and `figures` how things look, `parts` what all screens have, and `narrow` what there is on a
//! terminal that is too small. `server` is the screen of a server, which
//! it sees as views of a [`Source`]; it keeps them in `history`. `load` is the screen of a load.

mod figures;
#[cfg(test)]
mod fixture;
pub mod history;
mod keys;
pub mod load;
mod looks;
mod narrow;
mod parts;
pub mod server;
pub mod terminal;

use std::time::Duration;

use overlapped_observe::View;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use ratatui::layout::Rect;

/// How long the screen waits for a key before it looks around.
const LOOK: Duration = Duration::from_millis(50);

/// Where the views of a server come from.
pub trait Source {
    /// The server at this moment, or none if there is nothing new yet. It does not wait for anybody. An
    /// error is shown, and this is asked again.
    fn view(&mut self) -> anyhow::Result<Option<View>>;

    /// Whether serving can be paused from here.
    fn can_pause(&self) -> bool {
        false
    }

    /// Accepts no more clients, or does again.
    fn pause(&mut self, _pause: bool) -> anyhow::Result<()> {
        Ok(())
    }
}

/// What can be shown.
pub trait Screen {
    /// Looks for what is new; true if there is something.
    fn update(&mut self) -> anyhow::Result<bool>;

    /// Does what a key says.
    fn press(&mut self, key: KeyEvent) -> anyhow::Result<Then>;

    /// Draws itself.
    fn draw(&self, area: Rect, buffer: &mut Buffer);
}

/// What follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    GoOn,
    Quit,
}

/// Shows a screen until the user leaves it or `is_over` says that it is. The terminal is as before then.
///
/// # Errors
/// The terminal is none or has gone, or the screen cannot go on.
pub fn show(screen: &mut dyn Screen, mut is_over: impl FnMut() -> bool) -> anyhow::Result<()> {
    let mut taken = terminal::take()?;
    let mut is_stale = true;
    while !is_over() {
        is_stale |= screen.update()?;
        if std::mem::take(&mut is_stale) {
            taken.terminal.draw(|frame| screen.draw(frame.area(), frame.buffer_mut()))?;
        }
        if !event::poll(LOOK)? {
            continue;
        }
        is_stale = true;
        if let Event::Key(key) = event::read()?
            && screen.press(key)? == Then::Quit
        {
            return Ok(());
        }
    }
    Ok(())
}
